import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Identity } from '../core/identity.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { openAccountsFixture } from './fixture.ts';

interface Request {
  method: string;
  url: string;
  headers: Record<string, string>;
}

/** Written from the documentation, not from the code: the seven lines and one HMAC. */
const sign = (
  { id, secret }: { id: string; secret: string },
  { method = 'POST', url = '/v1/x?a=1', atMs = 0, nonce = 'nonce-0001', tenant = '', body = '{}' } = {},
): Request => {
  const date = new Date(atMs).toISOString();
  const digest = createHash('sha256').update(body).digest('hex');
  const text = `STRATA-HMAC-SHA256\n${method}\n${url}\n${date}\n${nonce}\n${tenant}\n${digest}`;
  const signature = createHmac('sha256', secret).update(text).digest('hex');
  return {
    ...{ method, url },
    headers: {
      authorization: `STRATA-HMAC-SHA256 Credential=${id}, Nonce=${nonce}, Signature=${signature}`,
      'strata-date': date,
      'strata-content-sha256': digest,
      ...(tenant === '' ? {} : { 'strata-tenant': tenant }),
    },
  };
};

const setUp = (config: Parameters<typeof openAccountsFixture>[0] = {}) => {
  const clock = new ManualClock();
  const accounts = openAccountsFixture({ clock, ...config });
  const made = accounts.createKey('default', { scopes: ['invoke'], signing: true });
  const key = { id: made.key.id, secret: made.signingSecret ?? '' };
  const outcome = (request: Request): string => {
    try {
      return (accounts.identify(request) as Identity).credential;
    } catch (error) {
      return `${(error as { code: string }).code}: ${(error as Error).message}`;
    }
  };
  return { clock, accounts, made, key, outcome };
};

describe('a signed request', () => {
  it('is who has the secret, and says what its body is', () => {
    const { accounts, key, clock } = setUp();
    const identity = accounts.identify(sign(key, { atMs: clock.wallMs(), body: 'hello' })) as Identity;
    expect(identity).toMatchObject({
      tenant: 'default',
      credential: 'signature',
      principal: `key:${key.id}`,
    });
    expect(identity.bodySha256).toBe(createHash('sha256').update('hello').digest('hex'));
  });

  it('is nothing with another method, path, query, date, nonce, tenant, body or key', () => {
    const { accounts, key, clock, outcome } = setUp();
    const other = accounts.createKey('default', { scopes: ['invoke'], signing: true });
    const atMs = clock.wallMs();
    const right = sign(key, { atMs });
    const changed: Partial<Request>[] = [
      { method: 'PUT' },
      { method: 'post' },
      { url: '/v1/y?a=1' },
      { url: '/v1/x?a=2' },
      { url: '/v1/x?a=1&b' },
      { url: '/v1/%78?a=1' },
      { headers: { ...right.headers, 'strata-date': new Date(atMs + 1).toISOString() } },
      { headers: { ...right.headers, 'strata-tenant': 'default' } },
      { headers: { ...right.headers, 'strata-content-sha256': 'a'.repeat(64) } },
      ...[
        ['nonce-0001', 'nonce-0002'],
        [key.id, other.key.id],
        [key.id, 'a'.repeat(16)],
      ].map(([from = '', to = '']) => ({
        headers: { ...right.headers, authorization: right.headers.authorization?.replace(from, to) ?? '' },
      })),
    ];
    for (const change of changed)
      expect(outcome({ ...right, ...change })).toMatch(/^unauthorized: .*no credentials/);
    expect(outcome(right)).toBe('signature');
  });

  it('is refused in any other form', () => {
    const { key, clock, outcome } = setUp();
    const right = sign(key, { atMs: clock.wallMs() });
    const { authorization = '', 'strata-date': date = '' } = right.headers;
    const forms = [
      `${authorization}, ${authorization}`,
      authorization.replace('Signature=', 'signature='),
      authorization.replace(/Signature=.*/, (text) => text.toUpperCase()),
      authorization.replace(', Nonce=nonce-0001', ''),
      authorization.replace('nonce-0001', 'short'),
      authorization.replace('nonce-0001', 'n'.repeat(65)),
      `${authorization}00`,
      'STRATA-HMAC-SHA256',
      `STRATA-HMAC-SHA256 ${'x'.repeat(9_000)}`,
    ];
    for (const form of forms)
      expect(outcome({ ...right, headers: { ...right.headers, authorization: form } })).toMatch(
        /^unauthorized/,
      );
    for (const name of ['strata-date', 'strata-content-sha256']) {
      const { [name]: _left, ...headers } = right.headers;
      expect(outcome({ ...right, headers })).toMatch(/^unauthorized: A signed request has/);
    }
    const twice = { ...right.headers, 'strata-date': `${date}, ${date}` };
    expect(outcome({ ...right, headers: twice })).toMatch(/^unauthorized/);
  });

  it('is taken once, and within the window of its date', async () => {
    const { key, clock, outcome } = setUp({ config: { auth: { signatureWindowMs: 60_000 } } });
    const first = sign(key, { atMs: clock.wallMs() });
    expect(outcome(first)).toBe('signature');
    expect(outcome(first)).toMatch(/taken already/);
    await clock.advance(60_000);
    expect(outcome(first)).toMatch(/taken already/);
    await clock.advance(1);
    expect(outcome(first)).toMatch(/more than 60000 ms/);
    expect(outcome(sign(key, { atMs: clock.wallMs() + 60_001 }))).toMatch(/more than 60000 ms/);
    expect(outcome(sign(key, { atMs: clock.wallMs() + 60_000 }))).toBe('signature');
  });

  it('is not taken again by a clock that was set back', async () => {
    const { key, clock, outcome } = setUp({ config: { auth: { signatureWindowMs: 1_000 } } });
    const atMs = clock.wallMs();
    const first = sign(key, { atMs });
    expect(outcome(first)).toBe('signature');
    await clock.advance(10_000);
    clock.wallMs = () => atMs;
    expect(outcome(first)).toMatch(/^unauthorized/);
  });

  it('is nothing with a key that may not sign, was revoked, or is disabled with its tenant', () => {
    const { accounts, key, made, clock, outcome } = setUp();
    const plain = accounts.createKey('default', { scopes: ['invoke'] });
    const atMs = clock.wallMs();
    expect(outcome(sign({ id: plain.key.id, secret: plain.secret }, { atMs }))).toMatch(/^unauthorized/);
    accounts.revokeKey('default', made.key.id);
    expect(outcome(sign(key, { atMs }))).toMatch(/^unauthorized/);
    expect(accounts.signingKey(key.id)).toBeNull();
  });

  it('is refused when no more can be remembered', () => {
    const { key, clock, outcome } = setUp({ config: { auth: { maxNonces: 100 } } });
    const atMs = clock.wallMs();
    for (let at = 0; at < 25; at += 1)
      expect(outcome(sign(key, { atMs, nonce: `nonce-${at}-of-many` }))).toBe('signature');
    expect(outcome(sign(key, { atMs, nonce: 'one-too-many' }))).toMatch(/^overloaded/);
  });
});

describe('a signed request after a restart', () => {
  it('is not taken again, also where its date was ahead; a new one is', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'strata-signed-'));
    try {
      const before = setUp({ config: { dataDir } });
      const atMs = before.clock.wallMs();
      const requests = [
        sign(before.key, { atMs }),
        sign(before.key, { atMs: atMs + 40_000, nonce: 'ahead-of-time' }),
      ];
      for (const request of requests) expect(before.outcome(request)).toBe('signature');
      before.accounts.close();
      const clock = new ManualClock();
      const accounts = openAccountsFixture({ clock, config: { dataDir } });
      for (const request of requests)
        expect(() => accounts.identify(request)).toThrow(/before the server started/);
      // Closed in order, the newest date that was taken is known exactly.
      await clock.advance(40_001);
      const fresh = sign(before.key, { atMs: clock.wallMs(), nonce: 'after-the-start' });
      expect(accounts.identify(fresh)).toMatchObject({ credential: 'signature' });
      accounts.close();
    } finally {
      rmSync(dataDir, { recursive: true });
    }
  });
});
