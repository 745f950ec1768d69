/**
 * A token bucket: so many requests a second, and as many at once as come in one second.
 *
 * Owns the arithmetic. Invariants: it never holds more than one second's tokens nor less than none; over any span of
 * time no more are taken than one second's and what the span brings; a clock that goes back brings nothing.
 */
export class TokenBucket {
  #tokens: number;
  #lastMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#tokens = perSecond;
    this.#lastMs = nowMs;
  }

  /** Takes one and answers 0, or the milliseconds until there is one. */
  take(perSecond: number, nowMs: number): number {
    if (nowMs > this.#lastMs) {
      this.#tokens += ((nowMs - this.#lastMs) * perSecond) / MS_PER_SECOND;
      this.#lastMs = nowMs;
    }
    // Also where the rate was lowered since.
    if (this.#tokens > perSecond) this.#tokens = perSecond;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil(((1 - this.#tokens) * MS_PER_SECOND) / perSecond));
  }
}

const MS_PER_SECOND = 1_000;
