/**
 * What a trace is: functions, and how often each was invoked in every minute.
 *
 * Owns the shape, its bounds, and the figures that sum a trace up. A trace says nothing of when within a minute an
 * invocation comes (`arrivals.ts`) nor of what serves it. It is never changed; slices are new traces that may share
 * counts with it.
 */
import { StrataError } from '../core/errors.ts';

export const TRIGGERS = ['http', 'timer', 'queue', 'event', 'storage', 'orchestration', 'others'] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** The percentiles by which a trace gives durations. */
export const PERCENTILES = [0, 1, 25, 50, 75, 99, 100] as const;

/** Invocations a minute; the narrow form where it suffices, because most counts are small and there are many. */
export type Counts = Uint16Array | Uint32Array;

export interface TraceFunction {
  /** Unique in its trace, and the same in every slice of it. */
  readonly id: string;
  readonly app: string;
  /** Who owns the function: the tenant. */
  readonly owner: string;
  readonly trigger: Trigger;
  readonly memoryMb: number;
  /** Milliseconds of execution, cold starts excluded, at each of `PERCENTILES`; never falling. */
  readonly durationsMs: readonly number[];
  /** One for each minute of the trace. */
  readonly counts: Counts;
  /** The sum of the counts. */
  readonly invocations: number;
}

export interface Trace {
  readonly functions: readonly TraceFunction[];
  /** Which minute of the day the first count is of. */
  readonly startMinute: number;
  readonly minutes: number;
  /** How long one of its minutes lasts when it is played: less than 60,000 in a slice that is played faster. */
  readonly minuteMs: number;
  readonly invocations: number;
  /** What was missing or put right, for people. */
  readonly notes: readonly string[];
}

export const MINUTE_MS = 60_000;

/** Two weeks, and more functions than a day of the largest public trace has. */
export const MINUTES_MAX = 20_160;
export const FUNCTIONS_MAX = 100_000;
/** Counts in memory, all functions together: 200 MB in the narrow form. */
export const COUNTS_MAX = 100_000_000;
/** Invocations of all functions in one minute: what has to be in memory at once when a trace is played. */
export const MINUTE_INVOCATIONS_MAX = 5_000_000;

/** What executions and memory are taken to be of functions for which a trace does not say. */
export const DEFAULT_DURATIONS_MS: readonly number[] = [40, 60, 200, 400, 900, 4_000, 10_000];
export const DEFAULT_MEMORY_MB = 64;

/**
 * A trace of these functions, with its sums.
 *
 * @throws StrataError `invalid_request` when it has nothing to play or breaks a bound.
 */
export const traceOf = (parts: Omit<Trace, 'invocations'>): Trace => {
  const { functions, minutes } = parts;
  if (functions.length === 0) throw refused('The trace has no functions; there is nothing to play.');
  if (functions.length > FUNCTIONS_MAX)
    throw refused(`The trace has ${functions.length} functions; ${FUNCTIONS_MAX} are allowed.`);
  if (minutes > MINUTES_MAX)
    throw refused(`The trace has ${minutes} minutes; ${MINUTES_MAX} are allowed. Take a part of it.`);
  const totals = new Float64Array(minutes);
  let invocations = 0;
  for (const { counts } of functions) {
    for (let minute = 0; minute < minutes; minute += 1) {
      const count = counts[minute] ?? 0;
      totals[minute] = (totals[minute] ?? 0) + count;
      invocations += count;
    }
  }
  const busiest = totals.reduce((most, total) => Math.max(most, total), 0);
  if (busiest > MINUTE_INVOCATIONS_MAX) {
    const minute = parts.startMinute + totals.indexOf(busiest);
    throw refused(
      `Minute ${minute} has ${busiest} invocations; ${MINUTE_INVOCATIONS_MAX} are allowed. Take fewer functions.`,
    );
  }
  if (invocations === 0) throw refused('The trace has no invocations; there is nothing to play.');
  return { ...parts, invocations };
};

/** Counts in the narrowest form that holds them, and their sum; the source is copied. */
export const countsOf = (source: ArrayLike<number>): { counts: Counts; invocations: number } => {
  let most = 0;
  let invocations = 0;
  for (let minute = 0; minute < source.length; minute += 1) {
    const count = source[minute] ?? 0;
    invocations += count;
    if (count > most) most = count;
  }
  return { counts: most < 65_536 ? Uint16Array.from(source) : Uint32Array.from(source), invocations };
};

/** What describes a trace in a report. */
export interface TraceSummary {
  readonly functions: number;
  readonly owners: number;
  readonly startMinute: number;
  readonly minutes: number;
  readonly minuteMs: number;
  readonly invocations: number;
  /** Invocations a function. */
  readonly perFunction: { readonly p50: number; readonly p95: number; readonly max: number };
  readonly triggers: Readonly<Record<Trigger, number>>;
  /** Of the functions' mean durations, each function counted once. */
  readonly meanDurationMs: { readonly p50: number; readonly p95: number };
  readonly memoryMb: { readonly p50: number; readonly p95: number };
  /** What all executions take, cold starts excluded. */
  readonly busySeconds: number;
  readonly notes: readonly string[];
}

export const summaryOf = (trace: Trace): TraceSummary => {
  const { functions, startMinute, minutes, minuteMs, invocations, notes } = trace;
  const invoked = sorted(functions.map((each) => each.invocations));
  const means = functions.map(({ durationsMs }) => meanOf(durationsMs));
  const durations = sorted(means);
  const memory = sorted(functions.map(({ memoryMb }) => memoryMb));
  const triggers = Object.fromEntries(
    TRIGGERS.map((trigger) => [trigger, functions.filter((each) => each.trigger === trigger).length]),
  ) as Record<Trigger, number>;
  return {
    ...{ functions: functions.length, owners: new Set(functions.map(({ owner }) => owner)).size },
    ...{ startMinute, minutes, minuteMs, invocations, triggers, notes },
    perFunction: { p50: quantile(invoked, 0.5), p95: quantile(invoked, 0.95), max: quantile(invoked, 1) },
    meanDurationMs: { p50: quantile(durations, 0.5), p95: quantile(durations, 0.95) },
    memoryMb: { p50: quantile(memory, 0.5), p95: quantile(memory, 0.95) },
    busySeconds: functions.reduce((sum, each, at) => sum + (each.invocations * (means[at] ?? 0)) / 1_000, 0),
  };
};

/** The mean of what `durationAt` answers, over all shares. */
export const meanOf = (durationsMs: readonly number[]): number =>
  PERCENTILES.slice(1).reduce<number>((sum, percentile, at) => {
    const width = (percentile - (PERCENTILES[at] ?? 0)) / 100;
    return sum + (width * ((durationsMs[at] ?? 0) + (durationsMs[at + 1] ?? 0))) / 2;
  }, 0);

const sorted = (values: readonly number[]): number[] => values.toSorted((one, other) => one - other);

const quantile = (ascending: readonly number[], share: number): number =>
  ascending[Math.floor(share * (ascending.length - 1))] ?? 0;

const refused = (detail: string): StrataError => new StrataError('invalid_request', detail);
