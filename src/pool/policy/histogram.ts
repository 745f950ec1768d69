/**
 * `histogram`: Serverless in the Wild's hybrid policy, on this function's gaps in bins of a minute up to four hours.
 *
 *   representative  enough gaps were seen, and the coefficient of variation of the bins' counts is at least 2
 *   → warm:  [0.9 × p5, 1.1 × p99), p5 rounded down to its bin and p99 up; from 0 when p5 is in the first bin.
 *   half or more of the gaps are longer than four hours
 *   → warm:  ±15 % around the mean of the last distances between arrivals, which stands in for their ARIMA forecast.
 *   otherwise
 *   → warm:  [0, 4 hours).
 *   stock: what the configuration asks for; none where a trace is simulated, as in the paper. worth: −idleMs: the source evicts nothing.
 *
 * Source: Shahrad et al., "Serverless in the Wild: Characterizing and Optimizing the Serverless Workload at a Large Cloud
 * Provider", USENIX ATC 2020, sections 4.2 and 5.
 */
import {
  type Demotion,
  GAP_EDGES_MS,
  type GapCounts,
  type GapProfile,
  type Policy,
  type WarmPlan,
} from './api.ts';
import { leastRecentlyUsed } from './fixed.ts';
import { configuredStock } from './greedy-dual.ts';

export interface HistogramSettings {
  readonly headQuantile: number;
  readonly tailQuantile: number;
  /** By which the head begins earlier and the tail ends later. */
  readonly margin: number;
  /** Counts that vary less than this say nothing: the authors' threshold. */
  readonly leastVariation: number;
  /** Fewer gaps say nothing. The source asks for "enough" and names no figure. */
  readonly leastGaps: number;
  /** The share of gaps beyond the last bin from which the histogram is given up. */
  readonly outOfBounds: number;
  /** Around the forecast of a gap beyond the last bin. */
  readonly forecastMargin: number;
}

const HISTOGRAM_DEFAULTS: HistogramSettings = {
  ...{ headQuantile: 0.05, tailQuantile: 0.99, margin: 0.1 },
  ...{ leastVariation: 2, leastGaps: 5, outOfBounds: 0.5, forecastMargin: 0.15 },
};

const MINUTE_MS = 60_000;
/** Bins whose upper edge is a minute or less are the first minute. */
const FINE = GAP_EDGES_MS.findIndex((edge) => edge >= MINUTE_MS);
const LAST = GAP_EDGES_MS.length - 1;
const MINUTES = LAST - FINE;
const RANGE_MS = MINUTES * MINUTE_MS;
const DESTROYED: Demotion = { runtimeMs: 0, containerMs: 0 };

export const histogramPolicy = (settings: Partial<HistogramSettings> = {}): Policy => {
  const chosen = { ...HISTOGRAM_DEFAULTS, ...settings };
  return {
    name: 'histogram',
    warm: (gaps) => warm(gaps, chosen),
    demotion: () => DESTROYED,
    stock: configuredStock,
    spares: () => 0,
    worth: leastRecentlyUsed,
  };
};

const warm = (gaps: GapProfile, settings: HistogramSettings): WarmPlan => {
  const { own, recentIatsMs } = gaps;
  if (own.total < settings.leastGaps) return everything('too few gaps were seen');
  const beyond = own.bins[LAST] ?? 0;
  if (beyond >= settings.outOfBounds * own.total && recentIatsMs.length > 0) {
    const mean = recentIatsMs.reduce((sum, iat) => sum + iat, 0) / recentIatsMs.length;
    return window(mean * (1 - settings.forecastMargin), mean * (1 + settings.forecastMargin), 'as forecast');
  }
  const within = own.total - beyond;
  if (within <= 0 || variation(own, within) < settings.leastVariation) return everything('no pattern');
  const head = minuteOf(own, within * settings.headQuantile);
  const tail = minuteOf(own, within * settings.tailQuantile) + 1;
  return window(
    head * MINUTE_MS * (1 - settings.margin),
    tail * MINUTE_MS * (1 + settings.margin),
    'from p5 to p99',
  );
};

const window = (fromMs: number, untilMs: number, why: string): WarmPlan => ({
  windows: [{ fromMs, untilMs }],
  why: `${why}: minutes ${(fromMs / MINUTE_MS).toFixed(1)} to ${(untilMs / MINUTE_MS).toFixed(1)}`,
});

const everything = (why: string): WarmPlan => window(0, RANGE_MS, why);

/** The first minute's count is that of all finer bins. */
const firstMinute = (counts: GapCounts): number => {
  let sum = 0;
  for (let bin = 0; bin <= FINE; bin += 1) sum += counts.bins[bin] ?? 0;
  return sum;
};

/** Standard deviation over mean of the counts of the minutes. */
const variation = (counts: GapCounts, within: number): number => {
  const mean = within / MINUTES;
  let squares = (firstMinute(counts) - mean) ** 2;
  for (let bin = FINE + 1; bin < LAST; bin += 1) squares += ((counts.bins[bin] ?? 0) - mean) ** 2;
  return Math.sqrt(squares / MINUTES) / mean;
};

/** The minute, from 0, by whose end so many gaps have ended. */
const minuteOf = (counts: GapCounts, count: number): number => {
  let sum = firstMinute(counts);
  let minute = 0;
  while (sum < count && minute < MINUTES - 1) {
    minute += 1;
    sum += counts.bins[FINE + minute] ?? 0;
  }
  return minute;
};
