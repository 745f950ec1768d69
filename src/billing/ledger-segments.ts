/**
 * Receipts of one tenant that are written, read and removed together, as one row of the database.
 *
 * Owns how many lie together, and their texts. A row for each receipt would cost its write several times as much. Invariants:
 * a segment is of one tenant; it is small enough that one receipt of it is quickly read; receipts of one tenant stay in
 * the order in which they came.
 */
import { ATTEMPT_MAX, type Kept, type LedgerRecord, type LedgerRow } from './ledger-row.ts';

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
  /** What is kept of each, as a JSON list. */
  readonly kept: string;
}

const RECEIPTS_MAX = 64;
const BYTES_MAX = 65_536;
const ATTEMPT_DIGITS = String(ATTEMPT_MAX).length;

/** What tells attempts apart. First ones have the id alone; the others follow it in the order of the keys. */
export const attemptKey = (invocationId: string, attempt: number): string =>
  attempt === 1 ? invocationId : `${invocationId} ${String(attempt).padStart(ATTEMPT_DIGITS, '0')}`;

/** The keys of an invocation are those from its id to before this; no id has a space in it. */
export const behindKeysOf = (invocationId: string): string => `${invocationId}!`;

export interface Batch {
  readonly segments: readonly Segment[];
  /** Of all of them, in the order of their numbers. */
  readonly keys: readonly string[];
}

export const segmentsOf = (rows: readonly LedgerRow[], first: number): Batch => {
  const segments: Segment[] = [];
  const keys: string[] = [];
  for (const [tenant, own] of byTenant(rows)) {
    let from = 0;
    let bytes = 0;
    for (let at = 0; at < own.length; at += 1) {
      bytes += own[at]?.bytes ?? 0;
      if (at + 1 < own.length && at + 1 - from < RECEIPTS_MAX && bytes < BYTES_MAX) continue;
      const segment = segmentOf(own.slice(from, at + 1), tenant, first + keys.length, keys);
      segments.push(segment);
      from = at + 1;
      bytes = 0;
    }
  }
  return { segments, keys };
};

/** Adds its keys to `all`. */
const segmentOf = (rows: readonly LedgerRow[], tenant: string, first: number, all: string[]): Segment => {
  const keys: string[] = [];
  const kept: Kept[] = [];
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = 0;
  for (const row of rows) {
    const key = attemptKey(row.invocationId, row.attempt);
    keys.push(key);
    all.push(key);
    kept.push(row.kept);
    if (row.startedMs < fromMs) fromMs = row.startedMs;
    if (row.startedMs > toMs) toMs = row.startedMs;
  }
  return {
    ...{ first, receipts: rows.length, tenant, from_ms: fromMs, to_ms: toMs },
    ...{ keys: JSON.stringify(keys), kept: JSON.stringify(kept) },
  };
};

const byTenant = (rows: readonly LedgerRow[]): ReadonlyMap<string, readonly LedgerRow[]> => {
  const tenants = new Map<string, LedgerRow[]>();
  for (const row of rows) {
    const own = tenants.get(row.tenant);
    if (own === undefined) tenants.set(row.tenant, [row]);
    else own.push(row);
  }
  return tenants;
};

export const recordsOf = ({ tenant, keys, kept }: Segment): readonly LedgerRecord[] => {
  const parts = JSON.parse(kept) as readonly Kept[];
  return (JSON.parse(keys) as readonly string[]).flatMap((key, at) => {
    const [invocationId = '', attempt = '1'] = key.split(' ');
    const part = parts[at];
    return part === undefined ? [] : [{ invocationId, attempt: Number(attempt), tenant, kept: part }];
  });
};

/** A segment without its oldest receipts, and the keys of those as a JSON list. */
export const tailOf = (
  segment: Segment,
  count: number,
): { readonly removed: string; readonly tail: Pick<Segment, 'receipts' | 'keys' | 'kept'> } => {
  const keys = JSON.parse(segment.keys) as readonly string[];
  const kept = (JSON.parse(segment.kept) as readonly Kept[]).slice(count);
  return {
    removed: JSON.stringify(keys.slice(0, count)),
    tail: {
      ...{ receipts: kept.length, keys: JSON.stringify(keys.slice(count)), kept: JSON.stringify(kept) },
    },
  };
};
