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
  const [point] = clairvoyant(trace, 3, costs, [price]);
  if (point === undefined) throw new Error('there is no point');
  return point;
};

it('misses everything where memory is dear, and nothing where it is free', () => {
  expect(pointAt(1e9, [3, 0, 2])).toMatchObject({ misses: 5, startLatencyMs: 10 });
  expect(pointAt(1e9, [3, 0, 2]).idleMbSeconds).toBeLessThan(1e-3);
  expect(pointAt(1e-9, [3, 0, 2])).toMatchObject({ misses: 0, startLatencyMs: 0 });
});

it('keeps nothing in minutes without invocations, nor after the last one of a minute', () => {
  const trace = smallTrace([functionOf('f', [0, 1, 0], { memoryMb: 50 })]);
  const [arrival] = [...arrivals(trace, 3)].flatMap(({ count, timeMs }) => [...timeMs.slice(0, count)]);
  const [point] = clairvoyant(trace, 3, costs, [1e-9]);
  // The minutes' arrays are used again: the last one read is empty.
  expect(point?.idleMbSeconds).toBeLessThanOrEqual(50 * 60);
  expect(arrival === undefined || arrival >= 0).toBe(true);
});

it('keeps an instance exactly while its rent is below the rate of invocations times a miss', () => {
  // One to come, 2 ms for a miss, 50 MB at 0.004: from ten seconds before the end of the minute.
  const trace = smallTrace(
    Array.from({ length: 400 }, (_, at) => functionOf(`f${at}`, [1], { memoryMb: 50 })),
  );
  const [point] = clairvoyant(trace, 3, costs, [0.004]);
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
  const points = clairvoyant(
    smallTrace([functionOf('a', [5, 1, 0, 40]), functionOf('b', [0, 1, 1, 1])]),
    7,
    costs,
  );
  for (const [at, point] of points.entries()) {
    const before = points[at - 1] ?? point;
    expect(point.misses).toBeGreaterThanOrEqual(before.misses);
    expect(point.idleMbSeconds).toBeLessThanOrEqual(before.idleMbSeconds);
  }
});

it('bounds either axis by what a run has of the other, and agrees with itself', () => {
  const points = clairvoyant(smallTrace([functionOf('a', [5, 1, 0, 40, 2, 2])]), 7, costs);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (idle) => {
      const latency = leastLatencyMs(points, idle);
      expect(latency).toBeGreaterThanOrEqual(0);
      if (latency > 1e-9)
        expect(leastIdleMbSeconds(points, latency)).toBeLessThanOrEqual(idle + 1e-3 * idle + 1e-3);
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
        leastLatencyMs(bound, figures.idleMbSeconds),
      );
    }
  }
});
