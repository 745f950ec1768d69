/**
 * Statistics of functions, as the executor gives them out.
 *
 * Owns the shapes. They cover a sliding window up to now and this start of the server; sums for good are the ledger's.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { Start } from '../core/receipt.ts';

/** The largest relative error of a percentile; counts, means and maxima are exact. */
export const RELATIVE_ERROR = 0.02;

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface FunctionStats {
  /** How long the window is; what is older is not in the figures. */
  readonly windowMs: number;
  /** Finished invocations, each attempt of an asynchronous one; what was refused is not among them. */
  readonly invocations: number;
  readonly failed: number;
  /** The failed ones by error code; codes that did not occur are absent. */
  readonly errors: Readonly<Partial<Record<ErrorCode, number>>>;
  /** By the layer that they started from. */
  readonly starts: Readonly<Record<Start, number>>;
  /** Wall time of the handler, milliseconds; null when none was called. */
  readonly handlerMs: Percentiles | null;
  /** Everything before the handler: queue, provision, boot, load and init; null without invocations. */
  readonly startMs: Percentiles | null;
  /** CPU time of load, initializer and handler; null without invocations. */
  readonly cpuMs: { readonly mean: number; readonly max: number } | null;
  /** The most that one invocation was seen to use; null when nothing was measured. */
  readonly maxMemoryMb: number | null;
}

export interface Stats {
  /**
   * Of a function, all versions together; with a qualifier of that version alone (of an alias, the version that it
   * points to first).
   * @throws StrataError `not_found` when unknown or of another tenant.
   */
  of(name: string, options?: { readonly tenant?: string; readonly qualifier?: string }): FunctionStats;
}
