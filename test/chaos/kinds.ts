/**
 * What the load asks for: functions of several tenants on both tiers, each with an answer that can be checked exactly.
 *
 * Owns their code and what is right. Invariant: an answer holds the number of its request and a secret of its tenant, so
 * that one of another request, another tenant or half of one is never taken for right.
 */
import type { FunctionSpecInput, Tier } from '../../src/core/spec.ts';
import type { Chance } from '../../src/simulator/chance.ts';

export interface Kind {
  readonly name: string;
  readonly tier: Tier;
  readonly spec: FunctionSpecInput;
  /** How often it is asked for beside the others of its tier. */
  readonly weight: number;
  event(number: number, chance: Chance): Event;
  /** What a tenant's function has to answer: a result, or a failure with this code and message. */
  expected(event: Event, tenant: string): Expected;
}

export interface Event {
  readonly number: number;
  readonly text: string;
  /** How long the function waits inside the sandbox before it answers. */
  readonly waitMs?: number;
  /** How often the answer repeats the text. */
  readonly times?: number;
  readonly url?: string;
}

export type Expected =
  | { readonly result: unknown }
  | { readonly code: 'function_error'; readonly message: string };

export const TENANTS = ['ann', 'bob', 'cyd'] as const;

/** What one tenant's functions know and another's do not. */
export const secretOf = (tenant: string): string => `secret of ${tenant}`;

/** Long enough for a busy machine, short enough for what is stopped to be given up within the bound on recovery. */
const LIMITS = { timeoutMs: 2_000, initTimeoutMs: 2_000, cpuMs: 2_000 } as const;

const HASH = `const hash = (text) => {
  let sum = 2166136261;
  for (let at = 0; at < text.length; at += 1) sum = Math.imul(sum ^ text.charCodeAt(at), 16777619) >>> 0;
  return sum;
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;
const SUM = `${HASH}exports.handler = async ({ number, text, waitMs }) => {
  if (waitMs > 0) await pause(waitMs);
  return { number, sum: hash(text + process.env.SECRET) };
};`;
const BIG = `exports.handler = ({ number, text, times }) => ({ number, text: text.repeat(times) });`;
const FRESH = `let calls = 0;
exports.handler = ({ number }) => ({ number, calls: ++calls });`;
const FAILS = `exports.handler = ({ number }) => { throw new Error('no ' + number); };`;
const PYTHON = `import os
def handler(event, context):
  value = 2166136261
  for byte in (event["text"] + os.environ["SECRET"]).encode():
    value = ((value ^ byte) * 16777619) & 0xffffffff
  return {"number": event["number"], "sum": value}
`;
const FETCHES = `exports.handler = async ({ number, url }) => {
  try {
    const answer = await (await fetch(url)).json();
    return { number, url: answer.url };
  } catch (thrown) {
    return { number, lost: thrown.cause?.code ?? String(thrown) };
  }
};`;

const hash = (text: string): number => {
  let sum = 2_166_136_261;
  for (let at = 0; at < text.length; at += 1) sum = Math.imul(sum ^ text.charCodeAt(at), 16_777_619) >>> 0;
  return sum;
};

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const textOf = (chance: Chance): string =>
  Array.from({ length: 1 + chance.below(60) }, () => LETTERS[chance.below(LETTERS.length)]).join('');

const summed = ({ number, text }: Event, tenant: string): Expected => ({
  result: { number, sum: hash(text + secretOf(tenant)) },
});

const source = (text: string) => ({ code: { source: text } });

const WAIT_MAX_MS = 12;

const isolate = { tier: 'isolate', spec: { runtime: 'isolate', ...LIMITS } } as const;
const container = { tier: 'container' } as const;

export const ISOLATE_KINDS: readonly Kind[] = [
  {
    ...{ ...isolate, name: 'sum', weight: 6 },
    spec: { ...isolate.spec, ...source(SUM), concurrency: 4 },
    event: (number, chance) => ({
      ...{ number, text: textOf(chance) },
      waitMs: Math.max(0, chance.below(2 * WAIT_MAX_MS) - WAIT_MAX_MS),
    }),
    expected: summed,
  },
  {
    ...{ ...isolate, name: 'big', weight: 1 },
    spec: { ...isolate.spec, ...source(BIG) },
    event: (number, chance) => ({ number, text: textOf(chance), times: 500 + chance.below(2_500) }),
    expected: ({ number, text, times = 0 }) => ({ result: { number, text: text.repeat(times) } }),
  },
  {
    ...{ ...isolate, name: 'fresh', weight: 1 },
    spec: { ...isolate.spec, ...source(FRESH), processModel: 'ephemeral' },
    event: (number) => ({ number, text: '' }),
    expected: ({ number }) => ({ result: { number, calls: 1 } }),
  },
  {
    ...{ ...isolate, name: 'fails', weight: 1 },
    spec: { ...isolate.spec, ...source(FAILS) },
    event: (number) => ({ number, text: '' }),
    expected: ({ number }) => ({ code: 'function_error', message: `no ${number}` }),
  },
];

export const CONTAINER_KINDS: readonly Kind[] = [
  {
    ...{ ...container, name: 'node-sum', weight: 1 },
    spec: { runtime: 'nodejs24', ...LIMITS, ...source(SUM) },
    event: (number, chance) => ({ number, text: textOf(chance), waitMs: chance.below(WAIT_MAX_MS) }),
    expected: summed,
  },
  {
    ...{ ...container, name: 'python-sum', weight: 1 },
    spec: { runtime: 'python3', ...LIMITS, code: { files: { 'index.py': PYTHON } } },
    event: (number, chance) => ({ number, text: textOf(chance) }),
    expected: summed,
  },
];

/** A function that fetches from an upstream which answers with the path that it was asked for. */
export const fetchKind = (port: number): Kind => ({
  ...{ ...isolate, name: 'fetches', weight: 4 },
  spec: { ...isolate.spec, ...source(FETCHES), network: { allow: [`127.0.0.1:${port}`] } },
  event: (number) => ({ number, text: '', url: `http://127.0.0.1:${port}/${number}` }),
  expected: ({ number }) => ({ result: { number, url: `/${number}` } }),
});
