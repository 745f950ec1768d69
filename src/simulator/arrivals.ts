/**
 * Plays a trace: the invocations of all functions as one stream in order of time, a minute at a time.
 *
 * Invocations are spread over their minute uniformly at random, and durations drawn from the function's percentiles, by
 * a process seeded with the function's id and the minute alone: a part of a trace has the arrivals that the whole has.
 * Memory is that of the busiest minute. Ties in time go by function, so the order is the same on every machine.
 */
import { seededRandom } from '../ports/random.ts';
import { hashOf, seedFrom, shareOf } from './seeds.ts';
import { PERCENTILES, type Trace } from './trace.ts';

/** The arrays are used again for the next minute: copy what is to be kept. */
export interface ArrivalMinute {
  /** Counted from the beginning of the trace, 0 at first. */
  readonly minute: number;
  readonly count: number;
  /** The place in `trace.functions`. */
  readonly functionIndex: Uint32Array;
  /** Milliseconds since the beginning of the trace, never falling. */
  readonly timeMs: Float64Array;
  readonly durationMs: Float64Array;
}

export function* arrivals(trace: Trace, seed: number): Generator<ArrivalMinute, void, undefined> {
  const { functions, minuteMs } = trace;
  const hashes = functions.map(({ id }) => hashOf(id));
  const spread = new Spread();
  for (let minute = 0; minute < trace.minutes; minute += 1) {
    spread.begin();
    for (const [index, { counts, durationsMs }] of functions.entries()) {
      const count = counts[minute] ?? 0;
      if (count === 0) continue;
      // By the minute of the day, so that a slice of the minutes has the same arrivals too.
      const { nonce } = seededRandom(seedFrom(hashes[index] ?? 0, seed, trace.startMinute + minute));
      for (let each = 0; each < count; each += 1)
        spread.add(index, shareOf(nonce()), durationAt(durationsMs, shareOf(nonce())));
    }
    yield spread.sorted(minute, minuteMs);
  }
}

/** A duration at a share of all executions, 0 to 1: linear between the known percentiles. */
export const durationAt = (durationsMs: readonly number[], share: number): number => {
  const percentile = share * 100;
  let upper = 1;
  while (upper < PERCENTILES.length - 1 && percentile > (PERCENTILES[upper] ?? 100)) upper += 1;
  const from = PERCENTILES[upper - 1] ?? 0;
  const until = PERCENTILES[upper] ?? 100;
  const low = durationsMs[upper - 1] ?? 0;
  const high = durationsMs[upper] ?? low;
  return low + ((percentile - from) / (until - from)) * (high - low);
};

/**
 * One minute's invocations, sorted by a bucket sort: their times are uniform, so there is about one in each of as many
 * buckets, and what is left to do within a bucket is little.
 */
class Spread {
  #count = 0;
  #indices = new Uint32Array(1024);
  #shares = new Float64Array(1024);
  #durations = new Float64Array(1024);
  #order = new Uint32Array(1024);
  #starts = new Uint32Array(1025);
  #outIndices = new Uint32Array(1024);
  #outTimes = new Float64Array(1024);
  #outDurations = new Float64Array(1024);

  begin(): void {
    this.#count = 0;
  }

  add(index: number, share: number, durationMs: number): void {
    if (this.#count === this.#indices.length) this.#grow();
    this.#indices[this.#count] = index;
    this.#shares[this.#count] = share;
    this.#durations[this.#count] = durationMs;
    this.#count += 1;
  }

  sorted(minute: number, minuteMs: number): ArrivalMinute {
    const count = this.#count;
    this.#sort();
    const startMs = minute * minuteMs;
    for (let at = 0; at < count; at += 1) {
      const from = this.#order[at] as number;
      this.#outIndices[at] = this.#indices[from] as number;
      this.#outTimes[at] = startMs + (this.#shares[from] as number) * minuteMs;
      this.#outDurations[at] = this.#durations[from] as number;
    }
    return {
      minute,
      count,
      functionIndex: this.#outIndices.subarray(0, count),
      timeMs: this.#outTimes.subarray(0, count),
      durationMs: this.#outDurations.subarray(0, count),
    };
  }

  #sort(): void {
    const count = this.#count;
    const shares = this.#shares;
    const starts = this.#starts.fill(0, 0, count + 1);
    const order = this.#order;
    for (let at = 0; at < count; at += 1) {
      const bucket = ((shares[at] as number) * count) | 0;
      starts[bucket + 1] = (starts[bucket + 1] as number) + 1;
    }
    for (let bucket = 1; bucket <= count; bucket += 1)
      starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number);
    for (let at = 0; at < count; at += 1) {
      const bucket = ((shares[at] as number) * count) | 0;
      const place = starts[bucket] as number;
      starts[bucket] = place + 1;
      order[place] = at;
    }
    // Insertion sort: nothing has far to go. It keeps the order of equals, which is that of the functions.
    for (let at = 1; at < count; at += 1) {
      const moving = order[at] as number;
      const share = shares[moving] as number;
      let place = at - 1;
      while (place >= 0 && (shares[order[place] as number] as number) > share) {
        order[place + 1] = order[place] as number;
        place -= 1;
      }
      order[place + 1] = moving;
    }
  }

  #grow(): void {
    const size = this.#indices.length * 2;
    const indices = new Uint32Array(size);
    const shares = new Float64Array(size);
    const durations = new Float64Array(size);
    indices.set(this.#indices);
    shares.set(this.#shares);
    durations.set(this.#durations);
    this.#indices = indices;
    this.#shares = shares;
    this.#durations = durations;
    this.#order = new Uint32Array(size);
    this.#starts = new Uint32Array(size + 1);
    this.#outIndices = new Uint32Array(size);
    this.#outTimes = new Float64Array(size);
    this.#outDurations = new Float64Array(size);
  }
}
