/**
 * Function records in SQLite, the default.
 *
 * Owns the tables. Never caches: the registry holds what it needs in memory. Invariant: every write is on the disk
 * before its promise resolves.
 */
import type { SQLOutputValue } from 'node:sqlite';
import { SPEC_BOUNDS } from '../core/limits.ts';
import type { FunctionRecord, FunctionSpec } from '../core/spec.ts';
import { attemptOn, type DatabaseOptions, openDatabase } from '../ports/database.ts';
import { DEFAULT_ASYNC_POLICY } from './async-policy.ts';
import type { FunctionStore } from './store.ts';

/**
 * Opens or creates a database. On a full disk one that exists is opened all the same, and changes are refused until
 * there is space.
 * @throws StrataError `conflict` when another process has it, `storage_full` when there is no space for a new one,
 *   `internal_error` when it cannot be used.
 */
export const openSqliteStore = (path: string, options: DatabaseOptions = {}): FunctionStore => {
  const database = openDatabase(path, MIGRATIONS, options);
  const attempt = async <Result>(run: () => Result): Promise<Result> => attemptOn(path, run);
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

type AddedField = 'reservedConcurrency' | 'async';
type StoredSpec = Omit<FunctionSpec, AddedField> & Partial<FunctionSpec>;

/** Fields that came after the first stored specs, with the value that keeps those as they were. */
const ADDED_FIELDS: Pick<FunctionSpec, AddedField> = {
  reservedConcurrency: SPEC_BOUNDS.reservedConcurrency.default,
  async: DEFAULT_ASYNC_POLICY,
};

const parseSpec = (row: Record<string, SQLOutputValue>): FunctionSpec => {
  try {
    // Who stored it may have known fewer fields.
    return { ...ADDED_FIELDS, ...(JSON.parse(String(row.spec)) as StoredSpec) };
  } catch (cause) {
    throw new Error(`the spec of ${String(row.tenant)}/${String(row.name)} is not JSON`, { cause });
  }
};
