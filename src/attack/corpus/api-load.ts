/**
 * Requests that cost the server more than they cost who sends them: slow ones, large ones, many, and texts that take long
 * to look at.
 */
import { systemClock } from '../../ports/clock.ts';
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, type Target } from '../target.ts';
import {
  answersIn,
  isRefusal,
  PLAIN,
  type Refusal,
  refusesAhead,
  refusesRaw,
  replyOf,
  withOwn,
} from '../wire.ts';

const HOST = 'Host: localhost\r\n';
const NAME = 'loaded';
const POST = `POST /v1/functions/${NAME}/invocations HTTP/1.1\r\n${HOST}Strata-Tenant: ${ATTACKER}\r\n`;
const TOO_SLOW: Refusal = {
  ...{ code: 'invalid_request', status: 400 },
  detail: /^The request did not arrive in time: whole requests have \d+ ms/,
};
const TOO_LARGE = { code: 'payload_too_large', status: 413 } as const;
const KIB = 1024;
/** Far below what a text costs that is looked at again and again from each of its characters. */
const PROMPT_MS = 1_000;

/** @throws Breach when a refusal of this takes long. */
const isPrompt = async (what: string, ask: () => Promise<unknown>): Promise<void> => {
  const startedMs = systemClock.nowMs();
  await ask();
  const elapsedMs = systemClock.nowMs() - startedMs;
  holds(elapsedMs < PROMPT_MS, `${what}: took ${elapsedMs.toFixed(0)} ms`);
};

/** So many connections that each send a head and then a piece every so often, until the server has enough. */
const slowly = async (target: Target, count: number, head: string, everyMs: number): Promise<void> => {
  const pieces = [head, ...Array.from({ length: 1_000 }, () => 'x')];
  const texts = await Promise.all(Array.from({ length: count }, () => target.raw(pieces, false, everyMs)));
  for (const text of texts) {
    const answers = answersIn(text);
    const [answer] = answers;
    holds(answers.length === 1, `${answers.length} answers to one slow request`);
    if (answer !== undefined) isRefusal('a slow request', replyOf(answer), TOO_SLOW);
  }
};

export const API_LOAD_CASES: readonly AttackCase[] = [
  {
    ...{ id: 109, group: 'api', name: 'bodies that come a byte at a time' },
    wire: (target) =>
      withOwn(target, NAME, () => slowly(target, 100, `${POST}Content-Length: 100000\r\n\r\n`, 100)),
  },
  {
    ...{ id: 443, group: 'api', name: 'heads that come a byte at a time' },
    wire: (target) => slowly(target, 200, `GET /healthz HTTP/1.1\r\n${HOST}X: `, 100),
  },
  {
    ...{ id: 444, group: 'api', name: 'chunks that come a byte at a time' },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const pieces = [`${POST}Transfer-Encoding: chunked\r\n\r\n`, ...Array(1_000).fill('1\r\nx\r\n')];
        const [answer] = answersIn(await target.raw(pieces, false, 100));
        holds(answer !== undefined, 'a slow request was not answered');
        if (answer !== undefined) isRefusal('a slow request', replyOf(answer), TOO_SLOW);
      }),
  },
  {
    ...{ id: 445, group: 'api', name: 'heads without end', harmless: true },
    wire: (target) =>
      refusesRaw(
        target,
        {
          'one long header': `GET /healthz HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20 * KIB)}\r\n\r\n`,
          'a long target': `GET /${'x'.repeat(20 * KIB)} HTTP/1.1\r\n${HOST}\r\n\r\n`,
          'many headers': `GET /healthz HTTP/1.1\r\n${HOST}${'a:\r\n'.repeat(3_000)}\r\n`,
          'a long name of a header': `GET /healthz HTTP/1.1\r\n${HOST}${'x'.repeat(20 * KIB)}: y\r\n\r\n`,
        },
        { code: 'invalid_request', status: 400, detail: /^The headers are larger than 16 KiB/ },
      ),
  },
  {
    ...{
      id: 446,
      group: 'api',
      name: 'headers so many that those behind them could be lost',
      harmless: true,
    },
    async wire(target) {
      const many = 'a:\r\n'.repeat(900);
      const get = `GET /v1/functions HTTP/1.1\r\n${HOST}${many}`;
      await refusesRaw(
        target,
        { 'an origin behind them': `${get}Origin: http://evil.example\r\nConnection: close\r\n\r\n` },
        { code: 'forbidden', status: 403 },
      );
      await refusesRaw(
        target,
        { 'a tenant behind them': `${get}Strata-Tenant: ../\r\nConnection: close\r\n\r\n` },
        { code: 'invalid_request', status: 400, detail: /^The header Strata-Tenant / },
      );
    },
  },
  {
    ...{ id: 447, group: 'api', name: 'bodies announced larger than any may be', harmless: true },
    async wire(target) {
      await withOwn(target, NAME, () =>
        refusesAhead(
          target,
          {
            'an event': `${POST}Content-Length: 99999999999\r\n\r\n`,
            'an event that waits to be asked for': `${POST}Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n`,
          },
          { ...TOO_LARGE, detail: /^The body of 99999999999 bytes is over the limit eventBytes/ },
        ),
      );
      await refusesAhead(
        target,
        { code: `PUT /v1/functions/${NAME} HTTP/1.1\r\n${HOST}Content-Length: 99999999999\r\n\r\n` },
        { ...TOO_LARGE, detail: /^The body of 99999999999 bytes is over the limit codeBytes/ },
      );
      await refusesAhead(
        target,
        {
          'a call that takes no body': `DELETE /v1/functions/${NAME} HTTP/1.1\r\n${HOST}Content-Length: 99999999999\r\n\r\n`,
          'a path that nothing is at': `POST /nowhere HTTP/1.1\r\n${HOST}Content-Length: 99999999999\r\n\r\n`,
        },
        { ...TOO_LARGE, detail: /^The body of 99999999999 bytes is larger than this call takes/ },
      );
      await refusesAhead(
        target,
        {
          'a function that is not there': `POST /v1/functions/nobody/invocations HTTP/1.1\r\n${HOST}Content-Length: 99999999999\r\n\r\n`,
        },
        { code: 'not_found', status: 404 },
      );
    },
  },
  {
    ...{ id: 448, group: 'api', name: 'a body in chunks without end' },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const chunk = `100000\r\n${'x'.repeat(0x10_0000)}\r\n`;
        // Whoever goes on behind the answer is cut off.
        const text = await target.raw([
          `${POST}Transfer-Encoding: chunked\r\n\r\n`,
          ...Array(100).fill(chunk),
        ]);
        const [answer] = answersIn(text);
        if (answer !== undefined)
          isRefusal('chunks without end', replyOf(answer), { ...TOO_LARGE, detail: /eventBytes/ });
      }),
  },
  {
    ...{ id: 110, group: 'api', name: 'texts that patterns could take long over', harmless: true },
    async wire(target) {
      const long = 'a'.repeat(14 * KIB);
      const refusal = { code: 'invalid_request', status: 400 } as const;
      for (const [what, path] of Object.entries({
        'a name': `/v1/functions/${long}!`,
        'a name of dashes': `/v1/functions/${'-'.repeat(14 * KIB)}`,
        'an id': `/v1/invocations/${long}!`,
        'a name and no route': `/v1/functions/${long}/invocations/${'a/'.repeat(500)}`,
        escapes: `/v1/functions/${'%61'.repeat(4 * KIB)}%`,
        'a label': `/v1/functions?label=${long}`,
        labels: `/v1/functions?${'label=a:b&'.repeat(1_400)}`,
        'a query of brackets': `/v1/functions?${'a[b]'.repeat(3 * KIB)}=1`,
        'a cursor': `/v1/functions?cursor=${long}`,
      }))
        await isPrompt(what, async () => {
          const reply = await target.request('GET', path);
          holds(reply.status === 400 || reply.status === 404, `${what}: ${reply.status}`);
        });
      const specs = {
        'a handler': { handler: `${'a/'.repeat(2_000_000)}` },
        'a handler within its length': { handler: `${'a.'.repeat(120)}!` },
        'an entry of the network': { network: { allow: [`${'a.'.repeat(2_000_000)}:443`] } },
        'a name of the environment': { env: { ['a'.repeat(2_000_000)]: '' } },
        'a label': { labels: { ['e\u0301'.repeat(1_000_000)]: '' } },
        'a description': { description: '\u{1f469}\u200d'.repeat(500_000) },
        'a field that is not there': { ['x'.repeat(2_000_000)]: 1 },
      };
      for (const [what, fields] of Object.entries(specs))
        await isPrompt(what, async () => {
          const reply = await target.request('PUT', `/v1/functions/${NAME}`, {
            body: { ...PLAIN, ...fields },
          });
          isRefusal(what, reply, refusal);
          holds(reply.text.length < 4 * KIB, `${what}: the refusal has ${reply.text.length} characters`);
        });
    },
  },
];
