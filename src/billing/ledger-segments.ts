/**
 * Receipts of one tenant that are written, read and removed together, as one row of the database.
 *
 * Owns how many lie together, and their texts. A row for each receipt would cost its write several times as much. Invariants:
 * a segment is of one tenant; it is small enough that one receipt of it is quickly read; receipts of one tenant stay in
 * the order in which they came.
 */
import { ATTEMPT_MAX, FIGURES, type Kind, type LedgerRecord, type LedgerRow } from './ledger-row.ts';

/** As the table has it. */
export interface Segment {
  /** The number of its first receipt. */
  readonly first: number;
  readonly receipts: number;
  readonly tenant: string;
  /** No receipt in it started before or after. */
  readonly from_ms: number;
  readonly to_ms: number;
  /** The keys of its attempts, as a JSON list. */
  readonly keys: string;
  /** The rest of each, as JSON. */
  readonly kept: string;
}

/** One flat list of numbers for all: a list for each receipt would take longer to write and to read. */
type Kept = readonly [
  kinds: readonly (readonly [
    name: string,
    version: string,
    runtime: Kind['runtime'],
    processModel: Kind['processModel'],
    memoryMb: number,
    start: Kind['start'],
    meter: Kind['meter'],
  ])[],
  /** Of each receipt the place of its kind, milliseconds since `from_ms`, and its figures. */
  numbers: readonly number[],
  /** What few receipts have: the place, whether its log is truncated, and texts of its network and failure. */
  extras: readonly (readonly [
    at: number,
    isTruncated: 0 | 1,
    network: string | null,
    failure: string | null,
  ])[],
];

/** Numbers of each receipt. */
const NUMBERS = FIGURES + 2;

const RECEIPTS_MAX = 64;
const BYTES_MAX = 65_536;
const ATTEMPT_DIGITS = String(ATTEMPT_MAX).length;

/** What tells attempts apart. First ones have the id alone; the others follow it in the order of the keys. */
export const attemptKey = (invocationId: string, attempt: number): string =>
  attempt === 1 ? invocationId : `${invocationId} ${String(attempt).padStart(ATTEMPT_DIGITS, '0')}`;

/** The keys of an invocation are those from its id to before this; no id has a space in it. */
export const behindKeysOf = (invocationId: string): string => `${invocationId}!`;

export const segmentsOf = (rows: readonly LedgerRow[], first: number): readonly Segment[] => {
  const segments: Segment[] = [];
  let next = first;
  for (const [tenant, own] of byTenant(rows)) {
    let from = 0;
    let bytes = 0;
    for (let at = 0; at < own.length; at += 1) {
      bytes += own[at]?.bytes ?? 0;
      if (at + 1 < own.length && at + 1 - from < RECEIPTS_MAX && bytes < BYTES_MAX) continue;
      const segment = segmentOf(own.slice(from, at + 1), tenant, next);
      segments.push(segment);
      next += segment.receipts;
      from = at + 1;
      bytes = 0;
    }
  }
  return segments;
};

const segmentOf = (rows: readonly LedgerRecord[], tenant: string, first: number): Segment => {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = 0;
  for (const { startedMs } of rows) {
    if (startedMs < fromMs) fromMs = startedMs;
    if (startedMs > toMs) toMs = startedMs;
  }
  const keys = rows.map(({ invocationId, attempt }) => attemptKey(invocationId, attempt));
  return {
    ...{ first, receipts: rows.length, tenant, from_ms: fromMs, to_ms: toMs },
    ...{ keys: JSON.stringify(keys), kept: JSON.stringify(keptOf(rows, fromMs)) },
  };
};

const keptOf = (rows: readonly LedgerRecord[], fromMs: number): Kept => {
  const kinds: Kind[] = [];
  const numbers: number[] = [];
  const extras: Kept[2][number][] = [];
  for (const [at, row] of rows.entries()) {
    let kind = kinds.findIndex((other) => isSame(row, other));
    if (kind === -1) kind = kinds.push(row) - 1;
    numbers.push(kind, row.startedMs - fromMs);
    for (const figure of row.figures) numbers.push(figure);
    if (row.isTruncated || row.network !== null || row.failure !== null)
      extras.push([at, row.isTruncated ? 1 : 0, row.network, row.failure]);
  }
  return [
    kinds.map(({ name, version, runtime, processModel, memoryMb, start, meter }) => {
      return [name, version, runtime, processModel, memoryMb, start, meter];
    }),
    numbers,
    extras,
  ];
};

const isSame = (one: Kind, other: Kind): boolean =>
  one.name === other.name &&
  one.version === other.version &&
  one.start === other.start &&
  one.memoryMb === other.memoryMb &&
  one.runtime === other.runtime &&
  one.processModel === other.processModel &&
  one.meter === other.meter;

const byTenant = (rows: readonly LedgerRow[]): ReadonlyMap<string, readonly LedgerRow[]> => {
  const tenants = new Map<string, LedgerRow[]>();
  for (const row of rows) {
    const own = tenants.get(row.tenant);
    if (own === undefined) tenants.set(row.tenant, [row]);
    else own.push(row);
  }
  return tenants;
};

export const recordsOf = (segment: Segment): readonly LedgerRecord[] => {
  const [kinds, numbers, extras] = JSON.parse(segment.kept) as Kept;
  const extraOf = new Map(extras.map((extra) => [extra[0], extra]));
  return (JSON.parse(segment.keys) as readonly string[]).map((key, at) => {
    const [invocationId = '', attempt = '1'] = key.split(' ');
    const [kind = 0, afterMs = 0, ...figures] = numbers.slice(at * NUMBERS, (at + 1) * NUMBERS);
    const of = kinds[kind];
    if (of === undefined) throw new Error(`the segment of receipt ${segment.first} has no kind ${kind}`);
    const [name, version, runtime, processModel, memoryMb, start, meter] = of;
    const [, isTruncated, network = null, failure = null] = extraOf.get(at) ?? [];
    return {
      ...{ invocationId, attempt: Number(attempt), tenant: segment.tenant },
      ...{ name, version, runtime, processModel, memoryMb, start, meter },
      ...{ startedMs: segment.from_ms + afterMs, figures, isTruncated: isTruncated === 1, network, failure },
    };
  });
};

/** A segment without its oldest receipts, and the keys of those as a JSON list. */
export const tailOf = (
  segment: Segment,
  count: number,
): { readonly removed: string; readonly tail: Segment } => ({
  removed: JSON.stringify((JSON.parse(segment.keys) as readonly string[]).slice(0, count)),
  tail: segmentOf(recordsOf(segment).slice(count), segment.tenant, segment.first + count),
});
