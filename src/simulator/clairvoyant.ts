/**
 * The bound that no policy can pass, at whatever budget: what somebody gets who knows the trace, past and future.
 *
 * A trace says how often a function is invoked in each minute, and nothing of when within it. The clairvoyant knows all
 * of these counts, and no policy can know more: the moments are drawn at random when the trace is played. It also has
 * what no policy has: memory without bound, a stock that costs nothing, and instances that are ready and gone at once.
 *
 * With a price for memory, cost = start latency + price × megabyte-seconds that waited. In a minute of which `left` ms are
 * left and in which `count` invocations are still to come, the next one comes at the rate count ÷ left. At every moment
 * somebody either keeps an instance that is ready for it, and pays price × MB for it, or does not, and pays the rate times
 * `startMs.runtime`, which is the best that any miss can do. So the least is min(price × MB, rate × startMs.runtime),
 * moment by moment: it keeps one spare instance, beside those that are busy, exactly while
 *
 *   left ≤ count × startMs.runtime ÷ (price × MB)
 *
 * One is enough, because another can be ready at once. What a policy decides by less knowledge costs more on average:
 * the cost is concave in the rate. Each price gives a point and a straight line below which nothing lies: the points of
 * a list of prices are the lower envelope of all policies.
 *
 * It is played on the very moments that the policies get, so what it comes to is as random as what they come to. Whoever
 * knew the moments too would have everything ready just in time: no latency, no waste, and nothing to learn from it.
 * Two things are not in it: the carrier of a tier that has many instances in one, which a tenant's other functions may
 * need anyway; and that a late start also ends late.
 */
import type { LayerCosts } from '../pool/policy/api.ts';
import type { BoundPoint } from './api.ts';
import { arrivals } from './arrivals.ts';
import type { Trace } from './trace.ts';

/** Milliseconds for a megabyte-second: from memory that is nearly free to memory that is never worth it. */
export const BOUND_PRICES: readonly number[] = Array.from({ length: 19 }, (_, at) => 10 ** (-5 + at / 3));

/** One point for each price; `costs` gives what a function of so many megabytes costs. */
export const clairvoyant = (
  trace: Trace,
  seed: number,
  costs: (memoryMb: number) => LayerCosts,
  prices: readonly number[] = BOUND_PRICES,
): readonly BoundPoint[] => {
  const functions = trace.functions.map(({ memoryMb }) => {
    const { startMs, memoryMb: layers, capacity } = costs(memoryMb);
    return { missMs: startMs.runtime, heldMb: layers.code + (capacity === 1 ? layers.container : 0) };
  });
  const sums = prices.map(() => ({ misses: 0, startLatencyMs: 0, idleMbMs: 0 }));
  const toCome = new Float64Array(functions.length);
  const fromMs = new Float64Array(functions.length);
  for (const { minute, count, functionIndex, timeMs } of arrivals(trace, seed)) {
    const endMs = (minute + 1) * trace.minuteMs;
    for (const [index, { counts }] of trace.functions.entries()) toCome[index] = counts[minute] ?? 0;
    fromMs.fill(minute * trace.minuteMs);
    for (let at = 0; at < count; at += 1) {
      const index = functionIndex[at] as number;
      const { missMs, heldMb } = functions[index] as (typeof functions)[number];
      const now = timeMs[at] as number;
      const leftMs = endMs - now;
      const leftBeforeMs = endMs - (fromMs[index] as number);
      for (const [each, sum] of sums.entries()) {
        const rentPerMs = ((prices[each] as number) * heldMb) / 1_000;
        const keepsBelowMs = ((toCome[index] as number) * missMs) / rentPerMs;
        if (leftMs > keepsBelowMs) {
          sum.misses += 1;
          sum.startLatencyMs += missMs;
        } else sum.idleMbMs += heldMb * (Math.min(leftBeforeMs, keepsBelowMs) - leftMs);
      }
      toCome[index] = (toCome[index] as number) - 1;
      fromMs[index] = now;
    }
  }
  return sums.map(({ misses, startLatencyMs, idleMbMs }, each) => ({
    ...{ priceMsPerMbSecond: prices[each] as number, misses, startLatencyMs },
    idleMbSeconds: idleMbMs / 1_000,
  }));
};

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
