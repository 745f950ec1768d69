/**
 * Attacks by many functions of one tenant at the same time.
 *
 * Owns what single calls cannot say: that each of them is answered for itself, whoever it shared a process with.
 */
import type { FunctionSpecInput } from '../../core/spec.ts';
import { holds } from '../case.ts';
import { problemOf, type Target } from '../target.ts';

/** Bodies of handlers, each of which would go on for ever or take all memory. */
const ENDLESS = [
  'for (;;);',
  'return /^(a+)+$/.test("a".repeat(60) + "!");',
  'return [3, 1, 2].sort(() => { for (;;); });',
  'return "a".repeat(2 ** 22).lastIndexOf("a".repeat(2 ** 21) + "b");',
  'const a = []; for (;;) a.push(a.length);',
  'const a = []; for (;;) a.push(new Array(1000).fill(a.length));',
  'const map = new Map(); for (let i = 0; ; i += 1) map.set(i, { i });',
  'throw { get message() { for (;;); } };',
  '(async () => { throw { get message() { for (;;); } }; })(); return new Promise(() => {});',
  'const again = () => { Promise.resolve().then(again); }; again(); return new Promise(() => {});',
  'return { then(resolve) { resolve(this); } };',
  'return new Promise(() => {});',
] as const;
const STORM_OUTCOMES = ['function_timeout', 'cpu_limit', 'memory_limit', 'sandbox_exited', 'sandbox_lost'];
const STORM_ROUNDS = 2;

/** Fills most of 32 MB and keeps it. */
const NEARLY_FULL =
  'const kept = []; exports.handler = () => { for (let i = kept.length; i < 18; i += 1) kept.push(new Array(2 ** 17).fill(i)); return kept.length; };';
const NEARLY_FULL_COUNT = 4;

/** Twelve attacks twice at the same moment: each is stopped or lost, none is answered with a result. */
export const storm = async (target: Target): Promise<void> => {
  const spec = { timeoutMs: 500, cpuMs: 5_000 };
  const sources = ENDLESS.map((body) => `exports.handler = () => { ${body} };`);
  await withFunctions(target, 'storm', sources, spec, async (names) => {
    const calls = Array.from({ length: STORM_ROUNDS }, () => names).flat();
    const replies = await Promise.all(calls.map((name) => target.invoke(name)));
    for (const [at, reply] of replies.entries()) {
      const code = problemOf(reply)?.code ?? `status ${reply.status}`;
      holds(STORM_OUTCOMES.includes(code), `${ENDLESS[at % ENDLESS.length]} was answered with ${code}`);
      const receipt = await target.receipt(reply.invocationId);
      holds(
        receipt?.error?.code === code,
        `its receipt says ${receipt?.error?.code ?? 'nothing'} to ${code}`,
      );
    }
  });
};

/** Several instances side by side, each a little below its limit: none may pay for the others. */
export const nearlyFull = async (target: Target): Promise<void> => {
  const sources = Array.from({ length: NEARLY_FULL_COUNT }, () => NEARLY_FULL);
  const spec = { timeoutMs: 10_000, cpuMs: 10_000 };
  await withFunctions(target, 'nearly-full', sources, spec, async (names) => {
    for (let round = 0; round < 2; round += 1) {
      const replies = await Promise.all(names.map((name) => target.invoke(name)));
      for (const reply of replies)
        holds(reply.json === 18, `below its limit it was answered with ${reply.text.slice(0, 200)}`);
    }
  });
};

/** Deploys a function of an isolate for each source, and deletes them afterwards. */
const withFunctions = async (
  target: Target,
  prefix: string,
  sources: readonly string[],
  spec: Partial<FunctionSpecInput>,
  use: (names: readonly string[]) => Promise<void>,
): Promise<void> => {
  const names = sources.map((_, at) => `${prefix}-${at}`);
  for (const [at, source] of sources.entries()) {
    const reply = await target.deploy(names[at] ?? '', {
      ...{ runtime: 'isolate', code: { source }, memoryMb: 32 },
      ...spec,
    });
    holds(reply.status < 300, `the deployment was answered with ${reply.text.slice(0, 200)}`);
  }
  try {
    await use(names);
  } finally {
    for (const name of names) await target.delete(name);
  }
};
