/**
 * Counts who uses each artifact, and says when one may be removed.
 *
 * Owns the counts and the grace period. Never removes anything itself. Invariant: a digest is reported only while its
 * count is zero, so that an artifact which a deployment is about to use is never taken from under it.
 */
import type { Clock, Timer } from '../ports/clock.ts';

export class References {
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, Timer>();
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #unused: (digest: string) => void;

  /** @param unused called once a digest has had no user for `graceMs`. */
  constructor(clock: Clock, graceMs: number, unused: (digest: string) => void) {
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#unused = unused;
  }

  get used(): ReadonlySet<string> {
    return new Set(this.#counts.keys());
  }

  retain(digest: string): void {
    this.#waiting.get(digest)?.cancel();
    this.#waiting.delete(digest);
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
  }

  release(digest: string): void {
    const count = this.#counts.get(digest) ?? 0;
    if (count > 1) {
      this.#counts.set(digest, count - 1);
      return;
    }
    this.#counts.delete(digest);
    if (count === 1)
      this.#waiting.set(
        digest,
        this.#clock.setTimer(this.#graceMs, () => this.#expire(digest)),
      );
  }

  /** Ends every grace period at once. */
  flush(): void {
    for (const digest of [...this.#waiting.keys()]) this.#expire(digest);
  }

  #expire(digest: string): void {
    this.#waiting.get(digest)?.cancel();
    this.#waiting.delete(digest);
    this.#unused(digest);
  }
}
