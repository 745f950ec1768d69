/**
 * The receipt: the record of one invocation, as callers and the ledger see it.
 *
 * Owns the shape. Durations are milliseconds from the monotonic clock; `startedAt` alone is wall clock.
 */
import type { ErrorCode, Failure, LimitReport } from './errors.ts';
import type { ProcessModel, Tier } from './spec.ts';

/** The layers of a sandbox, coldest first. */
export type Layer = 'container' | 'runtime' | 'code';

/** The layer that an invocation started from; `none` is fully cold. */
export type Start = 'none' | Layer;
export const STARTS: readonly Start[] = ['none', 'container', 'runtime', 'code'];

/** The phases of an invocation in the order in which they happen, milliseconds each. */
export interface PhasesMs {
  /** Waiting for admission and for an instance. */
  readonly queue: number;
  /** Starting the outer process. */
  readonly provision: number;
  /** Booting the language inside it. */
  readonly boot: number;
  /** Injecting and evaluating the code. */
  readonly load: number;
  /** The function's initializer. */
  readonly init: number;
  /** The handler, event parsing and result serialisation included. */
  readonly handler: number;
}
export const PHASES: readonly (keyof PhasesMs)[] = ['queue', 'provision', 'boot', 'load', 'init', 'handler'];

/** Who measured the CPU time: the isolate's host, the server from the container's cgroup, or the engine's statistics. */
export type Meter = 'isolate' | 'cgroup' | 'stats';

export interface ReceiptUsage {
  readonly meter: Meter;
  /** Wall time of load, initializer and handler. */
  readonly wallMs: number;
  /** CPU time of initializer (load included) and handler. */
  readonly cpuMs: number;
  /** The part of `cpuMs` that loading and the initializer used; zero on a warm start. */
  readonly initCpuMs: number;
  /** The function's configured memory. */
  readonly memoryMb: number;
  /** The largest memory seen by the host during the invocation; null when nothing was measured. */
  readonly maxMemoryMb: number | null;
  /** `memoryMb / 1024 × wall seconds`. */
  readonly gbSeconds: number;
}

export interface ReceiptCost {
  readonly tariff: string;
  readonly formula: string;
  readonly cuSeconds: number;
}

/** What an invocation did with the network, as the egress broker saw it. */
export interface ReceiptNetwork {
  /** Requests that were asked for, the refused ones included; each redirect is one. */
  readonly requests: number;
  readonly refused: number;
  /** Bytes of HTTP, heads included, before encryption. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The first of the refused requests. */
  readonly refusals: readonly NetworkRefusal[];
}

export interface NetworkRefusal {
  readonly code: ErrorCode;
  /** Host and port, as far as they could be read. */
  readonly target: string;
  readonly detail: string;
}

export const NO_NETWORK: ReceiptNetwork = Object.freeze({
  ...{ requests: 0, refused: 0, sentBytes: 0, receivedBytes: 0 },
  refusals: Object.freeze([]),
});

export type InvocationStatus = 'succeeded' | 'failed';

export interface Receipt {
  readonly invocationId: string;
  readonly tenant: string;
  readonly function: string;
  readonly version: string;
  readonly tier: Tier;
  readonly status: InvocationStatus;
  readonly start: Start;
  readonly processModel: ProcessModel;
  readonly phasesMs: PhasesMs;
  readonly usage: ReceiptUsage;
  readonly cost: ReceiptCost;
  readonly network: ReceiptNetwork;
  readonly limit: LimitReport | null;
  readonly error: ReceiptError | null;
  readonly startedAt: string;
  readonly logTruncated: boolean;
}

/** A failure in a receipt: the catalogue's code and, for a function's own error, what was thrown. */
export interface ReceiptError {
  readonly code: Failure['code'];
  readonly detail: string;
  readonly type: string | null;
  readonly message: string | null;
  readonly stack: string | null;
}

/** One captured console line. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Milliseconds since the epoch, as the guest's clock had it. */
  readonly timeMs: number;
  readonly message: string;
}
