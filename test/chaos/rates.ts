/**
 * How many right answers there were when: in bins of a twentieth of a second.
 *
 * Owns the measure of recovery. A rate is of real time, because that is what it is about; it is always held against one of
 * the same run, on the same machine.
 */

const BIN_MS = 50;
/** Service is back when so long a stretch has so much of the rate before. */
const STRETCH_MS = 1_000;
const SHARE = 0.95;

export class Rates {
  readonly #bins: number[] = [];
  readonly #startMs: number;

  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  count(atMs: number): void {
    const bin = this.#binAt(atMs);
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
  }

  /** A second's answers between two moments. */
  rate(fromMs: number, toMs: number): number {
    const [from, to] = [this.#binAt(fromMs), this.#binAt(toMs)];
    return (this.#sum(from, to) * 1_000) / (Math.max(1, to - from) * BIN_MS);
  }

  /**
   * How long after a moment the first stretch began that has 95 % of the rate before; null when there is none yet.
   * A stretch counts when it is over.
   */
  recoveryMs(sinceMs: number, nowMs: number, rateBefore: number): number | null {
    const stretch = STRETCH_MS / BIN_MS;
    const needed = (SHARE * rateBefore * STRETCH_MS) / 1_000;
    const first = this.#binAt(sinceMs);
    for (let bin = first; bin + stretch <= this.#binAt(nowMs); bin += 1) {
      if (this.#sum(bin, bin + stretch) >= needed) return (bin - first) * BIN_MS;
    }
    return null;
  }

  #sum(from: number, to: number): number {
    let sum = 0;
    for (let bin = from; bin < to; bin += 1) sum += this.#bins[bin] ?? 0;
    return sum;
  }

  #binAt(ms: number): number {
    return Math.floor((ms - this.#startMs) / BIN_MS);
  }
}
