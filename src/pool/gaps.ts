/**
 * How long functions lie idle: gaps counted by length, and the levels that share a count.
 *
 * Owns the bins; what all functions do together is `population.ts`. Invariant: a count weighs what is new more than what is old, because it is halved whenever it is full.
 */
import { GAP_EDGES_MS, type GapCounts, type GapProfile, type WarmPlan } from './policy/api.ts';

/** A count that has seen so many gaps is halved: behaviour of hours ago must not outweigh that of the last one. */
const FULL = 256;
const MINUTE_MS = 60_000;
/** Bins whose upper edge is a minute or less. */
const FINE_BINS = GAP_EDGES_MS.findIndex((edge) => edge > MINUTE_MS);
const LAST_BIN = GAP_EDGES_MS.length - 1;
/** Longer gaps are all alike. */
export const LONGEST_MS = GAP_EDGES_MS[LAST_BIN - 1] ?? 0;

/** The bin of `GAP_EDGES_MS` that a gap of this length belongs to. */
export const binOf = (gapMs: number): number => {
  if (gapMs >= MINUTE_MS) return Math.min(LAST_BIN, FINE_BINS - 1 + Math.floor(gapMs / MINUTE_MS));
  let bin = 0;
  while (gapMs >= (GAP_EDGES_MS[bin] ?? Number.POSITIVE_INFINITY)) bin += 1;
  return bin;
};

class GapHistogram implements GapCounts {
  readonly bins = new Float32Array(GAP_EDGES_MS.length);
  total = 0;

  add(gapMs: number): void {
    const bin = binOf(gapMs);
    this.bins[bin] = (this.bins[bin] ?? 0) + 1;
    this.total += 1;
    if (this.total < FULL) return;
    for (let index = 0; index < this.bins.length; index += 1) this.bins[index] = (this.bins[index] ?? 0) / 2;
    this.total /= 2;
  }
}

/** The highest level of each group that shares a profile: levels far up are rare and alike. */
export const GROUP_TOPS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, Number.POSITIVE_INFINITY];

export const groupOfLevel = (level: number): number => {
  let group = 0;
  while (level > (GROUP_TOPS[group] ?? Number.POSITIVE_INFINITY)) group += 1;
  return group;
};

/** The highest level that shares a profile with this one. */
export const topOfGroup = (level: number): number =>
  GROUP_TOPS[groupOfLevel(level)] ?? Number.POSITIVE_INFINITY;

/** A function's gaps at one group of levels, and the plan that was last made from them. */
export class Profile implements GapProfile {
  readonly level: number;
  readonly own = new GapHistogram();
  readonly all: GapCounts;
  readonly #iats: () => readonly number[];
  /** Made anew when enough has been learnt since. */
  plan: WarmPlan | null = null;
  planTotal = 0;
  planDemand = 0;

  constructor(level: number, all: GapCounts, iats: () => readonly number[]) {
    this.level = level;
    this.all = all;
    this.#iats = iats;
  }

  get recentIatsMs(): readonly number[] {
    return this.#iats();
  }
}
