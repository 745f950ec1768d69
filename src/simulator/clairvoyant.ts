/**
 * What somebody comes to who knows the trace, past and future: two bounds, whatever the budget.
 *
 * Both have what no policy has: memory without bound, and a stock that costs nothing, so that every miss starts from a
 * pristine runtime. With a price for memory, cost = start latency + price × megabyte-seconds that waited. Each price gives
 * a point with the least cost, and so a straight line below which nothing lies: the points of a list of prices are the
 * lower envelope of all policies that know no more and can do no more.
 *
 * `keeping`: Belady's. It knows every gap of every level when the gap begins, keeps the instance through it iff
 *   price × MB × gap ≤ startMs.runtime, and misses at its end otherwise. No policy comes below that only keeps or gives up;
 *   one that makes ready ahead could, at prices at which it knows the end of a gap far better than how long it is.
 *
 * `knowing`: nothing comes below, whatever it does. A trace says how often a function is invoked in each minute; the
 *   moments within are drawn when it is played, so nobody can know more than the counts. With `count` invocations to come
 *   in the `left` ms of a minute, the next comes at the rate count ÷ left. At each moment either an instance is ready for
 *   it, which costs price × MB, or none is, which costs rate × startMs.runtime. The least is the smaller of both, moment by
 *   moment: one spare instance, ready and gone at once, exactly while left ≤ count × startMs.runtime ÷ (price × MB). Who
 *   decides by less knowledge pays more on average, because the smaller of both is concave in the rate.
 *
 * Whoever knew the moments and could make ready ahead would wait for nothing and waste nothing: that bounds nothing.
 * Not in either: the carrier of a tier with many instances in one, which a tenant's other functions may need anyway; and,
 * small beside a miss, that what starts late ends late, and that one may wait for a busy instance instead of starting.
 */
import { Heap, type HeapItem, NOT_IN_HEAP } from '../core/heap.ts';
import type { LayerCosts } from '../pool/policy/api.ts';
import type { BoundPoint, Bounds } from './api.ts';
import { arrivals } from './arrivals.ts';
import type { Trace } from './trace.ts';

/** Milliseconds for a megabyte-second: from memory that is nearly free to memory that is never worth it. */
const BOUND_PRICES: readonly number[] = Array.from({ length: 19 }, (_, at) => 10 ** (-5 + at / 3));

/** `costs` gives what a function of so many megabytes costs. */
export const clairvoyant = (
  trace: Trace,
  seed: number,
  costs: (memoryMb: number) => LayerCosts,
  prices: readonly number[] = BOUND_PRICES,
): Bounds => {
  const functions = trace.functions.map(({ memoryMb }) => functionOf(costs(memoryMb)));
  const keeping = new Sums(prices);
  const knowing = new Sums(prices);
  for (const { minute, count, functionIndex, timeMs, durationMs } of arrivals(trace, seed)) {
    const startMs = minute * trace.minuteMs;
    const endMs = startMs + trace.minuteMs;
    for (const [index, each] of functions.entries()) {
      each.toCome = trace.functions[index]?.counts[minute] ?? 0;
      each.fromMs = startMs;
    }
    for (let at = 0; at < count; at += 1) {
      const each = functions[functionIndex[at] as number] as Played;
      const now = timeMs[at] as number;
      keeping.gap(each, gapBefore(each, now, durationMs[at] as number));
      knowing.spare(each, endMs - each.fromMs, endMs - now);
      each.toCome -= 1;
      each.fromMs = now;
    }
  }
  return { keeping: keeping.points(), knowing: knowing.points() };
};

/** One function while the trace is played. */
interface Played {
  readonly missMs: number;
  readonly heldMb: number;
  /** In this minute, and since when the next of them is awaited. */
  toCome: number;
  fromMs: number;
  /** Instances that are needed, when each will be free, and since when each level's gap lasts. */
  needed: number;
  readonly ends: Heap<End>;
  readonly gapSinceMs: number[];
}

interface End extends HeapItem {
  readonly atMs: number;
}

const functionOf = ({ startMs, memoryMb, capacity }: LayerCosts): Played => ({
  missMs: startMs.runtime,
  heldMb: memoryMb.code + (capacity === 1 ? memoryMb.container : 0),
  ...{ toCome: 0, fromMs: 0, needed: 0, gapSinceMs: [] },
  ends: new Heap<End>((one, other) => one.atMs < other.atMs),
});

/** How long the level's gap lasted that an arrival ends; endless for a level that was never needed before. */
const gapBefore = (each: Played, now: number, durationMs: number): number => {
  const { ends, gapSinceMs } = each;
  for (let next = ends.peek(); next !== undefined && next.atMs <= now; next = ends.peek()) {
    ends.remove(next);
    each.needed -= 1;
    gapSinceMs[each.needed] = next.atMs;
  }
  const since = gapSinceMs[each.needed] ?? Number.NEGATIVE_INFINITY;
  each.needed += 1;
  ends.push({ atMs: now + durationMs, heapIndex: NOT_IN_HEAP });
  return now - since;
};

/** What waiting and wasting come to at each price. */
class Sums {
  readonly #prices: readonly number[];
  readonly #misses: Float64Array;
  readonly #latencyMs: Float64Array;
  readonly #idleMbMs: Float64Array;

  constructor(prices: readonly number[]) {
    this.#prices = prices;
    this.#misses = new Float64Array(prices.length);
    this.#latencyMs = new Float64Array(prices.length);
    this.#idleMbMs = new Float64Array(prices.length);
  }

  /** A gap through which an instance was kept, or after which it was missed. */
  gap({ missMs, heldMb }: Played, gapMs: number): void {
    for (let at = 0; at < this.#prices.length; at += 1) {
      if (this.#rentPerMs(at, heldMb) * gapMs <= missMs) this.#idle(at, heldMb * gapMs);
      else this.#miss(at, missMs);
    }
  }

  /** An arrival with so much left of its minute, when the last one, or the minute's beginning, had more. */
  spare({ missMs, heldMb, toCome }: Played, leftBeforeMs: number, leftMs: number): void {
    for (let at = 0; at < this.#prices.length; at += 1) {
      const keptMs = (toCome * missMs) / this.#rentPerMs(at, heldMb);
      if (leftMs <= keptMs) this.#idle(at, heldMb * (Math.min(leftBeforeMs, keptMs) - leftMs));
      else this.#miss(at, missMs);
    }
  }

  points(): readonly BoundPoint[] {
    return this.#prices.map((priceMsPerMbSecond, at) => ({
      ...{ priceMsPerMbSecond, misses: this.#misses[at] ?? 0, startLatencyMs: this.#latencyMs[at] ?? 0 },
      idleMbSeconds: (this.#idleMbMs[at] ?? 0) / 1_000,
    }));
  }

  #rentPerMs(at: number, heldMb: number): number {
    return ((this.#prices[at] as number) * heldMb) / 1_000;
  }

  #idle(at: number, mbMs: number): void {
    this.#idleMbMs[at] = (this.#idleMbMs[at] as number) + mbMs;
  }

  #miss(at: number, missMs: number): void {
    this.#misses[at] = (this.#misses[at] as number) + 1;
    this.#latencyMs[at] = (this.#latencyMs[at] as number) + missMs;
  }
}

/** The start latency that any policy has at least which wastes so much; 0 when there is no bound. */
export const leastLatencyMs = (points: readonly BoundPoint[], idleMbSeconds: number): number =>
  points.reduce(
    (most, point) =>
      Math.max(most, point.startLatencyMs + point.priceMsPerMbSecond * (point.idleMbSeconds - idleMbSeconds)),
    0,
  );

/** The megabyte-seconds that any policy wastes at least which has so much start latency. */
export const leastIdleMbSeconds = (points: readonly BoundPoint[], startLatencyMs: number): number =>
  points.reduce(
    (most, point) =>
      Math.max(
        most,
        point.idleMbSeconds + (point.startLatencyMs - startLatencyMs) / point.priceMsPerMbSecond,
      ),
    0,
  );
