/**
 * What kinds of functions a generated trace is mixed of: figures only. The medians are of 480 minutes.
 */
import type { Trigger } from './trace.ts';

export interface Profile {
  readonly trigger: Trigger;
  /** How many functions, of 499. */
  readonly weight: number;
  readonly medianCount: number;
  /** Of the logarithm of the count. */
  readonly countDeviation: number;
  readonly medianMs: number;
  /** Invocations in one burst, times the count to the power of `burstGrowth`. */
  readonly burst: number;
  readonly burstGrowth: number;
  /** How likely a burst pauses for a minute. */
  readonly pause: number;
  /** By how much the rate may rise at noon. */
  readonly daySwing: number;
}

export const MIX: readonly Profile[] = [
  {
    ...{ trigger: 'timer', weight: 247, medianCount: 0, countDeviation: 0, medianMs: 500 },
    ...{ burst: 1, burstGrowth: 0, pause: 0, daySwing: 0 },
  },
  {
    ...{ trigger: 'http', weight: 139, medianCount: 30, countDeviation: 2.2, medianMs: 130 },
    ...{ burst: 1.5, burstGrowth: 0.15, pause: 0.3, daySwing: 0.6 },
  },
  {
    ...{ trigger: 'queue', weight: 69, medianCount: 25, countDeviation: 3.4, medianMs: 500 },
    ...{ burst: 2, burstGrowth: 0.4, pause: 0.2, daySwing: 0.3 },
  },
  {
    ...{ trigger: 'orchestration', weight: 25, medianCount: 80, countDeviation: 1.9, medianMs: 45 },
    ...{ burst: 4, burstGrowth: 0.1, pause: 0.4, daySwing: 0.3 },
  },
  {
    ...{ trigger: 'event', weight: 14, medianCount: 500, countDeviation: 3, medianMs: 100 },
    ...{ burst: 1.5, burstGrowth: 0.1, pause: 0.3, daySwing: 0.5 },
  },
  {
    ...{ trigger: 'storage', weight: 5, medianCount: 19, countDeviation: 1.8, medianMs: 300 },
    ...{ burst: 4, burstGrowth: 0.1, pause: 0.5, daySwing: 0.2 },
  },
];

/** Minutes between two firings, with how many of a hundred timers have them; a fraction is several a minute. */
export const TIMER_PERIODS_MIN: readonly (readonly [periodMin: number, weight: number])[] = [
  ...([
    [1_440, 13],
    [480, 4],
    [240, 4],
    [60, 10],
    [30, 4],
    [15, 8],
    [10, 7],
  ] as const),
  ...([
    [5, 25],
    [4, 3],
    [3, 8],
    [2, 6],
    [1, 12],
    [0.5, 2],
    [1 / 6, 0.8],
    [1 / 60, 0.2],
  ] as const),
];
