/**
 * Asynchronous invocations over HTTP and by the CLI, against a real server.
 */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AsyncPage, AsyncView } from '../../src/invocation/api.ts';
import { call, deploy, invoke, type Reply } from './http-client.ts';
import { runStrata, type ServerProcess, startServer } from './server-process.ts';

interface Hook {
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

let server: ServerProcess;
let receiver: http.Server;
let port: number;
const hooks: Hook[] = [];

beforeAll(async () => {
  receiver = http.createServer((request, response) => {
    void request.toArray().then((chunks) => {
      hooks.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.end();
    });
  });
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  ({ port } = receiver.address() as AddressInfo);
  server = await startServer([], {
    STRATA_EGRESS_PRIVATE_RANGES: '127.0.0.1',
    STRATA_ASYNC_RETRY_DELAY_MS: '5',
    STRATA_ASYNC_EVENT_MAX_BYTES: '300000',
  });
  await deploy(server, 'twice', 'exports.handler = ({ n }) => n * 2');
  await deploy(server, 'broken', 'exports.handler = () => { throw new Error("no") }');
}, 60_000);

afterAll(async () => {
  await server.stop();
  receiver.close();
}, 60_000);

const accept = (name: string, event: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
  call(server, 'POST', `/v1/functions/${name}/invocations?mode=async`, { body: event, headers });

const idOf = ({ json }: Reply): string => (json as { invocationId: string }).invocationId;

const view = async (id: string): Promise<AsyncView> =>
  (await call(server, 'GET', `/v1/invocations/${id}`)).json as AsyncView;

/** The invocation once it is in a state. */
const ended = async (id: string, status: string): Promise<AsyncView> => {
  await expect.poll(async () => (await view(id)).status, { timeout: 10_000 }).toBe(status);
  return view(id);
};

describe('an asynchronous invocation', () => {
  it('is accepted with 202 and where to look, and its result and receipt are there later', async () => {
    const reply = await accept('twice', { n: 21 });
    expect(reply.status).toBe(202);
    const id = idOf(reply);
    expect(reply.headers).toMatchObject({ location: `/v1/invocations/${id}`, 'strata-invocation-id': id });
    expect(await ended(id, 'succeeded')).toMatchObject({
      ...{ result: 42, attempts: 1, receipt: { invocationId: id, status: 'succeeded' } },
    });
    const other = { headers: { 'Strata-Tenant': 'other' } };
    for (const [method, path] of [
      ['GET', `/v1/invocations/${id}`],
      ['DELETE', `/v1/invocations/${id}`],
      ['POST', `/v1/functions/twice/dead-letters/${id}/redrive`],
    ] as const)
      expect((await call(server, method, path, other)).status).toBe(404);
    expect((await call(server, 'DELETE', `/v1/invocations/${id}`)).json).toMatchObject({ code: 'conflict' });
    const list = await call(server, 'GET', '/v1/functions/twice/invocations?status=succeeded&limit=1');
    expect((list.json as AsyncPage).invocations).toHaveLength(1);
  });

  it('is refused before it is stored when it cannot be', async () => {
    const large = await accept('twice', 'x'.repeat(300_001));
    expect(large).toMatchObject({ status: 413, json: { code: 'payload_too_large' } });
    expect((await accept('nobody', {})).status).toBe(404);
    expect((await accept('twice', {}, { 'Strata-Max-Wait-Ms': '5' })).status).toBe(400);
    expect((await invoke(server, 'twice', {}, { 'Strata-Idempotency-Key': 'k' })).status).toBe(400);
  });

  it('is one for one key, and a conflict for another event', async () => {
    const key = { 'Strata-Idempotency-Key': 'order-7' };
    const [one, other] = await Promise.all([accept('twice', { n: 1 }, key), accept('twice', { n: 1 }, key)]);
    expect(idOf(one)).toBe(idOf(other));
    expect((await accept('twice', { n: 2 }, key)).json).toMatchObject({ status: 409, code: 'conflict' });
  });

  it('that fails for good is a dead letter, which the CLI lists and redrives', async () => {
    const url = ['--url', server.url];
    const later = await runStrata([...url, 'invoke', 'broken', '--async', '-d', '{"n":4}']);
    const { invocationId: id } = JSON.parse(later.stdout) as { invocationId: string };
    expect(await ended(id, 'failed')).toMatchObject({ attempts: 3, deadLetter: true });
    const listed = await runStrata([...url, 'dead-letters', 'broken']);
    expect(listed.stdout).toContain(`${id}  `);
    await deploy(server, 'broken', 'exports.handler = ({ n }) => n');
    expect((await runStrata([...url, 'redrive', 'broken', id])).stdout).toBe('redriven 1\n');
    expect(await ended(id, 'succeeded')).toMatchObject({ result: 4, attempts: 4 });
  });

  it('tells a webhook of its end, signed by the key of its function', async () => {
    const async = { onSuccess: { webhook: `http://127.0.0.1:${port}/hook` } };
    await deploy(server, 'hooked', 'exports.handler = () => "x".repeat(200000)', { async });
    const id = idOf(await accept('hooked', { n: 1 }));
    await expect.poll(() => hooks.length, { timeout: 10_000 }).toBe(1);
    const { headers, body } = hooks[0] as Hook;
    const secret = (await call(server, 'GET', '/v1/functions/hooked/webhook-secret')).json as {
      secret: string;
    };
    const time = headers['strata-webhook-timestamp'];
    const signature = createHmac('sha256', secret.secret).update(`${time}.${body}`).digest('hex');
    expect(headers).toMatchObject({
      'strata-webhook-id': id,
      'strata-webhook-signature': `v1=${signature}`,
    });
    expect(JSON.parse(body)).toMatchObject({
      ...{ requestContext: { requestId: id, condition: 'Success' }, responsePayload: 'x'.repeat(200_000) },
    });
    await expect.poll(async () => (await view(id)).delivery?.state).toBe('delivered');
  });

  it('has no webhook at an address that the operator keeps from functions', async () => {
    for (const webhook of [
      'http://127.0.0.2/',
      'http://10.0.0.1/',
      'http://[::1]/',
      'http://169.254.169.254/',
    ]) {
      const spec = { runtime: 'isolate', code: { source: '' }, async: { onSuccess: { webhook } } };
      const reply = await call(server, 'PUT', '/v1/functions/bad', { body: spec });
      expect(reply).toMatchObject({ status: 400, json: { code: 'invalid_request' } });
    }
  });

  it('shows in the metrics', async () => {
    const { text } = await call(server, 'GET', '/metrics');
    expect(text).toMatch(/strata_async_queue_depth\{state="queued"\} 0/);
    expect(text).toMatch(/strata_async_events_total\{event="accepted"\} [1-9]/);
  });
});
