/**
 * Who holds how much of something: tenants by name, and null for what is nobody's yet.
 *
 * Owns the sums. A holder whose sum is zero is forgotten.
 */
export type Holder = string | null;

/** Sums of fractions do not come back to zero exactly. */
const NOTHING = 1e-6;

export class HoldersTally {
  readonly #sums = new Map<string, number>();

  add(holder: Holder, amount: number): void {
    if (holder === null) return;
    const sum = (this.#sums.get(holder) ?? 0) + amount;
    if (Math.abs(sum) < NOTHING) this.#sums.delete(holder);
    else this.#sums.set(holder, sum);
  }

  /** What is nobody's is held by nobody. */
  of(holder: Holder): number {
    return holder === null ? 0 : (this.#sums.get(holder) ?? 0);
  }

  /** Among how many to divide for a fair share: a tenant that is alone shares with the one that may come any moment. */
  sharers(holder: Holder): number {
    return Math.max(2, this.countWith(holder));
  }

  /** How many hold something, and this one in any case. */
  countWith(holder: Holder): number {
    return this.#sums.size + (holder === null || this.#sums.has(holder) ? 0 : 1);
  }
}
