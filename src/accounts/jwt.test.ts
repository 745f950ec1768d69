import { createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  exportJWK,
  exportSPKI,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConfigOverrides } from '../config/config.ts';
import type { Identity } from '../core/identity.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { openAccountsFixture } from './fixture.ts';

const ISSUER = 'https://issuer.example';
const URL_OF_KEYS = 'https://issuer.example/jwks';

interface Signer {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: GenerateKeyPairResult['privateKey'];
  readonly publicKey: GenerateKeyPairResult['publicKey'];
  readonly jwk: JWK;
}

const signerOf = async (alg: string, kid: string): Promise<Signer> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
};

let rsa: Signer;
let ec: Signer;
let ed: Signer;
beforeAll(async () => {
  [rsa, ec, ed] = await Promise.all([
    signerOf('RS256', 'rsa'),
    signerOf('ES256', 'ec'),
    signerOf('EdDSA', 'ed'),
  ]);
});

const setUp = (keys: () => unknown, auth: ConfigOverrides['auth'] = {}) => {
  const clock = new ManualClock();
  let reads = 0;
  const faults: string[] = [];
  const accounts = openAccountsFixture({
    clock,
    config: { auth: { jwtIssuer: ISSUER, jwtJwks: URL_OF_KEYS, ...auth } },
    fetch: (async (_url: unknown, init: RequestInit) => {
      reads += 1;
      expect(init.redirect).toBe('error');
      const given = keys();
      return given instanceof Response ? given : Response.json(given);
    }) as unknown as typeof fetch,
    onFault: (message) => void faults.push(message),
  });
  accounts.createTenant('acme');
  const token = (
    signer: Signer,
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ) => {
    const nowS = Math.floor(clock.wallMs() / 1_000);
    const all = {
      iss: ISSUER,
      aud: 'strata',
      exp: nowS + 300,
      tenant: 'acme',
      scope: 'strata:invoke',
      ...claims,
    };
    return new SignJWT(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)))
      .setProtectedHeader({ alg: signer.alg, kid: signer.kid, ...header })
      .sign(signer.privateKey);
  };
  const identify = async (text: string): Promise<Identity> =>
    await accounts.identify({ method: 'GET', url: '/', headers: { authorization: `Bearer ${text}` } });
  const outcome = async (text: string): Promise<string> => {
    try {
      return (await identify(text)).credential;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { clock, accounts, token, identify, outcome, faults, reads: () => reads };
};

const jwks = () => ({ keys: [rsa.jwk, ec.jwk, ed.jwk] });

describe('a token', () => {
  it('of each algorithm says tenant, scopes and subject', async () => {
    const { token, identify } = setUp(jwks);
    for (const signer of [rsa, ec, ed]) {
      const text = await token(signer, {
        sub: 'ada',
        scope: 'openid strata:invoke strata:read read admin strata:admin',
      });
      const identity = await identify(text);
      expect(identity).toMatchObject({ tenant: 'acme', principal: 'jwt:ada', credential: 'jwt' });
      expect([...identity.scopes]).toEqual(['invoke', 'read']);
    }
  });

  it('is verified once and remembered until it expires', async () => {
    const { token, identify, outcome, clock, accounts } = setUp(jwks);
    const text = await token(ed);
    await identify(text);
    const head = { method: 'GET', url: '/', headers: { authorization: `Bearer ${text}` } };
    expect(accounts.identify(head)).not.toBeInstanceOf(Promise);
    await clock.advance(300_000 + 30_000);
    expect(await outcome(text)).toBe('unauthorized');
  });

  it('may carry admin only where the operator says so, and then acts for any tenant', async () => {
    const { token, identify } = setUp(jwks, { jwtAdmin: 'on', jwtTenant: 'default' });
    const identity = await identify(await token(rsa, { scope: ['strata:admin'] }));
    expect([identity.tenant, [...identity.scopes]]).toEqual(['default', ['admin']]);
  });

  it('without scopes has those that are set for it, else none', async () => {
    const none = setUp(jwks);
    expect([...(await none.identify(await none.token(ed, { scope: undefined }))).scopes]).toEqual([]);
    const some = setUp(jwks, { jwtScopes: 'invoke, read' });
    expect([...(await some.identify(await some.token(ed, { scope: undefined }))).scopes]).toEqual([
      'invoke',
      'read',
    ]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['that has expired', { exp: 1 }],
    ['without an end', { exp: undefined }],
    ['whose end is no number', { exp: 'never' }],
    ['that does not hold yet', { nbf: 4_000_000_000 }],
    ['of another issuer', { iss: 'https://evil.example' }],
    ['without an issuer', { iss: undefined }],
    ['for another audience', { aud: 'other' }],
    ['without an audience', { aud: undefined }],
    ['without a tenant', { tenant: undefined }],
    ['for a tenant that there is not', { tenant: 'nobody' }],
    ['for a tenant in another spelling', { tenant: 'ACME' }],
    ['for a tenant with a look-alike letter', { tenant: 'аcme' }],
    ['for two tenants', { tenant: ['acme', 'default'] }],
  ])('%s is refused', async (_what, claims) => {
    const { token, outcome } = setUp(jwks);
    expect(await outcome(await token(rsa, claims))).toBe('unauthorized');
  });

  it('is taken a little before and after its time, as the tolerance says', async () => {
    const { token, outcome, clock } = setUp(jwks, { jwtClockToleranceMs: 30_000 });
    const nowS = Math.floor(clock.wallMs() / 1_000);
    expect(await outcome(await token(ed, { exp: nowS - 20 }))).toBe('jwt');
    expect(await outcome(await token(ed, { exp: nowS - 31 }))).toBe('unauthorized');
    expect(await outcome(await token(ed, { nbf: nowS + 20 }))).toBe('jwt');
    expect(await outcome(await token(ed, { nbf: nowS + 31 }))).toBe('unauthorized');
  });
});

describe('a forged token', () => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('without a signature is refused, however “none” is spelled, before any key is read', async () => {
    const { outcome, reads, clock } = setUp(jwks);
    const exp = Math.floor(clock.wallMs() / 1_000) + 300;
    const claims = { iss: ISSUER, aud: 'strata', exp, tenant: 'acme', scope: 'strata:invoke' };
    expect(await outcome(new UnsecuredJWT(claims).encode())).toBe('unauthorized');
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, ['none']])
      for (const signature of ['', 'AAAA'])
        expect(await outcome(`${part({ alg, kid: 'rsa' })}.${part(claims)}.${signature}`)).toBe(
          'unauthorized',
        );
    expect(reads()).toBe(0);
  });

  it('with a secret that is the public key is refused', async () => {
    const { outcome, clock } = setUp(jwks);
    const exp = Math.floor(clock.wallMs() / 1_000) + 300;
    const claims = { iss: ISSUER, aud: 'strata', exp, tenant: 'acme', scope: 'strata:invoke' };
    for (const secret of [await exportSPKI(rsa.publicKey), JSON.stringify(rsa.jwk), rsa.jwk.n ?? '']) {
      const text = `${part({ alg: 'HS256', kid: 'rsa' })}.${part(claims)}`;
      const signature = createHmac('sha256', secret).update(text).digest('base64url');
      expect(await outcome(`${text}.${signature}`)).toBe('unauthorized');
    }
  });

  it('with a key of its own, named or brought along, is refused and read from nowhere', async () => {
    const own = await signerOf('RS256', 'rsa');
    const { token, outcome, reads } = setUp(jwks);
    for (const header of [
      {},
      { jwk: own.jwk },
      { jku: 'https://evil.example/jwks' },
      { x5u: 'https://evil.example' },
    ])
      expect(await outcome(await token(own, {}, header))).toBe('unauthorized');
    expect(reads()).toBe(1);
  });

  it('that was changed, cut, or is something else is refused', async () => {
    const { token, outcome } = setUp(jwks);
    const text = await token(ed);
    const [head = '', body = '', signature = ''] = text.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
    const forms = [
      `${head}.${part({ ...claims, tenant: 'default' })}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}.${body}.${signature}.${signature}`,
      `${text}A`,
      '...',
      'a.b.c',
      `${'A'.repeat(8_000)}.${'A'.repeat(100)}.A`,
      'x'.repeat(100_000),
    ];
    for (const form of forms) expect(await outcome(form)).toBe('unauthorized');
    expect(await outcome(text)).toBe('jwt');
  });

  it('that is a right one of another algorithm than are taken is refused', async () => {
    const { token, outcome } = setUp(jwks, { jwtAlgorithms: 'ES256' });
    expect(await outcome(await token(rsa))).toBe('unauthorized');
    expect(await outcome(await token(ec))).toBe('jwt');
  });
});

describe('the keys of the issuer', () => {
  it('are read again for a key that is not known, not more often than the cooldown', async () => {
    let keys: unknown = { keys: [rsa.jwk] };
    const { token, outcome, reads, clock } = setUp(() => keys);
    expect(await outcome(await token(rsa))).toBe('jwt');
    keys = jwks();
    expect(await outcome(await token(ec))).toBe('unauthorized');
    await clock.advance(10_000);
    expect(await outcome(await token(ec))).toBe('jwt');
    for (let count = 0; count < 20; count += 1)
      expect(await outcome(await token(rsa, {}, { kid: `made-up-${count}` }))).toBe('unauthorized');
    expect(reads()).toBe(2);
  });

  it('that were withdrawn do not hold beyond the cache', async () => {
    let keys: unknown = jwks();
    const { token, outcome, clock } = setUp(() => keys, { jwksCacheMs: 20_000 });
    const text = await token(rsa);
    expect(await outcome(text)).toBe('jwt');
    keys = { keys: [ec.jwk] };
    await clock.advance(20_000);
    expect(await outcome(text)).toBe('unauthorized');
  });

  it('hold for an hour when they cannot be read again, and not longer', async () => {
    let keys: unknown = jwks();
    const { token, outcome, clock, faults } = setUp(() => keys);
    expect(await outcome(await token(rsa))).toBe('jwt');
    keys = new Response('', { status: 503 });
    await clock.advance(3_000_000);
    expect(await outcome(await token(rsa))).toBe('jwt');
    expect(faults).toHaveLength(1);
    await clock.advance(700_000);
    expect(await outcome(await token(rsa))).toBe('auth_unavailable');
  });

  it.each<[string, () => unknown]>([
    ['an answer that is no JSON', () => new Response('<html>')],
    ['no keys', () => ({ keys: [] })],
    ['null', () => null],
    ['a billion bytes', () => new Response(endless())],
    ['a secret key', () => ({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'rsa', alg: 'HS256' }] })],
    ['a key for encryption', () => ({ keys: [{ ...rsa.jwk, use: 'enc' }] })],
    ['a key that is private', async () => ({ keys: [await exportJWK(rsa.privateKey)] })],
    ['a weak key', () => ({ keys: [{ ...weak(), kid: 'rsa', alg: 'RS256' }] })],
  ])('are not %s', async (_what, keys) => {
    const given = await keys();
    const { token, outcome, faults } = setUp(() => given);
    expect(await outcome(await token(rsa))).toBe('auth_unavailable');
    expect(faults).toHaveLength(1);
  });

  it('are given up on when they do not come', async () => {
    const clock = new ManualClock();
    const accounts = openAccountsFixture({
      clock,
      config: { auth: { jwtIssuer: ISSUER, jwtJwks: URL_OF_KEYS, jwksTimeoutMs: 500 } },
      fetch: ((_url: unknown, { signal }: RequestInit) =>
        new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))) as never,
    });
    const text = await setUp(jwks).token(rsa);
    const found = accounts.identify({
      method: 'GET',
      url: '/',
      headers: { authorization: `Bearer ${text}` },
    });
    const refused = expect(found).rejects.toMatchObject({ code: 'auth_unavailable' });
    await clock.advance(500);
    await refused;
  });

  it('may be in a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'strata-jwks-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'keys.json');
    writeFileSync(file, JSON.stringify(jwks()));
    const { token, outcome, reads } = setUp(jwks, { jwtJwks: file });
    expect(await outcome(await token(ed))).toBe('jwt');
    expect(reads()).toBe(0);
  });

  it.each([
    'http://issuer.example/jwks',
    'ftp://issuer.example',
    'https://name:secret@issuer.example/',
    'http://127.0.0.1.evil.example/',
  ])('are not read from %s', (jwtJwks) => {
    expect(() => setUp(jwks, { jwtJwks })).toThrow(/auth\.jwtJwks must be/);
  });

  it.each<ConfigOverrides['auth']>([
    { jwtJwks: '' },
    { jwtAlgorithms: 'HS256' },
    { jwtAlgorithms: 'RS256,none' },
    { jwtScopes: 'root' },
  ])('and the settings %j stop the start', (auth) => {
    expect(() => setUp(jwks, auth)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});

it('many new tokens at once are bounded, and refused with when to come again', async () => {
  const { token, accounts } = setUp(jwks);
  const texts = await Promise.all(Array.from({ length: 70 }, (_, at) => token(ed, { sub: `s${at}` })));
  const outcomes = await Promise.allSettled(
    texts.map(async (text) =>
      accounts.identify({ method: 'GET', url: '/', headers: { authorization: `Bearer ${text}` } }),
    ),
  );
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(6);
  expect(refused[0]).toMatchObject({ reason: { code: 'overloaded', retryAfterMs: 1_000 } });
});

const endless = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)) });

const weak = (): JWK =>
  generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK;
