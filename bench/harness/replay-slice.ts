/**
 * A slice of a trace that this machine can play live: fewer functions, and no more of them at once than it holds.
 *
 * Owns the scaling. Both the server and the simulator play what comes out of here, arrival by arrival.
 */

import { hashOf } from '../../src/simulator/seeds.ts';
import { scaled } from '../../src/simulator/slices.ts';
import { summaryOf, type Trace, traceOf } from '../../src/simulator/trace.ts';

export interface SliceBounds {
  readonly functions: number;
  readonly minutes: number;
  /** Invocations a second, and of them at the same time, on average. */
  readonly perSecond: number;
  readonly inFlight: number;
  /** Longer executions are cut: they would outlast the replay. */
  readonly durationMaxMs: number;
}

const SEED = 1;

/** From the middle of the trace, where nothing has just begun. */
export const sliceOf = (trace: Trace, bounds: SliceBounds): Trace => {
  const { functions, minutes, durationMaxMs } = bounds;
  const from = trace.startMinute + Math.floor((trace.minutes - minutes) / 2);
  const range = [from, from + minutes] as const;
  const cut = traceOf({
    ...trace,
    functions: trace.functions.map((each) => ({
      ...each,
      durationsMs: each.durationsMs.map((durationMs) => Math.min(durationMaxMs, durationMs)),
    })),
  });
  const whole = scaled(cut, { minutes: range, rateFactor: 1, keepFunctions: functions, seed: SEED });
  const rateFactor = factorFor(whole, bounds);
  if (rateFactor === 1) return whole;
  return scaled(whole, { minutes: range, rateFactor, seed: SEED });
};

/** By how much the rate has to fall so that both bounds hold. */
const factorFor = (trace: Trace, { perSecond, inFlight }: SliceBounds): number => {
  const { invocations, busySeconds } = summaryOf(trace);
  const seconds = (trace.minutes * trace.minuteMs) / 1_000;
  return Math.min(1, (perSecond * seconds) / invocations, (inFlight * seconds) / Math.max(1e-9, busySeconds));
};

/** The first minutes of a trace, with all that they have. */
export const beginningOf = (trace: Trace, minutes: number): Trace =>
  scaled(trace, {
    ...{ minutes: [trace.startMinute, trace.startMinute + Math.min(minutes, trace.minutes)] },
    ...{ rateFactor: 1, seed: SEED },
  });

/** With so much of its invocations; a function that is left with none is no longer in it. */
export const thinnedOut = (trace: Trace, share: number): Trace =>
  share >= 1
    ? trace
    : scaled(trace, {
        ...{ minutes: [trace.startMinute, trace.startMinute + trace.minutes] },
        ...{ rateFactor: share, seed: SEED },
      });

export interface CpuBudget {
  /** What one replay was seen to take of all cores, in percent. */
  readonly onePercent: number;
  /** So many run at the same time. */
  readonly count: number;
  /** What they may take together. */
  readonly atMostPercent: number;
}

/** In twentieths, so that most runs on the same machine play the same. */
const SHARE_STEPS = 20;

/** Which share of the invocations may be played so that all replays stay within their part of the processors. */
export const shareFor = ({ onePercent, count, atMostPercent }: CpuBudget): number => {
  const share = atMostPercent / Math.max(1e-9, onePercent * count);
  const steps = Math.floor(share * SHARE_STEPS + 1e-9);
  return Math.max(1, Math.min(SHARE_STEPS, steps)) / SHARE_STEPS;
};

/** Two parts by owner, the second with so much of them: a tenant's functions stay together. */
export const splitByOwner = (trace: Trace, secondShare: number): readonly [Trace, Trace] => {
  const inSecond = (owner: string): boolean => hashOf(owner) / 2 ** 32 < secondShare;
  const part = (second: boolean): Trace =>
    traceOf({ ...trace, functions: trace.functions.filter(({ owner }) => inSecond(owner) === second) });
  return [part(false), part(true)];
};
