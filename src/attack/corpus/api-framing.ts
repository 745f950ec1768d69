/**
 * Requests of which two readers could make different things: where one ends, whom it is for, what it asks to become.
 *
 * Every piece that could be taken for a second request would deploy a function; none of them may.
 */
import { type AttackCase, holds, type WireCase } from '../case.ts';
import { ATTACKER, type Target } from '../target.ts';
import { answersIn, PLAIN, type RawRequests, refusesRaw, replyOf, withOwn } from '../wire.ts';

const HOST = 'Host: localhost\r\n';
const CLOSE = 'Connection: close\r\n';
const POST = `POST /v1/functions/framed/invocations HTTP/1.1\r\n${HOST}Strata-Tenant: ${ATTACKER}\r\n`;
const GET = `GET /healthz HTTP/1.1\r\n${HOST}`;

const SPEC = JSON.stringify(PLAIN);
/** What an attacker hides behind the first request. */
const SMUGGLED =
  `PUT /v1/functions/smuggled HTTP/1.1\r\n${HOST}Strata-Tenant: ${ATTACKER}\r\nConnection: close\r\n` +
  `Content-Length: ${SPEC.length}\r\n\r\n${SPEC}`;
const CHUNKS = '0\r\n\r\n';

const NOT_HTTP = {
  code: 'invalid_request',
  status: 400,
  detail: /^The request is not valid HTTP\/1\.1: /,
} as const;
const BAD = { code: 'invalid_request', status: 400 } as const;

/** A case in which nothing gets through but a refusal for each request. */
const refusedCase = (
  id: number,
  name: string,
  requests: RawRequests,
  refusal: Parameters<typeof refusesRaw>[2] = NOT_HTTP,
): WireCase => ({
  ...{ id, group: 'api', name, harmless: true },
  async wire(target) {
    await withOwn(target, 'framed', () => refusesRaw(target, requests, refusal));
    await nothingSmuggled(target);
  },
});

const nothingSmuggled = async (target: Target): Promise<void> => {
  // Whatever was read before this deployment has been served when it is done.
  await withOwn(target, 'beside', async () => {});
  const { status } = await target.request('GET', '/v1/functions/smuggled');
  if (status !== 404) await target.delete('smuggled');
  holds(status === 404, `the request behind the refused one was served: ${status}`);
};

const coded = (line: string, body = CHUNKS): string => `${POST}${line}\r\n\r\n${body}${SMUGGLED}`;
const sized = (line: string): string => `${POST}${line}\r\n\r\n{}${SMUGGLED}`;
const chunked = (body: string): string => coded('Transfer-Encoding: chunked', body);

export const API_FRAMING_CASES: readonly AttackCase[] = [
  refusedCase(107, 'a length and chunks in one request', {
    'length before chunks': coded('Content-Length: 6\r\nTransfer-Encoding: chunked'),
    'chunks before length': coded('Transfer-Encoding: chunked\r\nContent-Length: 6'),
    'a length of zero': coded('Content-Length: 0\r\nTransfer-Encoding: chunked'),
    'a length in the trailer': chunked(`2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n`),
  }),
  refusedCase(
    430,
    'codings of a body that only some readers know',
    {
      'a space before the colon': coded('Transfer-Encoding : chunked'),
      'a vertical tab': coded('Transfer-Encoding: \x0bchunked'),
      'a folded line': coded('Transfer-Encoding:\r\n chunked'),
      'another word': coded('Transfer-Encoding: xchunked'),
      'a quoted word': coded('Transfer-Encoding: "chunked"'),
      identity: coded('Transfer-Encoding: identity'),
      'identity behind chunked': coded('Transfer-Encoding: chunked, identity'),
      twice: coded('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
      'twice, the second none': coded('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'),
      'chunks in HTTP/1.0': coded('Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0'),
    },
    BAD,
  ),
  refusedCase(
    431,
    'a coding that the server would not undo',
    {
      gzip: coded('Transfer-Encoding: gzip, chunked'),
      'gzip in another line': coded('Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked'),
    },
    { ...BAD, detail: /^The Transfer-Encoding is "gzip, chunked"; only chunked is taken/ },
  ),
  refusedCase(432, 'lengths that only some readers agree on', {
    'two lengths': sized('Content-Length: 2\r\nContent-Length: 3'),
    'one length twice': sized('Content-Length: 2\r\nContent-Length: 2'),
    'a list': sized('Content-Length: 2, 2'),
    'a sign': sized('Content-Length: +2'),
    'below zero': sized('Content-Length: -2'),
    hexadecimal: sized('Content-Length: 0x2'),
    'a space inside': sized('Content-Length: 2 2'),
    empty: sized('Content-Length:'),
    'more than 64 bits': sized('Content-Length: 18446744073709551618'),
  }),
  refusedCase(433, 'chunks of sizes that overflow or lie', {
    'more than 64 bits': chunked(`10000000000000002\r\n{}\r\n${CHUNKS}`),
    'below zero': chunked(`-2\r\n{}\r\n${CHUNKS}`),
    'a prefix': chunked(`0x2\r\n{}\r\n${CHUNKS}`),
    'too much data': chunked(`2\r\n{}{}\r\n${CHUNKS}`),
    'bare line ends': chunked('2\n{}\n0\n\n'),
    'a line end in an extension': chunked(`2;a\nb\r\n{}\r\n${CHUNKS}`),
    'an extension without end': chunked(`2;${'a'.repeat(40_000)}\r\n{}\r\n${CHUNKS}`),
  }),
  refusedCase(434, 'lines that end in only some readers', {
    'bare line feeds': `${GET}\r\n`.replaceAll('\r\n', '\n') + SMUGGLED,
    'one bare line feed': `GET /healthz HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n${SMUGGLED}`,
    'a bare carriage return': `GET /healthz HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n${SMUGGLED}`,
    'a folded header': `${GET}X: y\r\n z\r\n\r\n${SMUGGLED}`,
    'a space before the first header': `GET /healthz HTTP/1.1\r\n ${HOST}\r\n${SMUGGLED}`,
    'a header without a colon': `${GET}nonsense\r\n\r\n${SMUGGLED}`,
    'a header without a name': `${GET}: x\r\n\r\n${SMUGGLED}`,
    'a NUL in a header': `${GET}X: a\0b\r\n\r\n${SMUGGLED}`,
    'a control character in the tenant': `${GET}Strata-Tenant: a\x01b\r\n\r\n${SMUGGLED}`,
  }),
  refusedCase(435, 'versions of HTTP that the server does not speak', {
    'HTTP/2 by its first bytes': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SMUGGLED}`,
    'HTTP/3': `GET /healthz HTTP/3.0\r\n${HOST}\r\n${SMUGGLED}`,
    'HTTP/1.2': `GET /healthz HTTP/1.2\r\n${HOST}\r\n${SMUGGLED}`,
    'small letters': `GET /healthz http/1.1\r\n${HOST}\r\n${SMUGGLED}`,
    'another protocol': 'SSH-2.0-OpenSSH_9\r\n',
    'a TLS hello': Uint8Array.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    'a method of nobody': `FROB /healthz HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
  }),
  refusedCase(
    436,
    'requests without a Host',
    {
      'HTTP/0.9': 'GET /healthz\r\n\r\n',
      'HTTP/1.0': 'GET /healthz HTTP/1.0\r\n\r\n',
      'HTTP/1.1': 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n',
      'an empty one': 'GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n',
    },
    { ...BAD, detail: /^The Host header is missing/ },
  ),
  refusedCase(
    437,
    'targets that name another host',
    {
      'an address of the metadata service': `GET http://169.254.169.254/latest HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
      'a name': `GET http://evil.example/healthz HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
      'a name with a route': `PUT http://evil.example/v1/functions/smuggled HTTP/1.1\r\n${HOST}Content-Length: ${SPEC.length}\r\n\r\n${SPEC}`,
      'another scheme': `GET ftp://evil.example/healthz HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
      'no path at all': `OPTIONS * HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
    },
    { ...BAD, detail: /^The target of the request is ".+"; send a path/ },
  ),
  {
    ...{ id: 438, group: 'api', name: 'a tunnel through the server', harmless: true },
    async wire(target) {
      const { port } = new URL(target.url);
      for (const to of ['169.254.169.254:80', `127.0.0.1:${port}`]) {
        const text = await target.raw(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n\r\n${SMUGGLED}`);
        holds(text === '', `CONNECT ${to} was answered with ${text.slice(0, 100)}`);
      }
      await nothingSmuggled(target);
    },
  },
  {
    ...{ id: 439, group: 'api', name: 'a change of protocol on an open connection', harmless: true },
    async wire(target) {
      const upgrades = {
        'a web socket':
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
        'HTTP/2': 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
        TLS: 'Upgrade: TLS/1.2\r\n',
      };
      for (const [what, lines] of Object.entries(upgrades)) {
        const text = await target.raw(`${GET}${lines}Connection: Upgrade, close\r\n\r\n`);
        const answers = answersIn(text);
        // It is served as what it also is: an ordinary request.
        holds(answers.length === 1 && answers[0]?.status === 200, `${what}: ${text.slice(0, 100)}`);
        holds(!text.includes(' 101 '), `${what}: the protocol was changed`);
      }
    },
  },
  {
    ...{ id: 440, group: 'api', name: 'expectations that the server has to meet first', harmless: true },
    async wire(target) {
      const expecting = (what: string): string =>
        `${POST}${CLOSE}Expect: ${what}\r\nContent-Length: 2\r\n\r\n{}`;
      await refusesRaw(
        target,
        { 'something else': expecting('200-ok') },
        { ...BAD, detail: /^The Expect header asks for something else/ },
      );
    },
  },
  {
    ...{ id: 441, group: 'api', name: 'methods that show or change what they should not', harmless: true },
    async wire(target) {
      await withOwn(target, 'framed', async () => {
        for (const method of ['TRACE', 'PATCH', 'PROPFIND', 'MKCOL', 'LINK', 'PURGE', 'HEAD', 'OPTIONS']) {
          const path = '/v1/functions/framed';
          const head = `${method} ${path} HTTP/1.1\r\n${HOST}Strata-Tenant: ${ATTACKER}\r\nCookie: kept-secret\r\n`;
          const text = await target.raw(`${head}${CLOSE}\r\n`);
          const [answer] = answersIn(text);
          holds(answer?.status === 404, `${method} was answered with ${answer?.status}`);
          holds(!text.includes('kept-secret'), `${method} shows the request's own headers`);
          holds(/^allow: PUT, GET, DELETE$/im.test(answer?.head ?? ''), `${method}: no Allow header`);
        }
        const overridden = await target.request('GET', '/v1/functions/framed?_method=DELETE', {
          headers: { 'X-HTTP-Method-Override': 'DELETE', 'X-Original-URL': '/v1/pools' },
        });
        holds(overridden.status === 400, `a method in the query was answered with ${overridden.status}`);
        const headers = { 'X-HTTP-Method-Override': 'DELETE', 'X-Original-URL': '/v1/pools' };
        const read = await target.request('GET', '/v1/functions/framed', { headers });
        holds(
          (read.json as { runtime?: string }).runtime === 'isolate',
          'a header changed what was asked for',
        );
      });
    },
  },
  {
    ...{ id: 442, group: 'api', name: 'a hundred requests at once on one connection', harmless: true },
    async wire(target) {
      await withOwn(target, 'framed', async () => {
        const one = (at: number): string => {
          const event = JSON.stringify({ at });
          const asked = at % 3 === 2 ? POST.replace(ATTACKER, 'nobody') : POST;
          const last = at === 99 ? CLOSE : '';
          return `${asked}${last}Content-Length: ${event.length}\r\n\r\n${event}`;
        };
        const answers = answersIn(await target.raw(Array.from({ length: 100 }, (_, at) => one(at)).join('')));
        holds(answers.length === 100, `${answers.length} answers to a hundred requests`);
        for (const [at, answer] of answers.entries()) {
          const { status, json } = replyOf(answer);
          // Every third is another tenant's, who has no such function: nothing of one request stays for the next.
          const right = at % 3 === 2 ? status === 404 : (json as { at?: number } | undefined)?.at === at;
          holds(right, `request ${at} was answered with ${status} ${answer.body.slice(0, 100)}`);
        }
      });
    },
  },
];
