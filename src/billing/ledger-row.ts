/**
 * One receipt as the ledger keeps it, and back.
 *
 * Owns the columns. What is added up and looked for has columns of its own; the rest is one compact JSON text. Invariants: a
 * receipt made from a row is the one that was made from the measurement, but for texts of errors beyond their bound;
 * a row holds no log, no event, no result and no secret, and its size is bounded.
 */
import type { Failure, GuestError } from '../core/errors.ts';
import { type Meter, NO_NETWORK, type ReceiptNetwork, type Start } from '../core/receipt.ts';
import type { ProcessModel, Runtime } from '../core/spec.ts';
import { CPU_MAX_NS, microseconds, quantitiesOf, whole } from './quantities.ts';
import type { Finished, Measured } from './receipts.ts';

/** In the order of `COLUMNS`. */
export type LedgerRow = readonly [
  invocationId: string,
  attempt: number,
  tenant: string,
  name: string,
  version: string,
  startedMs: number,
  failed: 0 | 1,
  cpuNs: number,
  wallUs: number,
  memoryMbUs: number,
  billedMbMs: number,
  detail: string,
];

export const COLUMNS = [
  ...['invocation_id', 'attempt', 'tenant', 'function', 'version', 'started_ms', 'failed'],
  ...['cpu_ns', 'wall_us', 'memory_mb_us', 'billed_mb_ms', 'detail'],
] as const;

export type LedgerRecord = Readonly<Record<(typeof COLUMNS)[number], unknown>>;

const ATTEMPT_MAX = 1_000_000;
/** Years until 10000, which is as far as dates can be written. */
const STARTED_MAX_MS = 253_402_300_799_999;
/** A function's own words are kept as far as people read them; a stack is as long as the sandboxes let it be. */
const TEXT_MAX = 2_048;
const STACK_MAX = 8_192;
const REFUSALS_MAX = 10;

/** What has no column, in this order. */
type Detail = readonly [
  runtime: Runtime,
  processModel: ProcessModel,
  start: Start,
  meter: Meter,
  phasesUs: readonly number[],
  initCpuNs: number,
  handlerCpuNs: number,
  memoryMb: number,
  maxMemoryBytes: number | null,
  logTruncated: 0 | 1,
  network: ReceiptNetwork | 0,
  failure: Failure | 0,
];

/** @param finished its log is not kept, so that a receipt of an invocation that logged says it is truncated. */
export const rowOf = (finished: Measured & Partial<Pick<Finished, 'logs'>>): LedgerRow => {
  const { function: record, failure, network, phases } = finished;
  const initCpuNs = whole(finished.initCpuNs, CPU_MAX_NS);
  const handlerCpuNs = whole(finished.handlerCpuNs, CPU_MAX_NS);
  const { cpuNs, wallUs, memoryMbUs, billedMbMs } = quantitiesOf({
    ...{ initCpuNs, handlerCpuNs, phases, memoryMb: record.memoryMb },
  });
  const hadLogs = finished.logs !== undefined && finished.logs.length > 0;
  const detail: Detail = [
    ...([record.runtime, record.processModel, finished.start, finished.meter] as const),
    phases.map(microseconds),
    initCpuNs,
    handlerCpuNs,
    record.memoryMb,
    finished.maxMemoryBytes,
    finished.logTruncated || hadLogs ? 1 : 0,
    network.requests === 0
      ? 0
      : { ...network, refusals: network.refusals.slice(0, REFUSALS_MAX).map(shortRefusal) },
    failure === null ? 0 : shortFailure(failure),
  ];
  return [
    finished.invocationId,
    finished.attempt === undefined ? 1 : whole(finished.attempt, ATTEMPT_MAX),
    record.tenant,
    record.name,
    record.version,
    whole(finished.startedAtMs, STARTED_MAX_MS),
    failure === null ? 0 : 1,
    cpuNs,
    wallUs,
    memoryMbUs,
    billedMbMs,
    JSON.stringify(detail),
  ];
};

/** What a row takes in memory while it waits for the disk, about. */
export const sizeOf = (row: LedgerRow): number => row[11].length + ROW_BYTES;

const ROW_BYTES = 300;

export const recordOf = (row: LedgerRow): LedgerRecord =>
  Object.fromEntries(COLUMNS.map((column, at) => [column, row[at]])) as LedgerRecord;

export const measuredOf = (record: LedgerRecord): Measured => {
  const [runtime, processModel, start, meter, phasesUs, initCpuNs, handlerCpuNs, memoryMb, ...rest] =
    JSON.parse(String(record.detail)) as Detail;
  const [maxMemoryBytes, logTruncated, network, failure] = rest;
  return {
    invocationId: String(record.invocation_id),
    attempt: Number(record.attempt),
    function: {
      tenant: String(record.tenant),
      name: String(record.function),
      version: String(record.version),
      ...{ runtime, processModel, memoryMb },
    },
    ...{ start, meter, initCpuNs, handlerCpuNs, maxMemoryBytes },
    phases: phasesUs.map((us) => us / 1000),
    network: network === 0 ? NO_NETWORK : network,
    failure: failure === 0 ? null : failure,
    startedAtMs: Number(record.started_ms),
    logTruncated: logTruncated === 1,
  };
};

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
