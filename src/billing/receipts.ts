/**
 * From what was measured to a receipt.
 *
 * Owns the arithmetic of usage and cost. Never measures and never stores. Invariant: the receipt of a failed or
 * killed invocation is as complete as that of a good one.
 */
import type { Failure } from '../core/errors.ts';
import type { LogLine, Meter, Receipt, ReceiptNetwork, Start } from '../core/receipt.ts';
import { type FunctionRecord, tierOf } from '../core/spec.ts';
import { microseconds, quantitiesOf } from './quantities.ts';
import { gbSecondsOf, price, type TariffName } from './tariffs.ts';

/** What a receipt needs to know of the function. */
export type BilledFunction = Pick<
  FunctionRecord,
  'tenant' | 'name' | 'version' | 'runtime' | 'memoryMb' | 'processModel'
>;

/** What was measured of one invocation: all that a receipt is made from. */
export interface Measured {
  readonly invocationId: string;
  /** Which try of an asynchronous invocation it was, from 1; 1 unless told. The ledger has each once. */
  readonly attempt?: number;
  readonly function: BilledFunction;
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
  readonly logTruncated: boolean;
}

/** One finished invocation, as it is kept until somebody asks for the receipt. */
export interface Finished extends Measured {
  readonly function: FunctionRecord;
  readonly logs: readonly LogLine[];
}

const MB = 1024 * 1024;
const NS_PER_MS = 1e6;

/** Units under a tariff, of which CU seconds are the first: what the response's header says. */
export const cuSecondsOf = (finished: Measured, tariff: TariffName): number =>
  // On the path of every invocation: the default tariff counts nanoseconds, which need no fraction.
  tariff === 'cpu'
    ? round((finished.initCpuNs + finished.handlerCpuNs) / 1e9, 9)
    : price(usageOf(finished), tariff).amount;

const usageOf = (finished: Measured) => {
  const { initCpuNs, handlerCpuNs, phases, function: record } = finished;
  return quantitiesOf({ initCpuNs, handlerCpuNs, phases, memoryMb: record.memoryMb });
};

export const toReceipt = (finished: Measured, asTariff: TariffName): Receipt => {
  const { failure, function: record } = finished;
  const [queue = 0, provision = 0, boot = 0, load = 0, init = 0, handler = 0] = finished.phases;
  const usage = usageOf(finished);
  const { tariff, formula, amount } = price(usage, asTariff);
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
      ...{ queue: milliseconds(queue), provision: milliseconds(provision), boot: milliseconds(boot) },
      ...{ load: milliseconds(load), init: milliseconds(init), handler: milliseconds(handler) },
    },
    usage: {
      meter: finished.meter,
      wallMs: round(usage.wallUs / 1000, 3),
      cpuMs: round(usage.cpuNs / NS_PER_MS, 6),
      initCpuMs: round(finished.initCpuNs / NS_PER_MS, 6),
      memoryMb: record.memoryMb,
      maxMemoryMb: finished.maxMemoryBytes === null ? null : round(finished.maxMemoryBytes / MB, 2),
      gbSeconds: gbSecondsOf(BigInt(usage.memoryMbUs)),
    },
    cost: { tariff, formula, cuSeconds: amount },
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

/** As many digits as the ledger has, so that a receipt reads the same from there. */
const milliseconds = (ms: number): number => round(microseconds(ms) / 1000, 3);

const round = (value: number, digits: number): number => {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
};
