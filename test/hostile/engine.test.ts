/**
 * What hostile code does to the engine, the clock and the memory, and that nobody else notices.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { ASYNC_CASES, CPU_CASES, ERROR_CASES, KNOWN_CRASHES, MEMORY_CASES } from './engine-cases.ts';

let arena: Arena;

beforeAll(async () => {
  arena = await Arena.open();
});

afterAll(() => arena.close());

describe.each([
  ['what is known to break isolated-vm', KNOWN_CRASHES],
  ['CPU', CPU_CASES],
  ['asynchronous work', ASYNC_CASES],
  ['error bombs', ERROR_CASES],
  ['memory', MEMORY_CASES],
] as const)('%s', (_group, cases) => {
  it.each(cases)('bounds $name', async (hostile) => {
    await arena.run(hostile);
  });
});

it('answers an import of exports whose keys never come', async () => {
  const { executor } = arena;
  const files = {
    'index.mjs': 'import lib from "./lib.cjs"; export const handler = () => typeof lib;',
    'lib.cjs': 'module.exports = new Proxy({}, { ownKeys() { for (;;); } });',
  };
  const spec = { runtime: 'isolate', code: { files }, memoryMb: 32, initTimeoutMs: 300 } as const;
  await executor.deploy({ tenant: 'mallory', name: 'bridge', ...spec });
  const { receipt } = await executor.invoke({ tenant: 'mallory', function: 'bridge' });
  expect(receipt.error?.code).toBe('init_timeout');
  await arena.sibling();
  await arena.canary();
});

it('answers all of many that attack at once in the same hosts', async () => {
  const { executor } = arena;
  const attackers = [...KNOWN_CRASHES.slice(0, 12), ...CPU_CASES.slice(0, 4), ...ASYNC_CASES.slice(0, 4)];
  for (const [index, { source }] of attackers.entries()) {
    const spec = { runtime: 'isolate', code: { source }, memoryMb: 32, timeoutMs: 1_500 } as const;
    await executor.deploy({ tenant: 'mallory', name: `storm-${index}`, ...spec });
  }
  const names = attackers.map((_, index) => `storm-${index}`);
  let settled = false;
  const storm = Promise.all(
    [...names, ...names].map((name) => executor.invoke({ tenant: 'mallory', function: name })),
  ).finally(() => {
    settled = true;
  });
  do await arena.canary();
  while (!settled);
  const answers = await storm;
  const allowed = ['function_timeout', 'cpu_limit', 'memory_limit', 'sandbox_exited', 'sandbox_lost'];
  for (const { receipt } of answers) expect(allowed).toContain(receipt.error?.code);
  await arena.sibling();
  await arena.canary();
  arena.checkSlots();
  expect(executor.pools().tiers.isolate?.slots.busy).toBe(0);
});

it('runs several instances side by side that fill their memory nearly', async () => {
  const source =
    'const kept = []; exports.handler = () => { for (let i = kept.length; i < 18; i += 1) kept.push(new Array(2 ** 17).fill(i)); return kept.length; };';
  const names = ['near-1', 'near-2', 'near-3', 'near-4'];
  for (const name of names) {
    const spec = {
      runtime: 'isolate',
      code: { source },
      memoryMb: 32,
      timeoutMs: 10_000,
      cpuMs: 10_000,
    } as const;
    await arena.executor.deploy({ tenant: 'mallory', name, ...spec });
  }
  for (let round = 0; round < 2; round += 1) {
    const answers = await Promise.all(
      names.map((name) => arena.executor.invoke({ tenant: 'mallory', function: name })),
    );
    expect(answers.map(({ result }) => result)).toEqual([18, 18, 18, 18]);
  }
  await arena.canary();
});

it('served the neighbour from one instance all the while', () => {
  expect(arena.instancesOf('neighbour', 'canary')).toEqual(['free']);
  arena.checkSlots();
});
