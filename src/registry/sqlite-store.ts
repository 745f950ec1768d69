/**
 * Function records in SQLite, the default.
 *
 * Owns the tables and their versions. Never caches: the registry holds what it needs in memory. Invariants: one
 * process at a time has the database, so that no cache outside it goes stale; every write is on the disk before its
 * promise resolves; the file is readable by its owner alone.
 */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { SPEC_BOUNDS } from '../core/limits.ts';
import type { FunctionRecord, FunctionSpec } from '../core/spec.ts';
import { isFull, storageError } from './storage-errors.ts';
import type { FunctionStore } from './store.ts';

export interface SqliteOptions {
  /** How long to wait for another process that still has the database. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens or creates a database. On a full disk one that exists is opened all the same, and changes are refused until
 * there is space.
 * @throws StrataError `conflict` when another process has it, `storage_full` when there is no space for a new one,
 *   `internal_error` when it cannot be used.
 */
export const openSqliteStore = (path: string, options: SqliteOptions = {}): FunctionStore => {
  const database = open(path, options.busyTimeoutMs ?? 5_000);
  const attempt = async <Result>(run: () => Result): Promise<Result> => {
    try {
      return run();
    } catch (cause) {
      throw storageError(`The database ${path}`, dirname(path), cause);
    }
  };
  let closed = false;
  return {
    load: () => attempt(() => database.prepare(SELECT).all().map(toRecord)),
    put: (record) => attempt(() => void database.prepare(UPSERT).run(...toRow(record))),
    remove: (tenant, name, version) =>
      attempt(() => database.prepare(DELETE).run(tenant, name, version).changes > 0),
    close() {
      if (!closed) database.close();
      closed = true;
    },
  };
};

const SCHEMA_VERSION = 1;

/** The steps from each version to the next; step 0 makes version 1 of an empty database. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE functions (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    id TEXT NOT NULL,
    revision TEXT NOT NULL,
    code_digest TEXT NOT NULL,
    code_bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (tenant, name, version)
  ) STRICT, WITHOUT ROWID`,
];

const COLUMNS = 'tenant, name, version, id, revision, code_digest, code_bytes, created_at, updated_at, spec';
const SELECT = `SELECT ${COLUMNS} FROM functions`;
const UPSERT = `INSERT OR REPLACE INTO functions (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const DELETE = 'DELETE FROM functions WHERE tenant = ? AND name = ? AND version = ?';

const open = (path: string, busyTimeoutMs: number): DatabaseSync => {
  let database: DatabaseSync | null = null;
  try {
    // Made here first, because SQLite would create it readable by others; its journal takes the same mode.
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    database = new DatabaseSync(path, { timeout: busyTimeoutMs });
    // The exclusive mode must come first: then SQLite never shares the journal, and a second process is refused.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    prepare(database);
    return database;
  } catch (cause) {
    database?.close();
    throw storageError(`The database ${path}`, dirname(path), cause);
  }
};

/** A full disk refuses the write of `migrate`; a schema that is up to date needs none to be read. */
const prepare = (database: DatabaseSync): void => {
  try {
    migrate(database);
  } catch (cause) {
    if (!isFull(cause)) throw cause;
    if (database.isTransaction) database.exec('ROLLBACK');
    if (versionOf(database) !== SCHEMA_VERSION) throw cause;
  }
};

/** 0 for a database without tables. Reading takes the lock as well, when the journal was a WAL before. */
const versionOf = (database: DatabaseSync): number => {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").get();
  if (table === undefined) return 0;
  return Number(database.prepare('SELECT version FROM schema_version').get()?.version ?? 0);
};

/** Writes even when there is nothing to do, because only a write takes the lock. */
const migrate = (database: DatabaseSync): void => {
  database.exec('BEGIN IMMEDIATE');
  database.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
  const row = database.prepare('SELECT version FROM schema_version').get();
  const version = Number(row?.version ?? 0);
  if (version > SCHEMA_VERSION)
    throw new Error(
      `its schema is version ${version}, newer than ${SCHEMA_VERSION}, which this Strata knows`,
    );
  for (const step of MIGRATIONS.slice(version)) database.exec(step);
  database.exec('DELETE FROM schema_version');
  database.prepare('INSERT INTO schema_version (version) VALUES (?)').run(SCHEMA_VERSION);
  database.exec('COMMIT');
};

const toRow = (record: FunctionRecord): (string | number)[] => {
  const { tenant, name, version, id, revision, codeDigest, codeBytes, createdAt, updatedAt, ...spec } =
    record;
  const text = JSON.stringify(spec satisfies FunctionSpec);
  return [tenant, name, version, id, revision, codeDigest, codeBytes, createdAt, updatedAt, text];
};

const toRecord = (row: Record<string, SQLOutputValue>): FunctionRecord => ({
  ...parseSpec(row),
  tenant: String(row.tenant),
  name: String(row.name),
  version: String(row.version),
  id: String(row.id),
  revision: String(row.revision),
  codeDigest: String(row.code_digest),
  codeBytes: Number(row.code_bytes),
  createdAt: String(row.created_at),
  updatedAt: String(row.updated_at),
});

type AddedField = 'reservedConcurrency';
type StoredSpec = Omit<FunctionSpec, AddedField> & Partial<FunctionSpec>;

/** Fields that came after the first stored specs, with the value that keeps those as they were. */
const ADDED_FIELDS: Pick<FunctionSpec, AddedField> = {
  reservedConcurrency: SPEC_BOUNDS.reservedConcurrency.default,
};

const parseSpec = (row: Record<string, SQLOutputValue>): FunctionSpec => {
  try {
    // Who stored it may have known fewer fields.
    return { ...ADDED_FIELDS, ...(JSON.parse(String(row.spec)) as StoredSpec) };
  } catch (cause) {
    throw new Error(`the spec of ${String(row.tenant)}/${String(row.name)} is not JSON`, { cause });
  }
};
