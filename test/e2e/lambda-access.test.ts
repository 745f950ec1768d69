/** Who may call the Lambda API of a server with keys: the SDK signs, as it always does. */
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateFunctionUrlConfigCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListTagsCommand,
} from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256Of } from '../../src/api/lambda/sigv4.ts';
import { call } from './http-client.ts';
import { arnOf, create, jsonOf, REGION, refusalOf } from './lambda-client.ts';
import { runStrata, type ServerProcess, startServer } from './server-process.ts';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

let dataDir: string;
let server: ServerProcess;
let admin: Credentials;
let adminKey: string;
let invoker: Credentials;

const keyWith = async (...args: string[]): Promise<Credentials & { readonly key: string }> => {
  const { stdout, stderr } = await runStrata(['keys', 'create', '--data-dir', dataDir, '--signing', ...args]);
  const made = /signing secret of (\w+): (\S+)/.exec(stderr);
  return { accessKeyId: made?.[1] ?? '', secretAccessKey: made?.[2] ?? '', key: stdout.trim() };
};

const clientOf = (credentials: Credentials): LambdaClient =>
  new LambdaClient({ endpoint: server.url, region: REGION, maxAttempts: 1, credentials });

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'strata-lambda-access-'));
  const made = await keyWith('--admin');
  [admin, adminKey] = [made, made.key];
  invoker = await keyWith('--scopes', 'invoke');
  server = await startServer([], {}, { dataDir });
  await create(clientOf(admin), 'guarded', 'exports.handler = async (event) => ({ got: event });');
}, 60_000);

afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

const invoke = (client: LambdaClient, Payload = '{"a":1}') =>
  client.send(new InvokeCommand({ FunctionName: arnOf('guarded', '$LATEST'), Payload }));

describe('a server with keys', () => {
  it('takes what is signed with a key that has the scope', async () => {
    for (const credentials of [admin, invoker])
      expect(jsonOf((await invoke(clientOf(credentials))).Payload)).toEqual({ got: { a: 1 } });
    const { Tags } = await clientOf(admin).send(new ListTagsCommand({ Resource: arnOf('guarded') }));
    expect(Tags).toEqual({ 'strata:tier': 'isolate' });
  });

  it('refuses a key without the scope', async () => {
    for (const command of [
      new GetFunctionCommand({ FunctionName: 'guarded' }),
      new DeleteFunctionCommand({ FunctionName: 'guarded' }),
    ]) {
      const refusal = await refusalOf(clientOf(invoker).send(command as never));
      expect([refusal.name, refusal.$metadata.httpStatusCode]).toEqual(['AccessDeniedException', 403]);
    }
  });

  it('refuses another secret, an unknown key, and no signature', async () => {
    const forged = clientOf({ ...admin, secretAccessKey: invoker.secretAccessKey });
    expect((await refusalOf(invoke(forged))).name).toBe('InvalidSignatureException');
    const unknown = clientOf({ ...admin, accessKeyId: 'a'.repeat(16) });
    expect((await refusalOf(invoke(unknown))).name).toBe('UnrecognizedClientException');
    const path = '/2015-03-31/functions/guarded/invocations';
    const bare = await call(server, 'POST', path, { body: {} });
    expect([bare.status, bare.headers['x-amzn-errortype']]).toEqual([
      403,
      'MissingAuthenticationTokenException',
    ]);
  });

  it('keeps in the audit log who changed what, and what was refused', async () => {
    await create(clientOf(admin), 'noted', 'exports.handler = () => 1;');
    await refusalOf(create(clientOf(admin), 'noted', 'exports.handler = () => 1;'));
    const reply = await call(server, 'GET', '/v1/audit?limit=100', {
      headers: { Authorization: `Bearer ${adminKey}` },
    });
    const { entries } = reply.json as { entries: { action: string; status: number; principal: string }[] };
    const statuses = entries
      .filter(({ action }) => action === 'POST /2015-03-31/functions')
      .map(({ status, principal }) => [status, principal]);
    const by = `key:${admin.accessKeyId}`;
    expect(statuses.slice(0, 2)).toEqual([
      [409, by],
      [201, by],
    ]);
  });
});

describe('a function URL with AWS_IAM', () => {
  /** A request signed by hand, because the SDK calls no URLs. */
  const signed = (path: string, body: string, { accessKeyId, secretAccessKey }: Credentials) => {
    const { host } = new URL(server.url);
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${date.slice(0, 8)}/${REGION}/lambda/aws4_request`;
    const hash = sha256Of(body);
    const names = 'host;x-amz-content-sha256;x-amz-date';
    const lines = `host:${host}\nx-amz-content-sha256:${hash}\nx-amz-date:${date}\n`;
    const canonical = `POST\n${path}\n\n${lines}\n${names}\n${hash}`;
    const hmac = (key: string | Buffer, text: string): Buffer =>
      createHmac('sha256', key).update(text).digest();
    const key = [...scope.split('/')].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
    const text = ['AWS4-HMAC-SHA256', date, scope, sha256Of(canonical)].join('\n');
    return {
      Authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${hmac(key, text).toString('hex')}`,
      ...{ 'X-Amz-Date': date, 'X-Amz-Content-Sha256': hash, Host: host, 'Content-Type': 'text/plain' },
    };
  };

  it('takes what is signed, and nothing else', async () => {
    const input = { FunctionName: 'guarded', AuthType: 'AWS_IAM' } as const;
    const made = await clientOf(admin).send(new CreateFunctionUrlConfigCommand(input));
    const path = new URL(String(made.FunctionUrl)).pathname;
    const headers = signed(path, 'hello', invoker);
    const reply = await call(server, 'POST', path, { body: 'hello', headers });
    expect(reply.json).toMatchObject({ got: { body: 'hello' } });
    const byKey = await call(server, 'POST', path, { headers: { Authorization: `Bearer ${adminKey}` } });
    expect(byKey.status).toBe(200);
    for (const { text } of [reply, byKey]) expect(text).not.toMatch(/authorization/i);
    for (const [body, other] of [
      ['hello!', headers],
      ['hello', {}],
      ['hello', { ...headers, 'Strata-Tenant': 'acme' }],
      ['hello', signed(path, 'hello', { ...invoker, secretAccessKey: 'other' })],
    ] as const)
      expect((await call(server, 'POST', path, { body, headers: other })).status).toBe(403);
  });

  it('asks for what its function asks for as well', async () => {
    await create(clientOf(admin), 'tokens', 'exports.handler = async () => 1;');
    const put = await call(server, 'PUT', '/v1/functions/tokens', {
      body: { runtime: 'isolate', code: { source: 'exports.handler = async () => 1;' }, auth: 'jwt' },
      headers: { Authorization: `Bearer ${adminKey}` },
    });
    expect(put.status).toBe(200);
    const input = { FunctionName: 'tokens', AuthType: 'AWS_IAM' } as const;
    const made = await clientOf(admin).send(new CreateFunctionUrlConfigCommand(input));
    const path = new URL(String(made.FunctionUrl)).pathname;
    const headers = signed(path, 'hello', invoker);
    expect((await call(server, 'POST', path, { body: 'hello', headers })).status).toBe(403);
  });
});

describe('a function URL with NONE', () => {
  const asAdmin = (method: 'POST' | 'PATCH', path: string, body: object) =>
    call(server, method, path, { body, headers: { Authorization: `Bearer ${adminKey}` } });

  it('is held to the rate of its tenant, and closed while the tenant is disabled', async () => {
    expect((await asAdmin('POST', '/v1/tenants', { name: 'shop' })).status).toBe(201);
    const client = clientOf(admin);
    client.middlewareStack.add(
      (next) => (args) => {
        (args.request as { headers: Record<string, string> }).headers['Strata-Tenant'] = 'shop';
        return next(args);
      },
      { step: 'build' },
    );
    await create(client, 'open', 'exports.handler = async () => 1;');
    const input = { FunctionName: 'open', AuthType: 'NONE' } as const;
    const made = await client.send(new CreateFunctionUrlConfigCommand(input));
    const path = new URL(String(made.FunctionUrl)).pathname;
    const statusOf = async (): Promise<number> => (await call(server, 'GET', path)).status;
    expect(await statusOf()).toBe(200);
    await asAdmin('PATCH', '/v1/tenants/shop', { quotas: { requestsPerSecond: 1 } });
    const statuses = await Promise.all(Array.from({ length: 10 }, statusOf));
    expect(statuses).toContain(429);
    expect((await asAdmin('PATCH', '/v1/tenants/shop', { state: 'disabled' })).status).toBe(200);
    expect(await statusOf()).toBe(403);
  });
});
