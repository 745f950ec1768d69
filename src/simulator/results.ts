/**
 * What one simulated run comes to: outcomes are counted as they happen, in memory that does not grow with them.
 *
 * Latencies go into an HDR histogram of Node's own, three figures precise; their sum is exact. The memory-seconds come
 * from who runs the pool, since only that knows what is idle.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { ErrorCode } from '../core/errors.ts';
import type { Start } from '../core/receipt.ts';

export interface RunFigures {
  /** Invocations that ran. */
  readonly served: number;
  readonly starts: Readonly<Record<Start, number>>;
  /** How much later than from a ready instance each one began to run, its wait in the queue included. */
  readonly startLatencyMs: Latency;
  readonly refused: number;
  /** Only codes that occurred. */
  readonly refusals: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Ended for want of room, before their time. */
  readonly evictions: number;
  /** Megabytes held over seconds: by what waited, and by what ran. */
  readonly idleMbSeconds: number;
  readonly busyMbSeconds: number;
  readonly peakMemoryMb: number;
}

export interface Latency {
  readonly totalMs: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What is idle for an hour with a gigabyte wastes one. */
export const gbHours = (mbSeconds: number): number => mbSeconds / 1024 / 3600;

export class RunResults {
  #refused = 0;
  #evictions = 0;
  #idleMbSeconds = 0;
  #busyMbSeconds = 0;
  #peakMemoryMb = 0;
  readonly #starts: Record<Start, number> = { none: 0, container: 0, runtime: 0, code: 0 };
  readonly #refusals: Partial<Record<ErrorCode, number>> = {};
  readonly #latency = new LatencyHistogram();

  started(from: Start, latencyMs: number): void {
    this.#starts[from] += 1;
    this.#latency.record(latencyMs);
  }

  /** What was refused counts with what it waited: refusing must not look quick. */
  refused(code: ErrorCode, waitedMs: number): void {
    this.#refused += 1;
    this.#latency.record(waitedMs);
    this.#refusals[code] = (this.#refusals[code] ?? 0) + 1;
  }

  evicted(count = 1): void {
    this.#evictions += count;
  }

  /** Adds memory that was held; to be called as often as it is convenient. */
  held(idleMbSeconds: number, busyMbSeconds: number): void {
    this.#idleMbSeconds += idleMbSeconds;
    this.#busyMbSeconds += busyMbSeconds;
  }

  memory(mb: number): void {
    if (mb > this.#peakMemoryMb) this.#peakMemoryMb = mb;
  }

  figures(): RunFigures {
    return {
      served: Object.values(this.#starts).reduce((sum, count) => sum + count, 0),
      starts: { ...this.#starts },
      startLatencyMs: this.#latency.figures(),
      refused: this.#refused,
      refusals: { ...this.#refusals },
      evictions: this.#evictions,
      idleMbSeconds: this.#idleMbSeconds,
      busyMbSeconds: this.#busyMbSeconds,
      peakMemoryMb: this.#peakMemoryMb,
    };
  }
}

const UNITS_PER_MS = 1_000;
/** A week in microseconds: no start waits longer. */
const UNITS_MAX = 7 * 24 * 3_600 * 1_000 * UNITS_PER_MS;

class LatencyHistogram {
  #count = 0;
  #totalMs = 0;
  #maxMs = 0;
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: UNITS_MAX, figures: 3 });

  record(latencyMs: number): void {
    // A figure that is no time would spoil every sum after it.
    if (!(latencyMs >= 0 && latencyMs < Number.POSITIVE_INFINITY))
      throw new Error(`a start took ${latencyMs} ms; a latency is finite and not negative`);
    this.#count += 1;
    this.#totalMs += latencyMs;
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs;
    // The histogram takes whole numbers from 1.
    this.#histogram.record(Math.min(UNITS_MAX, 1 + Math.round(latencyMs * UNITS_PER_MS)));
  }

  figures(): Latency {
    const at = (percentile: number): number =>
      this.#count === 0
        ? 0
        : Math.min(this.#maxMs, (this.#histogram.percentile(percentile) - 1) / UNITS_PER_MS);
    return {
      totalMs: this.#totalMs,
      meanMs: this.#count === 0 ? 0 : this.#totalMs / this.#count,
      p50Ms: at(50),
      p95Ms: at(95),
      p99Ms: at(99),
      maxMs: this.#maxMs,
    };
  }
}
