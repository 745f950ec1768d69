/**
 * How many may begin in a second: a sliding window, so that no second whatever has more.
 *
 * Owns the times of the latest ones. Never waits itself: it says how long there is to wait.
 */
import type { Clock } from '../ports/clock.ts';

const WINDOW_MS = 1_000;

export class Pace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** The oldest first; as many as one window may hold. */
  readonly #startedMs: number[] = [];

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Milliseconds until one more may begin; 0 when it may now. */
  get waitMs(): number {
    const oldest = this.#startedMs[0];
    if (oldest === undefined || this.#startedMs.length < this.#perSecond) return 0;
    return Math.max(0, oldest + WINDOW_MS - this.#clock.nowMs());
  }

  /** Notes that one begins. */
  began(): void {
    if (this.#startedMs.length >= this.#perSecond) this.#startedMs.shift();
    this.#startedMs.push(this.#clock.nowMs());
  }
}
