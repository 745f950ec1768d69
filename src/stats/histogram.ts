/**
 * How many durations fell where: buckets whose width grows with the duration, so that every percentile has the same
 * relative error and no sample is kept.
 *
 * Owns the buckets, from a microsecond to fifteen minutes; what is outside counts at the ends. Invariants: adding
 * allocates nothing but the buckets, once; the maximum is exact, and no percentile is above it or below the minimum.
 */
import { type Percentiles, RELATIVE_ERROR } from './api.ts';

const NS_PER_US = 1_000;
const US_PER_MS = 1_000;
const LARGEST_US = 15 * 60 * 1_000_000;

/** Bucket n reaches from `GROWTH ** (n - 1)` to `GROWTH ** n` microseconds; its middle is at most the error from both. */
const GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GROWTH = Math.log(GROWTH);
const LAST = Math.ceil(Math.log(LARGEST_US) / LOG_GROWTH);
const MIDDLE = 2 / (GROWTH + 1);

export class Histogram {
  /** Made with the first duration: most functions have none in most of a window. */
  #buckets: Uint32Array | null = null;
  #count = 0;
  #minMs = Number.POSITIVE_INFINITY;
  #maxMs = 0;

  add(ms: number): void {
    this.#buckets ??= new Uint32Array(LAST + 1);
    const at = bucketOf(ms);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#count += 1;
    if (ms < this.#minMs) this.#minMs = ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  addAll(other: Histogram): void {
    if (other.#count === 0 || other.#buckets === null) return;
    this.#buckets ??= new Uint32Array(LAST + 1);
    for (let at = 0; at <= LAST; at += 1)
      this.#buckets[at] = (this.#buckets[at] ?? 0) + (other.#buckets[at] ?? 0);
    this.#count += other.#count;
    this.#minMs = Math.min(this.#minMs, other.#minMs);
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  /** The buckets stay, for the durations that come next. */
  clear(): void {
    if (this.#count === 0) return;
    this.#buckets?.fill(0);
    this.#count = 0;
    this.#minMs = Number.POSITIVE_INFINITY;
    this.#maxMs = 0;
  }

  /** By the nearest rank; null without durations. */
  percentiles(): Percentiles | null {
    if (this.#count === 0) return null;
    return {
      ...{ p50: this.#at(0.5), p90: this.#at(0.9), p95: this.#at(0.95), p99: this.#at(0.99) },
      max: rounded(this.#maxMs),
    };
  }

  #at(share: number): number {
    let left = Math.ceil(share * this.#count);
    let at = 0;
    for (; at < LAST; at += 1) {
      left -= this.#buckets?.[at] ?? 0;
      if (left <= 0) break;
    }
    const ms = (MIDDLE * GROWTH ** at) / US_PER_MS;
    return rounded(Math.min(Math.max(ms, this.#minMs), this.#maxMs));
  }
}

const bucketOf = (ms: number): number => {
  const us = ms * US_PER_MS;
  // Not a number counts as nothing: it must not become an index.
  return us > 1 ? Math.min(LAST, Math.ceil(Math.log(us) / LOG_GROWTH)) : 0;
};

/** Nanoseconds are more than any clock here tells. */
const rounded = (ms: number): number => Math.round(ms * US_PER_MS * NS_PER_US) / (US_PER_MS * NS_PER_US);
