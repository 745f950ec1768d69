import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AccountStore, type KeyRow, openAccountStore, type TenantRow } from './store.ts';

const tenant = (name: string, extra: Partial<TenantRow> = {}): TenantRow => ({
  ...{ name, description: '', state: 'active', quotas: {}, createdMs: 1, updatedMs: 2 },
  ...extra,
});

const key = (id: string, extra: Partial<KeyRow> = {}): KeyRow => ({
  ...{ id, tenant: 'a', name: 'n', scopes: ['deploy', 'read'], digest: Buffer.alloc(32, 7), signing: true },
  ...{ createdMs: 1, createdBy: 'operator', expiresMs: null, revokedMs: null, lastUsedMs: null },
  ...{ signedUntilMs: 0, ...extra },
});

const entry = (target: string, atMs = 1, of = 'a') => ({
  ...{
    atMs,
    principal: 'operator',
    tenant: of,
    action: 'PUT /v1/functions/:name',
    target,
    from: '127.0.0.1',
  },
  ...({ outcome: 'succeeded', status: 200, digest: null } as const),
});

let folder = '';
let path = '';
let open: AccountStore[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-accounts-'));
  path = join(folder, 'accounts.db');
});
afterEach(() => {
  for (const store of open) store.close();
  open = [];
  rmSync(folder, { recursive: true });
});

const opened = (at: string): AccountStore => {
  const store = openAccountStore(at, { busyTimeoutMs: 50 });
  open.push(store);
  return store;
};

describe.each<[string, () => AccountStore]>([
  ['in memory', () => opened(':memory:')],
  ['in a file', () => opened(path)],
])('a store of accounts %s', (_, make) => {
  it('gives back tenants and keys as they were put, whatever their texts hold', () => {
    const store = make();
    const odd = `'; DROP TABLE keys; -- \0 😀 \u2028`;
    const rows = [tenant('__proto__', { description: odd, quotas: { maxFunctions: 0 }, state: 'disabled' })];
    for (const row of rows) store.putTenant(row);
    expect(store.tenants()).toEqual(rows);
    const keys = [
      key('k1', { name: odd }),
      key('k2', { expiresMs: 5, revokedMs: 6, lastUsedMs: 7, signing: false }),
    ];
    store.putKeys(keys);
    expect(store.keys().map((row) => ({ ...row, digest: Buffer.from(row.digest) }))).toEqual(keys);
  });

  it('knows for good that there was a key', () => {
    const store = make();
    expect(store.hadKeys()).toBe(false);
    store.putKeys([key('k1')]);
    store.putKeys([], ['k1']);
    expect(store.keys()).toEqual([]);
    expect(store.hadKeys()).toBe(true);
  });

  it('buries a tenant with its keys, and leaves the others', () => {
    const store = make();
    store.putKeys([key('k1'), key('k2', { tenant: 'b' })]);
    store.buryTenant(tenant('a', { state: 'deleted' }));
    expect(store.keys().map(({ id }) => id)).toEqual(['k2']);
    expect(store.tenants()).toMatchObject([{ name: 'a', state: 'deleted' }]);
  });

  it('lists audit entries from the newest, by tenant, in pages; forgets by age and number', () => {
    const store = make();
    for (let at = 1; at <= 10; at += 1) store.addAudit(entry(`/${at}`, at, at % 2 === 0 ? 'a' : 'b'));
    const targets = (list: readonly { target: string }[]): string[] => list.map(({ target }) => target);
    expect(targets(store.auditBefore(Number.MAX_SAFE_INTEGER, 3, null))).toEqual(['/10', '/9', '/8']);
    expect(targets(store.auditBefore(8, 2, 'a'))).toEqual(['/6', '/4']);
    store.trimAudit(0, 4);
    expect(targets(store.auditBefore(99, 99, null))).toEqual(['/10', '/9', '/8', '/7']);
    store.trimAudit(9, 4);
    expect(targets(store.auditBefore(99, 99, null))).toEqual(['/10', '/9']);
  });
});

describe('accounts.db', () => {
  it('keeps all over a restart, readable by its owner alone', () => {
    const store = opened(path);
    store.putKeys([key('k1')]);
    store.noteUse([{ id: 'k1', lastUsedMs: 11, signedUntilMs: 12 }]);
    store.addAudit(entry('/x'));
    store.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const again = opened(path);
    expect(again.keys()).toMatchObject([{ id: 'k1', lastUsedMs: 11, signedUntilMs: 12 }]);
    expect(again.auditBefore(99, 9, null)).toHaveLength(1);
  });

  it('lets nobody change an audit entry', () => {
    const store = opened(path);
    store.addAudit(entry('/x'));
    store.close();
    const database = new DatabaseSync(path);
    expect(() => database.exec("UPDATE audit SET principal = 'nobody'")).toThrow(/never changed/);
    database.close();
  });

  it('is refused while another has it, and when it is no database, which stays as it is', () => {
    opened(path);
    expect(() => opened(path)).toThrow(expect.objectContaining({ code: 'conflict' }));
    const damaged = join(folder, 'damaged.db');
    writeFileSync(damaged, 'this is no database, and was one'.repeat(50));
    const before = readFileSync(damaged);
    expect(() => opened(damaged)).toThrow(/cannot be used: .*Restore it from a backup/);
    expect(readFileSync(damaged)).toEqual(before);
  });
});
