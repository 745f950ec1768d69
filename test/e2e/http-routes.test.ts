import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, deploy, invoke } from './http-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;

beforeAll(async () => {
  server = await startServer(['--examples']);
}, 60_000);

afterAll(() => server.stop(), 60_000);

const GREET = 'exports.handler = async (event) => ({ hello: event.name })';

describe('strata serve --examples', () => {
  it('prints where it listens, the confinement, and a curl line whose request works', async () => {
    expect(server.stdout()).toMatch(/Confinement of isolate: \w+/);
    expect(server.stdout()).toMatch(/^Runtimes: isolate/m);
    const line = /curl -s -X POST http:\/\/127\.0\.0\.1:\d+(\S+) -d '(.*)'/.exec(server.stdout());
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const reply = await call(server, 'POST', line?.[1] ?? '', { body: line?.[2], headers: form });
    expect(reply.status).toBe(200);
    expect(reply.text).toContain('Ada');
  });
});

describe('functions', () => {
  it('creates with 201, updates with 200, reads, and deletes with 204', async () => {
    const created = await deploy(server, 'greet', GREET, { labels: { team: 'a' }, env: { MODE: 'x' } });
    expect(created.status).toBe(201);
    const updated = await deploy(server, 'greet', GREET, { memoryMb: 64, env: { MODE: 'y' } });
    expect(updated.status).toBe(200);

    const read = await call(server, 'GET', '/v1/functions/greet');
    expect(read.json).toMatchObject({
      name: 'greet',
      version: '$LATEST',
      runtime: 'isolate',
      handler: 'index.handler',
      memoryMb: 64,
      processModel: 'resident',
      env: { MODE: 'y' },
      code: { digest: expect.stringMatching(/^[0-9a-f]{64}$/), bytes: expect.any(Number) },
    });

    expect((await call(server, 'DELETE', '/v1/functions/greet')).status).toBe(204);
    expect((await call(server, 'GET', '/v1/functions/greet')).json).toMatchObject({ code: 'not_found' });
    expect((await call(server, 'DELETE', '/v1/functions/greet')).status).toBe(404);
    expect((await invoke(server, 'greet')).json).toMatchObject({ code: 'not_found' });
  });

  it('lists by every label, in pages', async () => {
    for (const [name, tier] of [
      ['list-a', 'x'],
      ['list-b', 'x'],
      ['list-c', 'y'],
    ] as const) {
      await deploy(server, name, GREET, { labels: { suite: 'list', tier } });
    }
    const names = async (query: string) => {
      const reply = await call(server, 'GET', `/v1/functions?${query}`);
      const page = reply.json as { functions: { name: string }[]; nextCursor: string | null };
      return { names: page.functions.map((entry) => entry.name), next: page.nextCursor };
    };
    expect((await names('label=suite:list&label=tier:x')).names).toEqual(['list-a', 'list-b']);
    const first = await names('label=suite:list&limit=2');
    expect(first.names).toHaveLength(2);
    const second = await names(`label=suite:list&limit=2&cursor=${encodeURIComponent(String(first.next))}`);
    expect([...first.names, ...second.names]).toEqual(['list-a', 'list-b', 'list-c']);
    expect(second.next).toBeNull();
  });

  it('keeps the functions and receipts of tenants apart', async () => {
    const acme = { 'Strata-Tenant': 'acme' };
    await deploy(server, 'private', GREET);
    expect((await call(server, 'GET', '/v1/functions/private', { headers: acme })).status).toBe(404);
    expect((await invoke(server, 'private', {}, acme)).status).toBe(404);
    const own = await invoke(server, 'private', { name: 'Ada' });
    const id = String(own.headers['strata-invocation-id']);
    expect((await call(server, 'GET', `/v1/invocations/${id}`)).status).toBe(200);
    expect((await call(server, 'GET', `/v1/invocations/${id}`, { headers: acme })).status).toBe(404);
    expect((await call(server, 'GET', `/v1/invocations/${id}/logs`, { headers: acme })).status).toBe(404);
  });
});

describe('invocations', () => {
  it('answers the result with start, version, cost and phases, and keeps receipt and logs', async () => {
    await deploy(
      server,
      'talk',
      'exports.handler = (event) => { console.log("said", event.word); return [event.word]; }',
    );
    const reply = await invoke(server, 'talk', { word: 'hi' });
    expect(reply.status).toBe(200);
    expect(reply.json).toEqual(['hi']);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.headers['strata-start']).toMatch(/^(none|container|runtime|code)$/);
    expect(reply.headers['strata-version']).toBe('$LATEST');
    expect(Number(reply.headers['strata-cu-seconds'])).toBeGreaterThan(0);
    expect(reply.headers['server-timing']).toMatch(
      /^queue;dur=\d+\.\d{3}, provision;dur=\d+\.\d{3}, boot;dur=\d+\.\d{3}, load;dur=\d+\.\d{3}, init;dur=\d+\.\d{3}, handler;dur=\d+\.\d{3}$/,
    );

    const id = String(reply.headers['strata-invocation-id']);
    const receipt = await call(server, 'GET', `/v1/invocations/${id}`);
    expect(receipt.json).toMatchObject({
      invocationId: id,
      tenant: 'default',
      function: 'talk',
      status: 'succeeded',
      start: reply.headers['strata-start'],
      cost: { tariff: 'cpu', cuSeconds: expect.any(Number) },
      error: null,
    });
    const logs = await call(server, 'GET', `/v1/invocations/${id}/logs`);
    expect(logs.json).toMatchObject({ logs: [{ level: 'info', message: 'said hi' }], truncated: false });
    const recent = await call(server, 'GET', '/v1/functions/talk/logs?limit=1');
    expect(recent.json).toMatchObject({ logs: [{ invocationId: id, message: 'said hi' }], gap: false });
  });

  it('goes on with a log behind its cursor, and says when the cursor is of another start', async () => {
    await deploy(server, 'chat', 'exports.handler = (event) => console.log(event.say)');
    await invoke(server, 'chat', { say: 'one' });
    const path = '/v1/functions/chat/logs';
    const { cursor } = (await call(server, 'GET', path)).json as { cursor: string };
    for (const say of ['two', 'three']) await invoke(server, 'chat', { say });
    const second = (await call(server, 'GET', `${path}?limit=1&after=${cursor}`)).json as { cursor: string };
    expect(second).toMatchObject({ logs: [{ message: 'two' }], gap: false, more: true });
    const third = (await call(server, 'GET', `${path}?after=${second.cursor}`)).json;
    expect(third).toMatchObject({ logs: [{ message: 'three' }], gap: false, more: false });
    const foreign = await call(server, 'GET', `${path}?after=${'A'.repeat(22)}`);
    expect(foreign.json).toMatchObject({ logs: [{}, {}, {}], gap: true });
    expect((await call(server, 'GET', `${path}?after=x`)).status).toBe(400);
  });

  it('shows counts and percentiles of a function to its tenant alone', async () => {
    await deploy(server, 'counted', 'exports.handler = ({ fail }) => { if (fail) throw new Error("no"); }');
    for (const fail of [false, false, true]) await invoke(server, 'counted', { fail });
    const path = '/v1/functions/counted/stats';
    expect((await call(server, 'GET', path)).json).toMatchObject({
      ...{ windowMs: 3_600_000, invocations: 3, failed: 1, errors: { function_error: 1 } },
      handlerMs: { p50: expect.any(Number), max: expect.any(Number) },
    });
    expect((await call(server, 'GET', `${path}?qualifier=$LATEST`)).json).toMatchObject({ invocations: 3 });
    expect((await call(server, 'GET', `${path}?qualifier=9`)).status).toBe(404);
    expect((await call(server, 'GET', path, { headers: { 'Strata-Tenant': 'other' } })).status).toBe(404);
  });

  it('takes an empty body for {} and any content type for JSON', async () => {
    await deploy(server, 'echo', 'exports.handler = (event) => event');
    expect((await call(server, 'POST', '/v1/functions/echo/invocations')).json).toEqual({});
    const typed = { 'Content-Type': 'text/plain; charset=weird' };
    expect((await invoke(server, 'echo', '"text"', typed)).json).toBe('text');
    expect((await invoke(server, 'echo', '{"é":"漢 😀","n":1e300}')).json).toEqual({ é: '漢 😀', n: 1e300 });
  });

  it('answers an event that is not JSON with invalid_request, and works afterwards', async () => {
    await deploy(server, 'echo', 'exports.handler = (event) => event');
    expect((await invoke(server, 'echo', '{"a":')).json).toMatchObject({
      code: 'invalid_request',
      status: 400,
    });
    expect((await invoke(server, 'echo', { a: 1 })).json).toEqual({ a: 1 });
  });

  it('answers what the function threw, with the headers of a success', async () => {
    await deploy(server, 'throws', 'exports.handler = () => { throw new TypeError("no such thing"); }');
    const reply = await invoke(server, 'throws');
    expect(reply.status).toBe(502);
    expect(reply.headers['content-type']).toBe('application/problem+json');
    expect(reply.headers['strata-start']).toBeDefined();
    expect(reply.json).toMatchObject({
      code: 'function_error',
      status: 502,
      retryable: false,
      invocationId: reply.headers['strata-invocation-id'],
      error: { type: 'TypeError', message: 'no such thing', stack: expect.stringContaining('index.js') },
    });
    const receipt = await call(server, 'GET', `/v1/invocations/${reply.headers['strata-invocation-id']}`);
    expect(receipt.json).toMatchObject({ status: 'failed', error: { code: 'function_error' } });
  });

  it('runs no handler in a dry run, and finds code that does not load', async () => {
    await deploy(server, 'dry', 'exports.handler = () => { throw new Error("called"); }');
    const dry = await call(server, 'POST', '/v1/functions/dry/invocations?mode=dry-run');
    expect(dry.json).toMatchObject({ status: 'ok', phasesMs: { load: expect.any(Number) } });
    await deploy(server, 'dry', 'this is not JavaScript');
    const broken = await call(server, 'POST', '/v1/functions/dry/invocations?mode=dry-run');
    expect(broken.json).toMatchObject({ code: 'init_error', status: 502 });
  });

  it('starts exactly from the layer that is asked for, or refuses with start_unavailable', async () => {
    await deploy(server, 'layers', 'exports.handler = () => 1');
    const cold = await invoke(server, 'layers', {}, { 'Strata-Require-Start': 'code' });
    expect(cold.json).toMatchObject({ code: 'start_unavailable', status: 412 });
    const none = await invoke(server, 'layers', {}, { 'Strata-Require-Start': 'none' });
    expect(none.headers['strata-start']).toBe('none');
    const warm = await invoke(server, 'layers', {}, { 'Strata-Require-Start': 'code' });
    expect(warm.headers['strata-start']).toBe('code');
  });
});

describe('operations', () => {
  it('is alive and ready', async () => {
    expect((await call(server, 'GET', '/healthz')).json).toEqual({ status: 'ok' });
    await server.logged(/"msg":"ready"/);
    expect((await call(server, 'GET', '/readyz')).json).toEqual({ status: 'ready' });
  });

  it('shows the pool, the metrics, the document and its page', async () => {
    const pools = await call(server, 'GET', '/v1/pools');
    const view = pools.json as { tiers: { isolate: { slots: Record<string, number> } } };
    const { free = -1, busy = -1, starting = -1, draining = -1, total } = view.tiers.isolate.slots;
    expect(free + busy + starting + draining).toBe(total);
    const metrics = await call(server, 'GET', '/metrics');
    expect(metrics.headers['content-type']).toMatch(/^text\/plain/);
    expect(metrics.text).toMatch(/^# HELP strata_/m);
    const document = await call(server, 'GET', '/openapi.json');
    expect(document.json).toMatchObject({ openapi: '3.1.0', info: { title: 'Strata' } });
    expect((await call(server, 'GET', '/docs')).headers['x-content-type-options']).toBe('nosniff');
  });
});
