import { createHash, createHmac } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Accounts, KeyInput } from '../accounts/api.ts';
import { openAccountsFixture } from '../accounts/fixture.ts';
import { StrataError } from '../core/errors.ts';
import { resolveFor, SCOPES, type Scope } from '../core/identity.ts';
import type { FunctionAuth } from '../core/spec.ts';
import type { Executor } from '../invocation/api.ts';
import { ANSWER, FUNCTION_RECORD, notFound, scriptedExecutor } from './executor-fixture.ts';
import { assertReachable, createHostGate } from './loopback.ts';
import { identityOf } from './native/access.ts';
import { demandOf, isControl, ROUTE_SCOPES } from './native/scopes.ts';
import { createServer } from './server.ts';

const open: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

interface Route {
  readonly method: string;
  readonly path: string;
}

const serve = (calls: Partial<Executor> = {}, hostNames = '') => {
  const accounts = calls.accounts ?? openAccountsFixture();
  const app = createServer({
    executor: scriptedExecutor({ ...calls, accounts }),
    config: {
      server: {
        ...{ requestTimeoutMs: 30_000, headersTimeoutMs: 10_000, hostNames },
        ...{ maxConnections: 100, maxBodyBytesInFlight: 1_000_000 },
      },
      limits: { eventMaxBytes: 200_000, codeMaxBytes: 3_000, containerCodeMaxBytes: 9_000 },
    },
    logger: pino({ level: 'silent' }),
  });
  const routes: Route[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) routes.push({ method: each, path: url });
  });
  open.push(app);
  return { app, accounts, routes };
};

const keyOf = (accounts: Accounts, scopes: readonly Scope[], input: Partial<KeyInput> = {}) =>
  accounts.createKey('default', { scopes, ...input });
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

const authOf = ({ auth }: { readonly auth: FunctionAuth }): FunctionAuth => auth;

/** Functions by name, each with an auth of that name. */
const functions: Partial<Executor> = {
  get: (name) => {
    const auths: readonly string[] = ['none', 'key', 'signature', 'jwt'];
    if (!auths.includes(name)) throw notFound(name);
    return { ...FUNCTION_RECORD, name, auth: name as FunctionAuth };
  },
  invokeJson: async ({ function: name, credential }) => {
    resolveFor(credential, () => functions.get?.(name) ?? FUNCTION_RECORD, authOf);
    return ANSWER;
  },
};

describe('the table of scopes', () => {
  it('names every route there is, and no other', async () => {
    const { app, routes } = serve();
    await app.ready();
    const names = new Set(routes.map(({ method, path }) => `${method} ${path}`));
    expect([...names].filter((name) => !(name in ROUTE_SCOPES))).toEqual([]);
    expect(Object.keys(ROUTE_SCOPES).filter((name) => !names.has(name))).toEqual([]);
  });

  it('asks for admin where it names nothing', () => {
    expect([demandOf('GET /v2/new'), demandOf('constructor')]).toEqual(['admin', 'admin']);
  });
});

it('a route of another table is held to what that says, and knows its callers in its own way', async () => {
  const { app, accounts } = serve();
  const { key } = keyOf(accounts, ['read'], { signing: true });
  const signer = accounts.signingKey(key.id);
  app.get(
    '/elsewhere',
    {
      config: {
        demand: 'read',
        identify: ({ headers }) => {
          if (signer === null || headers['x-signed'] !== signer.secret)
            throw new StrataError('unauthorized', 'Not signed.');
          return signer.identity({ method: 'GET', url: '/elsewhere', headers });
        },
      },
    },
    async (request) => identityOf(request).credential,
  );
  expect((await app.inject({ url: '/elsewhere' })).statusCode).toBe(401);
  const response = await app.inject({ url: '/elsewhere', headers: { 'x-signed': signer?.secret ?? '' } });
  expect([response.statusCode, response.body]).toEqual([200, 'signature']);
  accounts.revokeKey('default', key.id);
  expect(accounts.signingKey(key.id)).toBeNull();
});

describe('every route', () => {
  it('takes the scope that the table says, admin, and nothing else', async () => {
    const { app, accounts, routes } = serve();
    await app.ready();
    const keys = new Map(SCOPES.map((scope) => [scope, keyOf(accounts, [scope]).secret]));
    for (const { method, path } of routes) {
      const demand = demandOf(`${method} ${path}`);
      if (demand === 'open') continue;
      const url = path.replace(/:\w+/g, 'thing').replace('*', '');
      for (const [scope, secret] of keys) {
        const { statusCode } = await app.inject({ method: method as 'GET', url, headers: bearer(secret) });
        const refused = statusCode === 401 || statusCode === 403;
        expect([`${method} ${path}`, scope, refused]).toEqual([
          ...[`${method} ${path}`, scope],
          scope !== demand && scope !== 'admin',
        ]);
      }
    }
  });

  it('refuses strangers and bad keys alike, and says how to come back', async () => {
    const { app, accounts, routes } = serve({
      invokeJson: async ({ credential }) => {
        resolveFor(credential, () => FUNCTION_RECORD, authOf);
        return ANSWER;
      },
    });
    await app.ready();
    keyOf(accounts, ['admin']);
    for (const { method, path } of routes) {
      if (demandOf(`${method} ${path}`) === 'open') continue;
      const url = path.replace(/:\w+/g, 'thing');
      for (const headers of [
        {},
        bearer(`sk_${'a'.repeat(16)}_${'A'.repeat(43)}`),
        { authorization: 'Basic eDp5' },
      ]) {
        const response = await app.inject({ method: method as 'GET', url, headers });
        expect([path, response.statusCode]).toEqual([path, 401]);
        expect(response.headers['www-authenticate']).toBe('Bearer realm="strata"');
        expect(response.json()).toMatchObject({ code: 'unauthorized' });
      }
    }
    for (const url of ['/healthz', '/readyz', '/openapi.json'])
      expect((await app.inject({ method: 'GET', url })).statusCode).toBe(200);
  });
});

describe('the auth of a function', () => {
  const post = (name: string) => ({ method: 'POST' as const, url: `/v1/functions/${name}/invocations` });

  it('lets strangers in where it is none, and tells them nothing of the others', async () => {
    const { app, accounts } = serve(functions);
    keyOf(accounts, ['admin']);
    expect((await app.inject(post('none'))).statusCode).toBe(200);
    const refusals = await Promise.all(
      ['key', 'signature', 'jwt', 'missing'].map((name) => app.inject(post(name))),
    );
    const bodies: object[] = refusals.map((response) => ({
      ...response.json<object>(),
      headers: Object.keys(response.headers),
    }));
    for (const each of bodies) expect(each).toEqual(bodies[0]);
    expect(refusals[0]?.statusCode).toBe(401);
    const foreign = { ...post('none'), headers: { 'strata-tenant': 'nobody' } };
    expect((await app.inject(foreign)).statusCode).toBe(401);
  });

  it('lets no stranger send a large body to what does not take it', async () => {
    const { app, accounts } = serve({ ...functions, invokeJson: async () => ANSWER });
    keyOf(accounts, ['admin']);
    const payload = 'x'.repeat(150_000);
    const codes = ['none', 'key', 'missing'].map(
      async (name) => (await app.inject({ ...post(name), payload })).statusCode,
    );
    expect(await Promise.all(codes)).toEqual([200, 401, 401]);
  });

  it('is asked for when an asynchronous one is accepted, because its attempts ask nobody', async () => {
    const accepted: string[] = [];
    const later: Partial<Executor> = {
      ...functions,
      queue: {
        ...scriptedExecutor({}).queue,
        accept: async ({ function: name, invocationId }) => {
          accepted.push(name);
          return { invocationId, created: true };
        },
      },
    };
    const { app, accounts } = serve(later);
    const { secret } = keyOf(accounts, ['invoke']);
    const statusOf = async (name: string, headers = {}): Promise<number> =>
      (await app.inject({ ...post(name), url: `${post(name).url}?mode=async`, headers })).statusCode;
    for (const name of ['key', 'signature', 'jwt', 'missing']) expect(await statusOf(name), name).toBe(401);
    expect(await statusOf('none')).toBe(202);
    expect(await statusOf('key', bearer(secret))).toBe(202);
    expect(await statusOf('signature', bearer(secret))).toBe(403);
    expect(accepted).toEqual(['none', 'key']);
  });

  it('is that of $LATEST, whichever version is asked for', async () => {
    let auth: FunctionAuth = 'none';
    const { queue } = scriptedExecutor({});
    const { app, accounts } = serve({
      get: (name, { qualifier } = {}) => ({
        ...{ ...FUNCTION_RECORD, name, version: qualifier ?? '$LATEST' },
        auth: qualifier === undefined ? auth : 'none',
      }),
      queue: { ...queue, accept: async ({ invocationId }) => ({ invocationId, created: true }) },
    });
    keyOf(accounts, ['invoke']);
    const url = `${post('f').url}?mode=async&qualifier=1`;
    expect((await app.inject({ method: 'POST', url })).statusCode).toBe(202);
    auth = 'key';
    expect((await app.inject({ method: 'POST', url })).statusCode).toBe(401);
  });

  it('takes its own kind of credentials alone', async () => {
    const { app, accounts } = serve(functions);
    const { secret } = keyOf(accounts, ['invoke']);
    const codes = ['none', 'key', 'signature', 'jwt', 'missing'].map(
      async (name) => (await app.inject({ ...post(name), headers: bearer(secret) })).statusCode,
    );
    expect(await Promise.all(codes)).toEqual([200, 200, 403, 403, 404]);
  });
});

describe('a signed request', () => {
  interface Sent {
    readonly method?: string;
    readonly url: string;
    readonly body?: string;
    readonly sent?: string;
  }
  const signed = (accounts: Accounts, { method = 'POST', url, body = '', sent = body }: Sent) => {
    const { key, signingSecret } = keyOf(accounts, ['invoke', 'deploy'], { signing: true });
    const date = '2026-01-01T00:00:00.000Z';
    const digest = createHash('sha256').update(body).digest('hex');
    const text = `STRATA-HMAC-SHA256\n${method}\n${url}\n${date}\nnonce-0001\n\n${digest}`;
    const signature = createHmac('sha256', signingSecret ?? '')
      .update(text)
      .digest('hex');
    return {
      method: method as 'POST',
      url,
      headers: {
        authorization: `STRATA-HMAC-SHA256 Credential=${key.id}, Nonce=nonce-0001, Signature=${signature}`,
        ...{ 'strata-date': date, 'strata-content-sha256': digest },
      },
      ...(sent === '' ? {} : { payload: sent }),
    };
  };
  const url = '/v1/functions/signature/invocations';

  it('invokes with its body and no other', async () => {
    const { app, accounts } = serve(functions);
    const code = async (request: ReturnType<typeof signed>) => (await app.inject(request)).statusCode;
    expect(await code(signed(accounts, { url, body: '{"a":1}' }))).toBe(200);
    expect(await code(signed(accounts, { url }))).toBe(200);
    expect(await code(signed(accounts, { url, body: '{"a":1}', sent: '{"a":2}' }))).toBe(401);
    expect(await code(signed(accounts, { url, body: '{"a":1}', sent: '' }))).toBe(401);
    expect(await code(signed(accounts, { url, body: '', sent: '{}' }))).toBe(401);
  });

  it('deploys with its body and no other', async () => {
    const deploy = async () => ({ function: FUNCTION_RECORD, created: true });
    const { app, accounts } = serve({ deploy });
    const put = { method: 'PUT', url: '/v1/functions/f', body: '{"runtime":"isolate"}' };
    expect((await app.inject(signed(accounts, put))).statusCode).toBe(201);
    expect((await app.inject(signed(accounts, { ...put, sent: '{"runtime":"python3"}' }))).statusCode).toBe(
      401,
    );
    expect((await app.inject(signed(accounts, { ...put, sent: '' }))).statusCode).toBe(401);
  });
});

describe('the audit log', () => {
  it('has every control call that somebody known made, with its outcome, and no secret', async () => {
    const deploy = async () => ({ function: FUNCTION_RECORD, created: true });
    const { app, accounts } = serve({ deploy });
    const admin = keyOf(accounts, ['admin']);
    const reader = keyOf(accounts, ['read']);
    const payload = '{"runtime":"isolate","env":{"PASSWORD":"hunter2"}}';
    const put = { method: 'PUT' as const, url: '/v1/functions/f?x=secret-in-query', payload };
    await app.inject({ ...put, headers: bearer(admin.secret) });
    await app.inject({ ...put, headers: bearer(reader.secret) });
    await app.inject(put);
    await app.inject({ method: 'GET', url: '/v1/tenants', headers: bearer(admin.secret) });
    const { entries } = accounts.audit();
    expect(entries).toMatchObject([
      { principal: `key:${reader.key.id}`, outcome: 'refused', status: 403 },
      {
        ...{ principal: `key:${admin.key.id}`, outcome: 'succeeded', status: 201, tenant: 'default' },
        ...{ action: 'PUT /v1/functions/:name', target: '/v1/functions/f', from: '127.0.0.1' },
        digest: createHash('sha256').update(payload).digest('hex'),
      },
    ]);
    const text = JSON.stringify(entries);
    for (const secret of ['hunter2', 'secret-in-query', admin.secret, admin.secret.slice(20)])
      expect(text).not.toContain(secret);
  });

  it('has no more than ten refusals a second of a tenant, and every call that succeeded', async () => {
    const { app, accounts } = serve({ deploy: async () => ({ function: FUNCTION_RECORD, created: true }) });
    const admin = bearer(keyOf(accounts, ['admin']).secret);
    const reader = bearer(keyOf(accounts, ['read']).secret);
    const put = { method: 'PUT' as const, url: '/v1/functions/f', payload: '{"runtime":"isolate"}' };
    for (let at = 0; at < 30; at += 1) await app.inject({ ...put, headers: reader });
    for (let at = 0; at < 30; at += 1) await app.inject({ ...put, headers: admin });
    const outcomes = accounts.audit({ limit: 1_000 }).entries.map(({ outcome }) => outcome);
    expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(10);
    expect(outcomes.filter((outcome) => outcome === 'succeeded')).toHaveLength(30);
  });

  it('knows control calls from others', () => {
    const control = Object.entries(ROUTE_SCOPES).filter(([route, demand]) =>
      isControl(route.split(' ')[0] ?? '', demand),
    );
    expect(control.map(([route]) => route)).toEqual([
      ...['PUT /v1/functions/:name', 'DELETE /v1/functions/:name'],
      ...['POST /v1/functions/:name/versions', 'DELETE /v1/functions/:name/versions/:version'],
      ...['PUT /v1/functions/:name/aliases/:alias', 'DELETE /v1/functions/:name/aliases/:alias'],
      'DELETE /v1/invocations/:id',
      ...['DELETE /v1/functions/:name/dead-letters', 'DELETE /v1/functions/:name/dead-letters/:id'],
      'POST /v1/functions/:name/dead-letters/redrive',
      'POST /v1/functions/:name/dead-letters/:id/redrive',
      'POST /v1/tenants',
      ...['PATCH /v1/tenants/:tenant', 'DELETE /v1/tenants/:tenant', 'POST /v1/tenants/:tenant/keys'],
      ...['DELETE /v1/tenants/:tenant/keys/:id', 'POST /v1/tenants/:tenant/keys/:id/rotate'],
    ]);
  });
});

describe('the Host header', () => {
  const HOSTS = [
    ...['localhost:7070', '127.0.0.1', '[::1]:1', '192.0.2.7:80', '[2001:db8::1]'],
    ...[
      'strata.example',
      'STRATA.example:443',
      'other.example',
      'evil.example',
      'strata.example.evil.example',
    ],
    ...['strata.example, evil.example', 'a b', '*', '', 'strata.example@evil.example'],
  ];
  const accepted = (hostNames: string, isOpen: boolean): string[] => {
    const refusalOf = createHostGate({ hostNames, isOpen: () => isOpen });
    return HOSTS.filter((host) => refusalOf({ host }) === null);
  };

  it('names loopback at a server without keys, whatever names are configured', () => {
    expect(accepted('strata.example,*', true)).toEqual(HOSTS.slice(0, 3));
  });

  it('names an address or a configured name at a server with keys, or any name where the operator says so', () => {
    expect(accepted('', false)).toEqual(HOSTS.slice(0, 5));
    expect(accepted(' Strata.example , other.example', false)).toEqual(HOSTS.slice(0, 8));
    expect(accepted('*', false)).toEqual(HOSTS.slice(0, 10));
  });

  it('is held against what the server asks for now, and another site may never call', () => {
    let isOpen = true;
    const refusalOf = createHostGate({ hostNames: '', isOpen: () => isOpen });
    expect(refusalOf({ host: '192.0.2.7' })).not.toBeNull();
    isOpen = false;
    expect(refusalOf({ host: '192.0.2.7' })).toBeNull();
    expect(refusalOf({ host: '192.0.2.7', origin: 'https://evil.example' })).not.toBeNull();
    expect(refusalOf({ host: '192.0.2.7', origin: 'http://192.0.2.7' })).toBeNull();
  });

  it('decides with the keys where a server may listen', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.7', 'strata.example']) {
      expect(() => assertReachable(host, true)).toThrow(expect.objectContaining({ code: 'forbidden' }));
      expect(() => assertReachable(host, false)).not.toThrow();
    }
    for (const host of ['127.0.0.1', '::1', 'LOCALHOST'])
      expect(() => assertReachable(host, true)).not.toThrow();
  });
});
