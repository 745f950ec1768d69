/**
 * Function records and aliases in SQLite, the default.
 *
 * Owns the tables. Never caches: the registry holds what it needs in memory. Invariant: every write is on the disk
 * before its promise resolves.
 */
import type { SQLOutputValue } from 'node:sqlite';
import { SPEC_BOUNDS } from '../core/limits.ts';
import type { AliasRecord, FunctionRecord, FunctionSpec } from '../core/spec.ts';
import { attemptOn, type DatabaseOptions, openDatabase } from '../ports/database.ts';
import { DEFAULT_ASYNC_POLICY } from './async-policy.ts';
import { FORMER_NUMBERS_MAX, type FunctionStore, type LastVersion } from './store.ts';

/**
 * Opens or creates a database. On a full disk one that exists is opened all the same, and changes are refused until
 * there is space.
 * @throws StrataError `conflict` when another process has it, `storage_full` when there is no space for a new one,
 *   `internal_error` when it cannot be used.
 */
export const openSqliteStore = (path: string, options: DatabaseOptions = {}): FunctionStore => {
  const database = openDatabase(path, MIGRATIONS, options);
  const attempt = async <Result>(work: () => Result): Promise<Result> => attemptOn(path, work);
  const run = (sql: string, ...values: readonly (string | number)[]): boolean =>
    database.prepare(sql).run(...values).changes > 0;
  /** All of a change, or nothing of it. */
  const change = <Result>(work: () => Result): Promise<Result> =>
    attempt(() => {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (cause) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw cause;
      }
    });
  let closed = false;
  return {
    load: () => attempt(() => database.prepare(SELECT).all().map(toRecord)),
    loadAliases: () => attempt(() => database.prepare(SELECT_ALIASES).all().map(toAlias)),
    lastVersion: (tenant, name) =>
      attempt(() => Number(database.prepare(SELECT_NUMBER).get(tenant, name)?.last_version ?? 0)),
    lastVersions: () => attempt(() => database.prepare(SELECT_NUMBERS).all().map(toLastVersion)),
    put: (record) =>
      change(() => {
        run(UPSERT, ...toRow(record));
        run(REVIVE_NUMBER, record.tenant, record.name);
      }),
    publish: (record) =>
      change(() => {
        run(UPSERT, ...toRow(record));
        run(UPSERT_NUMBER, record.tenant, record.name, Number(record.version));
      }),
    remove: (tenant, name, version) => attempt(() => run(DELETE, tenant, name, version)),
    removeFunction: (tenant, name) =>
      change(() => {
        const hadRecords = run(DELETE_FUNCTION, tenant, name);
        const hadAliases = run(DELETE_ALIASES, tenant, name);
        if (run(RETIRE_NUMBER, tenant, tenant, name)) run(TRIM_NUMBERS, tenant, tenant, FORMER_NUMBERS_MAX);
        return hadRecords || hadAliases;
      }),
    putAlias: (alias) => attempt(() => void run(UPSERT_ALIAS, ...toAliasRow(alias))),
    removeAlias: (tenant, name, alias) => attempt(() => run(DELETE_ALIAS, tenant, name, alias)),
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
  // A number without `removed` is that of a function that there is; the others are in the order of their removal.
  `CREATE TABLE version_numbers (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    last_version INTEGER NOT NULL,
    removed INTEGER,
    PRIMARY KEY (tenant, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE aliases (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    version TEXT NOT NULL,
    revision TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (tenant, name, alias)
  ) STRICT, WITHOUT ROWID`,
];

const COLUMNS = 'tenant, name, version, id, revision, code_digest, code_bytes, created_at, updated_at, spec';
const SELECT = `SELECT ${COLUMNS} FROM functions`;
const UPSERT = `INSERT OR REPLACE INTO functions (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const DELETE = 'DELETE FROM functions WHERE tenant = ? AND name = ? AND version = ?';
const DELETE_FUNCTION = 'DELETE FROM functions WHERE tenant = ? AND name = ?';

const SELECT_NUMBER = 'SELECT last_version FROM version_numbers WHERE tenant = ? AND name = ?';
const SELECT_NUMBERS = 'SELECT tenant, name, last_version FROM version_numbers WHERE removed IS NULL';
const UPSERT_NUMBER =
  'INSERT OR REPLACE INTO version_numbers (tenant, name, last_version, removed) VALUES (?, ?, ?, NULL)';
const REVIVE_NUMBER =
  'UPDATE version_numbers SET removed = NULL WHERE tenant = ? AND name = ? AND removed IS NOT NULL';
const RETIRE_NUMBER =
  'UPDATE version_numbers SET removed = ' +
  '(SELECT 1 + COALESCE(MAX(removed), 0) FROM version_numbers WHERE tenant = ?) WHERE tenant = ? AND name = ?';
const TRIM_NUMBERS =
  'DELETE FROM version_numbers WHERE tenant = ? AND removed <= ' +
  '(SELECT removed FROM version_numbers WHERE tenant = ? AND removed IS NOT NULL ' +
  'ORDER BY removed DESC LIMIT 1 OFFSET ?)';

const ALIAS_COLUMNS = 'tenant, name, alias, version, revision, created_at, updated_at, spec';
const SELECT_ALIASES = `SELECT ${ALIAS_COLUMNS} FROM aliases`;
const UPSERT_ALIAS = `INSERT OR REPLACE INTO aliases (${ALIAS_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const DELETE_ALIAS = 'DELETE FROM aliases WHERE tenant = ? AND name = ? AND alias = ?';
const DELETE_ALIASES = 'DELETE FROM aliases WHERE tenant = ? AND name = ?';

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

const toLastVersion = (row: Record<string, SQLOutputValue>): LastVersion => ({
  tenant: String(row.tenant),
  name: String(row.name),
  version: Number(row.last_version),
});

const toAliasRow = ({ weights, description, ...alias }: AliasRecord): string[] => [
  ...[alias.tenant, alias.function, alias.alias, alias.version, alias.revision],
  ...[alias.createdAt, alias.updatedAt, JSON.stringify({ weights, description })],
];

const toAlias = (row: Record<string, SQLOutputValue>): AliasRecord => ({
  ...parse<Pick<AliasRecord, 'weights' | 'description'>>(
    row.spec,
    `the alias ${String(row.alias)} of ${nameOf(row)}`,
  ),
  tenant: String(row.tenant),
  function: String(row.name),
  alias: String(row.alias),
  version: String(row.version),
  revision: String(row.revision),
  createdAt: String(row.created_at),
  updatedAt: String(row.updated_at),
});

type AddedField = 'reservedConcurrency' | 'enabled' | 'auth' | 'annotations' | 'async';
type StoredSpec = Omit<FunctionSpec, AddedField> & Partial<FunctionSpec>;

/** Fields that came after the first stored specs, with the value that keeps those as they were. */
const ADDED_FIELDS: Pick<FunctionSpec, AddedField> = {
  reservedConcurrency: SPEC_BOUNDS.reservedConcurrency.default,
  async: DEFAULT_ASYNC_POLICY,
  enabled: true,
  auth: 'key',
  annotations: {},
};

/** Who stored it may have known fewer fields. */
const parseSpec = (row: Record<string, SQLOutputValue>): FunctionSpec => ({
  ...ADDED_FIELDS,
  ...parse<StoredSpec>(row.spec, `the spec of ${nameOf(row)}`),
});

const nameOf = (row: Record<string, SQLOutputValue>): string => `${String(row.tenant)}/${String(row.name)}`;

const parse = <Value>(text: SQLOutputValue | undefined, what: string): Value => {
  try {
    return JSON.parse(String(text)) as Value;
  } catch (cause) {
    throw new Error(`${what} is not JSON`, { cause });
  }
};
