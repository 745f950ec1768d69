/**
 * How much of the time that entries spend inside their isolates is CPU time.
 *
 * Owns what this process has used and not yet given to anybody. The engine's clock of an isolate runs while an entry is
 * inside, whether its thread has a processor or waits for one: on busy processors it is a multiple of the CPU time. So a
 * reading of it is a claim, and each claim gets its part of what the process has really used: all of them the same part,
 * because the kernel treats the threads of one process alike. Alone on its processor a claim is met in full. Invariant: all
 * that is given is never more than was used, but for claims so small that asking the kernel costs more than they do.
 */
/** What the kernel counts late, by a tick or two, is not lost. */
export const LATE_NS = 8e6;

export class ProcessorShare {
  readonly #processNs: () => number;
  readonly #outstandingNs: () => number;
  #readNs: number;
  #unspentNs = 0;
  /** All claims, while they are met one after the other; null when one comes by itself. */
  #totalNs: number | null = null;

  /**
   * @param processNs the CPU time of all threads that isolates may use, nanoseconds, from any origin.
   * @param outstandingNs all claims of this moment.
   */
  constructor(processNs: () => number, outstandingNs: () => number) {
    this.#processNs = processNs;
    this.#outstandingNs = outstandingNs;
    this.#readNs = processNs();
  }

  /** Nothing has run until now: what was used before is nobody's. */
  begin(): void {
    this.#readNs = this.#processNs();
    this.#unspentNs = 0;
  }

  /** A claim was met without a look: no other has used that. */
  spent(ns: number): void {
    this.#unspentNs -= ns;
  }

  /** Meets all claims, by as many calls of `take`, at one look. */
  meetAll(takes: () => void): void {
    this.#look();
    this.#totalNs = this.#outstandingNs();
    try {
      takes();
    } finally {
      this.#totalNs = null;
    }
  }

  /** The part of a claim that was CPU time, an integer; the claim is among the outstanding ones until this returns. */
  take(claimNs: number): number {
    if (claimNs <= 0) return 0;
    if (this.#totalNs === null) this.#look();
    const totalNs = Math.max(claimNs, this.#totalNs ?? this.#outstandingNs());
    const usedNs = Math.min(totalNs, Math.max(0, this.#unspentNs));
    const givenNs = Math.floor((claimNs * usedNs) / totalNs);
    if (this.#totalNs !== null) this.#totalNs = totalNs - claimNs;
    this.#unspentNs = Math.min(this.#unspentNs - givenNs, totalNs - claimNs + LATE_NS);
    return givenNs;
  }

  #look(): void {
    const nowNs = this.#processNs();
    this.#unspentNs += nowNs - this.#readNs;
    this.#readNs = nowNs;
  }
}

/** All threads of this process but the one that asks: it runs no guest. */
export const isolateThreadsNs = (): number => {
  const all = process.cpuUsage();
  const own = process.threadCpuUsage();
  return (all.user + all.system - own.user - own.system) * 1_000;
};
