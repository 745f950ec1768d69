import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededChance } from './chance.ts';
import { type GeneratorOptions, generateTrace, usualInvocations } from './generator.ts';
import { summaryOf, type Trace } from './trace.ts';

const usual = (seed: number): Trace =>
  generateTrace({ functions: 500, minutes: 480, invocations: usualInvocations(500, 480), seed });

describe('generateTrace', () => {
  it.each([1, 2, 3, 4])('has the shape of a production trace (seed %i)', (seed) => {
    const trace = usual(seed);
    const summary = summaryOf(trace);
    const { triggers, perFunction, meanDurationMs, memoryMb, invocations } = summary;
    const within = (value: number, low: number, high: number): void => {
      expect(value).toBeGreaterThanOrEqual(low);
      expect(value).toBeLessThanOrEqual(high);
    };
    expect(summary).toMatchObject({ functions: 500, startMinute: 480, minutes: 480, minuteMs: 60_000 });
    within(summary.owners, 390, 460);
    within(invocations, 2_900_000, 3_180_000);
    within(perFunction.p50, 30, 75);
    within(perFunction.p95, 1_500, 12_000);
    within(perFunction.max / invocations, 0.5, 0.75);
    within(triggers.timer, 210, 285);
    within(triggers.http, 105, 170);
    within(triggers.queue, 45, 95);
    within(triggers.orchestration, 10, 45);
    within(triggers.event, 3, 30);
    within(triggers.storage, 0, 15);
    within(meanDurationMs.p50, 300, 1_000);
    within(meanDurationMs.p95, 12_000, 60_000);
    within(memoryMb.p50, 45, 70);
    within(memoryMb.p95, 150, 260);
    // As many at once, in the mean, as the production trace has: some tens.
    within(summary.busySeconds / 28_800, 20, 150);
    expect(trace.functions.every((each) => each.invocations > 0)).toBe(true);
  });

  it('is the same for the same seed, and another for another', () => {
    const small = (seed: number): Trace =>
      generateTrace({ functions: 50, minutes: 60, invocations: 20_000, seed });
    expect(small(1)).toEqual(small(1));
    expect(small(1).functions).not.toEqual(small(2).functions);
  });

  it('has timers that fire at round periods', () => {
    const timers = usual(1).functions.filter(({ trigger }) => trigger === 'timer');
    const regular = timers.filter(({ counts }) => {
      const fired = [...counts.keys()].filter((minute) => counts[minute] !== 0);
      const gaps = fired.slice(1).map((minute, at) => minute - (fired[at] ?? 0));
      return gaps.every((gap) => gap === gaps[0]);
    });
    expect(regular.length / timers.length).toBeGreaterThan(0.6);
  });

  it('makes any size within its bounds: every function invoked, durations and memory in order', () => {
    fc.assert(
      fc.property(
        fc.record({
          functions: fc.integer({ min: 1, max: 40 }),
          minutes: fc.integer({ min: 1, max: 100 }),
          seed: fc.integer(),
        }),
        ({ functions, minutes, seed }) => {
          const invocations = 5_000 + functions * minutes * 60;
          const trace = generateTrace({ functions, minutes, invocations, seed });
          expect(trace.functions).toHaveLength(functions);
          expect(new Set(trace.functions.map(({ id }) => id)).size).toBe(functions);
          for (const { durationsMs, memoryMb, counts, invocations: own } of trace.functions) {
            expect(counts).toHaveLength(minutes);
            expect(own).toBeGreaterThan(0);
            expect(durationsMs).toEqual(durationsMs.toSorted((one, other) => one - other));
            expect(durationsMs.every((each) => each >= 0 && each <= 300_000)).toBe(true);
            expect(memoryMb >= 1 && memoryMb <= 512).toBe(true);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each<[Partial<GeneratorOptions>, RegExp]>([
    [{ functions: 0 }, /^0 functions were asked for; a generated trace has 1 to 100000/],
    [{ functions: 1.5 }, /1\.5 functions/],
    [{ functions: Number.NaN }, /NaN functions/],
    [{ functions: 100_001 }, /100001 functions/],
    [{ minutes: -1 }, /-1 minutes/],
    [{ minutes: 20_161 }, /20161 minutes/],
    [{ invocations: Number.POSITIVE_INFINITY }, /Infinity invocations/],
    [{ functions: 100_000, minutes: 20_000, invocations: 1e9 }, /too many; their product may be 100000000/],
    [{ invocations: 10 }, /10 invocations were asked for; .* it takes \d+, because timers fire/],
  ])('refuses %j', (wrong, expected) => {
    const options = { functions: 100, minutes: 60, invocations: 50_000, seed: 1, ...wrong };
    expect(() => generateTrace(options)).toThrow(expected);
  });
});

describe('seededChance', () => {
  const drawn = (draw: () => number): { mean: number; deviation: number } => {
    const values = Array.from({ length: 20_000 }, draw);
    const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
    const variance = values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / values.length;
    return { mean, deviation: Math.sqrt(variance) };
  };

  it('draws from what it says', () => {
    const chance = seededChance(9);
    const normal = drawn(() => chance.normal());
    expect([Math.abs(normal.mean) < 0.03, Math.abs(normal.deviation - 1) < 0.03]).toEqual([true, true]);
    for (const mean of [0.3, 7, 200]) {
      const poisson = drawn(() => chance.poisson(mean));
      expect(Math.abs(poisson.mean / mean - 1)).toBeLessThan(0.05);
      expect(Math.abs(poisson.deviation / Math.sqrt(mean) - 1)).toBeLessThan(0.05);
    }
    expect(Math.abs(drawn(() => Math.log(chance.lognormal(20, 2))).mean - Math.log(20))).toBeLessThan(0.06);
    expect(Math.abs(drawn(() => chance.below(4)).mean - 1.5)).toBeLessThan(0.05);
    const picked = [
      ['a', 1],
      ['b', 3],
    ] as const;
    expect(Math.abs(drawn(() => (chance.pick(picked) === 'b' ? 1 : 0)).mean - 0.75)).toBeLessThan(0.02);
    expect(() => chance.pick([])).toThrow(/nothing to pick/);
  });
});
