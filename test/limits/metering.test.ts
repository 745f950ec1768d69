/**
 * CPU time that functions use where it is easily lost: at the top level of modules, and behind timers.
 */
import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor, type Executor, type FunctionSpecInput } from '../../src/index.ts';

const BURN = 'const end = Date.now() + 150; while (Date.now() < end);';

const CASES: readonly { name: string; files: Record<string, string> }[] = [
  { name: 'CommonJS', files: { 'index.js': `${BURN} exports.handler = () => 1;` } },
  { name: 'an ES module', files: { 'index.mjs': `${BURN} export const handler = () => 1;` } },
  {
    name: 'an imported ES module',
    files: { 'index.mjs': 'import "./burn.mjs"; export const handler = () => 1;', 'burn.mjs': BURN },
  },
  {
    name: 'a CommonJS file that an ES module imports',
    files: { 'index.mjs': 'import "./burn.cjs"; export const handler = () => 1;', 'burn.cjs': BURN },
  },
  {
    name: 'an ES module after a top-level await',
    files: {
      'index.mjs': `await new Promise((r) => setTimeout(r, 5)); ${BURN} export const handler = () => 1;`,
    },
  },
];

describe('CPU time of the top level of', () => {
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ dataDir: ':memory:', container: { mode: 'off' } });
  });
  afterAll(() => executor.close());

  const invoke = async (spec: Omit<FunctionSpecInput, 'runtime'>) => {
    await executor.deploy({ name: 'burn', runtime: 'isolate', ...spec });
    return executor.invoke({ function: 'burn' });
  };

  it.each(CASES)('$name is on the receipt', async ({ files }) => {
    const { receipt, status } = await invoke({ code: { files } });
    expect(status).toBe('succeeded');
    // The loop ends by the clock on the wall; a busy machine gives it less than all of the processor.
    expect(receipt.usage.initCpuMs).toBeGreaterThan(40);
    expect(receipt.usage.cpuMs).toBeGreaterThanOrEqual(receipt.usage.initCpuMs);
  });

  it('an ES module that never ends is on the receipt', async () => {
    const code = { files: { 'index.mjs': 'for (;;);' } };
    const { receipt } = await invoke({ code, initTimeoutMs: 200 });
    expect(receipt.error?.code).toBe('init_timeout');
    expect(receipt.usage.initCpuMs).toBeGreaterThan(60);
  });
});

describe('CPU time behind a timer', () => {
  const SLEEP = 'await new Promise((done) => setTimeout(done, 20));';
  const spin = (ms: number): string => `const end = Date.now() + ${ms}; while (Date.now() < end);`;
  const sourceOf = (initializer: string, handler: string): string =>
    `exports.initializer = async () => { ${SLEEP} ${initializer} }; exports.handler = () => { ${handler} };`;
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({
      ...{ dataDir: ':memory:', container: { mode: 'off' } },
      limits: { initCpuMs: 200 },
    });
  });
  afterAll(() => executor.close());

  const deploy = (name: string, spec: Partial<FunctionSpecInput> & { code: FunctionSpecInput['code'] }) =>
    executor.deploy({
      name,
      runtime: 'isolate',
      initializer: 'index.initializer',
      timeoutMs: 20_000,
      ...spec,
    });

  it('of an initializer is held against its limit', async () => {
    await deploy('sly', { code: { source: sourceOf(spin(10_000), '') }, initTimeoutMs: 20_000 });
    const { receipt } = await executor.invoke({ function: 'sly' });
    expect(receipt.error?.code).toBe('cpu_limit');
    expect(receipt.usage.cpuMs).toBeLessThan(2_000);
  });

  it('of the handler that was sent behind such an initializer is held against its own', async () => {
    const code = { source: sourceOf('', spin(10_000)) };
    await deploy('sly-handler', { code, cpuMs: 100, processModel: 'ephemeral' });
    const { receipt } = await executor.invoke({ function: 'sly-handler' });
    expect(receipt.error?.code).toBe('cpu_limit');
    expect(receipt.usage.cpuMs).toBeLessThan(2_000);
  });

  it('is not lost to the bill when another function of the tenant is called meanwhile', async () => {
    await deploy('other', { code: { source: sourceOf('', '') } });
    await executor.invoke({ function: 'other' });
    await deploy('busy', { code: { source: sourceOf('', spin(1_500)) }, cpuMs: 20_000 });
    const busy = executor.invoke({ function: 'busy' });
    let ended = false;
    void busy.then(() => {
      ended = true;
    });
    let calls = 0;
    while (!ended) {
      await executor.invoke({ function: 'other' });
      calls += 1;
    }
    const { receipt } = await busy;
    expect(calls).toBeGreaterThan(1);
    expect(receipt.error).toBeNull();
    // By the clock on the wall it spins for 1.5 s; a busy machine gives it less than all of a processor.
    expect(receipt.usage.cpuMs).toBeGreaterThan(300);
  });
});

describe('CPU time of functions that crowd the processors', () => {
  const CROWD = 4 * availableParallelism();
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ dataDir: ':memory:', container: { mode: 'off' } });
    await executor.deploy({
      ...{ name: 'endless', runtime: 'isolate', timeoutMs: 1_000, maxInstances: CROWD },
      code: { source: 'exports.handler = () => { for (;;); };' },
    });
  });
  afterAll(() => executor.close());

  const crowd = () =>
    Promise.all(Array.from({ length: CROWD }, () => executor.invoke({ function: 'endless' })));

  it('adds up to no more than the processors have', async () => {
    const startedMs = performance.now();
    const answers = await crowd();
    const machineMs = (performance.now() - startedMs) * availableParallelism();
    const cpuMs = answers.reduce((sum, { receipt }) => sum + receipt.usage.cpuMs, 0);
    expect(new Set(answers.map(({ receipt }) => receipt.error?.code))).toEqual(new Set(['function_timeout']));
    expect(cpuMs).toBeLessThan(machineMs);
    expect(cpuMs).toBeGreaterThan(0);
  });

  it('does not reach a limit that it would have kept alone', async () => {
    const source = `exports.handler = ({ steps }) => {
      let sum = 0;
      for (let step = 0; step < steps; step += 1) sum += Math.sqrt(step);
      return sum;
    };`;
    const [deployed, steps] = [{ name: 'work', runtime: 'isolate' as const, code: { source } }, 20_000_000];
    await executor.deploy({ ...deployed, timeoutMs: 60_000 });
    await executor.invoke({ function: 'work', event: { steps } });
    const alone = await executor.invoke({ function: 'work', event: { steps } });
    const cpuMs = Math.ceil(3 * alone.receipt.usage.cpuMs + 20);
    await executor.deploy({ ...deployed, timeoutMs: 60_000, cpuMs });
    const crowded = crowd();
    const answer = await executor.invoke({ function: 'work', event: { steps: 2 * steps } });
    await crowded;
    expect(answer.receipt.error).toBeNull();
    expect(answer.receipt.usage.cpuMs).toBeLessThan(cpuMs);
  });
});
