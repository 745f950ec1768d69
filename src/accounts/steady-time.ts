/**
 * The time of day that never goes backwards with the machine's clock, for what expires.
 *
 * Somebody who sets the clock back would make expired keys hold again. Since the start the day goes on by the monotonic
 * clock at the least; a clock that runs ahead is followed, and when it comes back the monotonic one counts again.
 */
import type { Clock } from '../ports/clock.ts';

export class SteadyTime {
  readonly #clock: Clock;
  readonly #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.wallMs() - clock.nowMs();
  }

  /** Milliseconds since the epoch. */
  nowMs(): number {
    return Math.max(this.#clock.wallMs(), Math.floor(this.#clock.nowMs() + this.#offsetMs));
  }
}
