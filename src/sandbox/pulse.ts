/**
 * Looks at a carrier for as long as something is awaited of it: whether its process was stopped from outside.
 *
 * Owns the looks. Never decides what becomes of the carrier. What is stopped answers nothing, so that each call would wait
 * for its deadline and a boot for the longest of all, and functions would be blamed for it. Invariant: one timer at most,
 * none while nothing is awaited; one look proves nothing, because a debugger stops a process for a moment, too.
 */
import type { Clock, Timer } from '../ports/clock.ts';

export interface PulseOptions {
  readonly clock: Clock;
  /** Whether an answer is owed. */
  readonly awaited: () => boolean;
  readonly stopped: () => boolean;
  /** Called once. */
  readonly onStopped: () => void;
}

const LOOK_INTERVAL_MS = 100;
/** Looks one after the other that have to agree. */
const LOOKS = 4;

export class Pulse {
  readonly #options: PulseOptions;
  #timer: Timer | null = null;
  #seen = 0;
  #over = false;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** Something is awaited from now on. On the path of every call: usually the timer runs. */
  watch(): void {
    if (this.#timer === null && !this.#over)
      this.#timer = this.#options.clock.setTimer(LOOK_INTERVAL_MS, () => this.#look());
  }

  end(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = null;
    const { awaited, stopped, onStopped } = this.#options;
    if (this.#over || !awaited()) {
      this.#seen = 0;
      return;
    }
    this.#seen = stopped() ? this.#seen + 1 : 0;
    if (this.#seen >= LOOKS) {
      this.end();
      onStopped();
    } else this.watch();
  }
}
