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

/** What many receipts that are written together have in common. */
export interface Kind {
  readonly name: string;
  readonly version: string;
  readonly runtime: Runtime;
  readonly processModel: ProcessModel;
  readonly memoryMb: number;
  readonly start: Start;
  readonly meter: Meter;
}

/** One receipt, as it is read. */
export interface LedgerRecord extends Kind {
  readonly invocationId: string;
  readonly attempt: number;
  readonly tenant: string;
  readonly startedMs: number;
  /** The phases in microseconds, CPU time of load and initializer and of the handler in nanoseconds, bytes of memory or -1. */
  readonly figures: readonly number[];
  readonly isTruncated: boolean;
  /** JSON. */
  readonly network: string | null;
  /** JSON. */
  readonly failure: string | null;
}

/** One receipt, as it is written. */
export interface LedgerRow extends LedgerRecord {
  readonly quantities: Quantities;
  /** What it takes in memory while it waits for the disk, about. */
  readonly bytes: number;
}

/** How many figures there are of each. */
export const FIGURES = 9;

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
  const { function: record, logs, phases, maxMemoryBytes: memory } = finished;
  const initCpuNs = whole(finished.initCpuNs, CPU_MAX_NS);
  const handlerCpuNs = whole(finished.handlerCpuNs, CPU_MAX_NS);
  const [queue = 0, provision = 0, boot = 0, load = 0, init = 0, handler = 0] = phases;
  const network = networkText(finished.network);
  const failure = finished.failure === null ? null : JSON.stringify(shortFailure(finished.failure));
  // Field by field: this is on the path of every invocation.
  return {
    invocationId: finished.invocationId,
    attempt: finished.attempt === undefined ? 1 : whole(finished.attempt, ATTEMPT_MAX),
    tenant: record.tenant,
    name: record.name,
    version: record.version,
    runtime: record.runtime,
    processModel: record.processModel,
    memoryMb: record.memoryMb,
    start: finished.start,
    meter: finished.meter,
    startedMs: whole(finished.startedAtMs, STARTED_MAX_MS),
    figures: [
      microseconds(queue),
      microseconds(provision),
      microseconds(boot),
      microseconds(load),
      microseconds(init),
      microseconds(handler),
      initCpuNs,
      handlerCpuNs,
      memory === null ? -1 : whole(memory, Number.MAX_SAFE_INTEGER),
    ],
    isTruncated: finished.logTruncated || (logs !== undefined && logs.length > 0),
    network,
    failure,
    quantities: quantitiesOf({ initCpuNs, handlerCpuNs, phases, memoryMb: record.memoryMb }),
    bytes: ROW_BYTES + (network?.length ?? 0) + (failure?.length ?? 0),
  };
};

export const measuredOf = (record: LedgerRecord): Measured => {
  const { invocationId, attempt, tenant, name, version, runtime, processModel, memoryMb } = record;
  const phasesUs = record.figures.slice(0, FIGURES - 3);
  const [initCpuNs = 0, handlerCpuNs = 0, memory = -1] = record.figures.slice(FIGURES - 3);
  return {
    ...{ invocationId, attempt, start: record.start, meter: record.meter, initCpuNs, handlerCpuNs },
    function: { tenant, name, version, runtime, processModel, memoryMb },
    phases: phasesUs.map((us) => us / 1000),
    maxMemoryBytes: memory === -1 ? null : memory,
    network: record.network === null ? NO_NETWORK : (JSON.parse(record.network) as ReceiptNetwork),
    failure: record.failure === null ? null : (JSON.parse(record.failure) as Failure),
    startedAtMs: record.startedMs,
    logTruncated: record.isTruncated,
  };
};

/** What the sums were made from when it was written. */
export const quantitiesOfRecord = (record: LedgerRecord): Quantities => {
  const { initCpuNs, handlerCpuNs, phases, function: billed } = measuredOf(record);
  return quantitiesOf({ initCpuNs, handlerCpuNs, phases, memoryMb: billed.memoryMb });
};

/** As text: that is new, where a piece of a longer text would keep all of it in memory. */
const networkText = (network: ReceiptNetwork): string | null =>
  network.requests === 0
    ? null
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
