/**
 * Attacks of one tenant on another through the server: its functions, its invocations, its names, its sandboxes.
 */
import { isDeepStrictEqual } from 'node:util';
import type { FunctionSpecInput, Runtime } from '../../core/spec.ts';
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, NEIGHBOUR, problemOf, type Reply, type Target } from '../target.ts';

/** A function for the time of a case. */
export interface Deployed {
  readonly tenant: string;
  readonly name: string;
  readonly source: string;
  readonly spec?: Partial<FunctionSpecInput>;
}

/** Deploys, runs and deletes again, whatever happened. */
export const having = async (
  target: Target,
  functions: readonly Deployed[],
  run: () => Promise<void>,
): Promise<void> => {
  try {
    for (const { tenant, name, source, spec } of functions) {
      const reply = await target.deploy(name, { runtime: 'isolate', code: { source }, ...spec }, tenant);
      holds(reply.status === 201, `${tenant}/${name} was deployed with ${reply.status}: ${shown(reply)}`);
    }
    await run();
  } finally {
    for (const { tenant, name } of functions) await target.delete(name, tenant);
  }
};

export const shown = ({ text }: Reply): string => text.slice(0, 300);

export const answered = (reply: Reply, wanted: unknown, whose: string): void =>
  holds(
    reply.status === 200 && isDeepStrictEqual(reply.json, wanted),
    `${whose} was answered with ${reply.status} ${shown(reply)} instead of ${JSON.stringify(wanted)}`,
  );

export const refused = (reply: Reply, code: string, what: string): void =>
  holds(problemOf(reply)?.code === code, `${what} was answered with ${reply.status} ${shown(reply)}`);

/** The runtimes that this server has. */
const runtimesOf = async (target: Target): Promise<readonly Runtime[]> => {
  const { json } = await target.request('GET', '/v1/pools');
  return Object.keys((json as { tiers?: object }).tiers ?? {}) as Runtime[];
};

const ECHO = 'exports.handler = (event, context) => [event, context.functionName];';
const SECRET = 'the-neighbours-secret';

const STATE: readonly AttackCase[] = [
  {
    id: 314,
    group: 'cross',
    name: 'globals, patches and files left to other functions, of the same tenant and of another',
    harmless: true,
    wire: async (target) => {
      const leaves =
        "let fs; try { fs = require('node:fs'); } catch {} exports.handler = () => { globalThis.secret = 1; Object.defineProperty(Object.prototype, 'secret', { value: 2 }); Array.prototype.map = null; JSON.stringify = () => '0'; fs?.writeFileSync('/tmp/left', 'x'); return 1; };";
      const looks =
        "let fs; try { fs = require('node:fs'); } catch {} exports.handler = () => [typeof globalThis.secret, typeof ({}).secret, typeof [].map, JSON.stringify([1]), fs?.readdirSync('/tmp') ?? []];";
      const clean = ['undefined', 'undefined', 'function', '[1]', []];
      const runtimes = (await runtimesOf(target)).filter((one) => one === 'isolate' || one === 'nodejs24');
      for (const runtime of runtimes) {
        const spec = { runtime, memoryMb: runtime === 'isolate' ? 32 : 64 };
        const others = [
          { tenant: ATTACKER, name: 'cross-looks', source: looks, spec },
          { tenant: NEIGHBOUR, name: 'cross-looks', source: looks, spec },
        ];
        // Once beside the function that left it all, and once where that one was.
        await having(target, [{ tenant: ATTACKER, name: 'cross-leaves', source: leaves, spec }], async () => {
          answered(await target.invoke('cross-leaves'), 1, `the patching function on ${runtime}`);
          await having(target, others, async () => {
            for (const { tenant, name } of others)
              answered(await target.invoke(name, {}, { tenant }), clean, `${tenant} on ${runtime}`);
          });
        });
        await having(target, others, async () => {
          for (const { tenant, name } of others)
            answered(await target.invoke(name, {}, { tenant }), clean, `${tenant} after it on ${runtime}`);
        });
      }
    },
  },
  {
    id: 315,
    group: 'cross',
    name: 'code of the same text as another tenant’s, deleted and deployed anew',
    harmless: true,
    wire: async (target) => {
      const counts = 'let calls = 0; exports.handler = () => { calls += 1; return calls; };';
      const neighbour = { tenant: NEIGHBOUR, name: 'cross-same', source: counts };
      await having(target, [neighbour], async () => {
        const call = () => target.invoke('cross-same', {}, { tenant: NEIGHBOUR });
        answered(await call(), 1, 'the neighbour');
        await having(target, [{ tenant: ATTACKER, name: 'cross-same', source: counts }], async () => {
          answered(await target.invoke('cross-same'), 1, 'the attacker’s function of the same code');
        });
        answered(await call(), 2, 'the neighbour after the attacker deleted the same code');
      });
    },
  },
  {
    id: 316,
    group: 'cross',
    name: 'a function deployed anew that finds its older self',
    harmless: true,
    wire: async (target) => {
      const name = 'cross-anew';
      const source = (word: string) =>
        `globalThis.before ??= 'nothing'; exports.handler = () => { const seen = globalThis.before; globalThis.before = '${word}'; return ['${word}', seen]; };`;
      await having(target, [{ tenant: ATTACKER, name, source: source('first') }], async () => {
        answered(await target.invoke(name), ['first', 'nothing'], 'the first');
        answered(await target.invoke(name), ['first', 'first'], 'the first again');
        await target.deploy(name, { runtime: 'isolate', code: { source: source('second') } });
        answered(await target.invoke(name), ['second', 'nothing'], 'the second');
        const { invocationId } = await target.invoke(name);
        await target.delete(name);
        await target.deploy(name, { runtime: 'isolate', code: { source: source('third') } });
        answered(await target.invoke(name), ['third', 'nothing'], 'the third');
        const receipt = await target.receipt(invocationId);
        holds(
          receipt?.function === name && receipt.tenant === ATTACKER,
          'a receipt was lost with its function',
        );
      });
    },
  },
];

const NAMES: readonly AttackCase[] = [
  {
    id: 317,
    group: 'cross',
    name: 'functions of another tenant: read, listed, called, replaced, deleted',
    harmless: true,
    wire: async (target) => {
      const name = 'cross-private';
      const source = `exports.handler = () => { console.log('${SECRET}'); return '${SECRET}'; };`;
      const spec = { env: { SECRET }, labels: { owner: 'neighbour' }, description: SECRET };
      await having(target, [{ tenant: NEIGHBOUR, name, source, spec }], async () => {
        const call = () => target.invoke(name, {}, { tenant: NEIGHBOUR });
        answered(await call(), SECRET, 'the neighbour');
        const paths = [
          ...['', '?qualifier=$LATEST', '/logs'].map((rest) => ['GET', rest] as const),
          ...[['DELETE', ''] as const, ['POST', '/invocations'] as const],
          ...[
            ['POST', '/invocations?mode=dry-run'] as const,
            ['POST', '/invocations?qualifier=$LATEST'] as const,
          ],
        ];
        for (const [method, rest] of paths) {
          const theirs = await target.request(method, `/v1/functions/${name}${rest}`);
          const nobodys = await target.request(method, `/v1/functions/cross-unknown${rest}`);
          if (rest === '/logs') {
            holds(!theirs.text.includes(SECRET), `${method} ${rest} shows ${shown(theirs)}`);
            continue;
          }
          refused(theirs, 'not_found', `${method} ${rest} of another's function`);
          holds(
            unnamed(theirs, name) === unnamed(nobodys, 'cross-unknown'),
            `what is another's is told apart from what is nobody's: ${shown(theirs)} and ${shown(nobodys)}`,
          );
        }
        const listed = await target.request('GET', '/v1/functions?label=owner:neighbour');
        answered(listed, { functions: [], nextCursor: null }, 'the list');
        const demanding = { 'Strata-Require-Start': 'code' };
        const asked = await target.request('POST', `/v1/functions/${name}/invocations`, {
          headers: demanding,
        });
        refused(asked, 'not_found', 'a call that asks what is ready');
        await having(target, [{ tenant: ATTACKER, name, source: ECHO }], async () => {
          answered(await target.invoke(name), [{}, name], 'the attacker’s function of that name');
          answered(await call(), SECRET, 'the neighbour’s function of that name');
        });
        answered(await call(), SECRET, 'the neighbour after that');
      });
    },
  },
  {
    id: 318,
    group: 'cross',
    name: 'names that run together with those of another tenant',
    harmless: true,
    wire: async (target) => {
      const counts = (word: string) =>
        `let calls = 0; exports.handler = () => { calls += 1; return ['${word}', calls]; };`;
      const pairs = [
        ['a', 'b-c'],
        ['a-b', 'c'],
        ['A', 'b-c'],
        ['a', 'B-c'],
      ] as const;
      const functions = pairs.map(([tenant, name]) => ({
        tenant,
        name,
        source: counts(`${tenant}/${name}`),
      }));
      await having(target, functions, async () => {
        for (const round of [1, 2])
          for (const { tenant, name } of functions)
            answered(
              await target.invoke(name, {}, { tenant }),
              [`${tenant}/${name}`, round],
              `${tenant}/${name}`,
            );
      });
    },
  },
  {
    id: 319,
    group: 'cross',
    name: 'paths that lead to the functions of another tenant',
    harmless: true,
    wire: async (target) => {
      await having(target, [{ tenant: NEIGHBOUR, name: 'cross-path', source: ECHO }], async () => {
        const names = [
          ...[`${NEIGHBOUR}/cross-path`, `${NEIGHBOUR}%2fcross-path`, `..%2f${NEIGHBOUR}%2fcross-path`],
          ...[`${NEIGHBOUR}:cross-path`, `${NEIGHBOUR}%00cross-path`, `${NEIGHBOUR}@cross-path`, '%2e%2e'],
          ...['cross-path%3ftenant=strata-neighbour', 'cross-path;tenant=strata-neighbour', 'cross-path%20'],
        ];
        for (const name of names) {
          const reply = await target.request('POST', `/v1/functions/${name}/invocations`, { body: '{}' });
          holds(reply.status === 400 || reply.status === 404, `${name} was answered with ${shown(reply)}`);
        }
        for (const query of [
          'tenant=strata-neighbour',
          'Strata-Tenant=strata-neighbour',
          'qualifier=a&qualifier=b',
        ]) {
          const reply = await target.request('POST', `/v1/functions/cross-path/invocations?${query}`);
          refused(reply, 'invalid_request', `the query ${query}`);
        }
      });
    },
  },
  {
    id: 320,
    group: 'cross',
    name: 'a tenant that is two, or none',
    harmless: true,
    wire: async (target) => {
      await having(target, [{ tenant: NEIGHBOUR, name: 'cross-tenant', source: ECHO }], async () => {
        const { host } = new URL(target.url);
        const post = (headers: string): Promise<string> =>
          target.raw(
            `POST /v1/functions/cross-tenant/invocations HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}Content-Length: 2\r\n\r\n{}`,
          );
        const status = (answer: string): string => answer.slice(9, 12);
        const tenants = [
          [`Strata-Tenant: ${ATTACKER}\r\nStrata-Tenant: ${NEIGHBOUR}\r\n`, '400'],
          [`Strata-Tenant: ${NEIGHBOUR}\r\nstrata-tenant: ${ATTACKER}\r\n`, '400'],
          [`Strata-Tenant: ${ATTACKER}, ${NEIGHBOUR}\r\n`, '400'],
          [`Strata-Tenant: ${NEIGHBOUR.toUpperCase()}\r\n`, '404'],
          ['Strata-Tenant: \r\n', '400'],
          ['Strata-Tenant: *\r\n', '400'],
          [`Strata-Tenant: ${ATTACKER}\r\nX-Strata-Tenant: ${NEIGHBOUR}\r\nTenant: ${NEIGHBOUR}\r\n`, '404'],
          [`X-Forwarded-Strata-Tenant: ${NEIGHBOUR}\r\nStrata_Tenant: ${NEIGHBOUR}\r\n`, '404'],
          [`Strata-Tenant: ${NEIGHBOUR}\r\n`, '200'],
        ] as const;
        for (const [headers, wanted] of tenants) {
          const answer = await post(headers);
          holds(
            status(answer) === wanted,
            `${JSON.stringify(headers)} was answered with ${answer.slice(0, 300)}`,
          );
        }
      });
    },
  },
  {
    id: 321,
    group: 'cross',
    name: 'a tenant spoofed in the event, the environment, the labels and the result',
    harmless: true,
    wire: async (target) => {
      const name = 'canary-isolate';
      const forged = {
        tenant: NEIGHBOUR,
        'Strata-Tenant': NEIGHBOUR,
        headers: { 'Strata-Tenant': NEIGHBOUR },
      };
      const source =
        'exports.handler = (event, context) => { context.tenant = event.tenant; context.invocationId = "forged"; console.log(JSON.stringify({ tenant: event.tenant })); return { ...event, receipt: { tenant: event.tenant } }; };';
      const spec = { env: { STRATA_TENANT: NEIGHBOUR }, labels: { tenant: NEIGHBOUR } };
      await having(target, [{ tenant: ATTACKER, name, source, spec }], async () => {
        const reply = await target.invoke(name, forged);
        answered(reply, { ...forged, receipt: { tenant: NEIGHBOUR } }, 'the attacker');
        const receipt = await target.receipt(reply.invocationId);
        holds(
          receipt?.tenant === ATTACKER && receipt.function === name,
          `billed: ${JSON.stringify(receipt)}`,
        );
        holds(
          (await target.receipt(reply.invocationId, NEIGHBOUR)) === null,
          'the neighbour has the receipt',
        );
        const body = { runtime: 'isolate', code: { source: ECHO }, tenant: NEIGHBOUR };
        refused(
          await target.request('PUT', '/v1/functions/cross-spoofed', { body }),
          'invalid_request',
          'a deployment that names a tenant',
        );
      });
    },
  },
];

const IDS: readonly AttackCase[] = [
  {
    id: 322,
    group: 'cross',
    name: 'receipts and logs by the invocation id of another',
    harmless: true,
    wire: async (target) => {
      const source = `exports.handler = () => { console.log('${SECRET}'); return 1; };`;
      await having(target, [{ tenant: NEIGHBOUR, name: 'cross-ids', source }], async () => {
        const { invocationId } = await target.invoke('cross-ids', {}, { tenant: NEIGHBOUR });
        holds((await target.receipt(invocationId, NEIGHBOUR)) !== null, 'the neighbour has no receipt');
        const unknown = '00000000-0000-4000-8000-000000000000';
        for (const rest of ['', '/logs']) {
          const theirs = await target.request('GET', `/v1/invocations/${invocationId}${rest}`);
          const nobodys = await target.request('GET', `/v1/invocations/${unknown}${rest}`);
          refused(theirs, 'not_found', `an id of another${rest}`);
          holds(
            unnamed(theirs, invocationId) === unnamed(nobodys, unknown),
            `an id of another is told apart from one of nobody: ${shown(theirs)}`,
          );
        }
        for (const odd of [
          invocationId.toUpperCase(),
          `${invocationId}%20`,
          `${invocationId}%2flogs`,
          '*',
          '%25',
        ])
          holds(
            (await target.request('GET', `/v1/invocations/${odd}`)).status >= 400,
            `the id ${odd} was found`,
          );
      });
    },
  },
  {
    id: 323,
    group: 'cross',
    name: 'invocation ids that can be guessed, or chosen by the caller',
    harmless: true,
    wire: async (target) => {
      await having(target, [{ tenant: ATTACKER, name: 'cross-guess', source: ECHO }], async () => {
        const ids = new Set<string>();
        for (let round = 0; round < 20; round += 1) {
          const headers = { 'Strata-Invocation-Id': 'chosen', 'X-Request-Id': 'chosen' };
          ids.add((await target.invoke('cross-guess', {}, { headers })).invocationId);
        }
        holds(ids.size === 20, `20 calls have ${ids.size} ids`);
        const random = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
        for (const id of ids) holds(random.test(id), `${id} is not random`);
        const begins = new Set([...ids].map((id) => id.slice(0, 8)));
        holds(begins.size === 20, 'ids begin alike');
      });
    },
  },
  {
    id: 324,
    group: 'cross',
    name: 'logs of functions of the same name',
    harmless: true,
    wire: async (target) => {
      const source = 'exports.handler = (event) => { console.log(event.say); return 1; };';
      const functions = [ATTACKER, NEIGHBOUR].map((tenant) => ({ tenant, name: 'cross-logs', source }));
      await having(target, functions, async () => {
        for (const { tenant } of functions)
          await target.invoke('cross-logs', { say: `of ${tenant}` }, { tenant });
        for (const { tenant } of functions) {
          const { json } = await target.request('GET', '/v1/functions/cross-logs/logs', { tenant });
          const lines = (json as { logs: { message: string }[] }).logs.map(({ message }) => message);
          holds(
            lines.length > 0 && lines.every((line) => line === `of ${tenant}`),
            `${tenant} reads ${JSON.stringify(lines)}`,
          );
        }
      });
    },
  },
  {
    id: 325,
    group: 'cross',
    name: 'the sandboxes of another in what is told of the pools and the server',
    harmless: true,
    wire: async (target) => {
      const name = 'cross-hidden';
      await having(target, [{ tenant: NEIGHBOUR, name, source: ECHO }], async () => {
        await target.invoke(name, {}, { tenant: NEIGHBOUR });
        await untilShown(target, name);
        const own = await target.request('GET', '/v1/pools', { tenant: NEIGHBOUR });
        const sandboxes = sandboxesIn(own).filter(({ tenant }) => tenant === NEIGHBOUR);
        holds(sandboxes.length > 0, 'the neighbour is not shown its own sandbox');
        for (const path of ['/v1/pools', '/metrics', '/v1/functions', '/healthz', '/openapi.json']) {
          const { text } = await target.request('GET', path);
          for (const word of [NEIGHBOUR, name, ...sandboxes.map(({ id }) => id)])
            holds(!text.includes(word), `${path} shows ${word} to another tenant`);
        }
      });
    },
  },
];

/** What is shown of the pools is a quarter of a second old at most: asks until the function is in it. */
const untilShown = async (target: Target, name: string): Promise<void> => {
  for (let look = 0; look < 500; look += 1) {
    const { text } = await target.request('GET', '/v1/pools', { tenant: NEIGHBOUR });
    if (text.includes(name)) return;
  }
};

const sandboxesIn = ({ json }: Reply): readonly { id: string; tenant: string | null }[] =>
  Object.values(
    (json as { tiers: Record<string, { sandboxes: { id: string; tenant: string | null }[] }> }).tiers,
  )
    .flatMap(({ sandboxes }) => sandboxes)
    .map(({ id, tenant }) => ({ id, tenant }));

/** A reply without the name that was asked for, and without the id of the request itself. */
const unnamed = ({ status, text }: Reply, name: string): string =>
  `${status} ${text.replaceAll(name, '…').replace(/"invocationId":"[^"]*"/, '')}`;

export const TENANT_CASES: readonly AttackCase[] = [...STATE, ...NAMES, ...IDS];
