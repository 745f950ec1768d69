/**
 * CPU time that functions use where it is easily lost: at the top level of modules, and behind timers.
 */
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
