/**
 * A SQLite database in a file: opened for one process alone, and brought to the tables that its owner knows.
 *
 * Owns the lock, the journal, the mode of the file and the steps from one schema to the next. Never knows what is
 * stored. Invariants: one process at a time has the database, so that no cache outside it goes stale; a committed write
 * survives a crash of the machine; the file is readable by its owner alone; what cannot be opened is left as it was.
 */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isFull, storageError } from './storage-errors.ts';

export interface DatabaseOptions {
  /** How long to wait for another process that still has the database; 5,000 unless told. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens or creates a database, or makes one in memory. On a full disk one that is up to date is opened all the same, and changes are refused
 * until there is space.
 * @param migrations the steps from each version to the next; step 0 makes version 1 of an empty database.
 * @throws StrataError `conflict` when another process has it, `storage_full` when there is no space for a new one,
 *   `internal_error` when it cannot be used.
 */
export const openDatabase = (
  path: string,
  migrations: readonly string[],
  options: DatabaseOptions = {},
): DatabaseSync => {
  let database: DatabaseSync | null = null;
  try {
    if (path !== IN_MEMORY) {
      // Made here first, because SQLite would create it readable by others; its journal takes the same mode.
      closeSync(openSync(path, 'a', 0o600));
      chmodSync(path, 0o600);
    }
    database = new DatabaseSync(path, { timeout: options.busyTimeoutMs ?? BUSY_TIMEOUT_MS });
    // The exclusive mode must come first: then SQLite never shares the journal, and a second process is refused.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    prepare(database, migrations);
    return database;
  } catch (cause) {
    database?.close();
    throw storageError(`The database ${path}`, dirname(path), cause);
  }
};

/**
 * Does something with a database, and says what went wrong in the words of the catalogue.
 * @throws StrataError `storage_full`, `conflict`, `internal_error`.
 */
export const attemptOn = <Result>(path: string, run: () => Result): Result => {
  try {
    return run();
  } catch (cause) {
    throw storageError(`The database ${path}`, dirname(path), cause);
  }
};

/** The path of a database without a file, which is forgotten when it is closed. */
export const IN_MEMORY = ':memory:';

const BUSY_TIMEOUT_MS = 5_000;

/** A full disk refuses the write of `migrate`; a schema that is up to date needs none to be read. */
const prepare = (database: DatabaseSync, migrations: readonly string[]): void => {
  try {
    migrate(database, migrations);
  } catch (cause) {
    if (!isFull(cause)) throw cause;
    if (database.isTransaction) database.exec('ROLLBACK');
    if (versionOf(database) !== migrations.length) throw cause;
  }
};

/** 0 for a database without tables. Reading takes the lock as well, when the journal was a WAL before. */
const versionOf = (database: DatabaseSync): number => {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").get();
  if (table === undefined) return 0;
  return Number(database.prepare('SELECT version FROM schema_version').get()?.version ?? 0);
};

/** Writes even when there is nothing to do, because only a write takes the lock. */
const migrate = (database: DatabaseSync, migrations: readonly string[]): void => {
  database.exec('BEGIN IMMEDIATE');
  database.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
  const row = database.prepare('SELECT version FROM schema_version').get();
  const version = Number(row?.version ?? 0);
  if (version > migrations.length)
    throw new Error(
      `its schema is version ${version}, newer than ${migrations.length}, which this Strata knows`,
    );
  for (const step of migrations.slice(version)) database.exec(step);
  database.exec('DELETE FROM schema_version');
  database.prepare('INSERT INTO schema_version (version) VALUES (?)').run(migrations.length);
  database.exec('COMMIT');
};
