/**
 * Summaries of samples: exact percentiles with the number of samples beside them.
 *
 * Owns arithmetic only. Percentiles are nearest-rank: each is a value that was really measured.
 */

export interface Summary {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
}

/** Null when there is no sample: a summary of nothing is not zero. */
export const summarise = (samples: readonly number[]): Summary | null => {
  if (samples.length === 0) return null;
  const sorted = [...samples].sort((left, right) => left - right);
  return {
    n: sorted.length,
    p50: nearestRank(sorted, 0.5),
    p95: nearestRank(sorted, 0.95),
    p99: nearestRank(sorted, 0.99),
    min: nearestRank(sorted, 0),
    max: nearestRank(sorted, 1),
  };
};

export const median = (samples: readonly number[]): number | null => summarise(samples)?.p50 ?? null;

export const mean = (samples: readonly number[]): number | null =>
  samples.length === 0 ? null : samples.reduce((total, sample) => total + sample, 0) / samples.length;

/** Null when either side is missing or the divisor is zero. */
export const divide = (
  dividend: number | null | undefined,
  divisor: number | null | undefined,
): number | null => (dividend == null || divisor == null || divisor === 0 ? null : dividend / divisor);

/** Null as soon as one part is unknown: a partial sum would look like a small one. */
export const sum = (parts: readonly (number | null)[]): number | null =>
  parts.reduce((total, part) => (total === null || part === null ? null : total + part), 0);

/** Four significant digits: more would be noise, and the committed files stay readable. */
export const round = (value: number | null | undefined): number | null =>
  value == null ? null : Number(value.toPrecision(4));

const nearestRank = (sorted: readonly number[], fraction: number): number => {
  const rank = Math.max(1, Math.ceil(fraction * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
};
