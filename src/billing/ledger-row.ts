/**
 * One receipt as the ledger keeps it, and back.
 *
 * Owns what is kept and in which order. Invariants: a receipt made from a row is the one that was made from the measurement,
 * but for texts of errors beyond their bound; a row holds no log, no event, no result and no secret, nothing that changes
 * or that keeps more than itself in memory, and its size is bounded.
 */
import type { Failure, GuestError } from '../core/errors.ts';
import { type Meter, NO_NETWORK, type ReceiptNetwork, type Start } from '../core/receipt.ts';
import type { ProcessModel, Runtime } from '../core/spec.ts';
import { CPU_MAX_NS, microseconds, type Quantities, quantitiesOf, whole } from './quantities.ts';
import type { Finished, Measured } from './receipts.ts';

/** One receipt, as it is read. */
export interface LedgerRecord {
  readonly invocationId: string;
  readonly attempt: number;
  readonly tenant: string;
  readonly kept: Kept;
}

/** One receipt, as it is written. */
export interface LedgerRow extends LedgerRecord {
  readonly name: string;
  readonly version: string;
  readonly startedMs: number;
  readonly isFailed: boolean;
  readonly quantities: Quantities;
  /** What it takes in memory while it waits for the disk, about. */
  readonly bytes: number;
}

/** What is written of each, in this order; figures that follow from others are not. */
export type Kept = readonly [
  startedMs: number,
  name: string,
  version: string,
  runtime: Runtime,
  processModel: ProcessModel,
  memoryMb: number,
  start: Start,
  meter: Meter,
  phasesUs: readonly number[],
  initCpuNs: number,
  handlerCpuNs: number,
  maxMemoryBytes: number | null,
  logTruncated: 0 | 1,
  network: string | 0,
  failure: string | 0,
];

export const ATTEMPT_MAX = 1_000_000;
/** Years until 10000, which is as far as dates can be written. */
const STARTED_MAX_MS = 253_402_300_799_999;
/** A function's own words are kept as far as people read them; a stack is as long as the sandboxes let it be. */
const TEXT_MAX = 2_048;
const STACK_MAX = 8_192;
const REFUSALS_MAX = 10;

const ROW_BYTES = 600;

/** @param finished its log is not kept, so that a receipt of an invocation that logged says it is truncated. */
export const rowOf = (finished: Measured & Partial<Pick<Finished, 'logs'>>): LedgerRow => {
  const { function: record, failure, logs, phases } = finished;
  const { tenant, name, version, memoryMb } = record;
  const initCpuNs = whole(finished.initCpuNs, CPU_MAX_NS);
  const handlerCpuNs = whole(finished.handlerCpuNs, CPU_MAX_NS);
  const startedMs = whole(finished.startedAtMs, STARTED_MAX_MS);
  const isTruncated = finished.logTruncated || (logs !== undefined && logs.length > 0);
  const network = networkText(finished.network);
  const thrown = failure === null ? 0 : JSON.stringify(shortFailure(failure));
  return {
    invocationId: finished.invocationId,
    attempt: finished.attempt === undefined ? 1 : whole(finished.attempt, ATTEMPT_MAX),
    ...{ tenant, name, version, startedMs, isFailed: failure !== null },
    quantities: quantitiesOf({ initCpuNs, handlerCpuNs, phases, memoryMb }),
    bytes: ROW_BYTES + (network === 0 ? 0 : network.length) + (thrown === 0 ? 0 : thrown.length),
    kept: [
      ...([startedMs, name, version, record.runtime, record.processModel, memoryMb] as const),
      ...([finished.start, finished.meter, phases.map(microseconds), initCpuNs, handlerCpuNs] as const),
      ...([finished.maxMemoryBytes, isTruncated ? 1 : 0, network, thrown] as const),
    ],
  };
};

export const measuredOf = ({ invocationId, attempt, tenant, kept }: LedgerRecord): Measured => {
  const [startedAtMs, name, version, runtime, processModel, memoryMb, start, meter, phasesUs, ...rest] = kept;
  const [initCpuNs, handlerCpuNs, maxMemoryBytes, logTruncated, network, failure] = rest;
  return {
    ...{ invocationId, attempt, start, meter, initCpuNs, handlerCpuNs, maxMemoryBytes, startedAtMs },
    function: { tenant, name, version, runtime, processModel, memoryMb },
    phases: phasesUs.map((us) => us / 1000),
    network: network === 0 ? NO_NETWORK : (JSON.parse(network) as ReceiptNetwork),
    failure: failure === 0 ? null : (JSON.parse(failure) as Failure),
    logTruncated: logTruncated === 1,
  };
};

/** What the figures of a receipt are summed from, the same as when it was written. */
export const quantitiesOfRecord = (record: LedgerRecord): Quantities => {
  const { initCpuNs, handlerCpuNs, phases, function: billed } = measuredOf(record);
  return quantitiesOf({ initCpuNs, handlerCpuNs, phases, memoryMb: billed.memoryMb });
};

/** As text: that is new, where a piece of a longer text would keep all of it in memory. */
const networkText = (network: ReceiptNetwork): string | 0 =>
  network.requests === 0
    ? 0
    : JSON.stringify({ ...network, refusals: network.refusals.slice(0, REFUSALS_MAX).map(shortRefusal) });

const short = (text: string, max = TEXT_MAX): string =>
  text.length <= max ? text : `${text.slice(0, max)}…`;

const shortFailure = ({ code, detail, limit, error }: Failure): Failure => ({
  ...{ code, detail: short(detail), limit },
  error: error === null ? null : shortError(error),
});

const shortError = ({ type, message, stack }: GuestError): GuestError => ({
  type: short(type),
  message: short(message),
  stack: short(stack, STACK_MAX),
});

const shortRefusal = ({ code, target, detail }: ReceiptNetwork['refusals'][number]) => ({
  ...{ code, target: short(target), detail: short(detail) },
});
