/**
 * Which revision of each function is the current one, of those that were deployed or deleted lately.
 *
 * Owns the list. Bounded: the oldest entry goes when it is full; of a function without one nothing is known.
 */
const MAX_ENTRIES = 10_000;

export class Revisions {
  readonly #currentKeys = new Map<string, string | null>();

  /** @param currentKey null when the function was deleted. */
  set(group: string, currentKey: string | null): void {
    this.#currentKeys.delete(group);
    this.#currentKeys.set(group, currentKey);
    if (this.#currentKeys.size <= MAX_ENTRIES) return;
    for (const [oldest] of this.#currentKeys) {
      this.#currentKeys.delete(oldest);
      return;
    }
  }

  /** Whether another revision has taken the place of this one, or none has. */
  isSuperseded({ group, key }: { readonly group: string; readonly key: string }): boolean {
    const current = this.#currentKeys.get(group);
    return current !== undefined && current !== key;
  }

  get size(): number {
    return this.#currentKeys.size;
  }
}
