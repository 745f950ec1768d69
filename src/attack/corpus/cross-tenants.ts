/**
 * Attacks of one tenant on another through the server: what is left where it ran, its invocations, its sandboxes.
 */
import type { Runtime } from '../../core/spec.ts';
import { type AttackCase, holds } from '../case.ts';
import { ATTACKER, NEIGHBOUR, type Reply, type Target } from '../target.ts';
import { NAME_CASES } from './cross-names.ts';
import { answered, ECHO, having, refused, SECRET, shown, unnamed } from './having.ts';

/** The runtimes that this server has. */
const runtimesOf = async (target: Target): Promise<readonly Runtime[]> => {
  const { json } = await target.request('GET', '/v1/pools');
  return Object.keys((json as { tiers?: object }).tiers ?? {}) as Runtime[];
};

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
    name: "code of the same text as another tenant's, deleted and deployed anew",
    harmless: true,
    wire: async (target) => {
      const counts = 'let calls = 0; exports.handler = () => { calls += 1; return calls; };';
      const neighbour = { tenant: NEIGHBOUR, name: 'cross-same', source: counts };
      await having(target, [neighbour], async () => {
        const call = () => target.invoke('cross-same', {}, { tenant: NEIGHBOUR });
        answered(await call(), 1, 'the neighbour');
        await having(target, [{ tenant: ATTACKER, name: 'cross-same', source: counts }], async () => {
          answered(await target.invoke('cross-same'), 1, "the attacker's function of the same code");
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
        // The time, which everybody knows, and 74 random bits behind it.
        const timed = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
        for (const id of ids) holds(timed.test(id), `${id} is not random`);
        const tails = new Set([...ids].map((id) => id.slice(-12, -4)));
        holds(tails.size === ids.size, `20 ids have ${tails.size} random parts`);
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

export const TENANT_CASES: readonly AttackCase[] = [...STATE, ...NAME_CASES, ...IDS];
