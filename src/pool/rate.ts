/**
 * How often something happens, over a minute and over six seconds: Knative's stable and panic windows.
 *
 * Owns the counts by second. Bounded: one number a second of the longer window.
 */
const STABLE_SECONDS = 60;
const PANIC_SECONDS = 6;
const SECOND_MS = 1_000;

export class Rate {
  /** A plain array: a typed one of this size has its memory from elsewhere, and making it takes microseconds. */
  readonly #counts: number[] = new Array(STABLE_SECONDS).fill(0);
  #second = 0;

  note(nowMs: number): void {
    this.#turn(nowMs);
    const at = this.#second % STABLE_SECONDS;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  stablePerSecond(nowMs: number): number {
    return this.#perSecond(nowMs, STABLE_SECONDS);
  }

  panicPerSecond(nowMs: number): number {
    return this.#perSecond(nowMs, PANIC_SECONDS);
  }

  #perSecond(nowMs: number, seconds: number): number {
    this.#turn(nowMs);
    let count = 0;
    for (let back = 0; back < seconds; back += 1) {
      const second = this.#second - back;
      if (second < 0) break;
      count += this.#counts[second % STABLE_SECONDS] ?? 0;
    }
    return count / seconds;
  }

  /** Clears the seconds that have begun since the last look. */
  #turn(nowMs: number): void {
    const second = Math.floor(nowMs / SECOND_MS);
    const steps = Math.min(STABLE_SECONDS, second - this.#second);
    for (let step = 0; step < steps; step += 1) this.#counts[(second - step) % STABLE_SECONDS] = 0;
    this.#second = Math.max(this.#second, second);
  }
}
