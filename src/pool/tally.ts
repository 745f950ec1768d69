/** Counts by key; a key whose count is zero is not kept. */
export class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  get size(): number {
    return this.#counts.size;
  }

  add(key: string, by: number): void {
    const count = this.of(key) + by;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }

  /** Compares with a recount and takes its figures over; returns what differed. */
  repair(what: string, recount: Tally): string[] {
    const found: string[] = [];
    for (const key of new Set([...this.#counts.keys(), ...recount.#counts.keys()])) {
      const [counted, are] = [this.of(key), recount.of(key)];
      if (counted === are) continue;
      found.push(`${what} of ${key}: counted ${counted}, are ${are}`);
      this.add(key, are - counted);
    }
    return found;
  }
}
