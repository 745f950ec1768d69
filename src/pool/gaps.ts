/**
 * How long functions lie idle: gaps counted by length, and the levels that share a count.
 *
 * Owns the bins. Invariant: a count weighs what is new more than what is old, because it is halved whenever it is full.
 */
import { GAP_EDGES_MS, type GapCounts, type GapProfile, type WarmPlan } from './policy/api.ts';

/** A count that has seen so many gaps is halved: behaviour of hours ago must not outweigh that of the last one. */
const FULL = 256;
/** A gap that is shorter is none. */
const SHORTEST_MS = 0.1;
const MINUTE_MS = 60_000;
/** Bins whose upper edge is a minute or less. */
const FINE_BINS = GAP_EDGES_MS.findIndex((edge) => edge > MINUTE_MS);
const LAST_BIN = GAP_EDGES_MS.length - 1;
/** Longer gaps are all alike. */
export const LONGEST_MS = GAP_EDGES_MS[LAST_BIN - 1] ?? 0;

/** The bin of `GAP_EDGES_MS` that a gap of this length belongs to. */
const binOf = (gapMs: number): number => {
  if (gapMs >= MINUTE_MS) return Math.min(LAST_BIN, FINE_BINS - 1 + Math.floor(gapMs / MINUTE_MS));
  let bin = 0;
  while (gapMs >= (GAP_EDGES_MS[bin] ?? Number.POSITIVE_INFINITY)) bin += 1;
  return bin;
};

export class GapHistogram implements GapCounts {
  readonly bins = new Float32Array(GAP_EDGES_MS.length);
  readonly #full: number;
  total = 0;

  /** @param full the count at which it is halved. */
  constructor(full = FULL) {
    this.#full = full;
  }

  /**
   * Counts one gap of which nothing is known, not even its order of magnitude: as much of it in each doubling of time.
   * Without it whoever comes first would be believed never to come again.
   */
  spread(): void {
    let lower = SHORTEST_MS;
    const weights = GAP_EDGES_MS.map((edge) => {
      const weight = edge === Number.POSITIVE_INFINITY ? Math.log(2) : Math.log(edge / lower);
      lower = edge;
      return weight;
    });
    const sum = weights.reduce((total, weight) => total + weight, 0);
    for (const [bin, weight] of weights.entries()) this.bins[bin] = (this.bins[bin] ?? 0) + weight / sum;
    this.total += 1;
  }

  add(gapMs: number): void {
    const bin = binOf(gapMs);
    this.bins[bin] = (this.bins[bin] ?? 0) + 1;
    this.total += 1;
    if (this.total < this.#full) return;
    for (let index = 0; index < this.bins.length; index += 1) this.bins[index] = (this.bins[index] ?? 0) / 2;
    this.total /= 2;
  }
}

/** The highest level of each group that shares a profile: levels far up are rare and alike. */
const GROUP_TOPS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, Number.POSITIVE_INFINITY];

export const groupOfLevel = (level: number): number => {
  let group = 0;
  while (level > (GROUP_TOPS[group] ?? Number.POSITIVE_INFINITY)) group += 1;
  return group;
};

/** The highest level that shares a profile with this one. */
export const topOfGroup = (level: number): number =>
  GROUP_TOPS[groupOfLevel(level)] ?? Number.POSITIVE_INFINITY;

/** What all functions of a runtime do together halves less often: it is there for those that are hardly known. */
const POPULATION_FULL = 65_536;

export const populationHistograms = (): readonly GapHistogram[] =>
  GROUP_TOPS.map(() => {
    const histogram = new GapHistogram(POPULATION_FULL);
    histogram.spread();
    return histogram;
  });

/** A function's gaps at one group of levels, and the plan that was last made from them. */
export class Profile implements GapProfile {
  readonly level: number;
  readonly own = new GapHistogram();
  readonly all: GapHistogram;
  readonly #iats: () => readonly number[];
  /** Made anew when enough has been learnt since. */
  plan: WarmPlan | null = null;
  planTotal = 0;
  planLoad = 0;

  constructor(level: number, all: GapHistogram, iats: () => readonly number[]) {
    this.level = level;
    this.all = all;
    this.#iats = iats;
  }

  get recentIatsMs(): readonly number[] {
    return this.#iats();
  }
}
