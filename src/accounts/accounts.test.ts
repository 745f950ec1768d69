import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Identity } from '../core/identity.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import type { StoredAccounts } from './accounts.ts';
import type { KeyInput } from './api.ts';
import { openAccountsFixture } from './fixture.ts';

const DAY_MS = 86_400_000;
const INVOKE: KeyInput = { scopes: ['invoke'] };

const head = (headers: Record<string, string> = {}) => ({ method: 'GET', url: '/v1/functions', headers });
const bearer = (secret: string, more: Record<string, string> = {}) =>
  head({ authorization: `Bearer ${secret}`, ...more });

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

/** Of a server with an admin key. */
const closed = (options: Parameters<typeof openAccountsFixture>[0] = {}) => {
  const clock = new ManualClock();
  const accounts = openAccountsFixture({ clock, ...options });
  const admin = accounts.createKey('default', { scopes: ['admin'] });
  return { clock, accounts, admin };
};

describe('a server without keys', () => {
  it('takes anybody for whom they say they are', () => {
    const accounts = openAccountsFixture();
    expect(accounts.isOpen).toBe(true);
    expect(accounts.identify(head())).toMatchObject({ tenant: 'default', credential: 'open' });
    const named = accounts.identify(head({ 'strata-tenant': 'acme' })) as Identity;
    expect([named.tenant, named.scopes.has('admin')]).toEqual(['acme', true]);
    for (const tenant of ['../x', '', 'a, b', 'ü', 'a'.repeat(65), '__proto__'])
      expect(codeOf(() => accounts.identify(head({ 'strata-tenant': tenant })))).toBe('invalid_request');
  });

  it('asks for keys for good once there was one, also when it was revoked', () => {
    const { accounts, admin } = closed();
    expect(accounts.isOpen).toBe(false);
    accounts.revokeKey('default', admin.key.id);
    expect(accounts.isOpen).toBe(false);
    expect(accounts.identify(head())).toMatchObject({ credential: 'none', principal: 'anonymous' });
  });

  it.each([
    { auth: { mode: 'required' } },
    { auth: { adminKey: `sk_${'a'.repeat(64)}` } },
    { auth: { jwtIssuer: 'https://issuer.example', jwtJwks: 'keys.json' } },
  ] as const)('is not what %j makes', (config) => {
    expect(openAccountsFixture({ config }).isOpen).toBe(false);
  });
});

describe('keys', () => {
  it('hold for their tenant with their scopes, and are not kept', () => {
    const { accounts } = closed();
    accounts.createTenant('acme');
    const { key, secret, signingSecret } = accounts.createKey('acme', {
      scopes: ['read', 'invoke'],
      name: 'ci',
    });
    expect(secret).toMatch(/^sk_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$/);
    expect(secret.startsWith(key.prefix)).toBe(true);
    expect(signingSecret).toBeNull();
    const identity = accounts.identify(bearer(secret)) as Identity;
    expect(identity).toMatchObject({ tenant: 'acme', principal: `key:${key.id}`, credential: 'key' });
    expect([...identity.scopes]).toEqual(['invoke', 'read']);
    expect(JSON.stringify(accounts.listKeys('acme'))).not.toContain(secret.slice(20));
  });

  it('that are almost right are refused like any other', () => {
    const { accounts, admin } = closed();
    const { secret } = admin;
    const wrong = [
      secret.slice(0, -1),
      `${secret}A`,
      `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`,
      secret.toUpperCase(),
      `sk_${'a'.repeat(16)}_${'A'.repeat(43)}`,
      `sk_${'x'.repeat(9_000)}`,
      '',
    ];
    for (const text of wrong) expect(codeOf(() => accounts.identify(bearer(text)))).toBe('unauthorized');
    const forms = [`Bearer ${secret}, Bearer ${secret}`, `Bearer  ${secret}`, `Basic ${secret}`, secret, ''];
    for (const authorization of forms)
      expect(codeOf(() => accounts.identify(head({ authorization })))).toBe('unauthorized');
    expect(accounts.identify(head({ authorization: `bearer ${secret}` }))).toMatchObject({
      credential: 'key',
    });
  });

  it('expire, and a clock that is set back does not bring them to life', async () => {
    const { accounts, clock } = closed();
    const expiresAt = new Date(clock.wallMs() + DAY_MS).toISOString();
    const { secret, key } = accounts.createKey('default', { ...INVOKE, expiresAt });
    await clock.advance(DAY_MS - 1);
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('taken');
    await clock.advance(1);
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('unauthorized');
    clock.wallMs = () => Date.UTC(2020, 0, 1);
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('unauthorized');
    expect(accounts.listKeys('default').find(({ id }) => id === key.id)).toMatchObject({ state: 'expired' });
  });

  it('are revoked for the next request', () => {
    const { accounts } = closed();
    const { secret, key } = accounts.createKey('default', INVOKE);
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('taken');
    expect(accounts.revokeKey('default', key.id)).toMatchObject({ state: 'revoked' });
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('unauthorized');
    expect(codeOf(() => accounts.rotateKey('default', key.id))).toBe('conflict');
  });

  it('rotate: both hold for the overlap, then the new one alone', async () => {
    const { accounts, clock } = closed();
    const old = accounts.createKey('default', { ...INVOKE, name: 'ci', signing: true });
    const made = accounts.rotateKey('default', old.key.id, { overlapMs: 1_000 });
    expect(made.key).toMatchObject({ name: 'ci', scopes: ['invoke'], signing: true, expiresAt: null });
    expect(made.signingSecret).not.toBe(old.signingSecret);
    for (const { secret } of [old, made])
      expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('taken');
    await clock.advance(1_000);
    expect(codeOf(() => accounts.identify(bearer(old.secret)))).toBe('unauthorized');
    expect(codeOf(() => accounts.identify(bearer(made.secret)))).toBe('taken');
  });

  it('never hold longer by a rotation than they would have', async () => {
    const { accounts, clock } = closed();
    const expiresAt = new Date(clock.wallMs() + 1_000).toISOString();
    const old = accounts.createKey('default', { ...INVOKE, expiresAt });
    accounts.rotateKey('default', old.key.id, { overlapMs: DAY_MS });
    await clock.advance(1_000);
    expect(codeOf(() => accounts.identify(bearer(old.secret)))).toBe('unauthorized');
  });

  it.each<[string, unknown]>([
    ['no scopes', { scopes: [] }],
    ['an unknown scope', { scopes: ['root'] }],
    ['a scope of the prototype', { scopes: ['constructor'] }],
    ['a date that is past', { scopes: ['read'], expiresAt: '2020-01-01T00:00:00Z' }],
    ['a date that is none', { scopes: ['read'], expiresAt: 'soon' }],
    ['an unknown field', { scopes: ['read'], tenant: 'other' }],
    ['a long name', { scopes: ['read'], name: 'x'.repeat(129) }],
    ['half a character', { scopes: ['read'], name: '\ud800' }],
    ['a list', []],
    ['nothing', null],
  ])('are not made of %s', (_what, input) => {
    const { accounts } = closed();
    expect(codeOf(() => accounts.createKey('default', input as KeyInput))).toBe('invalid_request');
  });

  it('are a thousand at most, those that do not hold making room', () => {
    const { accounts } = closed();
    accounts.createTenant('acme');
    const first = accounts.createKey('acme', INVOKE);
    for (let count = 1; count < 1_000; count += 1) accounts.createKey('acme', INVOKE);
    expect(codeOf(() => accounts.createKey('acme', INVOKE))).toBe('quota_exceeded');
    accounts.revokeKey('acme', first.key.id);
    accounts.createKey('acme', INVOKE);
    expect(accounts.listKeys('acme')).toHaveLength(1_000);
  });
});

describe('the tenant of a request', () => {
  it('is the key’s own, unless admin chooses another', () => {
    const { accounts, admin } = closed();
    accounts.createTenant('acme');
    const { secret } = accounts.createKey('acme', { scopes: ['deploy', 'invoke', 'read'] });
    expect(accounts.identify(bearer(secret, { 'strata-tenant': 'acme' }))).toMatchObject({ tenant: 'acme' });
    const foreign = (tenant: string, by: string) =>
      codeOf(() => accounts.identify(bearer(by, { 'strata-tenant': tenant })));
    expect([foreign('default', secret), foreign('nobody', secret)]).toEqual(['forbidden', 'forbidden']);
    expect([foreign('acme', admin.secret), foreign('nobody', admin.secret)]).toEqual(['taken', 'not_found']);
    expect(foreign('acme, acme', secret)).toBe('invalid_request');
  });

  it('takes nothing while it is disabled, from strangers either', () => {
    const { accounts } = closed();
    accounts.createTenant('acme');
    const { secret } = accounts.createKey('acme', INVOKE);
    const stranger = head({ 'strata-tenant': 'acme' });
    accounts.updateTenant('acme', { state: 'disabled' });
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('unauthorized');
    expect(codeOf(() => accounts.identify(stranger))).toBe('unauthorized');
    accounts.updateTenant('acme', { state: 'active' });
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('taken');
    expect(codeOf(() => accounts.identify(stranger))).toBe('taken');
    expect(codeOf(() => accounts.identify(head({ 'strata-tenant': 'nobody' })))).toBe('unauthorized');
  });
});

describe('tenants', () => {
  it('are created once, and a name that was deleted is not given again', () => {
    const { accounts } = closed();
    accounts.createTenant('acme', { description: 'them', quotas: { maxFunctions: 3 } });
    expect(codeOf(() => accounts.createTenant('acme'))).toBe('conflict');
    const { secret } = accounts.createKey('acme', INVOKE);
    accounts.deleteTenant('acme');
    expect(codeOf(() => accounts.identify(bearer(secret)))).toBe('unauthorized');
    expect(codeOf(() => accounts.tenant('acme'))).toBe('not_found');
    expect(codeOf(() => accounts.createTenant('acme'))).toBe('conflict');
    expect(accounts.listTenants().tenants.map(({ name }) => name)).toEqual(['default']);
  });

  it('stay while they have functions; default stays always', () => {
    const { accounts } = closed();
    accounts.createTenant('acme');
    const record = { id: 'f', tenant: 'acme', name: 'f', codeBytes: 9 } as never;
    accounts.holdings.accept(record)(true);
    expect(codeOf(() => accounts.deleteTenant('acme'))).toBe('conflict');
    expect(codeOf(() => accounts.deleteTenant('default'))).toBe('conflict');
    expect(codeOf(() => accounts.updateTenant('default', { state: 'disabled' }))).toBe('conflict');
    accounts.holdings.drop(record);
    accounts.deleteTenant('acme');
    // A deployment of a request that came before.
    expect(codeOf(() => accounts.holdings.accept(record))).toBe('not_found');
  });

  it('have quotas of their own, which null takes away again', () => {
    const { accounts } = closed();
    accounts.createTenant('acme', { quotas: { maxInFlight: 5, requestsPerSecond: 1 } });
    expect(accounts.maxInFlightOf('acme')).toBe(5);
    expect(accounts.updateTenant('acme', { quotas: { maxInFlight: null } }).quotas).toEqual({
      requestsPerSecond: 1,
    });
    expect(accounts.maxInFlightOf('acme')).toBeUndefined();
    const bad = [{ quotas: { maxInFlight: 0 } }, { quotas: { other: 1 } }, { quotas: { maxFunctions: 1.5 } }];
    for (const input of bad)
      expect(codeOf(() => accounts.updateTenant('acme', input))).toBe('invalid_request');
  });

  it('are listed in pages', () => {
    const { accounts } = closed();
    for (const name of ['c', 'a', 'b']) accounts.createTenant(name);
    const first = accounts.listTenants({ limit: 2 });
    expect(first.tenants.map(({ name }) => name)).toEqual(['a', 'b']);
    const rest = accounts.listTenants({ limit: 2, cursor: first.nextCursor ?? '' });
    expect([rest.tenants.map(({ name }) => name), rest.nextCursor]).toEqual([['c', 'default'], null]);
  });
});

describe('the key of the operator', () => {
  it('is taken from the environment and stored nowhere', () => {
    const adminKey = `sk_${'0123456789abcdef'.repeat(4)}`;
    const accounts = openAccountsFixture({ config: { auth: { adminKey } } });
    expect(accounts.identify(bearer(adminKey))).toMatchObject({ principal: 'operator', credential: 'key' });
    expect(codeOf(() => accounts.identify(bearer(`${adminKey}0`)))).toBe('unauthorized');
    expect(accounts.listKeys('default')).toEqual([]);
  });

  it.each(['secret', `sk_${'a'.repeat(42)}`, `sk_${'ü'.repeat(50)}`])('is not %j', (adminKey) => {
    const error = (() => {
      try {
        openAccountsFixture({ config: { auth: { adminKey } } });
        return new Error('was taken');
      } catch (thrown) {
        return thrown as Error;
      }
    })();
    expect(error.message).toMatch(/openssl rand/);
    expect(error.message).not.toContain(adminKey);
  });
});

describe('accounts in a folder', () => {
  let dataDir = '';
  const open: StoredAccounts[] = [];
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'strata-accounts-'));
  });
  afterEach(() => {
    for (const accounts of open.splice(0)) accounts.close();
    rmSync(dataDir, { recursive: true });
  });
  const opened = (clock = new ManualClock()): StoredAccounts => {
    const accounts = openAccountsFixture({ clock, config: { dataDir }, busyTimeoutMs: 50 });
    open.push(accounts);
    return accounts;
  };

  it('are what they were after a restart', () => {
    const before = opened();
    before.createTenant('acme', { quotas: { maxFunctions: 1 } });
    const { secret } = before.createKey('acme', INVOKE);
    before.identify(bearer(secret));
    before.close();
    const after = opened();
    expect(after.isOpen).toBe(false);
    expect(after.identify(bearer(secret))).toMatchObject({ tenant: 'acme' });
    expect(after.tenant('acme')).toMatchObject({ quotas: { maxFunctions: 1 }, usage: { keys: 1 } });
    expect(after.listKeys('acme')[0]?.lastUsedAt).not.toBeNull();
    expect(readFileSync(join(dataDir, 'accounts.db')).includes(secret.slice(20))).toBe(false);
  });

  it('are not opened twice', () => {
    opened();
    expect(() => opened()).toThrow(expect.objectContaining({ code: 'conflict' }));
  });

  it('do not start without the secret that signatures are checked by, and leave what there is', () => {
    const before = opened();
    const made = before.createKey('default', { ...INVOKE, signing: true });
    before.close();
    const path = join(dataDir, 'signing.key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path);
    for (const damaged of ['', 'short', `${'a'.repeat(43)}\nmore`]) {
      writeFileSync(path, damaged);
      expect(() => opened()).toThrow(/restore it from a backup/);
      expect(readFileSync(path, 'utf8')).toBe(damaged);
    }
    rmSync(path);
    expect(() => opened()).toThrow(/signing\.key.*restore it from a backup/);
    writeFileSync(path, text);
    expect(opened().signingKey(made.key.id)?.secret).toBe(made.signingSecret);
  });

  it('note when a key was last used once a minute at the most', async () => {
    const clock = new ManualClock();
    const accounts = opened(clock);
    const { secret, key } = accounts.createKey('default', INVOKE);
    const lastUsed = (): string | null | undefined =>
      accounts.listKeys('default').find(({ id }) => id === key.id)?.lastUsedAt;
    expect(lastUsed()).toBeNull();
    accounts.identify(bearer(secret));
    const first = lastUsed();
    await clock.advance(30_000);
    accounts.identify(bearer(secret));
    expect(lastUsed()).toBe(first);
    await clock.advance(30_000);
    accounts.identify(bearer(secret));
    expect(lastUsed()).not.toBe(first);
  });
});

describe('the audit log', () => {
  const add = (accounts: StoredAccounts, target: string): void =>
    accounts.addAudit({
      ...{ principal: 'operator', tenant: 'default', action: 'PUT /x', target, from: '::1' },
      ...{ outcome: 'succeeded', status: 200, digest: null },
    });

  it('gives pages from the newest, and keeps so many', () => {
    const accounts = openAccountsFixture({ config: { audit: { maxEntries: 10 } } });
    for (let at = 1; at <= 25; at += 1) add(accounts, `/${at}`);
    const page = accounts.audit({ limit: 2 });
    expect(page.entries.map(({ target }) => target)).toEqual(['/25', '/24']);
    expect(accounts.audit({ limit: 1, before: page.nextBefore ?? 0 }).entries[0]?.target).toBe('/23');
    expect(accounts.audit({ limit: 1_000 }).entries.length).toBeLessThanOrEqual(11);
    expect(codeOf(() => accounts.audit({ limit: 0 }))).toBe('invalid_request');
  });

  it('cuts what a caller makes long', () => {
    const accounts = openAccountsFixture();
    add(accounts, `/${'x'.repeat(100_000)}`);
    expect(accounts.audit().entries[0]?.target).toHaveLength(512);
  });
});
