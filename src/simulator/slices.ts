/**
 * Parts of a trace: halves to tune on one and test on the other, and slices scaled down to be played live.
 *
 * Everything is decided by hashes of ids, so the same seed gives the same part whatever the order of the functions.
 */
import { StrataError } from '../core/errors.ts';
import { seededRandom } from '../ports/random.ts';
import { hashOf, seedFrom, shareOf } from './seeds.ts';
import { countsOf, FUNCTIONS_MAX, type Trace, type TraceFunction, traceOf } from './trace.ts';

/**
 * Two parts without a common function. All functions of an owner go to the same part, because a policy may learn from
 * one of them about the others.
 *
 * @throws StrataError `invalid_request` when a part would be empty.
 */
export const halves = (trace: Trace, seed: number): readonly [Trace, Trace] => {
  const inSecond = ({ owner }: TraceFunction): boolean => (seedFrom(hashOf(owner), seed) & 1) === 1;
  const partOf = (functions: readonly TraceFunction[]): Trace => traceOf({ ...trace, functions });
  return [
    partOf(trace.functions.filter((each) => !inSecond(each))),
    partOf(trace.functions.filter((each) => inSecond(each))),
  ];
};

export interface SliceOptions {
  /** Minutes as the trace numbers them: from inclusive, until exclusive. */
  readonly minutes: readonly [from: number, until: number];
  /** By how much each count is multiplied; a fraction of an invocation is one with that probability. */
  readonly rateFactor: number;
  /** By how much time passes faster; durations stay. Default 1. */
  readonly timeFactor?: number;
  /** Of the functions that are invoked in the slice, no more than so many, chosen by hash. Default all. */
  readonly keepFunctions?: number;
  readonly seed: number;
}

const FACTOR_MAX = 1_000;

/** @throws StrataError `invalid_request` for a slice that is empty or out of bounds. */
export const scaled = (trace: Trace, options: SliceOptions): Trace => {
  const { rateFactor, timeFactor = 1, keepFunctions = FUNCTIONS_MAX, seed } = options;
  const [from, until] = options.minutes;
  const end = trace.startMinute + trace.minutes;
  if (
    !Number.isInteger(from) ||
    !Number.isInteger(until) ||
    from < trace.startMinute ||
    until > end ||
    from >= until
  )
    throw refused(`The minutes ${from} to ${until} are not a part of ${trace.startMinute} to ${end}.`);
  for (const [name, factor] of Object.entries({ rateFactor, timeFactor })) {
    if (!(factor > 0 && factor <= FACTOR_MAX))
      throw refused(`${name} is ${factor}; it must be above 0, and ${FACTOR_MAX} at most.`);
  }
  if (!Number.isInteger(keepFunctions) || keepFunctions < 1)
    throw refused(`keepFunctions is ${keepFunctions}; it must be a whole number from 1.`);
  const functions = trace.functions.flatMap((each) => {
    const counts = each.counts.subarray(from - trace.startMinute, until - trace.startMinute);
    const part = {
      ...each,
      ...countsOf(rateFactor === 1 ? counts : thinned(each.id, counts, rateFactor, seed)),
    };
    return part.invocations === 0 ? [] : [part];
  });
  return traceOf({
    ...{ functions: chosen(functions, keepFunctions, seed), startMinute: from, minutes: until - from },
    ...{ minuteMs: trace.minuteMs / timeFactor, notes: trace.notes },
  });
};

/** Counts that keep their expectation: rounded down or up at random, in proportion to the fraction. */
const thinned = (id: string, counts: ArrayLike<number>, factor: number, seed: number): number[] => {
  const { nonce } = seededRandom(seedFrom(hashOf(id), seed, 1));
  return Array.from(counts, (count) => (count === 0 ? 0 : Math.floor(count * factor + shareOf(nonce()))));
};

/** Those with the lowest hashes, in the order in which the trace has them. */
const chosen = (
  functions: readonly TraceFunction[],
  most: number,
  seed: number,
): readonly TraceFunction[] => {
  if (functions.length <= most) return functions;
  const ranked = functions
    .map((each) => ({ each, rank: seedFrom(hashOf(each.id), seed, 2) }))
    .toSorted((one, other) => one.rank - other.rank || (one.each.id < other.each.id ? -1 : 1));
  const kept = new Set(ranked.slice(0, most).map(({ each }) => each));
  return functions.filter((each) => kept.has(each));
};

const refused = (detail: string): StrataError => new StrataError('invalid_request', detail);
