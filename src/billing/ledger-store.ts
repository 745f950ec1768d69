/**
 * The ledger's tables in SQLite: receipts one by one for a while, and the sums of each day for years.
 *
 * Owns the tables and what one transaction holds. Never waits and never caches. Invariants: a receipt and its part of its
 * day's sum are written in one transaction, so that a sum is exactly that of the receipts that were written; (invocation,
 * attempt) is there once; removing receipts leaves sums as they are; a day is that of the invocation's start, UTC.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { attemptOn, type DatabaseOptions, openDatabase } from '../ports/database.ts';
import { COLUMNS, type LedgerRecord, type LedgerRow } from './ledger-row.ts';
import type { OperatorEntry } from './operator-memory.ts';
import { SUM_MAX, type Totals } from './quantities.ts';

/** The sum of one tenant, day, function and version. */
export interface DaySum extends Totals {
  readonly day: number;
  readonly name: string;
  readonly version: string;
  readonly failed: bigint;
}

/** Where a page of receipts begins: behind this one. */
export interface ReceiptPlace {
  readonly startedMs: number;
  readonly seq: number;
}

export interface ReceiptRange {
  /** Null for those of all tenants. */
  readonly tenant: string | null;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface StoredReceipt extends LedgerRecord {
  readonly seq: number;
}

/** The steps from each version to the next; step 0 makes version 1 of an empty database. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE receipts (
    seq INTEGER PRIMARY KEY,
    invocation_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    function TEXT NOT NULL,
    version TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    memory_mb_us INTEGER NOT NULL,
    billed_mb_ms INTEGER NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX receipts_once ON receipts (invocation_id, attempt);
  CREATE INDEX receipts_of_tenant ON receipts (tenant, started_ms);
  CREATE TABLE sums (
    tenant TEXT NOT NULL,
    day INTEGER NOT NULL,
    function TEXT NOT NULL,
    version TEXT NOT NULL,
    invocations INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    memory_mb_us INTEGER NOT NULL,
    billed_mb_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, function, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sums_by_day ON sums (day);
  CREATE TABLE operator_sums (
    day INTEGER NOT NULL,
    runtime TEXT NOT NULL,
    layer TEXT NOT NULL,
    use TEXT NOT NULL,
    memory_mb_ms INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL,
    PRIMARY KEY (day, runtime, layer, use)
  ) STRICT, WITHOUT ROWID`,
];

const DAY_MS = 86_400_000;
const ADDED = ['invocations', 'failed', 'cpu_ns', 'wall_us', 'memory_mb_us', 'billed_mb_ms'] as const;

/** Passes over a second one of the same attempt, and over nothing else. */
const INSERT = `INSERT INTO receipts (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})
  ON CONFLICT (invocation_id, attempt) DO NOTHING`;
const LAST = 'SELECT coalesce(max(seq), 0) AS seq FROM receipts';
/** Of the receipts that this transaction has written; what cannot be true any more stays at the bound. */
const ADD_UP = `INSERT INTO sums (tenant, day, function, version, ${ADDED.join(', ')})
  SELECT tenant, started_ms / ${DAY_MS} AS day, function, version, count(*), sum(failed),
    sum(cpu_ns), sum(wall_us), sum(memory_mb_us), sum(billed_mb_ms)
  FROM receipts WHERE seq > ? GROUP BY tenant, day, function, version
  ON CONFLICT (tenant, day, function, version) DO UPDATE SET
    ${ADDED.map((column) => `${column} = min(${column} + excluded.${column}, ${SUM_MAX})`).join(', ')}`;
const ADD_OPERATOR = `INSERT INTO operator_sums (day, runtime, layer, use, memory_mb_ms, cpu_ns) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (day, runtime, layer, use) DO UPDATE SET
    memory_mb_ms = min(memory_mb_ms + excluded.memory_mb_ms, ${SUM_MAX}),
    cpu_ns = min(cpu_ns + excluded.cpu_ns, ${SUM_MAX})`;

const RECEIPT = `SELECT * FROM receipts WHERE invocation_id = ? ORDER BY attempt DESC LIMIT 1`;
const PAGE = `SELECT * FROM receipts WHERE tenant = ? AND started_ms >= ? AND started_ms < ?
  AND (started_ms, seq) > (?, ?) ORDER BY started_ms, seq LIMIT ?`;
/** Of all tenants in the order of writing, a part of the table at a time, so that none takes long. */
const PAGE_OF_ALL = `SELECT * FROM receipts WHERE seq > ? AND seq <= ? AND started_ms >= ? AND started_ms < ? ORDER BY seq`;
const ENDS = 'SELECT min(seq) AS first, max(seq) AS last FROM receipts';
const FIRST_YOUNG = 'SELECT seq FROM receipts WHERE seq < ? AND started_ms >= ? ORDER BY seq LIMIT 1';
const REMOVE = 'DELETE FROM receipts WHERE seq < ?';
const REMOVE_SUMS = `DELETE FROM sums WHERE (tenant, day, function, version) IN
  (SELECT tenant, day, function, version FROM sums WHERE day < ? LIMIT ?)`;
const REMOVE_OPERATOR = 'DELETE FROM operator_sums WHERE day < ?';
const NEXT_TENANT = 'SELECT min(tenant) AS tenant FROM sums WHERE tenant > ?';
const SUMS = `SELECT * FROM sums WHERE tenant = ? AND day < ? AND (day, function, version) > (?, ?, ?)
  ORDER BY day, function, version LIMIT ?`;
const OPERATOR = `SELECT * FROM operator_sums WHERE day >= ? AND day < ? ORDER BY day, runtime, layer, use`;

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
      const before = this.#last();
      const insert = this.#prepared(INSERT);
      for (const row of rows) insert.run(...row);
      const stored = this.#last() - before;
      if (stored > 0) this.#prepared(ADD_UP).run(before);
      const add = this.#prepared(ADD_OPERATOR);
      for (const { day, runtime, layer, use, memoryMbMs, cpuNs } of operator)
        add.run(day, runtime, layer, use, memoryMbMs, cpuNs);
      return stored;
    });
  }

  /**
   * Removes the oldest receipts that are too many or too old, `most` of them; never the newest of all.
   * @returns how many it removed.
   */
  removeReceipts(keep: number, beforeMs: number, most: number): number {
    return this.#transaction(() => {
      const { first, last } = this.#prepared(ENDS).get() as { first: number | null; last: number | null };
      if (first === null || last === null) return 0;
      const end = Math.min(last, first + most);
      const young = this.#prepared(FIRST_YOUNG).get(end, beforeMs)?.seq;
      const fromSeq = Math.min(end, Math.max(young === undefined ? end : Number(young), last - keep + 1));
      return fromSeq <= first ? 0 : Number(this.#prepared(REMOVE).run(fromSeq).changes);
    });
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
    return attemptOn(this.#path, () => (this.#prepared(RECEIPT).get(invocationId) as LedgerRecord) ?? null);
  }

  /** Receipts in the order of their start, for one tenant; at most `limit`. */
  page({ tenant, fromMs, toMs }: ReceiptRange, after: ReceiptPlace, limit: number): readonly StoredReceipt[] {
    return attemptOn(
      this.#path,
      () =>
        this.#prepared(PAGE).all(
          tenant,
          fromMs,
          toMs,
          after.startedMs,
          after.seq,
          limit,
        ) as unknown as StoredReceipt[],
    );
  }

  /** Receipts of all tenants in the order of writing, from `window` places behind `afterSeq`. */
  pageOfAll({ fromMs, toMs }: ReceiptRange, afterSeq: number, window: number): readonly StoredReceipt[] {
    return attemptOn(
      this.#path,
      () =>
        this.#prepared(PAGE_OF_ALL).all(
          afterSeq,
          afterSeq + window,
          fromMs,
          toMs,
        ) as unknown as StoredReceipt[],
    );
  }

  /** The places of the first and the last receipt; zeros when there is none. */
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

  #last(): number {
    return Number(this.#prepared(LAST).get()?.seq ?? 0);
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
