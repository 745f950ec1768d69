/**
 * What one tenant's flood does to another, in the virtual time of the fake tier.
 */
import { describe, expect, it } from 'vitest';
import { type Bench, type BenchOptions, createBench, place, runOn } from '../pool/fixture.ts';
import type { Placement } from '../pool/slot.ts';

const SCARCE: Readonly<Record<string, BenchOptions>> = {
  'sandboxes are scarce': {
    capacity: 2,
    settings: { maxSandboxes: 10, reservePercent: 20, pristine: 1, maxPristine: 1 },
  },
  'memory is scarce': {
    ...{ capacity: 2, memoryMb: 400, reservePercent: 20 },
    settings: { maxSandboxes: 100, reservePercent: 20, pristine: 1, maxPristine: 1 },
  },
};

/** The waits of one who calls every 100 ms, each time another of its functions, with or without a flood beside it. */
const waitsOf = async (options: BenchOptions, flood: boolean): Promise<number[]> => {
  const bench = await createBench({ queue: { maxLength: 100_000, maxLengthPerFunction: 50 }, ...options });
  const { clock, scheduler } = bench;
  const waits: number[] = [];
  const running: Promise<unknown>[] = [];
  for (let step = 0; step < 12_000; step += 1) {
    if (flood && step % 2 === 0) {
      const name = `f${(step / 2) % 40}`;
      running.push(call(bench, place(name, { tenant: 'flood', maxInstances: 50 }), 40).catch(() => null));
    }
    if (step > 400 && step % 100 === 0) {
      const name = `g${(step / 100) % 2}`;
      const asked = clock.nowMs();
      const answer = Promise.resolve(scheduler.acquire(place(name, { tenant: 'quiet', maxInstances: 50 })));
      running.push(
        answer.then((lease) => {
          waits.push(clock.nowMs() - asked);
          return runOn(lease, 'sleep', { ms: 20 });
        }),
      );
    }
    await clock.advance(1);
  }
  await clock.advance(20_000);
  await Promise.all(running);
  return waits.sort((one, other) => one - other);
};

const call = async ({ scheduler }: Bench, placement: ReturnType<typeof place>, ms: number): Promise<string> =>
  runOn(await scheduler.acquire(placement), 'sleep', { ms });

describe('a flood of one tenant', () => {
  it.each(Object.keys(SCARCE))(
    'does not raise another’s p99 of starts by more than twice when %s',
    async (name) => {
      const options = SCARCE[name] as BenchOptions;
      const alone = await waitsOf(options, false);
      const beside = await waitsOf(options, true);
      expect(beside).toHaveLength(alone.length);
      const p99 = (waits: number[]): number => waits[Math.ceil(waits.length * 0.99) - 1] ?? 0;
      expect(p99(beside)).toBeLessThanOrEqual(2 * p99(alone));
    },
  );

  it('leaves a sandbox to each tenant that comes, also when none of its own is ever wholly at rest', async () => {
    const bench = await createBench({
      ...{ capacity: 6, queue: { maxLength: 100_000, maxLengthPerFunction: 50 } },
      settings: { maxSandboxes: 10, reservePercent: 20, pristine: 0, spareRuntimes: 0 },
    });
    const running: Promise<unknown>[] = [];
    const waits: number[] = [];
    for (let step = 0; step < 3_000; step += 1) {
      const flood = place(`f${step % 40}`, { tenant: 'flood' });
      running.push(call(bench, flood, 40 + (step % 30)).catch(() => null));
      if (step >= 500 && step < 1_000 && step % 100 === 0) {
        const asked = bench.clock.nowMs();
        const answer = Promise.resolve(bench.scheduler.acquire(place('g', { tenant: `t${step}` })));
        running.push(
          answer.then((lease) => {
            waits.push(bench.clock.nowMs() - asked);
            return runOn(lease, 'sleep', { ms: 100_000 });
          }),
        );
      }
      await bench.clock.advance(1);
    }
    expect(waits.map(Math.round)).toHaveLength(5);
    expect(Math.max(...waits)).toBeLessThan(300);
  });

  it('of sleepers does not hold up another tenant: it is served while they sleep, before the next of them', async () => {
    const bench = await createBench({
      capacity: 1,
      settings: { maxSandboxes: 3, reservePercent: 20, pristine: 0, spareRuntimes: 0 },
    });
    const served: string[] = [];
    const serve = async (placement: Placement, sleepMs: number): Promise<void> => {
      const lease = await bench.scheduler.acquire(placement);
      served.push(placement.label);
      bench.clock.setTimer(sleepMs, () => lease.release(true));
    };
    for (let at = 0; at < 6; at += 1) void serve(place(`s${at}`), 900);
    await bench.clock.advance(100);
    // Of three sandboxes one is the reserve.
    expect(served).toEqual(['s0', 's1']);
    void serve(place('g', { tenant: 'b' }), 0);
    await bench.clock.advance(100);
    expect(served).toEqual(['s0', 's1', 'g']);
    expect(bench.pool.counts()).toMatchObject({ busy: 2 });
    expect(bench.scheduler.waiting).toBe(4);
    await bench.clock.advance(10_000);
    expect(served.slice(3).toSorted()).toEqual(['s2', 's3', 's4', 's5']);
  });
});
