/**
 * When what has ended is looked through, so that no more of it is kept than may be.
 *
 * Owns the times alone; `sweep.ts` has the choice.
 */
import type { Clock, Timer } from '../ports/clock.ts';
import type { QueueSettings } from './api.ts';
import type { Commits } from './commits.ts';

const INTERVAL_MS = 10_000;
/** Intervals in which nothing has ended. */
const IDLE_MAX = 12;
/** So many have ended: it is time before the interval is over. */
const ENDED_MAX = 1_000;
const MIB = 1024 * 1024;

export class Sweeper {
  readonly #clock: Clock;
  readonly #commits: Commits;
  readonly #settings: QueueSettings;
  #timer: Timer | null = null;
  #ended = 0;
  #idle = 0;
  #sweeping = false;
  #paused = true;

  constructor(clock: Clock, commits: Commits, settings: QueueSettings) {
    this.#clock = clock;
    this.#commits = commits;
    this.#settings = settings;
  }

  resume(): void {
    this.#paused = false;
    this.#timer = this.#clock.setTimer(INTERVAL_MS, () => this.#tick());
  }

  pause(): void {
    this.#paused = true;
    this.#timer?.cancel();
  }

  /** One more has. */
  ended(): void {
    this.#ended += 1;
    if (this.#ended >= ENDED_MAX) this.#sweep();
  }

  /** Where nothing has ended, only age makes a difference, and that is looked at less often. */
  #tick(): void {
    this.#idle = this.#ended === 0 ? this.#idle + 1 : IDLE_MAX;
    if (this.#idle >= IDLE_MAX) this.#sweep();
    else this.resume();
  }

  #sweep(): void {
    if (this.#sweeping || this.#paused) return;
    this.#sweeping = true;
    this.#ended = 0;
    this.#idle = 0;
    this.#timer?.cancel();
    const { keepMs, deadLetterKeepMs, maxKept, maxKeptPerTenant, maxKeptMb, maxDeadLettersPerTenant } =
      this.#settings;
    const nowMs = this.#clock.wallMs();
    this.#commits
      .do({
        ...{ op: 'sweep', finishedBeforeMs: nowMs - keepMs, deadBeforeMs: nowMs - deadLetterKeepMs },
        ...{ maxKept, maxKeptPerTenant, maxDeadPerTenant: maxDeadLettersPerTenant },
        maxBytes: maxKeptMb * MIB,
      })
      // A disk that takes nothing is met by the next one again.
      .catch(() => {})
      .finally(() => {
        this.#sweeping = false;
        if (!this.#paused) this.resume();
      });
  }
}
