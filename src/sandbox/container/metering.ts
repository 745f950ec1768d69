/**
 * Who used the CPU time of a container: the account of its open calls.
 *
 * Owns the division. Never reads a clock or a file: it is told what the kernel counted. The rule, which the docs
 * state: what the container used between two readings is divided equally among the calls that were open; what it used
 * while none was open is carried to the next call of the same instance, because only that function's code can have
 * used it. Invariant: between `begin` and the last `close`, the sum of what calls were told equals what the kernel
 * counted, to the nanosecond, but for what came after the last one.
 */

export interface AccountEntry {
  /** What the call used itself, nanoseconds: this is what its CPU limit is about. */
  usedNs: number;
  /** What the function used before this call and after the one before. */
  readonly carriedNs: number;
}

export class CpuAccount {
  readonly #open = new Map<number, AccountEntry>();
  #readNs = 0;
  #carriedNs = 0;
  /** Nanoseconds that could not be divided evenly; the next division has them. */
  #remainderNs = 0;

  /** An instance starts: what was used so far, by others or by its boot, is nobody's. */
  begin(readingNs: number): void {
    this.#open.clear();
    this.#readNs = readingNs;
    this.#carriedNs = 0;
    this.#remainderNs = 0;
  }

  get openCalls(): number {
    return this.#open.size;
  }

  open(call: number, readingNs: number): void {
    this.advance(readingNs);
    this.#open.set(call, { usedNs: 0, carriedNs: this.#carriedNs });
    this.#carriedNs = 0;
  }

  /** Accounts for what was used since the reading before. A reading that went back counts as no use. */
  advance(readingNs: number): void {
    const deltaNs = Math.max(0, readingNs - this.#readNs);
    this.#readNs = Math.max(this.#readNs, readingNs);
    if (deltaNs === 0) return;
    if (this.#open.size === 0) {
      this.#carriedNs += deltaNs;
      return;
    }
    const totalNs = deltaNs + this.#remainderNs;
    const shareNs = Math.floor(totalNs / this.#open.size);
    this.#remainderNs = totalNs - shareNs * this.#open.size;
    for (const entry of this.#open.values()) entry.usedNs += shareNs;
  }

  entry(call: number): Readonly<AccountEntry> | null {
    return this.#open.get(call) ?? null;
  }

  /** What a call is billed, nanoseconds; 0 for one that is not open. */
  close(call: number, readingNs: number): number {
    this.advance(readingNs);
    const entry = this.#open.get(call);
    if (entry === undefined) return 0;
    this.#open.delete(call);
    let billedNs = entry.usedNs + entry.carriedNs;
    if (this.#open.size === 0) {
      billedNs += this.#remainderNs;
      this.#remainderNs = 0;
    }
    return billedNs;
  }
}
