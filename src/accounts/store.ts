/**
 * Tenants, keys and the audit log in SQLite: `accounts.db`, or memory.
 *
 * Owns the tables. Never decides anything and never caches. Invariants: what a method has returned from is on the disk;
 * what belongs together is written together or not at all; an audit entry is never changed, and goes only by its age
 * or the number of those after it.
 */
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { SCOPES, type Scope } from '../core/identity.ts';
import { attemptOn, type DatabaseOptions, openDatabase } from '../ports/database.ts';
import type { AuditEntry, Quotas, TenantState } from './api.ts';

export interface TenantRow {
  readonly name: string;
  readonly description: string;
  /** A deleted tenant is remembered, so that nobody gets its name and with it what was left of it. */
  readonly state: TenantState | 'deleted';
  readonly quotas: Partial<Quotas>;
  readonly createdMs: number;
  readonly updatedMs: number;
}

export interface KeyRow {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly digest: Uint8Array;
  readonly signing: boolean;
  readonly createdMs: number;
  readonly createdBy: string;
  readonly expiresMs: number | null;
  readonly revokedMs: number | null;
  readonly lastUsedMs: number | null;
  /** No request that is dated up to here is taken: it may have been taken before. */
  readonly signedUntilMs: number;
}

export type KeyUse = Pick<KeyRow, 'id' | 'lastUsedMs' | 'signedUntilMs'>;

export interface AccountStore {
  tenants(): readonly TenantRow[];
  keys(): readonly KeyRow[];
  /** Whether there ever was a key. */
  hadKeys(): boolean;
  putTenant(row: TenantRow): void;
  /** Marks the tenant as deleted and removes its keys. */
  buryTenant(row: TenantRow): void;
  /** Inserts or replaces, all or none; removes others in the same step. */
  putKeys(rows: readonly KeyRow[], removed?: readonly string[]): void;
  noteUse(uses: readonly KeyUse[]): void;
  addAudit(entry: AuditRow): void;
  /** The newest first, with ids below `before`. */
  auditBefore(before: number, limit: number, tenant: string | null): readonly AuditEntry[];
  /** Forgets what is older, or beyond the newest so many. */
  trimAudit(olderThanMs: number, maxEntries: number): void;
  close(): void;
}

export type AuditRow = Omit<AuditEntry, 'id' | 'at'> & { readonly atMs: number };

/**
 * Opens or creates the database.
 * @param path a file, or `:memory:`.
 * @throws StrataError as `openDatabase`.
 */
export const openAccountStore = (path: string, options: DatabaseOptions = {}): AccountStore =>
  new SqliteAccountStore(path, options);

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE tenants (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    state TEXT NOT NULL,
    quotas TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    digest BLOB NOT NULL,
    signing INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    last_used_ms INTEGER,
    signed_until_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE facts (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    principal TEXT NOT NULL,
    tenant TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    origin TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    digest TEXT
  ) STRICT;
  CREATE INDEX audit_tenant ON audit (tenant, id);
  CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'an audit entry is never changed'); END`,
];

const HAD_KEYS = 'had_keys';

class SqliteAccountStore implements AccountStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  #closed = false;

  constructor(path: string, options: DatabaseOptions) {
    this.#path = path;
    this.#database = openDatabase(path, MIGRATIONS, options);
  }

  tenants(): readonly TenantRow[] {
    return this.#attempt(() => this.#database.prepare('SELECT * FROM tenants').all().map(toTenant));
  }

  keys(): readonly KeyRow[] {
    return this.#attempt(() => this.#database.prepare('SELECT * FROM keys').all().map(toKey));
  }

  hadKeys(): boolean {
    const sql = 'SELECT 1 FROM facts WHERE name = ?';
    return this.#attempt(() => this.#database.prepare(sql).get(HAD_KEYS) !== undefined);
  }

  putTenant(row: TenantRow): void {
    this.#together(() => this.#writeTenant(row));
  }

  buryTenant(row: TenantRow): void {
    this.#together(() => {
      this.#writeTenant(row);
      this.#run('DELETE FROM keys WHERE tenant = ?', row.name);
    });
  }

  putKeys(rows: readonly KeyRow[], removed: readonly string[] = []): void {
    this.#together(() => {
      for (const id of removed) this.#run('DELETE FROM keys WHERE id = ?', id);
      for (const row of rows) this.#run(PUT_KEY, ...keyValues(row));
      this.#run('INSERT OR IGNORE INTO facts (name) VALUES (?)', HAD_KEYS);
    });
  }

  noteUse(uses: readonly KeyUse[]): void {
    this.#together(() => {
      for (const { id, lastUsedMs, signedUntilMs } of uses)
        this.#run(
          'UPDATE keys SET last_used_ms = ?, signed_until_ms = ? WHERE id = ?',
          lastUsedMs,
          signedUntilMs,
          id,
        );
    });
  }

  addAudit(entry: AuditRow): void {
    const { atMs, principal, tenant, action, target, from, outcome, status, digest } = entry;
    this.#attempt(() =>
      this.#run(ADD_AUDIT, atMs, principal, tenant, action, target, from, outcome, status, digest),
    );
  }

  auditBefore(before: number, limit: number, tenant: string | null): readonly AuditEntry[] {
    const rows = (): Row[] =>
      tenant === null
        ? this.#database
            .prepare('SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?')
            .all(before, limit)
        : this.#database
            .prepare('SELECT * FROM audit WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?')
            .all(tenant, before, limit);
    return this.#attempt(() => rows().map(toAudit));
  }

  trimAudit(olderThanMs: number, maxEntries: number): void {
    this.#together(() => {
      this.#run('DELETE FROM audit WHERE id <= (SELECT MAX(id) FROM audit) - ?', maxEntries);
      this.#run('DELETE FROM audit WHERE at_ms < ?', olderThanMs);
    });
  }

  close(): void {
    if (!this.#closed) this.#database.close();
    this.#closed = true;
  }

  #writeTenant({ name, description, state, quotas, createdMs, updatedMs }: TenantRow): void {
    this.#run(
      'INSERT OR REPLACE INTO tenants (name, description, state, quotas, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?)',
      ...[name, description, state, JSON.stringify(quotas), createdMs, updatedMs],
    );
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#database.prepare(sql).run(...values);
  }

  #attempt<Result>(run: () => Result): Result {
    return attemptOn(this.#path, run);
  }

  #together(run: () => void): void {
    this.#attempt(() => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        run();
        this.#database.exec('COMMIT');
      } catch (cause) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw cause;
      }
    });
  }
}

const PUT_KEY =
  'INSERT OR REPLACE INTO keys (id, tenant, name, scopes, digest, signing, created_ms, created_by, expires_ms, ' +
  'revoked_ms, last_used_ms, signed_until_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
const ADD_AUDIT =
  'INSERT INTO audit (at_ms, principal, tenant, action, target, origin, outcome, status, digest) ' +
  'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)';

const keyValues = (row: KeyRow): SQLInputValue[] => [
  ...[row.id, row.tenant, row.name, row.scopes.join(' '), row.digest, row.signing ? 1 : 0, row.createdMs],
  ...[row.createdBy, row.expiresMs, row.revokedMs, row.lastUsedMs, row.signedUntilMs],
];

type Row = Record<string, SQLOutputValue>;

const numberOrNull = (value: SQLOutputValue | undefined): number | null =>
  value === null || value === undefined ? null : Number(value);

const STATES = ['active', 'disabled', 'deleted'] as const;

const toTenant = (row: Row): TenantRow => {
  const name = String(row.name);
  // What cannot be read is no more than disabled.
  const state = STATES.find((each) => each === row.state) ?? 'disabled';
  const description = String(row.description);
  const quotas = JSON.parse(String(row.quotas)) as Partial<Quotas>;
  return { name, description, state, quotas, ...times(row) };
};

const times = (row: Row): Pick<TenantRow, 'createdMs' | 'updatedMs'> => ({
  createdMs: Number(row.created_ms),
  updatedMs: Number(row.updated_ms),
});

const toKey = (row: Row): KeyRow => {
  const named = new Set(String(row.scopes).split(' '));
  return {
    id: String(row.id),
    tenant: String(row.tenant),
    name: String(row.name),
    scopes: SCOPES.filter((scope) => named.has(scope)),
    digest: row.digest instanceof Uint8Array ? row.digest : new Uint8Array(),
    signing: row.signing === 1,
    createdMs: Number(row.created_ms),
    createdBy: String(row.created_by),
    expiresMs: numberOrNull(row.expires_ms),
    revokedMs: numberOrNull(row.revoked_ms),
    lastUsedMs: numberOrNull(row.last_used_ms),
    signedUntilMs: Number(row.signed_until_ms),
  };
};

const OUTCOMES = ['succeeded', 'refused', 'failed'] as const;

const toAudit = (row: Row): AuditEntry => ({
  id: Number(row.id),
  at: new Date(Number(row.at_ms)).toISOString(),
  principal: String(row.principal),
  tenant: String(row.tenant),
  action: String(row.action),
  target: String(row.target),
  from: String(row.origin),
  outcome: OUTCOMES.find((each) => each === row.outcome) ?? 'failed',
  status: Number(row.status),
  digest: row.digest === null ? null : String(row.digest),
});
