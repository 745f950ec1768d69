import { describe, expect, it } from 'vitest';
import { seededRandom } from '../ports/random.ts';
import { RELATIVE_ERROR } from './api.ts';
import { Histogram } from './histogram.ts';

const SHARES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 } as const;
/** Percentiles are given out in nanoseconds. */
const ROUNDING_MS = 1e-6;

const histogramOf = (samples: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const ms of samples) histogram.add(ms);
  return histogram;
};

describe('a histogram', () => {
  it('has percentiles within the error that is promised, over many shapes of samples', () => {
    const random = seededRandom(7);
    for (let run = 0; run < 300; run += 1) {
      const count = 1 + Math.floor(random.fraction() * 2_000);
      // From about a microsecond, over as many powers of ten as the run has: nearly constant to all there is.
      const powers = random.fraction() * 8.9;
      const samples = Array.from({ length: count }, () => 1e-3 * 10 ** (random.fraction() * powers));
      const sorted = samples.toSorted((one, other) => one - other);
      const found = histogramOf(samples).percentiles();
      for (const [name, share] of Object.entries(SHARES) as [keyof typeof SHARES, number][]) {
        const exact = sorted[Math.ceil(share * count) - 1] ?? 0;
        const error = Math.abs((found?.[name] ?? Number.NaN) - exact);
        expect(error).toBeLessThanOrEqual(exact * RELATIVE_ERROR + ROUNDING_MS);
      }
      expect(found?.max).toBeCloseTo(sorted.at(-1) ?? 0, 5);
    }
  });

  it('added to another is the histogram of both', () => {
    const random = seededRandom(8);
    const [one, other] = [0, 0].map(() => Array.from({ length: 500 }, () => random.fraction() * 1_000));
    const sum = histogramOf(one ?? []);
    sum.addAll(histogramOf(other ?? []));
    sum.addAll(new Histogram());
    expect(sum.percentiles()).toEqual(histogramOf([...(one ?? []), ...(other ?? [])]).percentiles());
  });

  it('counts at its ends what no clock should say, and has nothing when it is cleared', () => {
    const histogram = histogramOf([0, -5, Number.NaN, 1e12]);
    expect(histogram.percentiles()).toMatchObject({ p50: 0.00098, max: 1e12 });
    histogram.clear();
    expect(histogram.percentiles()).toBeNull();
    histogram.add(2);
    expect(histogram.percentiles()).toMatchObject({ p50: 2, p99: 2, max: 2 });
  });
});
