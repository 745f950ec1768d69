/**
 * Changes of one thing one after the other, and those of others beside them.
 *
 * Owns the lines. Invariant: a change begins when all earlier ones of the same key have ended, whether they worked or
 * not; a key is known only while it has a change under way.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<Result>(key: string, change: () => Promise<Result>): Promise<Result> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(change, change);
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
