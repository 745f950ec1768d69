/**
 * What the operator pays itself: memory of sandboxes that nobody is served by, and code that was loaded ahead for nobody.
 *
 * Owns dividing it by runtime, layer and use. How much there was in all is known exactly, from the budget's own account;
 * which parts of it are what is looked at every so often. Never on the path of an invocation. Invariant: the parts add up
 * to the whole, to a megabyte-millisecond each.
 */
import type { Clock, Timer } from '../ports/clock.ts';

/** Of one day: what is idle, by the layer that holds it. */
export interface OperatorEntry {
  readonly day: number;
  readonly runtime: string;
  /** `container` the empty sandbox, `runtime` a booted one, `code` a loaded function. */
  readonly layer: string;
  /** `kept` after or before use, `ahead` for code that was loaded ahead and that nobody has used yet. */
  readonly use: string;
  readonly memoryMbMs: bigint;
  readonly cpuNs: bigint;
}

/** What is idle now in one pool, as its budget counts it. */
export interface IdleMemory {
  readonly runtime: string;
  readonly idle: readonly { readonly layer: string; readonly use: string; readonly memoryMb: number }[];
}

/** What there was so far, in all and for good. */
export interface OperatorSpent {
  readonly idleMbSeconds: number;
}

export interface OperatorMemoryOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly spent: () => OperatorSpent;
  /** CPU time of code that was loaded ahead and given up unused, nanoseconds so far, by runtime. */
  readonly unusedCpuNs: () => ReadonlyMap<string, number>;
  readonly idle: () => readonly IdleMemory[];
  readonly record: (entries: readonly OperatorEntry[]) => void;
}

const DAY_MS = 86_400_000;
/** A server that does nothing writes twice a minute. */
const LOOKS_PER_RECORD = 30;

/** One kind of idle memory, and what of it has not been recorded. */
interface Share {
  readonly runtime: string;
  readonly layer: string;
  readonly use: string;
  /** A fraction of a megabyte-millisecond is left over each time. */
  mbMs: number;
  /** In all, for metrics. */
  totalMbMs: number;
}

export class OperatorMemory {
  readonly #options: OperatorMemoryOptions;
  readonly #shares = new Map<string, Share>();
  readonly #cpuNs = new Map<string, number>();
  /** What was idle while nothing was seen that could have been. */
  #unseenMbMs = 0;
  #idleMbMs = 0;
  #timer: Timer | null = null;
  #looks = 0;

  constructor(options: OperatorMemoryOptions) {
    this.#options = options;
    this.#schedule();
  }

  /** Gigabyte seconds so far, by kind: few kinds. */
  totals(): readonly { runtime: string; layer: string; use: string; gbSeconds: number }[] {
    return [...this.#shares.values()].map(({ runtime, layer, use, totalMbMs }) => ({
      ...{ runtime, layer, use },
      gbSeconds: totalMbMs / 1_024_000,
    }));
  }

  /** Looks, and records what has come together since it was recorded last. */
  record(): void {
    this.#look();
    const { clock, record } = this.#options;
    const day = Math.max(0, Math.floor(clock.wallMs() / DAY_MS));
    const entries = [...this.#memoryOf(day), ...this.#cpuOf(day)];
    if (entries.length > 0) record(entries);
  }

  /** Records what is left. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.record();
  }

  #look(): void {
    const idleMbMs = this.#options.spent().idleMbSeconds * 1000;
    this.#divide(Math.max(0, idleMbMs - this.#idleMbMs) + this.#unseenMbMs);
    this.#idleMbMs = idleMbMs;
  }

  #divide(mbMs: number): void {
    const seen = this.#options
      .idle()
      .flatMap(({ runtime, idle }) => idle.map((one) => ({ runtime, ...one })));
    const weight = seen.reduce((sum, { memoryMb }) => sum + memoryMb, 0);
    this.#unseenMbMs = weight > 0 ? 0 : mbMs;
    if (weight <= 0) return;
    for (const { runtime, layer, use, memoryMb } of seen) {
      const key = `${runtime} ${layer} ${use}`;
      const share = this.#shares.get(key) ?? { runtime, layer, use, mbMs: 0, totalMbMs: 0 };
      this.#shares.set(key, share);
      const part = (mbMs * memoryMb) / weight;
      share.mbMs += part;
      share.totalMbMs += part;
    }
  }

  *#memoryOf(day: number): Generator<OperatorEntry> {
    for (const share of this.#shares.values()) {
      const mbMs = Math.floor(share.mbMs);
      if (mbMs <= 0) continue;
      share.mbMs -= mbMs;
      const { runtime, layer, use } = share;
      yield { day, runtime, layer, use, memoryMbMs: BigInt(mbMs), cpuNs: 0n };
    }
  }

  *#cpuOf(day: number): Generator<OperatorEntry> {
    for (const [runtime, soFar] of this.#options.unusedCpuNs()) {
      const cpuNs = Math.round(soFar) - (this.#cpuNs.get(runtime) ?? 0);
      if (cpuNs <= 0) continue;
      this.#cpuNs.set(runtime, Math.round(soFar));
      yield { day, runtime, layer: 'code', use: 'ahead', memoryMbMs: 0n, cpuNs: BigInt(cpuNs) };
    }
  }

  #schedule(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.setTimer(intervalMs, () => {
      this.#looks += 1;
      if (this.#looks % LOOKS_PER_RECORD === 0) this.record();
      else this.#look();
      this.#schedule();
    });
  }
}
