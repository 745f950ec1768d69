/**
 * How fast invocations leave, so that who is refused can be told when to come again.
 *
 * Owns the counts of the window before and of the present one. Costs one comparison for each that leaves.
 */
const WINDOW_MS = 2_000;
/** Said when nothing has left yet. */
const UNKNOWN_MS = 1_000;
const MAX_MS = 60_000;

export class LeavingRate {
  /** When the present window began; null until somebody has left. */
  #sinceMs: number | null = null;
  #count = 0;
  #formerCount = 0;
  #formerMs = 0;

  note(nowMs: number): void {
    if (this.#sinceMs === null) this.#sinceMs = nowMs;
    else if (nowMs - this.#sinceMs >= WINDOW_MS) this.#turn(nowMs, nowMs - this.#sinceMs);
    this.#count += 1;
  }

  /** Milliseconds until so many will have left, at the measured rate. */
  untilMs(count: number, nowMs: number): number {
    if (this.#sinceMs === null) return UNKNOWN_MS;
    const measuredMs = this.#formerMs + nowMs - this.#sinceMs;
    // Where nobody has left for a long time the time since then says more than the count does.
    const eachMs = measuredMs / (this.#formerCount + this.#count);
    return Math.max(1, Math.min(MAX_MS, Math.ceil(eachMs * count)));
  }

  /** What was before a pause says nothing of now. */
  #turn(nowMs: number, elapsedMs: number): void {
    const isRecent = elapsedMs < 2 * WINDOW_MS;
    this.#formerCount = isRecent ? this.#count : 0;
    this.#formerMs = isRecent ? elapsedMs : 0;
    this.#sinceMs = nowMs;
    this.#count = 0;
  }
}
