/**
 * From what was measured to a receipt.
 *
 * Owns the arithmetic of usage and cost. Never measures and never stores. Invariant: the receipt of a failed or
 * killed invocation is as complete as that of a good one.
 */
import type { Failure } from '../core/errors.ts';
import type { LogLine, Meter, Receipt, ReceiptNetwork, Start } from '../core/receipt.ts';
import { type FunctionRecord, tierOf } from '../core/spec.ts';
import { gbSeconds, price } from './tariffs.ts';

/** One finished invocation, as it is kept until somebody asks for the receipt. */
export interface Finished {
  readonly invocationId: string;
  readonly function: FunctionRecord;
  readonly start: Start;
  /** Who measured the CPU time. */
  readonly meter: Meter;
  /** Milliseconds, in the order of `PHASES`. */
  readonly phases: readonly number[];
  /** CPU time of load and initializer, nanoseconds. */
  readonly initCpuNs: number;
  /** CPU time of the handler, nanoseconds. */
  readonly handlerCpuNs: number;
  readonly maxMemoryBytes: number | null;
  readonly network: ReceiptNetwork;
  readonly failure: Failure | null;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly logs: readonly LogLine[];
  readonly logTruncated: boolean;
}

const MB = 1024 * 1024;
const NS_PER_MS = 1e6;

/** CU seconds under the default tariff: what the response's header says. */
export const cuSecondsOf = (initCpuNs: number, handlerCpuNs: number): number =>
  round((initCpuNs + handlerCpuNs) / 1e9, 9);

export const toReceipt = (finished: Finished): Receipt => {
  const { failure, function: record } = finished;
  const [queue = 0, provision = 0, boot = 0, load = 0, init = 0, handler = 0] = finished.phases;
  const wallMs = load + init + handler;
  const cpuNs = finished.initCpuNs + finished.handlerCpuNs;
  const usage = { cpuNs, wallNs: Math.round(wallMs * NS_PER_MS), memoryMb: record.memoryMb };
  const { tariff, formula, amount } = price(usage, 'cpu');
  return {
    invocationId: finished.invocationId,
    tenant: record.tenant,
    function: record.name,
    version: record.version,
    tier: tierOf(record.runtime),
    status: failure === null ? 'succeeded' : 'failed',
    start: finished.start,
    processModel: record.processModel,
    phasesMs: {
      ...{ queue: round(queue, 3), provision: round(provision, 3), boot: round(boot, 3) },
      ...{ load: round(load, 3), init: round(init, 3), handler: round(handler, 3) },
    },
    usage: {
      meter: finished.meter,
      wallMs: round(wallMs, 3),
      cpuMs: round(cpuNs / NS_PER_MS, 6),
      initCpuMs: round(finished.initCpuNs / NS_PER_MS, 6),
      memoryMb: record.memoryMb,
      maxMemoryMb: finished.maxMemoryBytes === null ? null : round(finished.maxMemoryBytes / MB, 2),
      gbSeconds: round(gbSeconds(usage), 9),
    },
    cost: { tariff, formula, cuSeconds: round(amount, 9) },
    network: finished.network,
    limit: failure?.limit ?? null,
    error:
      failure === null
        ? null
        : {
            code: failure.code,
            detail: failure.detail,
            type: failure.error?.type ?? null,
            message: failure.error?.message ?? null,
            stack: failure.error?.stack ?? null,
          },
    startedAt: new Date(finished.startedAtMs).toISOString(),
    logTruncated: finished.logTruncated,
  };
};

const round = (value: number, digits: number): number => {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
};
