/**
 * When leftovers are swept: once in a while, and soon when something is known to be left.
 *
 * Owns the times. Invariants: one sweep at a time; while something stays owed, as without an engine, the next sweep waits
 * twice as long each time, up to a few seconds.
 */
import type { Clock, Timer } from '../../ports/clock.ts';

/** How often it is looked for what nobody knows to be left. */
const SWEEP_INTERVAL_MS = 60_000;
const SOON_MS = 500;
/** A look costs the engine a few milliseconds, and what is left takes memory that its pool does not count. */
const AGAIN_MAX_MS = 5_000;

export class SweepSchedule {
  readonly #clock: Clock;
  readonly #sweep: () => Promise<void>;
  /** Whether something is still known to be left. */
  readonly #owes: () => boolean;
  #timer: Timer | null = null;
  /** Until the next sweep, or between the last two: shorter than usual while something is owed. */
  #delayMs: number;
  #stopped = false;

  /** @param sweep never rejects. */
  constructor(clock: Clock, sweep: () => Promise<void>, owes: () => boolean) {
    this.#clock = clock;
    this.#sweep = sweep;
    this.#owes = owes;
    this.#delayMs = owes() ? SOON_MS : SWEEP_INTERVAL_MS;
    this.#wait();
  }

  /** Something is left from now on. Nothing changes while it is tried already. */
  soon(): void {
    if (this.#stopped || this.#timer === null || this.#delayMs < SWEEP_INTERVAL_MS) return;
    this.#timer.cancel();
    this.#delayMs = SOON_MS;
    this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer = this.#clock.setTimer(this.#delayMs, () => void this.#run());
  }

  async #run(): Promise<void> {
    this.#timer = null;
    await this.#sweep();
    if (this.#stopped) return;
    const tried = this.#delayMs < SWEEP_INTERVAL_MS;
    if (!this.#owes()) this.#delayMs = SWEEP_INTERVAL_MS;
    else this.#delayMs = tried ? Math.min(AGAIN_MAX_MS, 2 * this.#delayMs) : SOON_MS;
    this.#wait();
  }
}
