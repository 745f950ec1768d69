import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrivals, durationAt } from './arrivals.ts';
import { scaled } from './slices.ts';
import { functionOf, smallTrace } from './testing.ts';
import { meanOf, type Trace } from './trace.ts';

interface Arrival {
  readonly id: string;
  readonly timeMs: number;
  readonly durationMs: number;
}

const all = (trace: Trace, seed: number): Arrival[] => {
  const list: Arrival[] = [];
  for (const { count, functionIndex, timeMs, durationMs } of arrivals(trace, seed)) {
    expect([functionIndex.length, timeMs.length, durationMs.length]).toEqual([count, count, count]);
    for (let at = 0; at < count; at += 1)
      list.push({
        id: trace.functions[functionIndex[at] ?? -1]?.id ?? '?',
        timeMs: timeMs[at] ?? Number.NaN,
        durationMs: durationMs[at] ?? Number.NaN,
      });
  }
  return list;
};

const counts = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 3, maxLength: 3 });
const traces = fc
  .array(counts, { minLength: 1, maxLength: 8 })
  .filter((rows) => rows.some((row) => row.some((count) => count > 0)))
  .map((rows) => smallTrace(rows.map((row, index) => functionOf(`f${index}`, row))));

describe('arrivals', () => {
  it('has every invocation in its minute, in order of time', () => {
    fc.assert(
      fc.property(traces, fc.integer(), (trace, seed) => {
        const list = all(trace, seed);
        expect(list).toHaveLength(trace.invocations);
        const times = list.map(({ timeMs }) => timeMs);
        expect(times).toEqual(times.toSorted((one, other) => one - other));
        for (const { id, counts: expected } of trace.functions) {
          const seen = Array.from(expected, (_, minute) =>
            list.filter((each) => each.id === id && Math.floor(each.timeMs / 60_000) === minute),
          );
          expect(seen.map(({ length }) => length)).toEqual([...expected]);
        }
        for (const { durationMs } of list) {
          expect(durationMs).toBeGreaterThanOrEqual(0);
          expect(durationMs).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  it('is the same for the same seed, and another for another', () => {
    const trace = smallTrace([functionOf('f', [500, 500])]);
    expect(all(trace, 7)).toEqual(all(trace, 7));
    const times = new Set(all(trace, 7).map(({ timeMs }) => timeMs));
    expect(all(trace, 8).filter(({ timeMs }) => times.has(timeMs)).length).toBeLessThan(5);
  });

  it('gives a function the same arrivals whatever functions are around it, in a slice of the minutes too', () => {
    const [one, two, three] = ['one', 'two', 'three'].map((id) => functionOf(id, [30, 20, 10]));
    if (one === undefined || two === undefined || three === undefined) throw new Error('there are three');
    const of = (trace: Trace): Arrival[] => all(trace, 3).filter(({ id }) => id === 'two');
    const whole = smallTrace([one, two, three]);
    expect(of(smallTrace([three, two]))).toEqual(of(whole));
    const later = scaled(whole, { minutes: [481, 483], rateFactor: 1, seed: 1 });
    const expected = of(whole).slice(30);
    const seen = of(later);
    expect(seen.map(({ durationMs }) => durationMs)).toEqual(expected.map(({ durationMs }) => durationMs));
    for (const [at, { timeMs }] of seen.entries())
      expect(timeMs + 60_000).toBeCloseTo(expected[at]?.timeMs ?? 0, 6);
  });

  it('spreads over the minute and the durations evenly', () => {
    const list = all(smallTrace([functionOf('f', [20_000])]), 11);
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, each) => sum + each, 0) / values.length;
    expect(mean(list.map(({ timeMs }) => timeMs))).toBeCloseTo(30_000, -3);
    // The percentiles are their own durations, so all durations from 0 to 100 are equally likely.
    const tenths = Array.from({ length: 10 }, () => 0);
    for (const { durationMs } of list)
      tenths[Math.floor(durationMs / 10)] = (tenths[Math.floor(durationMs / 10)] ?? 0) + 1;
    for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(200);
  });

  it('orders those at the same time by function, so that the order is the same everywhere', () => {
    const twins = ['a', 'b'].map((name) => functionOf('same', [50], { app: name }));
    const trace = smallTrace(twins);
    for (const { functionIndex } of arrivals(trace, 5)) {
      for (let at = 0; at < functionIndex.length; at += 2)
        expect([functionIndex[at], functionIndex[at + 1]]).toEqual([0, 1]);
    }
  });

  it('plays faster when the minute is shorter', () => {
    const trace = smallTrace([functionOf('f', [10, 10])]);
    const fast = scaled(trace, { minutes: [480, 482], rateFactor: 1, timeFactor: 4, seed: 1 });
    const times = all(trace, 1).map(({ timeMs }) => timeMs / 4);
    for (const [at, { timeMs }] of all(fast, 1).entries()) expect(timeMs).toBeCloseTo(times[at] ?? 0, 6);
  });

  it('uses the same memory for every minute once the busiest has been', () => {
    const buffers = new Set<ArrayBufferLike>();
    const trace = smallTrace([functionOf('f', [1_500, ...Array.from({ length: 500 }, (_, at) => at * 4)])]);
    for (const { timeMs, durationMs, functionIndex } of arrivals(trace, 1))
      for (const { buffer } of [timeMs, durationMs, functionIndex]) buffers.add(buffer);
    expect(buffers.size).toBe(3);
  });

  it('grows for a busy minute, and gives no stale rest of it after', () => {
    const list = all(smallTrace([functionOf('f', [3_000, 1, 0, 2])]), 1);
    expect(list).toHaveLength(3_003);
    expect(list.slice(3_000).map(({ timeMs }) => Math.floor(timeMs / 60_000))).toEqual([1, 3, 3]);
  });
});

describe('durationAt', () => {
  const durations = [10, 10, 20, 40, 80, 1_000, 5_000];

  it('meets the percentiles, and is linear between them', () => {
    const shares = [0, 0.005, 0.01, 0.25, 0.375, 0.5, 0.75, 0.99, 0.995, 1];
    const expected = [10, 10, 10, 20, 30, 40, 80, 1_000, 3_000, 5_000];
    for (const [at, share] of shares.entries())
      expect(durationAt(durations, share)).toBeCloseTo(expected[at] ?? -1, 9);
  });

  it('has the mean that a summary says', () => {
    const steps = 100_000;
    let sum = 0;
    for (let step = 0; step < steps; step += 1) sum += durationAt(durations, (step + 0.5) / steps);
    expect(sum / steps).toBeCloseTo(meanOf(durations), 1);
  });
});
