/**
 * How many requests each tenant sends in a second.
 *
 * Owns the buckets. Invariant: no more tenants are remembered than `REMEMBERED_MAX`, because a server without keys
 * takes any name; the one that was seen first is forgotten first.
 */
import { StrataError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { TokenBucket } from './token-bucket.ts';

const REMEMBERED_MAX = 10_000;

export class Rates {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get known(): number {
    return this.#buckets.size;
  }

  /**
   * One more request.
   * @param who the tenant; strangers who call its open functions have a bucket of their own.
   * @throws StrataError `rate_limit`.
   */
  take(who: string, perSecond: number): void {
    const waitMs = this.waitMsOf(who, perSecond);
    if (waitMs === 0) return;
    throw new StrataError(
      'rate_limit',
      `The tenant has sent more than the ${perSecond} requests a second that it may. Retry later.`,
      { limit: { kind: 'requestsPerSecond', configured: perSecond, observed: null }, retryAfterMs: waitMs },
    );
  }

  /** Takes one more and answers 0, or how long until one more is taken. */
  waitMsOf(who: string, perSecond: number): number {
    const nowMs = this.#clock.nowMs();
    let bucket = this.#buckets.get(who);
    if (bucket === undefined) {
      this.#forgetOne();
      bucket = new TokenBucket(perSecond, nowMs);
      this.#buckets.set(who, bucket);
    }
    return bucket.take(perSecond, nowMs);
  }

  #forgetOne(): void {
    if (this.#buckets.size < REMEMBERED_MAX) return;
    const [first] = this.#buckets.keys();
    if (first !== undefined) this.#buckets.delete(first);
  }
}
