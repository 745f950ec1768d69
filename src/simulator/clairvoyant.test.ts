import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { LayerCosts } from '../pool/policy/api.ts';
import { createPolicy } from '../pool/policy/policies.ts';
import { arrivals } from './arrivals.ts';
import { clairvoyant, leastIdleMbSeconds, leastLatencyMs } from './clairvoyant.ts';
import { boundOf, play } from './simulation.ts';
import { functionOf, smallTrace } from './testing.ts';

const costs = (memoryMb: number): LayerCosts => ({
  startMs: { none: 100, container: 10, runtime: 2 },
  memoryMb: { container: 20, runtime: 2, code: memoryMb },
  capacity: 100,
});

const pointAt = (price: number, counts: readonly number[]) => {
  const trace = smallTrace([functionOf('f', counts, { memoryMb: 50 })]);
  const [point] = clairvoyant(trace, 3, costs, [price]).knowing;
  if (point === undefined) throw new Error('there is no point');
  return point;
};

it('misses everything where memory is dear, and nothing where it is free', () => {
  expect(pointAt(1e9, [3, 0, 2])).toMatchObject({ misses: 5, startLatencyMs: 10 });
  expect(pointAt(1e9, [3, 0, 2]).idleMbSeconds).toBeLessThan(1e-3);
  expect(pointAt(1e-9, [3, 0, 2])).toMatchObject({ misses: 0, startLatencyMs: 0 });
});

it('keeps an instance through a gap iff its rent is no more than a miss', () => {
  const durationsMs = Array.from({ length: 7 }, () => 100);
  const trace = smallTrace([functionOf('f', [1, 0, 1, 1], { memoryMb: 50, durationsMs })]);
  const times: number[] = [];
  for (const { count, timeMs } of arrivals(trace, 3)) times.push(...timeMs.slice(0, count));
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0) - 100);
  const between = (Math.min(...gaps) + Math.max(...gaps)) / 2;
  const price = 2 / ((50 * between) / 1_000);
  const [point] = clairvoyant(trace, 3, costs, [price]).keeping;
  // The first invocation, and the one after the longer gap.
  expect(point?.misses).toBe(2);
  expect(point?.idleMbSeconds).toBeCloseTo((Math.min(...gaps) * 50) / 1_000, 6);
});

it('keeps an instance exactly while its rent is below the rate of invocations times a miss', () => {
  // One to come, 2 ms for a miss, 50 MB at 0.004: from ten seconds before the end of the minute.
  const trace = smallTrace(
    Array.from({ length: 400 }, (_, at) => functionOf(`f${at}`, [1], { memoryMb: 50 })),
  );
  const [point] = clairvoyant(trace, 3, costs, [0.004]).knowing;
  let misses = 0;
  let idleMs = 0;
  for (const { count, timeMs } of arrivals(trace, 3)) {
    for (const at of timeMs.slice(0, count)) {
      if (at < 50_000) misses += 1;
      else idleMs += at - 50_000;
    }
  }
  expect(point?.misses).toBe(misses);
  expect(point?.idleMbSeconds).toBeCloseTo((idleMs * 50) / 1_000, 6);
});

it('has more misses and less waste, the higher the price', () => {
  const trace = smallTrace([functionOf('a', [5, 1, 0, 40]), functionOf('b', [0, 1, 1, 1])]);
  for (const points of Object.values(clairvoyant(trace, 7, costs))) {
    for (const [at, point] of points.entries()) {
      const before = points[at - 1] ?? point;
      expect(point.misses).toBeGreaterThanOrEqual(before.misses);
      expect(point.idleMbSeconds).toBeLessThanOrEqual(before.idleMbSeconds);
    }
  }
});

it('bounds either axis by what a run has of the other, and agrees with itself', () => {
  const { knowing } = clairvoyant(smallTrace([functionOf('a', [5, 1, 0, 40, 2, 2])]), 7, costs);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (idle) => {
      const latency = leastLatencyMs(knowing, idle);
      expect(latency).toBeGreaterThanOrEqual(0);
      if (latency > 1e-9)
        expect(leastIdleMbSeconds(knowing, latency)).toBeLessThanOrEqual(idle * 1.001 + 1e-3);
    }),
  );
});

it('is never passed by a policy that is played on the same trace', async () => {
  const counts = (at: number): number[] =>
    Array.from({ length: 60 }, (_, minute) => (minute % (at + 1) === 0 ? 1 + (at % 3) : 0));
  const trace = smallTrace(Array.from({ length: 20 }, (_, at) => functionOf(`f${at}`, counts(at))));
  for (const tier of ['isolate', 'container'] as const) {
    const bound = boundOf(trace, tier, 5);
    for (const name of ['fixed', 'histogram', 'strata'] as const) {
      const figures = await play(trace, { tier, budgetGb: 16, policy: createPolicy(name), seed: 5 });
      expect(figures.startLatencyMs.totalMs).toBeGreaterThanOrEqual(
        leastLatencyMs(bound.knowing, figures.idleMbSeconds),
      );
    }
  }
});
