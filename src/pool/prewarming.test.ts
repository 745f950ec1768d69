import { describe, expect, it } from 'vitest';
import { type BenchOptions, createBench, loadRequest, place } from './fixture.ts';
import type { Policy } from './policy/api.ts';
import { GAP_EDGES_MS } from './policy/api.ts';
import { createPolicy } from './policy/policies.ts';

const PERIOD_MS = 600_000;

/** Loads if it must, and gives what was on the lease. */
const callOn = async (
  bench: Awaited<ReturnType<typeof createBench>>,
  placement: ReturnType<typeof place>,
) => {
  const pending = Promise.resolve(bench.scheduler.acquire(placement));
  await bench.clock.advance(200);
  const lease = await pending;
  if (lease.loads) {
    const loading = lease.instance.load(loadRequest('echo'));
    await bench.clock.advance(10);
    await loading;
    lease.loaded(1);
  }
  lease.release(true);
  return { start: lease.start, aheadCpuNs: lease.aheadCpuNs };
};

const everyTenMinutes = async (policy: Policy, options: BenchOptions = {}) => {
  const bench = await createBench({ policy, sweepIntervalMs: 30_000, ...options });
  const placement = place('timer', { label: 'echo', idleTimeoutMs: 3_600_000 });
  const calls: Awaited<ReturnType<typeof callOn>>[] = [];
  const between: number[] = [];
  for (let turn = 0; turn < 20; turn += 1) {
    const begunMs = bench.clock.nowMs();
    calls.push(await callOn(bench, placement));
    await bench.clock.advance(PERIOD_MS / 2);
    between.push(bench.pool.view().ready.code);
    await bench.clock.advance(begunMs + PERIOD_MS - bench.clock.nowMs());
  }
  return { bench, calls, between, placement };
};

describe('a function that is called every ten minutes', () => {
  it.each(['histogram', 'strata'] as const)(
    'is loaded when the call comes and not in between, under %s',
    async (name) => {
      const settings = name === 'strata' ? { strata: { priceMsPerMbSecond: 0.0002 } } : {};
      const { calls, between, bench } = await everyTenMinutes(createPolicy(name, settings), {
        provisionMs: 100,
      });
      expect(calls.slice(10).map(({ start }) => start)).toEqual(Array(10).fill('code'));
      expect(between.slice(10)).toEqual(Array(10).fill(0));
      expect(bench.preloads.length).toBeGreaterThanOrEqual(10);
      expect(bench.pool.audit()).toBeNull();
    },
  );

  it('has the CPU time of the load ahead on the next invocation, and on no other', async () => {
    const { bench, calls, placement } = await everyTenMinutes(createPolicy('histogram'));
    for (const { start, aheadCpuNs } of calls.slice(10))
      expect([start, aheadCpuNs]).toEqual(['code', 1_000_000]);
    const first = await callOn(bench, placement);
    const second = await callOn(bench, placement);
    expect([first.aheadCpuNs, second.aheadCpuNs]).toEqual([1_000_000, 0]);
    const paid = [...calls, first, second].reduce((sum, { aheadCpuNs }) => sum + aheadCpuNs, 0);
    expect(paid).toBe(bench.preloads.length * 1_000_000);
  });

  it('has the CPU time of loads ahead that nobody used on nobody, and the pool tells how much it was', async () => {
    const { bench, calls, placement } = await everyTenMinutes(createPolicy('histogram'));
    expect(bench.pool.unusedCpuNs).toBe(0);
    await bench.clock.advance(20 * PERIOD_MS);
    bench.pool.supersede(placement.group, null);
    const paid = calls.reduce((sum, { aheadCpuNs }) => sum + aheadCpuNs, 0);
    expect(bench.pool.unusedCpuNs).toBeGreaterThan(0);
    expect(paid + bench.pool.unusedCpuNs).toBe(bench.preloads.length * 1_000_000);
  });

  it('is not loaded ahead any more once it is deleted', async () => {
    const { bench, placement } = await everyTenMinutes(createPolicy('histogram'));
    const before = bench.preloads.length;
    bench.pool.supersede(placement.group, null);
    await bench.clock.advance(10 * PERIOD_MS);
    expect(bench.preloads.length).toBe(before);
    expect(bench.pool.instancesOf(placement.key)).toBe(0);
  });

  it('is not loaded ahead while the machine is under pressure', async () => {
    const { bench } = await everyTenMinutes(createPolicy('histogram'));
    const before = bench.preloads.length;
    bench.budget.pressure = { memoryHigh: false, cpuHigh: true };
    await bench.clock.advance(PERIOD_MS * 2);
    expect(bench.preloads.length).toBe(before);
  });
});

describe('a plan', () => {
  it('never has the clock stand still, whatever fractions its times have', async () => {
    const edge = GAP_EDGES_MS[8] ?? 0;
    const windows = [
      { fromMs: 0.1 + 0.2, untilMs: edge / 3 },
      { fromMs: edge / 3, untilMs: (edge / 7) * 3 },
      { fromMs: edge, untilMs: edge * 1.1 },
    ];
    const policy: Policy = {
      ...createPolicy('histogram'),
      warm: () => ({ windows, why: 'the test says so' }),
    };
    const bench = await createBench({ policy });
    await bench.clock.advance(123_456.789_012_3);
    for (let turn = 0; turn < 20; turn += 1) {
      await callOn(bench, place(`f${turn}`, { label: 'echo', idleTimeoutMs: 100 / 3 }));
      await bench.clock.advance(1 / 3 + turn * 0.1);
    }
    await bench.clock.advance(100_000);
    expect(bench.pool.audit()).toBeNull();
  });
});
