/**
 * HTTP heads from strangers against a listening server: what is executed is what stands there by the letter of the RFC.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/core/errors.ts';
import { FOUND_STREAMS } from './found.ts';
import { type Message, readAnswers, readRequests } from './http-reference.ts';
import { type Dice, fuzz, mutate, pieces } from './mutator.ts';
import { exchange, type Invoked, type Served, serve } from './served.ts';

let served: Served;
beforeAll(async () => {
  served = await serve({ hasEveryFunction: true });
});
afterAll(() => served.close());

const HOST = 'Host: localhost\r\n';

const invocation = (name: string, body: string, headers = ''): string =>
  `POST /v1/functions/${name}/invocations HTTP/1.1\r\n${HOST}${headers}Content-Length: ${body.length}\r\n\r\n${body}`;

const chunked = (name: string, parts: readonly string[], headers = ''): string =>
  `POST /v1/functions/${name}/invocations HTTP/1.1\r\n${HOST}${headers}Transfer-Encoding: chunked\r\n\r\n` +
  `${parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;

const HEADERS = [
  ...[
    '',
    'Strata-Tenant: acme\r\n',
    'Strata-Tenant: a\r\nStrata-Tenant: b\r\n',
    'X: y\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...[
    'Connection: keep-alive\r\n',
    'Strata-Max-Wait-Ms: 5\r\n',
    'Origin: http://evil\r\n',
    'Content-Type: text/x\r\n',
  ],
];
const OTHERS = [
  ...[
    'GET /healthz',
    'GET /v1/functions',
    'GET /v1/functions/x?qualifier=2',
    'GET /nowhere',
    'DELETE /v1/functions/x',
  ],
  ...[
    'GET /v1/functions?limit=0',
    'GET /v1/functions?label=a',
    'GET /v1/invocations/%00',
    'OPTIONS *',
    'PATCH /v1/functions/x',
  ],
  ...[
    'GET /v1/functions/%zz',
    'GET //v1',
    'GET /v1/functions/x/logs?limit=a',
    'PUT /v1/functions/x',
    'PURGE /',
  ],
];

const request = (dice: Dice, name: string): string => {
  const headers = dice.pick(HEADERS);
  const body = dice.pick([
    '',
    '{}',
    `{"a":"${'x'.repeat(dice.int(50))}"}`,
    invocation('smuggled', '{}'),
    'é',
    '0\r\n\r\n',
  ]);
  const kind = dice.int(4);
  if (kind === 0) return `${dice.pick(OTHERS)} HTTP/1.1\r\n${HOST}${headers}\r\n`;
  if (kind === 1) return chunked(name, body === '' ? [] : [body, body], headers);
  return invocation(name, body, headers);
};

/** What a request asks to be invoked; null when it asks for something else. */
const askedFor = ({ start, headers, body }: Message): Invoked | null => {
  const name = /^POST \/v1\/functions\/([^/?]+)\/invocations(?:\?\S*)? /.exec(start)?.[1];
  if (name === undefined) return null;
  return { name: decodeURIComponent(name), tenant: headers.get('strata-tenant') ?? 'default', body };
};

/** Every invocation that happened has its request, and each request makes one at most. */
const expectAsked = (
  happened: readonly Invoked[],
  asked: readonly (Invoked | null)[],
  shown: string,
): void => {
  const open = asked.map((one) => JSON.stringify(one));
  for (const one of happened) {
    const found = open.indexOf(JSON.stringify(one));
    if (found < 0)
      throw new Error(`${JSON.stringify(one)} was executed, but nobody asked for it in ${shown}`);
    open.splice(found, 1);
  }
};

const expectAnswers = (bytes: Buffer, isWhole: boolean, shown: string): readonly Message[] => {
  const { messages, end } = readAnswers(bytes);
  expect(
    end === 'whole' || (end === 'cut' && !isWhole),
    `${end} in ${bytes.toString('latin1')} for ${shown}`,
  ).toBe(true);
  for (const { start, headers, body } of messages) {
    const status = Number(start.slice(9, 12));
    for (const name of headers.keys()) expect(ANSWER_HEADERS, `${name} for ${shown}`).toContain(name);
    if (status < 400) continue;
    expect(headers.get('content-type'), shown).toBe('application/problem+json');
    const problem = JSON.parse(Buffer.from(body, 'latin1').toString('utf8')) as {
      code: ErrorCode;
      status: number;
    };
    expect(problem.status, shown).toBe(status);
    expect(ERROR_CATALOGUE[problem.code]?.status, shown).toBe(status);
    expect(problem.code, shown).not.toBe('internal_error');
  }
  return messages;
};

/** Each answer is that to the request at its place: of those that were executed it has the name. */
const expectOwnAnswers = (
  answers: readonly Message[],
  asked: readonly (Invoked | null)[],
  shown: string,
): void => {
  const final = answers.filter(({ start }) => !start.startsWith('HTTP/1.1 1'));
  // One more than was asked for: what could not be read, and what ends in the middle of a request that was refused.
  expect(final.length, shown).toBeLessThanOrEqual(asked.length + 2);
  for (const [at, { start, body }] of final.entries()) {
    const name = asked[at]?.name;
    // A request that was copied is executed twice, and only one of its answers may come.
    if (asked.filter((one) => one?.name === name).length > 1) continue;
    if (start.startsWith('HTTP/1.1 200') && body.startsWith('{"invoked"'))
      expect(JSON.parse(body), shown).toEqual({ invoked: name });
    else if (name !== undefined)
      expect(
        served.invoked.map((one) => one.name),
        shown,
      ).not.toContain(name);
  }
};

const ANSWER_HEADERS = [
  ...[
    'content-type',
    'content-length',
    'connection',
    'keep-alive',
    'date',
    'allow',
    'etag',
    'retry-after',
    'server-timing',
  ],
  ...[
    'strata-invocation-id',
    'strata-start',
    'strata-version',
    'strata-cu-seconds',
    'transfer-encoding',
    'vary',
  ],
];

const expectExecutedAsItStands = async (stream: Buffer, sent: readonly Buffer[]): Promise<void> => {
  const shown = JSON.stringify(stream.toString('latin1'));
  served.invoked.length = 0;
  const answers = await exchange(served, sent, { ends: true });
  const reading = readRequests(stream);
  expectAsked([...served.invoked], reading.messages.map(askedFor), shown);
  expectOwnAnswers(expectAnswers(answers, false, shown), reading.messages.map(askedFor), shown);
};

describe('a stream of requests', () => {
  it.each(Object.entries(FOUND_STREAMS))('is dealt with although once %s', async (_what, text) => {
    const stream = Buffer.from(text, 'latin1');
    await expectExecutedAsItStands(stream, [stream]);
  });

  it('is executed as it stands there, and no body of it as a request', async () => {
    await fuzz('http-stream', 500, async (dice, run) => {
      const names = [`a${run}`, `b${run}`, `c${run}`];
      const honest = names.map((name) => request(dice, name)).join('');
      const bytes = dice.once(8)
        ? Buffer.from(honest, 'latin1')
        : mutate(dice, Buffer.from(honest, 'latin1'), [Buffer.from(request(dice, names[1] ?? ''))]);
      // Closing comes as a request of its own, so that what comes before it is answered in full.
      const stream = Buffer.concat([
        bytes,
        Buffer.from(`GET /healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`),
      ]);
      await expectExecutedAsItStands(stream, dice.once(2) ? [stream] : pieces(dice, stream));
    });
  });

  it('is the same wherever it is cut', async () => {
    const whole = Buffer.from(
      invocation('first', '{"a":1}', 'Strata-Tenant: acme\r\n') +
        chunked('second', ['{"b"', ':2}']) +
        invocation('third', invocation('smuggled', '{}'), 'Connection: close\r\n'),
      'latin1',
    );
    const plain = (bytes: Buffer): string => bytes.toString('latin1').replace(/Date: [^\r]*/g, 'Date:');
    served.invoked.length = 0;
    const expected = plain(await exchange(served, [whole], { ends: false }));
    const invoked = [...served.invoked];
    expect(invoked.map(({ name }) => name)).toEqual(['first', 'second', 'third']);
    const cuts = Array.from(whole, (_, at) => [whole.subarray(0, at), whole.subarray(at)]);
    for (const sent of [...cuts, Array.from(whole, (byte) => Buffer.from([byte]))]) {
      served.invoked.length = 0;
      expect(plain(await exchange(served, sent, { ends: false }))).toBe(expected);
      expect(served.invoked).toEqual(invoked);
    }
  });
});

/** Heads that two readers could understand differently; each is put before a body that holds a request. */
const AMBIGUOUS = [
  ...[
    'Content-Length: 6\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 6\r\n',
  ],
  ...['Content-Length: 5\r\nContent-Length: 6\r\n', 'Content-Length: 5, 6\r\n', 'Content-Length: +5\r\n'],
  ...['Content-Length: 0x5\r\n', 'Content-Length: 5 5\r\n', 'Content-Length: -1\r\n', 'Content-Length:\r\n'],
  ...['Content-Length: 99999999999999999999999\r\n', 'Content-Length : 5\r\n', ' Content-Length: 5\r\n'],
  ...[
    'X: y\r\n Content-Length: 5\r\n',
    'X: y\r\n\tfolded\r\n',
    'Content-Length: 5\n',
    'Content-\0Length: 5\r\n',
  ],
  ...[
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding : chunked\r\n',
  ],
  ...['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', 'Transfer-Encoding: \x0bchunked\r\n'],
  ...[
    'Transfer-Encoding: "chunked"\r\n',
    'X: a\rb\r\n',
    'X: a\0b\r\n',
    'X\r\n',
    ': x\r\n',
    'X y: z\r\n',
    'X: a\nb: c\r\n',
  ],
];
const CHUNKS = [
  ...[
    '-1\r\n',
    '0x5\r\nabcde\r\n',
    '5\r\nabcdeX\r\n',
    '5 \nabcde\r\n',
    '5\nabcde\n',
    'g\r\n',
    '\r\n',
    '5;a\nb\r\nabcde\r\n',
  ],
  ...[
    'fffffffffffffffff\r\nx\r\n',
    '5\r\nabcde\n0\r\n\r\n',
    '5\r\nabcde0\r\n\r\n',
    '2\r\n{}\r\n0\r\nX : y\r\n\r\n',
  ],
  ...['2\r\n{}\r\n0\r\n X: y\r\n\r\n', '+2\r\n{}\r\n0\r\n\r\n', '2_\r\n{}\r\n0\r\n\r\n'],
];

const SMUGGLED = invocation('smuggled', '{}');

describe('a request that two readers could understand differently', () => {
  const refused = async (text: string): Promise<void> => {
    served.invoked.length = 0;
    const shown = JSON.stringify(text);
    const answers = expectAnswers(
      await exchange(served, [Buffer.from(text, 'latin1')], { ends: false }),
      true,
      shown,
    );
    expect(served.invoked, shown).toEqual([]);
    expect(
      answers.map(({ start }) => start),
      shown,
    ).toEqual(['HTTP/1.1 400 Bad Request']);
    expect(answers[0]?.headers.get('connection'), shown).toBe('close');
  };

  it.each(AMBIGUOUS)('is refused and the connection closed: %j', async (headers) => {
    await refused(`POST /v1/functions/g/invocations HTTP/1.1\r\n${HOST}${headers}\r\n0\r\n\r\n${SMUGGLED}`);
  });

  it.each(CHUNKS)('is refused and the connection closed: chunks %j', async (chunks) => {
    await refused(
      `POST /v1/functions/g/invocations HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunks}${SMUGGLED}`,
    );
  });

  it.each(['\n', '\r', '\r\r\n', '\0'])(
    'is refused and the connection closed: lines that end in %j',
    async (end) => {
      await refused(`POST /v1/functions/g/invocations HTTP/1.1${end}Host: localhost${end}${end}${SMUGGLED}`);
    },
  );
});
