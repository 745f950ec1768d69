/** Keys, tokens and signatures against real servers, over restarts and a SIGKILL. */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, deploy, exchange, invoke, type Reply } from './http-client.ts';
import { runStrata, type ServerProcess, startServer } from './server-process.ts';

const ECHO = 'exports.handler = (event) => ({ got: event })';
const folders: string[] = [];
const stops: (() => Promise<unknown>)[] = [];

const folder = async (): Promise<string> => {
  const made = await mkdtemp(path.join(tmpdir(), 'strata-accounts-'));
  folders.push(made);
  return made;
};

afterAll(async () => {
  for (const stop of stops) await stop();
  for (const made of folders) await rm(made, { recursive: true, force: true });
}, 60_000);

const start = async (dataDir: string, args: readonly string[] = [], env: Record<string, string> = {}) => {
  const server = await startServer(args, env, { dataDir });
  stops.push(() => server.stop());
  return server;
};

/** By the operator, on the folder of a server that does not run. */
const made = async (dataDir: string, ...args: string[]) => {
  const { code, stdout, stderr } = await runStrata(['keys', 'create', '--data-dir', dataDir, ...args]);
  expect([code, stderr.includes('shown this once')]).toEqual([0, true]);
  return {
    secret: stdout.trim(),
    id: /key (\w+) of/.exec(stderr)?.[1] ?? '',
    signingSecret: /signing secret of \w+: (\S+)/.exec(stderr)?.[1] ?? '',
  };
};

const bearer = (secret: string) => ({ Authorization: `Bearer ${secret}` });

/** An independent client of signed requests, from the documentation. */
const signed = (
  { id, signingSecret }: { id: string; signingSecret: string },
  { method = 'POST', url = '', body = '', atMs = Date.now() } = {},
) => {
  const date = new Date(atMs).toISOString();
  const nonce = createHash('sha256').update(`${date}${url}${body}`).digest('hex').slice(0, 32);
  const digest = createHash('sha256').update(body).digest('hex');
  const lines = ['STRATA-HMAC-SHA256', method, url, date, nonce, '', digest];
  const signature = createHmac('sha256', signingSecret).update(lines.join('\n')).digest('hex');
  return {
    Authorization: `STRATA-HMAC-SHA256 Credential=${id}, Nonce=${nonce}, Signature=${signature}`,
    'Strata-Date': date,
    'Strata-Content-Sha256': digest,
  };
};

describe('a server without keys', () => {
  it('stays open on loopback with a warning, refuses other addresses, and closes with the first key', async () => {
    const dataDir = await folder();
    const refused = await runStrata(['serve', '--host', '0.0.0.0', '--port', '0', '--data-dir', dataDir]);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^forbidden: .*there are no keys/),
    ]);

    const server = await start(dataDir);
    expect(server.stdout()).toMatch(/Keys: none, so whoever can connect may do anything/);
    await server.logged(/there are no keys/);
    const busy = await runStrata(['keys', 'create', '--admin', '--data-dir', dataDir]);
    expect([busy.code, busy.stderr]).toEqual([
      1,
      expect.stringMatching(/^conflict: .*in use by another process/),
    ]);

    await deploy(server, 'echo', ECHO);
    expect((await invoke(server, 'echo')).status).toBe(200);
    const first = await call(server, 'POST', '/v1/tenants/default/keys', { body: { scopes: ['admin'] } });
    expect(first.status).toBe(201);
    const { secret } = first.json as { secret: string };
    expect((await invoke(server, 'echo')).status).toBe(401);
    expect((await invoke(server, 'echo', {}, bearer(secret))).status).toBe(200);
    await server.stop();
    const { stdout } = await start(dataDir, ['--host', '0.0.0.0']);
    expect(stdout()).toMatch(/Keys: asked for on every call\n {2}keys cross the network/);
  }, 60_000);
});

describe('a server with keys', () => {
  let server: ServerProcess;
  let dataDir: string;
  let admin: { secret: string };
  let keys: Record<'acme' | 'other', { secret: string; id: string; signingSecret: string }>;
  let jwks: Server;
  let issuer: GenerateKeyPairResult;
  let attacker: GenerateKeyPairResult;

  const configure = (): Record<string, string> => ({
    STRATA_AUTH_JWT_ISSUER: 'https://issuer.example',
    STRATA_AUTH_JWT_JWKS: `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/jwks`,
  });

  beforeAll(async () => {
    dataDir = await folder();
    issuer = await generateKeyPair('ES256', { extractable: true });
    attacker = await generateKeyPair('ES256', { extractable: true });
    jwks = createServer(async (_request, response) => {
      const keys = [{ ...(await exportJWK(issuer.publicKey)), kid: 'one', alg: 'ES256' }];
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    await once(jwks, 'listening');
    stops.push(async () => jwks.close());
    admin = await made(dataDir, '--admin');
    server = await start(dataDir, [], configure());
    for (const name of ['acme', 'other'])
      await call(server, 'POST', '/v1/tenants', { body: { name }, headers: bearer(admin.secret) });
    const keyFor = async (tenant: string) => {
      const reply = await call(server, 'POST', `/v1/tenants/${tenant}/keys`, {
        ...{ body: { scopes: ['deploy', 'invoke', 'read'], signing: true }, headers: bearer(admin.secret) },
      });
      const { key, secret, signingSecret } = reply.json as {
        key: { id: string };
        secret: string;
        signingSecret: string;
      };
      return { id: key.id, secret, signingSecret };
    };
    keys = { acme: await keyFor('acme'), other: await keyFor('other') };
    const spec = { runtime: 'isolate', code: { source: ECHO } };
    for (const auth of ['none', 'key', 'signature', 'jwt'])
      await call(server, 'PUT', `/v1/functions/${auth}`, {
        ...{ body: { ...spec, auth }, headers: bearer(keys.acme.secret) },
      });
  }, 120_000);

  const token = (claims: Record<string, unknown> = {}, { privateKey } = issuer) =>
    new SignJWT({ tenant: 'acme', scope: 'strata:invoke', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer('https://issuer.example')
      .setAudience('strata')
      .setExpirationTime((claims.exp as number | undefined) ?? '5m')
      .sign(privateKey);

  const statusOf = async (reply: Promise<Reply>): Promise<number> => (await reply).status;

  it('gives a function to its own tenant, and 404 to the others', async () => {
    const invoked = await invoke(server, 'key', { a: 1 }, bearer(keys.acme.secret));
    expect([invoked.status, invoked.json]).toEqual([200, { got: { a: 1 } }]);
    const id = String(invoked.headers['strata-invocation-id']);
    for (const [key, status] of [
      [keys.acme, 200],
      [keys.other, 404],
      [admin, 404],
    ] as const) {
      const headers = bearer(key.secret);
      for (const url of [
        '/v1/functions/key',
        `/v1/invocations/${id}`,
        `/v1/invocations/${id}/logs`,
        '/v1/functions/key/logs',
      ])
        expect([url, await statusOf(call(server, 'GET', url, { headers }))]).toEqual([url, status]);
    }
    expect(await statusOf(invoke(server, 'key', {}, bearer(keys.other.secret)))).toBe(404);
    const chosen = { ...bearer(admin.secret), 'Strata-Tenant': 'acme' };
    expect(await statusOf(invoke(server, 'key', {}, chosen))).toBe(200);
    const foreign = { ...bearer(keys.other.secret), 'Strata-Tenant': 'acme' };
    expect(await statusOf(invoke(server, 'key', {}, foreign))).toBe(403);
    expect(
      await statusOf(call(server, 'DELETE', '/v1/functions/key', { headers: bearer(keys.other.secret) })),
    ).toBe(404);
    expect(await statusOf(call(server, 'GET', '/metrics', { headers: bearer(keys.acme.secret) }))).toBe(403);
    expect(await statusOf(call(server, 'GET', '/metrics', { headers: bearer(admin.secret) }))).toBe(200);
  });

  it('takes each function’s own kind of credentials', async () => {
    const body = '{"a":1}';
    const post = (name: string, headers: Record<string, string>) =>
      statusOf(call(server, 'POST', `/v1/functions/${name}/invocations`, { body, headers }));
    const names = ['none', 'key', 'signature', 'jwt', 'missing'];
    const by = async (headersOf: (url: string) => Record<string, string>) =>
      Promise.all(names.map((name) => post(name, headersOf(`/v1/functions/${name}/invocations`))));
    const stranger = { 'Strata-Tenant': 'acme' };
    expect(await by(() => stranger)).toEqual([200, 401, 401, 401, 401]);
    expect(await by(() => bearer(keys.acme.secret))).toEqual([200, 200, 403, 403, 404]);
    expect(await by((url) => signed(keys.acme, { url, body }))).toEqual([200, 200, 200, 403, 404]);
    const text = await token();
    expect(await by(() => bearer(text))).toEqual([200, 200, 403, 200, 404]);
  });

  it('refuses forged and expired tokens', async () => {
    const claims = { iss: 'https://issuer.example', aud: 'strata', tenant: 'acme', scope: 'strata:invoke' };
    const texts = [
      await token({}, attacker),
      await token({ exp: Math.floor(Date.now() / 1_000) - 60 }),
      await token({ tenant: 'nobody' }),
      new UnsecuredJWT(claims).setExpirationTime('5m').encode(),
    ];
    for (const text of texts) expect(await statusOf(invoke(server, 'jwt', {}, bearer(text)))).toBe(401);
    const scopeless = await token({ scope: 'openid' });
    expect(await statusOf(invoke(server, 'jwt', {}, bearer(scopeless)))).toBe(403);
  });

  it('refuses headers that are doubled, huge or smuggled', async () => {
    const line = `Authorization: Bearer ${keys.acme.secret}\r\n`;
    const send = (more: string) =>
      exchange(server, `GET /v1/functions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`);
    expect(await send(line)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await send(line + line)).toMatch(/^HTTP\/1\.1 401 /);
    expect(await send(`${line}Strata-Tenant: acme\r\nStrata-Tenant: acme\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await send(`Authorization: Bearer ${'a'.repeat(12_000)}\r\n`)).toMatch(/^HTTP\/1\.1 401 /);
    expect(await send(`Authorization: Bearer ${'a'.repeat(100_000)}\r\n`)).toMatch(
      /^HTTP\/1\.1 (?:431|400) /,
    );
    expect(await send(`authorization:\tbearer ${keys.acme.secret}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await exchange(server, `GET /v1/functions HTTP/1.1\r\nHost: evil.example\r\n${line}\r\n`)).toMatch(
      / 403 /,
    );
  });

  it('takes a signed request once, also when the server is killed between', async () => {
    const url = '/v1/functions/signature/invocations';
    const headers = signed(keys.acme, { url, body: '{}' });
    const send = () => statusOf(call(server, 'POST', url, { body: '{}', headers }));
    expect([await send(), await send()]).toEqual([200, 401]);
    const elsewhere = call(server, 'POST', '/v1/functions/key/invocations', { body: '{}', headers });
    expect(await statusOf(elsewhere)).toBe(401);
    server.signal('SIGKILL');
    await server.ended;
    server = await start(dataDir, [], configure());
    const replayed = await call(server, 'POST', url, { body: '{}', headers });
    expect([replayed.status, replayed.json]).toMatchObject([
      401,
      { detail: expect.stringMatching(/before the server started/) },
    ]);
    // Dates up to here may have been taken; what is dated behind them is a new request.
    const later = signed(keys.acme, { url, body: '{}', atMs: Date.now() + 10_000 });
    expect(await statusOf(call(server, 'POST', url, { body: '{}', headers: later }))).toBe(200);
  }, 60_000);

  it('has the rate, the functions and the audit log of a tenant', async () => {
    const headers = bearer(admin.secret);
    const patch = (quotas: Record<string, number | null>) =>
      call(server, 'PATCH', '/v1/tenants/acme', { headers, body: { quotas } });
    await patch({ requestsPerSecond: 1 });
    await invoke(server, 'key', {}, bearer(keys.acme.secret));
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => invoke(server, 'key', {}, bearer(keys.acme.secret))),
    );
    const refused = replies.find(({ status }) => status === 429);
    expect(refused?.json).toMatchObject({
      code: 'rate_limit',
      limit: { kind: 'requestsPerSecond', configured: 1 },
    });
    expect(refused?.headers['retry-after']).toBe('1');
    await patch({ requestsPerSecond: null, maxFunctions: 4 });
    const spec = { runtime: 'isolate', code: { source: ECHO } };
    const fifth = await call(server, 'PUT', '/v1/functions/fifth', {
      body: spec,
      headers: bearer(keys.acme.secret),
    });
    expect([fifth.status, fifth.json]).toMatchObject([
      429,
      { code: 'quota_exceeded', limit: { kind: 'maxFunctions' } },
    ]);
    const audit = await call(server, 'GET', '/v1/audit?tenant=acme&limit=1', { headers });
    expect(audit.json).toMatchObject({
      entries: [
        {
          ...{
            principal: `key:${keys.acme.id}`,
            action: 'PUT /v1/functions/:name',
            target: '/v1/functions/fifth',
          },
          ...{ outcome: 'refused', status: 429, from: expect.stringMatching(/127\.0\.0\.1/) },
        },
      ],
    });
  });

  it('is worked with by the CLI, with a key from a file', async () => {
    const keyFile = path.join(await folder(), 'key');
    await writeFile(keyFile, `${admin.secret}\n`, { mode: 0o600 });
    const strata = (...args: string[]) => runStrata(['--url', server.url, '--key-file', keyFile, ...args]);
    const [listed, tenant, bare] = await Promise.all([
      strata('tenants', 'list'),
      strata('tenants', 'create', 'cli', '--max-functions', '3'),
      runStrata(['--url', server.url, 'list']),
    ]);
    expect(listed.stdout).toMatch(/^NAME .*\nacme +active/);
    expect(tenant.stdout).toBe('cli active maxFunctions=3\n');
    expect([bare.code, bare.stderr]).toEqual([1, expect.stringMatching(/^unauthorized: /)]);
    const created = await strata(
      '--tenant',
      'cli',
      'keys',
      'create',
      '--scopes',
      'invoke,read',
      '--expires',
      '90d',
    );
    expect(created.stdout).toMatch(/^sk_\S{60}\n$/);
    const id = created.stdout.slice(3, 19);
    const rotated = await strata('--tenant', 'cli', 'keys', 'rotate', id, '--overlap', '0s');
    expect([rotated.code, rotated.stdout === created.stdout]).toEqual([0, false]);
    expect((await strata('--tenant', 'cli', 'keys', 'revoke', rotated.stdout.slice(0, 19))).code).toBe(0);
    const list = await strata('--tenant', 'cli', 'keys', 'list');
    expect(list.stdout).toMatch(/expired/);
    expect(list.stdout).toMatch(/revoked/);
    expect((await strata('tenants', 'delete', 'cli')).code).toBe(0);
    expect((await strata('audit', '-n', '3')).stdout).toMatch(/DELETE \/v1\/tenants\/cli/);
  }, 60_000);
});
