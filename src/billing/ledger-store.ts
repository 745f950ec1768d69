/**
 * The ledger's tables in SQLite: receipts for a while, and the sums of each day for years.
 *
 * Owns the tables and what one transaction holds. Never waits and never caches. Receipts are numbered in the order of
 * writing, and lie in segments: some receipts of one tenant in one row. Invariants: numbers have no gaps; a receipt and
 * its part of its day's sum are written in one transaction, so that a sum is exactly that of the receipts that were
 * written; (invocation, attempt) is there once; removing receipts leaves sums as they are; a day is that of the
 * invocation's start, UTC.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { attemptOn, type DatabaseOptions, openDatabase } from '../ports/database.ts';
import type { LedgerRecord, LedgerRow } from './ledger-row.ts';
import { attemptKey, behindKeysOf, recordsOf, type Segment, segmentsOf, tailOf } from './ledger-segments.ts';
import {
  ADD_KEY,
  ADD_KEYS,
  ADD_OPERATOR,
  ADD_SEGMENT,
  ADD_UP,
  CUT,
  ENDS,
  FIRST_YOUNG,
  MIGRATIONS,
  NEXT_TENANT,
  NUMBER,
  OPERATOR,
  PAGE,
  PAGE_OF_ALL,
  REMOVE_KEYS,
  REMOVE_KEYS_OF,
  REMOVE_OPERATOR,
  REMOVE_SEGMENTS,
  REMOVE_SUMS,
  SEGMENT_OF,
  SUMS,
} from './ledger-sql.ts';
import { sumsOf } from './ledger-sums.ts';
import type { OperatorEntry } from './operator-memory.ts';
import type { Totals } from './quantities.ts';

/** The sum of one tenant, day, function and version. */
export interface DaySum extends Totals {
  readonly day: number;
  readonly name: string;
  readonly version: string;
  readonly failed: bigint;
}

/** Which receipts are asked for. */
export interface ReceiptRange {
  /** Null for those of all tenants. */
  readonly tenant: string | null;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ReceiptPage {
  readonly records: readonly LedgerRecord[];
  /** The number from which the next page is read; null when there is none. */
  readonly next: number | null;
}

export class LedgerStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #closed = false;

  /**
   * Opens or creates it.
   * @throws StrataError `conflict` when another process has it, `storage_full` when there is no space for a new one,
   *   `internal_error` when it cannot be used; what is there is left as it is.
   */
  constructor(path: string, options: DatabaseOptions = {}) {
    this.#path = path;
    this.#database = openDatabase(path, MIGRATIONS, options);
  }

  /** Writes all or nothing. @returns how many were not there before. */
  write(rows: readonly LedgerRow[], operator: readonly OperatorEntry[]): number {
    return this.#transaction(() => {
      const stored = rows.length === 0 ? 0 : this.#add(rows);
      const add = this.#prepared(ADD_OPERATOR);
      for (const { day, runtime, layer, use, memoryMbMs, cpuNs } of operator)
        add.run(day, runtime, layer, use, memoryMbMs, cpuNs);
      return stored;
    });
  }

  #add(rows: readonly LedgerRow[]): number {
    const next = this.ends().last + 1;
    this.#database.exec('SAVEPOINT added');
    const insert = this.#prepared(ADD_SEGMENT);
    for (const segment of segmentsOf(rows, next)) {
      const { first, receipts, tenant, from_ms: fromMs, to_ms: toMs, keys, kept } = segment;
      insert.run(first, receipts, tenant, fromMs, toMs, keys, kept);
    }
    if (Number(this.#prepared(ADD_KEYS).run(next).changes) < rows.length) {
      this.#database.exec('ROLLBACK TO added');
      const fresh = this.#fresh(rows);
      return fresh.length === 0 ? 0 : this.#add(fresh);
    }
    const addUp = this.#prepared(ADD_UP);
    for (const sum of sumsOf(rows)) addUp.run(...sum);
    return rows.length;
  }

  /** The first of each attempt that has no receipt, as the table tells them apart. */
  #fresh(rows: readonly LedgerRow[]): readonly LedgerRow[] {
    const add = this.#prepared(ADD_KEY);
    const fresh = rows.filter(
      ({ invocationId, attempt }) =>
        Number(add.run(JSON.stringify([attemptKey(invocationId, attempt)])).changes) === 1,
    );
    this.#database.exec('ROLLBACK TO added');
    return fresh;
  }

  /**
   * Removes the oldest receipts that are too many or too old, `most` of them; never the newest of all.
   * @returns how many it removed.
   */
  removeReceipts(keep: number, beforeMs: number, most: number): number {
    return this.#transaction(() => {
      const { first, last } = this.ends();
      const end = Math.min(last, first + most);
      let from = last - keep + 1;
      if (from < end) from = Math.max(from, this.#firstYoung(beforeMs, end));
      const cut = Math.min(from, end);
      if (cut <= first) return 0;
      this.#removeBefore(cut);
      return cut - first;
    });
  }

  /** The number of the first receipt that is not too old; `end` when all before that are. */
  #firstYoung(beforeMs: number, end: number): number {
    const segment = this.#prepared(FIRST_YOUNG).get(end, beforeMs) as Segment | undefined;
    if (segment === undefined) return end;
    const at = recordsOf(segment).findIndex(({ startedMs }) => startedMs >= beforeMs);
    return segment.first + Math.max(at, 0);
  }

  #removeBefore(end: number): void {
    this.#prepared(REMOVE_KEYS_OF).run({ $end: end });
    this.#prepared(REMOVE_SEGMENTS).run({ $end: end });
    const segment = this.#prepared(SEGMENT_OF).get(end) as Segment | undefined;
    if (segment === undefined || segment.first >= end) return;
    const { removed, tail } = tailOf(segment, end - segment.first);
    this.#prepared(REMOVE_KEYS).run(removed);
    this.#prepared(CUT).run(
      end,
      tail.receipts,
      tail.from_ms,
      tail.to_ms,
      tail.keys,
      tail.kept,
      segment.first,
    );
  }

  /** Removes sums of days before this one, `most` of them. @returns how many it removed. */
  removeSums(beforeDay: number, most: number): number {
    return this.#transaction(() => {
      this.#prepared(REMOVE_OPERATOR).run(beforeDay);
      return Number(this.#prepared(REMOVE_SUMS).run(beforeDay, most).changes);
    });
  }

  /** The last attempt of an invocation. */
  receipt(invocationId: string): LedgerRecord | null {
    return attemptOn(this.#path, () => {
      const number = this.#prepared(NUMBER).get(invocationId, behindKeysOf(invocationId))?.number;
      if (typeof number !== 'number') return null;
      const segment = this.#prepared(SEGMENT_OF).get(number) as Segment | undefined;
      return segment === undefined ? null : (recordsOf(segment)[number - segment.first] ?? null);
    });
  }

  /** Receipts with these numbers in the order of writing; `enough` of them or some more. */
  page({ tenant, fromMs, toMs }: ReceiptRange, from: number, last: number, enough: number): ReceiptPage {
    return attemptOn(this.#path, () => {
      const records: LedgerRecord[] = [];
      const range = { $fromMs: fromMs, $toMs: toMs, $from: from, $last: last, $limit: enough };
      const segments =
        tenant === null
          ? this.#prepared(PAGE_OF_ALL).iterate(range)
          : this.#prepared(PAGE).iterate({ ...range, $tenant: tenant });
      let looked = 0;
      for (const row of segments) {
        const segment = row as unknown as Segment;
        for (const record of recordsOf(segment))
          if (record.startedMs >= fromMs && record.startedMs < toMs) records.push(record);
        looked += 1;
        if (looked === enough || records.length >= enough)
          return { records, next: segment.first + segment.receipts };
      }
      return { records, next: null };
    });
  }

  /** The numbers of the first and the last receipt; zeros when there is none. */
  ends(): { readonly first: number; readonly last: number } {
    const row = attemptOn(this.#path, () => this.#prepared(ENDS).get());
    return { first: Number(row?.first ?? 0), last: Number(row?.last ?? 0) };
  }

  /** The tenant with sums that comes next in the order of names; null when there is none. */
  nextTenant(after: string): string | null {
    const tenant = attemptOn(this.#path, () => this.#prepared(NEXT_TENANT).get(after)?.tenant);
    return typeof tenant === 'string' ? tenant : null;
  }

  /** A tenant's sums before a day, behind the one given, in order of day, function and version. */
  sums(
    tenant: string,
    beforeDay: number,
    after: Pick<DaySum, 'day' | 'name' | 'version'>,
    limit: number,
  ): DaySum[] {
    return attemptOn(this.#path, () => {
      const statement = this.#prepared(SUMS);
      statement.setReadBigInts(true);
      return statement.all(tenant, beforeDay, after.day, after.name, after.version, limit).map(toSum);
    });
  }

  operator(fromDay: number, toDay: number): OperatorEntry[] {
    return attemptOn(this.#path, () => {
      const statement = this.#prepared(OPERATOR);
      statement.setReadBigInts(true);
      return statement.all(fromDay, toDay).map(toEntry);
    });
  }

  close(): void {
    if (!this.#closed) this.#database.close();
    this.#closed = true;
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #transaction<Result>(work: () => Result): Result {
    return attemptOn(this.#path, () => {
      try {
        this.#database.exec('BEGIN IMMEDIATE');
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      } catch (thrown) {
        // SQLite has ended some of them itself, as on a full disk.
        if (!this.#closed && this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw thrown;
      }
    });
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>;

const toSum = (row: Row): DaySum => ({
  day: Number(row.day),
  name: String(row.function),
  version: String(row.version),
  invocations: row.invocations as bigint,
  failed: row.failed as bigint,
  cpuNs: row.cpu_ns as bigint,
  wallUs: row.wall_us as bigint,
  memoryMbUs: row.memory_mb_us as bigint,
  billedMbMs: row.billed_mb_ms as bigint,
});

const toEntry = (row: Row): OperatorEntry => ({
  day: Number(row.day),
  runtime: String(row.runtime),
  layer: String(row.layer),
  use: String(row.use),
  memoryMbMs: row.memory_mb_ms as bigint,
  cpuNs: row.cpu_ns as bigint,
});
