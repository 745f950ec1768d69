/**
 * The limits of wall and CPU time, at the limit and past it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, expectLimit, openBench } from './bench.ts';

/** Beyond the deadline: the grace until SIGKILL, and a machine that is busy. */
const MARGIN_MS = 3_000;
const SPIN = 'const spin = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };';
const PAUSE = 'const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));';

let bench: Bench;

beforeAll(async () => {
  bench = await openBench();
});

afterAll(() => bench.executor.close());

describe('timeoutMs', () => {
  it('lets a handler finish within it and stops one that does not', async () => {
    const source = `${PAUSE} exports.handler = async (event) => { await pause(event.ms); return 'done'; };`;
    await bench.deploy('wall', source, { timeoutMs: 500 });
    expect(await bench.result('wall', { ms: 50 })).toBe('done');
    const { failure, receipt } = await bench.failure('wall', { ms: 60_000 });
    expect(failure.code).toBe('function_timeout');
    expectLimit(failure, 'timeoutMs', 500);
    expect(receipt.phasesMs.handler).toBeGreaterThanOrEqual(495);
    expect(receipt.phasesMs.handler).toBeLessThan(500 + MARGIN_MS);
    expect(await bench.result('wall', { ms: 1 })).toBe('done');
  });

  it('does not count load and initializer', async () => {
    const source = `${SPIN} spin(150); exports.init = () => spin(150); exports.handler = () => 'done';`;
    await bench.deploy('slow-load', source, { timeoutMs: 100, initializer: 'index.init' });
    expect(await bench.result('slow-load')).toBe('done');
  });

  it('is measured when the handler burns CPU, and the CPU time is on the receipt', async () => {
    await bench.deploy('burn', 'exports.handler = () => { for (;;); };', { timeoutMs: 300, cpuMs: 60_000 });
    const { failure, receipt } = await bench.failure('burn');
    expect(failure.code).toBe('function_timeout');
    expect(receipt.usage.cpuMs).toBeGreaterThan(50);
    expect(receipt.usage.cpuMs).toBeLessThan(300 + MARGIN_MS);
    expect(receipt.cost.cuSeconds).toBeGreaterThan(0.05);
  });

  it('is measured when the process had to be killed', async () => {
    const source =
      'class Spin extends Error { get name() { for (;;); } } exports.handler = () => { throw new Spin(); };';
    await bench.deploy('burn-hard', source, { timeoutMs: 300, cpuMs: 60_000 });
    const { failure, receipt } = await bench.failure('burn-hard');
    expect(failure.code).toBe('function_timeout');
    expect(receipt.usage.cpuMs).toBeGreaterThan(50);
  });
});

describe('initTimeoutMs', () => {
  const source = (ms: number): string => `${SPIN} spin(${ms}); exports.handler = () => 'done';`;

  it('lets code load within it and stops what does not', async () => {
    await bench.deploy('init-ok', source(50), { initTimeoutMs: 2_000 });
    expect(await bench.result('init-ok')).toBe('done');
    await bench.deploy('init-late', source(60_000), { initTimeoutMs: 300 });
    const { failure, receipt } = await bench.failure('init-late');
    expect(failure.code).toBe('init_timeout');
    expectLimit(failure, 'initTimeoutMs', 300);
    expect(receipt.phasesMs.load).toBeGreaterThanOrEqual(295);
    expect(receipt.usage.initCpuMs).toBeGreaterThan(50);
    expect(receipt.usage.cpuMs).toBe(receipt.usage.initCpuMs);
  });

  it('counts load and initializer together', async () => {
    const both = `${PAUSE} ${SPIN} spin(200); exports.init = () => pause(60_000); exports.handler = () => 1;`;
    await bench.deploy('init-both', both, { initTimeoutMs: 400, initializer: 'index.init' });
    const { failure } = await bench.failure('init-both');
    expect(failure.code).toBe('init_timeout');
    expectLimit(failure, 'initTimeoutMs', 400);
  });

  it.each([
    [
      'an initializer that never settles',
      'exports.init = () => new Promise(() => {}); exports.handler = () => 1;',
    ],
    [
      'a top-level await that never settles',
      'await new Promise(() => {}); export const init = () => 1; export const handler = () => 1;',
    ],
  ])('stops %s', async (_what, code) => {
    await bench.deploy('init-never', code, { initTimeoutMs: 200, initializer: 'index.init' });
    const { failure } = await bench.failure('init-never');
    expect(failure.code).toBe('init_timeout');
  });
});

describe('cpuMs', () => {
  const cases = [
    ['in one piece', 'exports.handler = () => { for (;;); };'],
    ['behind an await', 'exports.handler = async () => { await null; for (;;); };'],
    ['behind a timer', `${PAUSE} exports.handler = async () => { await pause(30); for (;;); };`],
    ['behind many awaits', `${SPIN} exports.handler = async () => { for (;;) { spin(5); await null; } };`],
    [
      'in slices between timers',
      `${SPIN} ${PAUSE} exports.handler = async () => { for (;;) { spin(20); await pause(30); } };`,
    ],
    [
      'in slices shorter than any look at the clock',
      `${SPIN} ${PAUSE} exports.handler = async () => { for (;;) { spin(3); await pause(12); } };`,
    ],
    [
      'in a callback',
      'exports.handler = (event, context, callback) => { setTimeout(() => { for (;;); }, 30); };',
    ],
    [
      'in an interval',
      `${SPIN} exports.handler = () => new Promise(() => { setInterval(() => spin(20), 40); });`,
    ],
    ['in the toJSON of the result', 'exports.handler = () => ({ toJSON() { for (;;); } });'],
    [
      'in the getter of a thrown value',
      'exports.handler = () => { throw { get message() { for (;;); } }; };',
    ],
  ] as const;

  it.each(cases)('stops CPU time that is used %s', async (_how, source) => {
    await bench.deploy('cpu', source, { cpuMs: 200, timeoutMs: 4_000 });
    const { failure, receipt } = await bench.failure('cpu');
    expect(failure.code).toBe('cpu_limit');
    expectLimit(failure, 'cpuMs', 200);
    expect(receipt.usage.cpuMs).toBeGreaterThanOrEqual(200);
    expect(receipt.usage.cpuMs - receipt.usage.initCpuMs).toBeLessThan(1_000);
  });

  it('lets a handler use less, however long it waits, and counts each invocation for itself', async () => {
    const source = `${SPIN} ${PAUSE} exports.handler = async (event) => { spin(event.ms); await pause(400); return 'done'; };`;
    await bench.deploy('cpu-less', source, { cpuMs: 300, timeoutMs: 4_000 });
    for (let call = 0; call < 3; call += 1) expect(await bench.result('cpu-less', { ms: 120 })).toBe('done');
    expect((await bench.invoke('cpu-less', { ms: 1 })).receipt.start).toBe('code');
  });

  it('fails also what returned before it was noticed', async () => {
    const source = `${SPIN} exports.handler = () => { spin(30); return 'done'; };`;
    await bench.deploy('cpu-short', source, { cpuMs: 1, timeoutMs: 4_000 });
    const { failure } = await bench.failure('cpu-short');
    expect(failure.code).toBe('cpu_limit');
    expectLimit(failure, 'cpuMs', 1);
  });

  it('gives the time of overlapping invocations to the one that used it', async () => {
    const source = `${SPIN} ${PAUSE} exports.handler = async (event) => { if (event.burn) for (;;) { spin(5); await pause(1); } await pause(event.ms); return 'innocent'; };`;
    await bench.deploy('cpu-shared', source, { cpuMs: 200, timeoutMs: 4_000, concurrency: 4 });
    await bench.result('cpu-shared', { ms: 1 });
    const [burner, other] = await Promise.all([
      bench.invoke('cpu-shared', { burn: true }),
      bench.invoke('cpu-shared', { ms: 100 }),
    ]);
    expect(burner.receipt.error?.code).toBe('cpu_limit');
    // It shares the instance that had to end: it is answered, or lost, and never blamed.
    expect([undefined, 'sandbox_lost']).toContain(other.receipt.error?.code);
  });
});

describe('limits.initCpuMs', () => {
  const SPIN_FOREVER = 'for (;;);';
  const cases: readonly (readonly [string, string, string | null])[] = [
    ['a top level', `${SPIN_FOREVER} exports.handler = () => 1;`, null],
    ['an initializer', `exports.init = () => { ${SPIN_FOREVER} }; exports.handler = () => 1;`, 'index.init'],
  ];

  it.each(cases)('stops %s that computes on, long before initTimeoutMs', async (_what, code, initializer) => {
    const tight = await openBench({ limits: { initCpuMs: 100 } });
    try {
      await tight.deploy('init-cpu', code, { initializer, initTimeoutMs: 60_000 });
      const { failure, receipt } = await tight.failure('init-cpu');
      expect(failure.code).toBe('cpu_limit');
      expectLimit(failure, 'initCpuMs', 100);
      expect(failure.detail).toContain('limits.initCpuMs');
      expect(receipt.usage.initCpuMs).toBeGreaterThanOrEqual(100);
      expect(receipt.usage.cpuMs).toBe(receipt.usage.initCpuMs);
    } finally {
      await tight.executor.close();
    }
  });

  it('stops one that is loaded ahead, and that nobody waits for', async () => {
    const tight = await openBench({ limits: { initCpuMs: 100 } });
    try {
      await tight.deploy('init-ahead', `${SPIN_FOREVER} exports.handler = () => 1;`, {
        ...{ minInstances: 1, initTimeoutMs: 60_000 },
      });
      // Whoever finds it under way waits for the very load that was begun ahead, or for one of its own.
      const { failure } = await tight.failure('init-ahead');
      expect(failure.code).toBe('cpu_limit');
    } finally {
      await tight.executor.close();
    }
  });
});
