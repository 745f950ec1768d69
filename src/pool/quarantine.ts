/**
 * Functions that killed a sandbox, or may have: from then on they are alone in one.
 *
 * Owns the list. Bounded: the oldest entry goes when it is full. A suspect is cleared by running clean alone; a
 * function that is proven stays until it is deployed anew, which gives it a new key.
 */
const MAX_ENTRIES = 10_000;
/** A suspect that survives this many invocations alone is cleared. */
const CLEAN_RUNS = 20;

interface Entry {
  proven: boolean;
  cleanRuns: number;
}

export class Quarantine {
  readonly #entries = new Map<string, Entry>();

  has(key: string): boolean {
    return this.#entries.size > 0 && this.#entries.has(key);
  }

  add(key: string, proven: boolean): void {
    const known = this.#entries.get(key);
    this.#entries.delete(key);
    this.#entries.set(key, { proven: proven || (known?.proven ?? false), cleanRuns: 0 });
    if (this.#entries.size <= MAX_ENTRIES) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }

  /** One invocation of this function ended well. */
  ranClean(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.proven) return;
    entry.cleanRuns += 1;
    if (entry.cleanRuns >= CLEAN_RUNS) this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }
}
