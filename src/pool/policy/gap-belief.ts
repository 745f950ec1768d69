/**
 * What to believe of a gap: how likely one that has lasted until a bin ends in it.
 *
 * Pure arithmetic on counts. In each bin the function's own gaps speak for themselves, and those of all functions of its
 * runtime speak as if `priorGaps` more of its own had lasted so long and then ended as the others' do (a beta process
 * prior): all that is known of a new function, and little of a known one.
 *
 *   h_i = (own_i + priorGaps × all_i / allAlive_i) / (ownAlive_i + priorGaps)
 */
import { GAP_EDGES_MS, type GapCounts, type GapProfile } from './api.ts';

export const BINS = GAP_EDGES_MS.length;
const LAST = BINS - 1;

export const lowerEdgeMs = (bin: number): number => (bin === 0 ? 0 : (GAP_EDGES_MS[bin - 1] ?? 0));
const upperEdgeMs = (bin: number): number => GAP_EDGES_MS[bin] ?? Number.POSITIVE_INFINITY;
/** Of the bins; the last has no end. */
export const WIDTHS_MS = Float64Array.from(GAP_EDGES_MS, (upper, bin) => upper - lowerEdgeMs(bin));

/** The share of gaps that end in each bin of those that last until it, into `shares`; the last bin ends all. */
export const endShares = (
  { own, all }: GapProfile,
  priorGaps: number,
  shares = new Float64Array(BINS),
): Float64Array => {
  const { bins: ownBins } = own;
  const { bins: allBins } = all;
  let ownAlive = 0;
  let allAlive = 0;
  for (let bin = LAST; bin >= 0; bin -= 1) {
    const ownHere = ownBins[bin] ?? 0;
    const allHere = allBins[bin] ?? 0;
    ownAlive += ownHere;
    allAlive += allHere;
    shares[bin] = share(ownHere, ownAlive, allHere, allAlive, priorGaps);
  }
  return shares;
};

const share = (own: number, ownAlive: number, all: number, allAlive: number, priorGaps: number): number => {
  const prior = allAlive > 0 ? all / allAlive : 0;
  const weight = ownAlive + priorGaps;
  return weight > 0 ? (own + priorGaps * prior) / weight : 0;
};

/** The bin in which a gap is after so long. */
const binAt = (gapMs: number): number => {
  let low = 0;
  let high = LAST;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (gapMs < upperEdgeMs(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** The rate at which a gap that has lasted so long ends, per second: the share that ends in its bin over its width. */
export const hazardPerSecond = (gaps: GapProfile, priorGaps: number, gapMs: number): number => {
  const bin = binAt(gapMs);
  const ends = share(
    gaps.own.bins[bin] ?? 0,
    countFrom(gaps.own, bin),
    gaps.all.bins[bin] ?? 0,
    countFrom(gaps.all, bin),
    priorGaps,
  );
  const widthMs = bin === LAST ? lowerEdgeMs(bin) : (WIDTHS_MS[bin] ?? 0);
  return (1_000 * ends) / ((1 - ends / 2) * widthMs);
};

const countFrom = (counts: GapCounts, bin: number): number => {
  let sum = 0;
  for (let at = bin; at < BINS; at += 1) sum += counts.bins[at] ?? 0;
  return sum;
};
