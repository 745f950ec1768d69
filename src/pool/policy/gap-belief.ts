/**
 * What to believe of a gap: how likely it ends in which bin, and how likely it lasts.
 *
 * Pure arithmetic on counts. A function's own gaps count as they are; those of all functions of its runtime count as if
 * `priorGaps` of the function's had been seen: that is all that is known of a new function, and little of a known one.
 */
import { GAP_EDGES_MS, type GapProfile } from './api.ts';

export const BINS = GAP_EDGES_MS.length;
const LAST = BINS - 1;

export const lowerEdgeMs = (bin: number): number => (bin === 0 ? 0 : (GAP_EDGES_MS[bin - 1] ?? 0));
export const upperEdgeMs = (bin: number): number => GAP_EDGES_MS[bin] ?? Number.POSITIVE_INFINITY;

/** Weight of one count of `all`, as of `own`. */
export const priorScale = (gaps: GapProfile, priorGaps: number): number =>
  gaps.all.total > 0 ? priorGaps / gaps.all.total : 0;

/** How many gaps, of those believed in, end in a bin. */
export const massIn = (gaps: GapProfile, scale: number, bin: number): number =>
  (gaps.own.bins[bin] ?? 0) + scale * (gaps.all.bins[bin] ?? 0);

/** The bin in which a gap is after so long. */
export const binAt = (gapMs: number): number => {
  let low = 0;
  let high = LAST;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (gapMs < upperEdgeMs(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** The rate at which a gap that has lasted so long ends, per second: the share that ends in its bin over the bin's width. */
export const hazardPerSecond = (gaps: GapProfile, priorGaps: number, gapMs: number): number => {
  const scale = priorScale(gaps, priorGaps);
  const bin = binAt(gapMs);
  let alive = 0;
  for (let at = bin; at < BINS; at += 1) alive += massIn(gaps, scale, at);
  const mass = massIn(gaps, scale, bin);
  if (mass <= 0) return 0;
  const widthMs = bin === LAST ? lowerEdgeMs(bin) : upperEdgeMs(bin) - lowerEdgeMs(bin);
  return (1_000 * mass) / ((alive - mass / 2) * widthMs);
};
