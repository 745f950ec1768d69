/**
 * When leftovers are swept: once in a while, and soon when something is known to be left.
 *
 * Owns the times. Invariants: one sweep at a time; while removals go on failing, as without an engine, the next sweep waits
 * twice as long each time, up to the usual interval.
 */
import type { Clock, Timer } from '../../ports/clock.ts';

/** How often it is looked for what nobody knows to be left. */
const SWEEP_INTERVAL_MS = 60_000;
const SOON_MS = 500;

export class SweepSchedule {
  readonly #clock: Clock;
  readonly #sweep: () => Promise<void>;
  /** Whether something is still known to be left. */
  readonly #owes: () => boolean;
  #timer: Timer | null = null;
  #delayMs = SWEEP_INTERVAL_MS;
  #stopped = false;

  /** @param sweep never rejects. */
  constructor(clock: Clock, sweep: () => Promise<void>, owes: () => boolean) {
    this.#clock = clock;
    this.#sweep = sweep;
    this.#owes = owes;
    this.#wait();
  }

  /** Something is left from now on. Nothing changes while it is tried already. */
  soon(): void {
    if (this.#stopped || this.#delayMs < SWEEP_INTERVAL_MS) return;
    this.#delayMs = SOON_MS;
    if (this.#timer === null) return;
    this.#timer.cancel();
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
    const waitedMs = this.#delayMs;
    await this.#sweep();
    if (this.#stopped) return;
    if (!this.#owes()) this.#delayMs = SWEEP_INTERVAL_MS;
    else if (waitedMs < SWEEP_INTERVAL_MS) this.#delayMs = Math.min(SWEEP_INTERVAL_MS, 2 * waitedMs);
    else this.#delayMs = Math.min(this.#delayMs, SWEEP_INTERVAL_MS);
    this.#wait();
  }
}
