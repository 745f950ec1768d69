import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/core/errors.ts';
import { call, deploy, exchange, invoke } from './http-client.ts';
import { runStrata, type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;

beforeAll(async () => {
  server = await startServer();
  await deploy(server, 'echo', 'exports.handler = (event) => event');
}, 60_000);

afterAll(() => server.stop(), 60_000);

const SPEC = { runtime: 'isolate', code: { source: 'exports.handler = () => 1' } };

const put = (body: unknown, name = 'bad') => call(server, 'PUT', `/v1/functions/${name}`, { body });

const expectProblem = (reply: Awaited<ReturnType<typeof call>>, code: ErrorCode): void => {
  expect(reply.headers['content-type']).toBe('application/problem+json');
  expect(reply.json).toMatchObject({
    code,
    status: ERROR_CATALOGUE[code].status,
    detail: expect.any(String),
  });
  expect(reply.status).toBe(ERROR_CATALOGUE[code].status);
};

describe('bad specs', () => {
  it.each<[string, unknown]>([
    ['malformed JSON', '{"runtime": isolate}'],
    ['no body', undefined],
    ['an unknown field', { ...SPEC, memory: 128 }],
    ['a value out of bounds', { ...SPEC, memoryMb: 1_000_000 }],
    ['a duplicate key', '{"runtime":"isolate","runtime":"isolate","code":{"source":"1"}}'],
    ['a __proto__ key', '{"runtime":"isolate","code":{"source":"1"},"__proto__":{"memoryMb":64}}'],
    ['no code', { runtime: 'isolate' }],
  ])('refuses %s', async (_what, body) => {
    expectProblem(await put(body), 'invalid_request');
  });

  it.each(['..%2Fescape', 'a%00b', 'a'.repeat(10_000), '%20', 'a.b', '%zz'])(
    'refuses a name like %.20s',
    async (name) => {
      expectProblem(await put(SPEC, name), 'invalid_request');
      expectProblem(await call(server, 'POST', `/v1/functions/${name}/invocations`), 'invalid_request');
    },
  );

  it('refuses code over its limit', async () => {
    const reply = await put({ runtime: 'isolate', code: { source: `//${'x'.repeat(10 * 1024 * 1024)}` } });
    expectProblem(reply, 'payload_too_large');
    expect(reply.json).toMatchObject({ limit: { kind: 'codeBytes', configured: 5 * 1024 * 1024 } });
  });
});

describe('bad invocations', () => {
  it('refuses a body over its limit also when its length is not announced', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const head =
      'POST /v1/functions/echo/invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n';
    const response = await exchange(server, `${head}${chunk.repeat(100)}0\r\n\r\n`);
    expect(response).toMatch(/^HTTP\/1\.1 413 /);
    expect(response).toContain('"limit":{"kind":"eventBytes","configured":6291456,"observed":null}');
  });

  it('refuses an event over its limit with both numbers, and takes the next one', async () => {
    const reply = await invoke(server, 'echo', `"${'x'.repeat(6 * 1024 * 1024)}"`);
    expectProblem(reply, 'payload_too_large');
    expect(reply.json).toMatchObject({
      limit: {
        kind: 'eventBytes',
        configured: 6 * 1024 * 1024,
        observed: 6 * 1024 * 1024 + 2,
      },
    });
    expect((await invoke(server, 'echo', [1])).json).toEqual([1]);
  });

  it.each(['mode=async&mode=async', 'mode=sync&mode=sync', 'mode=x', 'qualifier=', 'what=1'])(
    'refuses ?%s',
    async (query) => {
      expectProblem(await call(server, 'POST', `/v1/functions/echo/invocations?${query}`), 'invalid_request');
    },
  );

  it.each([
    ['Strata-Require-Start', 'hot'],
    ['Strata-Tenant', 'a b'],
    ['Strata-Tenant', ''],
  ])('refuses %s: "%s"', async (name, value) => {
    expectProblem(await invoke(server, 'echo', {}, { [name]: value }), 'invalid_request');
  });

  it('knows no version that was not published', async () => {
    expectProblem(await call(server, 'POST', '/v1/functions/echo/invocations?qualifier=9'), 'not_found');
  });
});

describe('bad HTTP', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/v1/functions/../../etc/passwd'],
    ['PATCH', '/v1/functions/echo'],
    ['PUT', '/v1/functions/echo/invocations'],
    ['GET', '/v1/invocations/00000000-0000-4000-8000-000000000000'],
  ])('answers %s %s with not_found', async (method, path) => {
    expectProblem(await call(server, method, path), 'not_found');
  });

  it.each([
    [
      'two lengths at once',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a length that is none', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n'],
    ['headers over the limit', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['a header with a bare newline', 'GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rC: d\r\n\r\n'],
    ['a TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])],
    ['no host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ])('answers %s with invalid_request and closes', async (_what, bytes) => {
    const response = await exchange(server, bytes);
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    const problem = JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4));
    expect(problem).toMatchObject({ code: 'invalid_request', status: 400 });
  });

  it.each([
    ['Host', 'strata.example:7070'],
    ['Origin', 'https://evil.example'],
  ])('refuses the %s of a web page', async (name, value) => {
    expectProblem(await invoke(server, 'echo', {}, { [name]: value }), 'forbidden');
  });

  it('goes on serving', async () => {
    expect((await invoke(server, 'echo', { still: 'here' })).json).toEqual({ still: 'here' });
  });
});

describe('starting where it must not', () => {
  it.each(['0.0.0.0', '::', '192.0.2.1'])('refuses to listen on %s and says why', async (host) => {
    const { code, stderr } = await runStrata([
      'serve',
      '--host',
      host,
      '--port',
      '0',
      '--data-dir',
      '/nonexistent',
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^forbidden: .*no keys/);
  });

  it('says so when the port is taken', async () => {
    const { code, stderr } = await runStrata([
      'serve',
      '--port',
      String(server.port),
      '--data-dir',
      ':memory:',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(`Port ${server.port} on 127.0.0.1 is in use`);
  }, 30_000);
});
