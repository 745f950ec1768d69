/**
 * When the pool thinks again about what to start and end: soon after something changed, and not too often.
 *
 * Owns the timers and the pace. Never starts anything. Invariant: whoever was refused by the pace is thought of again
 * when the pace allows it.
 */
import type { Clock, Timer } from '../ports/clock.ts';
import { Pace } from './pace.ts';

/**
 * Refilling costs the sandbox about a millisecond for each runtime, and would hold up the very invocations that made
 * it necessary: it waits for so long a pause between starts, but no longer than the second figure in all.
 */
const QUIET_MS = 5;
const DELAY_MAX_MS = 50;

export class Refill {
  readonly #clock: Clock;
  readonly #pace: Pace | null;
  readonly #plan: () => void;
  #soon: Timer | null = null;
  #soonBy = 0;
  /** Set while a start waits for its second. */
  #paced: Timer | null = null;

  /** @param perSecond sandboxes that may be started ahead in a second; null for any number. */
  constructor(clock: Clock, perSecond: number | null, plan: () => void) {
    this.#clock = clock;
    this.#pace = perSecond === null ? null : new Pace(clock, perSecond);
    this.#plan = plan;
  }

  /** Something changed. */
  soon(): void {
    const now = this.#clock.nowMs();
    if (this.#soon === null) this.#soonBy = now + DELAY_MAX_MS;
    this.#soon?.cancel();
    const delayMs = Math.min(QUIET_MS, this.#soonBy - now);
    this.#soon = this.#clock.setTimer(Math.max(0, delayMs), this.#plan);
  }

  /** Whether one more sandbox may be started ahead now; it counts as started then. */
  mayStart(): boolean {
    const waitMs = this.#pace?.waitMs ?? 0;
    if (waitMs > 0) {
      this.#paced ??= this.#clock.setTimer(waitMs, this.#plan);
      return false;
    }
    this.#pace?.began();
    return true;
  }

  /** The pool is thinking now, or never again. */
  cancel(): void {
    this.#soon?.cancel();
    this.#soon = null;
    this.#paced?.cancel();
    this.#paced = null;
  }
}
