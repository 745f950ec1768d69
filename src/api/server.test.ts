import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, failure, StrataError } from '../core/errors.ts';
import type { Executor } from '../invocation/api.ts';
import { ANSWER, FUNCTION_RECORD, notFound, scriptedExecutor } from './executor-fixture.ts';
import { createServer } from './server.ts';

const SETTINGS = {
  server: {
    ...{ requestTimeoutMs: 30_000, headersTimeoutMs: 10_000 },
    ...{ maxConnections: 100, maxBodyBytesInFlight: 1_000_000 },
  },
  limits: { eventMaxBytes: 1_000, codeMaxBytes: 3_000, containerCodeMaxBytes: 9_000 },
};

const open: FastifyInstance[] = [];

const serve = (calls: Partial<Executor> = {}, settings: Partial<(typeof SETTINGS)['server']> = {}) => {
  const app = createServer({
    executor: scriptedExecutor(calls),
    config: { ...SETTINGS, server: { ...SETTINGS.server, ...settings } },
    logger: pino({ level: 'silent' }),
  });
  open.push(app);
  return app;
};

afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

/** Sends bytes as they are and answers with all that comes back until the server closes the connection. */
const exchange = async (app: FastifyInstance, text: string): Promise<string> => {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.write(text);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
};

const problemIn = (response: string): Record<string, unknown> =>
  JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;

describe('invocations', () => {
  it('passes event and result through as bytes and names start, version, cost and phases in headers', async () => {
    let seen: unknown;
    const app = serve({
      invokeJson: async (request) => {
        seen = { ...request, eventJson: Buffer.from(request.eventJson).toString() };
        return ANSWER;
      },
    });
    const response = await app.inject({
      method: 'POST',
      url: '/v1/functions/hello/invocations?qualifier=3',
      headers: {
        ...{ 'strata-tenant': 'acme', 'strata-require-start': 'runtime', 'strata-max-wait-ms': '250' },
        'content-type': 'text/plain',
      },
      payload: '{ "name" : "Ada" }',
    });
    expect(seen).toEqual({
      function: 'hello',
      tenant: 'acme',
      qualifier: '3',
      requireStart: 'runtime',
      maxWaitMs: 250,
      onWait: expect.any(Function),
      invocationId: ANSWER.invocationId,
      eventJson: '{ "name" : "Ada" }',
    });
    expect(response.statusCode).toBe(200);
    expect(response.body).toBe('{"hello":"Ada"}');
    expect(response.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': '15',
      'strata-invocation-id': ANSWER.invocationId,
      'strata-start': 'code',
      'strata-version': '$LATEST',
      'strata-cu-seconds': '0.000000700',
      'server-timing':
        'queue;dur=0.020, provision;dur=0.000, boot;dur=0.000, load;dur=0.000, init;dur=0.000, handler;dur=0.124',
    });
  });

  it('sends an absent body as no bytes', async () => {
    let bytes = -1;
    const app = serve({
      invokeJson: async (request) => {
        bytes = request.eventJson.byteLength;
        return ANSWER;
      },
    });
    await app.inject({ method: 'POST', url: '/v1/functions/hello/invocations' });
    expect(bytes).toBe(0);
  });

  it('answers a refused invocation with a problem, when to come again, and its id', async () => {
    const invokeJson = async () => {
      throw new StrataError('overloaded', 'The queue is full – höchste Zeit.', { retryAfterMs: 1_500 });
    };
    const app = serve({ invokeJson, newInvocationId: () => 'the-id' });
    const response = await app.inject({ method: 'POST', url: '/v1/functions/hello/invocations' });
    expect(response.statusCode).toBe(429);
    expect(response.headers).toMatchObject({
      ...{ 'content-type': 'application/problem+json', 'retry-after': '2' },
      ...{ 'strata-invocation-id': 'the-id', 'content-length': String(response.rawPayload.length) },
    });
    expect(response.json()).toMatchObject({
      ...{ code: 'overloaded', detail: 'The queue is full – höchste Zeit.' },
      ...{ retryAfterMs: 1_500, invocationId: 'the-id' },
    });
  });

  it.each<[string, string, number, string?]>([
    ['a body over the limit', 'Content-Length: 1001\r\n', 413],
    ['a function that is not there, before the body', 'Transfer-Encoding: chunked\r\n', 404],
    ['a bad tenant', 'Strata-Tenant: a b\r\n', 400],
    ['a bad header', 'Strata-Require-Start: hot\r\n', 400],
    ['an expectation', 'Expect: miracles\r\n', 400],
    ['another site', 'Origin: https://evil.example\r\n', 403],
    ['a name that cannot be read', '', 400, '%zz'],
    ['a bad query', '', 400, 'hello/invocations?mode=x'],
    ['a bad query, its path in another spelling', '', 400, 'hello/%69nvocations?mode=x'],
    ['a fault inside the server', '', 500],
  ])('gives an invocation an id that is refused for %s', async (_what, header, status, path = 'hello') => {
    let made = 0;
    const app = serve({
      get: (name) => {
        throw notFound(name);
      },
      invokeJson: async () => {
        throw new Error('a fault');
      },
      newInvocationId: () => {
        made += 1;
        return `id-${made}`;
      },
    });
    const url = `/v1/functions/${path.includes('/') ? path : `${path}/invocations`}`;
    const body = header.startsWith('Transfer')
      ? '0\r\n\r\n'
      : 'x'.repeat(Number(/\d+/.exec(header)?.[0] ?? 0));
    const head = `POST ${url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${header}\r\n`;
    const response = await exchange(app, `${head}${body}`);
    expect(response).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(response.match(/^Strata-Invocation-Id: (.*)\r$/gim)).toHaveLength(1);
    expect(response).toMatch(/^Strata-Invocation-Id: id-1\r$/im);
    expect(problemIn(response)).toMatchObject({ status, invocationId: 'id-1' });
    expect(made).toBe(1);
  });

  it('gives an id to an invocation only', async () => {
    const app = serve();
    for (const [method, query, status] of [
      ['PUT', '', 404],
      ['GET', '?limit=0', 400],
    ] as const) {
      const response = await app.inject({ method, url: `/v1/functions/hello/invocations${query}` });
      expect(response.statusCode).toBe(status);
      expect(response.headers['strata-invocation-id']).toBeUndefined();
      expect(response.json()).not.toHaveProperty('invocationId');
    }
  });

  it('answers a failed invocation with a problem and the same headers as a success', async () => {
    const failed = failure('function_error', 'The handler threw TypeError.', {
      error: { type: 'TypeError', message: 'no', stack: 'at index.js:1' },
    });
    const app = serve({ invokeJson: async () => ({ ...ANSWER, resultJson: null, failure: failed }) });
    const response = await app.inject({ method: 'POST', url: '/v1/functions/hello/invocations' });
    expect(response.statusCode).toBe(502);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.headers['strata-start']).toBe('code');
    expect(response.json()).toEqual({
      type: 'urn:strata:error:function_error',
      code: 'function_error',
      title: ERROR_CATALOGUE.function_error.meaning,
      status: 502,
      detail: 'The handler threw TypeError.',
      retryable: false,
      invocationId: ANSWER.invocationId,
      error: { type: 'TypeError', message: 'no', stack: 'at index.js:1' },
    });
  });

  it('answers a dry run with its phases', async () => {
    const app = serve({ invokeJson: async () => ({ ...ANSWER, resultJson: Buffer.from('null') }) });
    const response = await app.inject({
      method: 'POST',
      url: '/v1/functions/hello/invocations?mode=dry-run',
    });
    expect(response.json()).toMatchObject({ status: 'ok', phasesMs: { queue: 0.02, handler: 0.1239 } });
  });

  it('closes the connection and tells when to retry while draining', async () => {
    const app = serve({
      invokeJson: async () => {
        throw new StrataError('draining', 'The server drains.', { retryAfterMs: 1_001 });
      },
    });
    const response = await app.inject({ method: 'POST', url: '/v1/functions/hello/invocations' });
    expect(response.statusCode).toBe(503);
    expect(response.headers).toMatchObject({ 'retry-after': '2', connection: 'close' });
    expect(response.json()).toMatchObject({ code: 'draining', retryable: true });
  });

  it('refuses an event over the limit with both numbers', async () => {
    const response = await serve().inject({
      method: 'POST',
      url: '/v1/functions/hello/invocations',
      payload: 'x'.repeat(1_001),
    });
    expect(response.statusCode).toBe(413);
    expect(response.json()).toMatchObject({
      code: 'payload_too_large',
      limit: { kind: 'eventBytes', configured: 1_000, observed: 1_001 },
    });
  });

  it.each([
    [
      'a bound for the wait of nobody',
      '/v1/functions/hello/invocations?mode=async',
      { 'strata-max-wait-ms': '5' },
      /who wait/,
    ],
    [
      'a key without mode=async',
      '/v1/functions/hello/invocations',
      { 'strata-idempotency-key': 'k' },
      /mode=async alone/,
    ],
    ['an unknown mode', '/v1/functions/hello/invocations?mode=later', {}, /"later"/],
    ['an unknown parameter', '/v1/functions/hello/invocations?qualifer=1', {}, /"qualifer"/],
    ['a parameter twice', '/v1/functions/hello/invocations?mode=sync&mode=sync', {}, /twice/],
    [
      'an unknown layer',
      '/v1/functions/hello/invocations',
      { 'strata-require-start': 'hot' },
      /none, container/,
    ],
    ['a bad tenant', '/v1/functions/hello/invocations', { 'strata-tenant': '../x' }, /Strata-Tenant/],
    ['a name that climbs', '/v1/functions/..%2F..%2Fetc/invocations', {}, /letters, digits/],
    ['NUL in a name', '/v1/functions/a%00b/invocations', {}, /letters, digits/],
    [
      'a name of 10,000 characters',
      `/v1/functions/${'a'.repeat(10_000)}/invocations`,
      {},
      /10000 characters/,
    ],
    ['malformed percent-encoding', '/v1/functions/%zz/invocations', {}, /cannot be read/],
  ])('refuses %s with invalid_request', async (_what, url, headers, detail) => {
    const response = await serve().inject({ method: 'POST', url, headers });
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toMatchObject({ code: 'invalid_request' });
    expect(response.json<{ detail: string }>().detail).toMatch(detail);
  });
});

describe('Strata-Max-Wait-Ms', () => {
  const url = '/v1/functions/hello/invocations';

  it.each(['0', '900000'])('may be %s', async (value) => {
    const seen: unknown[] = [];
    const app = serve({
      invokeJson: async ({ maxWaitMs }) => {
        seen.push(maxWaitMs);
        return ANSWER;
      },
    });
    const headers = { 'strata-max-wait-ms': value };
    expect((await app.inject({ method: 'POST', url, headers })).statusCode).toBe(200);
    expect(seen).toEqual([Number(value)]);
  });

  it.each(['', 'soon', '-1', '900001', '1.5', '1e3', '0x1', '1, 2', '9'.repeat(400)])(
    'may not be %j',
    async (value) => {
      const headers = { 'strata-max-wait-ms': value };
      const response = await serve().inject({ method: 'POST', url, headers });
      expect(response.json()).toMatchObject({ code: 'invalid_request', status: 400 });
      expect(response.json<{ detail: string }>().detail).toMatch(/^Strata-Max-Wait-Ms.* 0 to 900000/);
    },
  );
});

describe('a client that goes away', () => {
  const REQUEST =
    'POST /v1/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}';

  /** An executor of which every invocation waits until it is cancelled or served. */
  const waitingServer = async () => {
    const waits: { cancel: () => void; serve: () => void }[] = [];
    let cancelled = 0;
    let arrived = (): void => {};
    const app = serve({
      invokeJson: ({ onWait }) =>
        new Promise((resolve, reject) => {
          const cancel = (): void => {
            cancelled += 1;
            reject(new StrataError('cancelled', 'The caller went away.'));
            arrived();
          };
          onWait?.(cancel);
          waits.push({ cancel, serve: () => resolve(ANSWER) });
          arrived();
        }),
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const sockets: Socket[] = [];
    app.server.on('connection', (socket) => sockets.push(socket));
    const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => {});
    const until = async (done: () => boolean): Promise<void> => {
      while (!done()) {
        await new Promise<void>((resolve) => {
          arrived = resolve;
        });
      }
    };
    return { waits, sockets, client, until, cancelled: () => cancelled };
  };

  it('cancels each of its invocations that waits, pipelined ones too', async () => {
    const { waits, client, until, cancelled } = await waitingServer();
    client.write(REQUEST.repeat(20));
    await until(() => waits.length === 20);
    expect(cancelled()).toBe(0);
    client.destroy();
    await until(() => cancelled() === 20);
    expect(cancelled()).toBe(20);
  });

  it('cancels nothing once it has its answer, and nothing is left on its connection', async () => {
    const { waits, client, sockets, until, cancelled } = await waitingServer();
    client.write(REQUEST);
    await until(() => waits.length === 1);
    const whileItWaits = sockets[0]?.listenerCount('close') ?? 0;
    waits[0]?.serve();
    await once(client, 'data');
    expect(sockets[0]?.listenerCount('close')).toBeLessThan(whileItWaits);
    client.destroy();
    await once(sockets[0] as Socket, 'close');
    expect(cancelled()).toBe(0);
  });

  it('is not looked for by an invocation that is served at once', async () => {
    let seen: Socket | undefined;
    const counts: number[] = [];
    const app = serve({
      invokeJson: async () => {
        counts.push(seen?.listenerCount('close') ?? -1);
        return ANSWER;
      },
    });
    app.addHook('onRequest', (request, _reply, done) => {
      seen = request.raw.socket;
      counts.push(seen.listenerCount('close'));
      done();
    });
    await exchange(app, REQUEST.replace('Content-Length', 'Connection: close\r\nContent-Length'));
    expect(counts).toHaveLength(2);
    expect(counts[1]).toBe(counts[0]);
  });
});

describe('functions', () => {
  const spec = { runtime: 'isolate', code: { source: 'exports.handler = () => 1' } };

  it.each([
    [true, 201],
    [false, 200],
  ])('answers a deployment (created: %s) with %i and without internal ids', async (created, status) => {
    const app = serve({ deploy: async () => ({ function: FUNCTION_RECORD, created }) });
    const response = await app.inject({ method: 'PUT', url: '/v1/functions/hello', payload: spec });
    expect(response.statusCode).toBe(status);
    const body = response.json<Record<string, unknown>>();
    expect(body).toMatchObject({
      name: 'hello',
      env: { MODE: 'test' },
      code: { digest: FUNCTION_RECORD.codeDigest, bytes: 42 },
    });
    for (const internal of ['id', 'tenant', 'codeDigest', 'codeBytes'])
      expect(body).not.toHaveProperty(internal);
  });

  it('hands every other field of the body to the registry untouched', async () => {
    let seen: unknown;
    const app = serve({
      deploy: async (given) => {
        seen = given;
        return { function: FUNCTION_RECORD, created: true };
      },
    });
    await app.inject({ method: 'PUT', url: '/v1/functions/hello', payload: { ...spec, surprise: 1 } });
    expect(seen).toEqual({ ...spec, surprise: 1, name: 'hello', tenant: 'default' });
  });

  it.each([
    ['malformed JSON', '{"runtime":', /not JSON/],
    ['an empty body', '', /not a JSON object/],
    ['an array', '[]', /not a JSON object/],
    ['a duplicate key', '{"runtime":"isolate","runtime":"python3"}', /"runtime" occurs twice/],
    ['__proto__', '{"__proto__":{"admin":true}}', /"__proto__" is not allowed/],
    ['constructor', '{"code":{"files":{"constructor":"x"}}}', /"constructor" is not allowed/],
    ['a tenant in the body', '{"tenant":"other"}', /header Strata-Tenant/],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
  ])('refuses %s', async (_what, payload, detail) => {
    const response = await serve().inject({
      method: 'PUT',
      url: '/v1/functions/hello',
      headers: { 'content-type': 'application/json' },
      payload,
    });
    expect(response.json()).toMatchObject({ code: 'invalid_request', status: 400 });
    expect(response.json<{ detail: string }>().detail).toMatch(detail);
  });

  it('refuses code over the limit with both numbers', async () => {
    const payload = 'x'.repeat(4_000 + 64 * 1024 + 1);
    const response = await serve().inject({ method: 'PUT', url: '/v1/functions/hello', payload });
    expect(response.json()).toMatchObject({
      code: 'payload_too_large',
      limit: { kind: 'codeBytes', configured: 3_000, observed: payload.length },
    });
  });

  it('lets the archive of a container’s function through where containers are served', async () => {
    let seen = 0;
    const app = serve({
      runtimes: () => [{ runtime: 'python3', tier: 'container', available: true, reason: null }],
      deploy: async ({ code }) => {
        seen = 'zip' in code ? code.zip.length : 0;
        return { function: FUNCTION_RECORD, created: true };
      },
    });
    const payload = { runtime: 'python3', code: { zip: 'A'.repeat(72_000) } };
    const response = await app.inject({ method: 'PUT', url: '/v1/functions/hello', payload });
    expect(response.statusCode).toBe(201);
    expect(seen).toBe(72_000);
  });

  it('lists by page and by every label given', async () => {
    let seen: unknown;
    const app = serve({
      list: (query) => {
        seen = query;
        return { functions: [FUNCTION_RECORD], nextCursor: 'next' };
      },
    });
    const url = '/v1/functions?limit=5&cursor=abc&label=team:a&label=url:http://x';
    const response = await app.inject({ url });
    expect(seen).toEqual({
      tenant: 'default',
      limit: 5,
      cursor: 'abc',
      labels: { team: 'a', url: 'http://x' },
    });
    expect(response.json()).toMatchObject({ functions: [{ name: 'hello' }], nextCursor: 'next' });
  });

  it.each(['limit=0', 'limit=1001', 'limit=x', 'label=novalue', 'page=2', 'label=a:1&label=a:2'])(
    'refuses to list with ?%s',
    async (query) => {
      const response = await serve().inject({ url: `/v1/functions?${query}` });
      expect(response.json()).toMatchObject({ code: 'invalid_request', status: 400 });
    },
  );

  it('deletes with 204 and maps a refusal of the executor', async () => {
    const app = serve({
      delete: async (name) => {
        if (name !== 'hello') throw notFound(name);
        return FUNCTION_RECORD;
      },
    });
    expect((await app.inject({ method: 'DELETE', url: '/v1/functions/hello' })).statusCode).toBe(204);
    const missing = await app.inject({ method: 'DELETE', url: '/v1/functions/other' });
    expect(missing.json()).toMatchObject({ code: 'not_found', status: 404, retryable: false });
  });
});

describe('everything else', () => {
  it('names the methods that a path takes', async () => {
    const response = await serve().inject({ method: 'PATCH', url: '/v1/functions/hello' });
    expect(response.statusCode).toBe(404);
    expect(response.headers.allow).toBe('PUT, GET, DELETE');
    expect(response.json()).toMatchObject({ code: 'not_found', detail: expect.stringContaining('PATCH') });
  });

  it('answers an unknown path with a problem', async () => {
    const response = await serve().inject({ method: 'POST', url: '/nowhere?x=1', payload: 'not json' });
    expect(response.json()).toMatchObject({ code: 'not_found', status: 404 });
  });

  it('shows nothing of an unexpected fault', async () => {
    const app = serve({
      poolsOf: () => {
        throw new Error('secret path /root');
      },
    });
    const response = await app.inject({ url: '/v1/pools' });
    expect(response.json()).toMatchObject({ code: 'internal_error', status: 500 });
    expect(response.body).not.toContain('secret');
  });

  it.each([
    ['ready', 200, { status: 'ready' }],
    ['starting', 503, { status: 'starting' }],
    ['draining', 503, { code: 'draining' }],
  ] as const)('is %s at /readyz', async (state, status, body) => {
    const response = await serve({ state: () => state }).inject({ url: '/readyz' });
    expect(response.statusCode).toBe(status);
    expect(response.json()).toMatchObject(body);
  });

  it('describes every call and every error code in OpenAPI 3.1', async () => {
    const response = await serve().inject({ url: '/openapi.json' });
    const document = response.json();
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toMatchObject({
      title: 'Strata',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    const calls = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(calls.sort()).toEqual(
      [
        'PUT /v1/functions/{name}',
        'POST /v1/functions/{name}/versions',
        'GET /v1/functions/{name}/versions',
        'DELETE /v1/functions/{name}/versions/{version}',
        'GET /v1/functions/{name}/aliases',
        'GET /v1/functions/{name}/aliases/{alias}',
        'PUT /v1/functions/{name}/aliases/{alias}',
        'DELETE /v1/functions/{name}/aliases/{alias}',
        'GET /v1/functions/{name}',
        'DELETE /v1/functions/{name}',
        'GET /v1/functions',
        'GET /v1/functions/{name}/logs',
        'GET /v1/functions/{name}/stats',
        'GET /v1/functions/{name}/invocations',
        'GET /v1/functions/{name}/dead-letters',
        'GET /v1/functions/{name}/webhook-secret',
        'DELETE /v1/functions/{name}/dead-letters',
        'DELETE /v1/functions/{name}/dead-letters/{id}',
        'DELETE /v1/invocations/{id}',
        'POST /v1/functions/{name}/dead-letters/redrive',
        'POST /v1/functions/{name}/dead-letters/{id}/redrive',
        'POST /v1/functions/{name}/invocations',
        'GET /v1/invocations/{id}',
        'GET /v1/invocations/{id}/logs',
        'GET /v1/pools',
        'GET /v1/usage',
        'GET /v1/usage/receipts',
        'GET /healthz',
        'GET /readyz',
        'GET /metrics',
        'GET /openapi.json',
        'GET /v1/audit',
        'GET /v1/tenants',
        'POST /v1/tenants',
        'GET /v1/tenants/{tenant}',
        'PATCH /v1/tenants/{tenant}',
        'DELETE /v1/tenants/{tenant}',
        'GET /v1/tenants/{tenant}/keys',
        'POST /v1/tenants/{tenant}/keys',
        'DELETE /v1/tenants/{tenant}/keys/{id}',
        'POST /v1/tenants/{tenant}/keys/{id}/rotate',
      ].sort(),
    );
    expect(document.components.schemas.Problem.properties.code.enum.sort()).toEqual(
      Object.keys(ERROR_CATALOGUE).sort(),
    );
    const invoke = document.paths['/v1/functions/{name}/invocations'].post;
    expect(invoke.responses['412'].content['application/problem+json'].schema).toEqual({
      $ref: '#/components/schemas/Problem',
    });
    expect(JSON.stringify(document)).not.toContain('Problem#');
    expect(invoke.responses['429'].headers).toHaveProperty('Retry-After');
    expect(invoke.responses).not.toHaveProperty('499');
    expect(invoke.parameters).toContainEqual(
      expect.objectContaining({
        ...{ in: 'header', name: 'Strata-Max-Wait-Ms', required: false },
        schema: { type: 'integer', minimum: 0, maximum: 900_000 },
      }),
    );
  });

  it('serves the documentation page without letting browsers guess its type', async () => {
    const response = await serve().inject({ url: '/docs' });
    expect(response.statusCode).toBe(200);
    expect(response.headers['x-content-type-options']).toBe('nosniff');
    expect(response.body).toContain('swagger-ui');
  });
});

describe('on the wire', () => {
  const get = (headers: string): string => `GET /healthz HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`;

  it.each(['localhost', '127.0.0.1:7070', '[::1]:80', 'LOCALHOST:1', '127.8.8.8'])(
    'answers to %s',
    async (host) => {
      expect(await exchange(serve(), get(`Host: ${host}\r\n`))).toMatch(/^HTTP\/1\.1 200 /);
    },
  );

  it.each(['evil.example', 'localhost.evil.example', '10.0.0.1:7070', '127.0.0.1.evil.example', '[::2]'])(
    'refuses the host %s',
    async (host) => {
      const response = await exchange(serve(), get(`Host: ${host}\r\n`));
      expect(response).toMatch(/^HTTP\/1\.1 403 /);
      expect(problemIn(response)).toMatchObject({ code: 'forbidden', status: 403 });
    },
  );

  it.each([
    ['no Host', get('')],
    [
      'length and chunks at once',
      'POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['headers over the limit', get(`Host: localhost\r\nX: ${'y'.repeat(20_000)}\r\n`)],
    ['what is not HTTP', 'hello\r\n\r\n'],
    [
      'another expectation',
      'POST /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    ],
    ['a target that names a host', 'GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['no path', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    [
      'chunks in HTTP/1.0',
      'POST /healthz HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a coding that it does not undo',
      'POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('answers %s with a problem and closes', async (_what, text) => {
    const response = await exchange(serve(), text);
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(response).toMatch(/^content-type: application\/problem\+json\r$/im);
    expect(problemIn(response)).toMatchObject({ code: 'invalid_request', status: 400 });
  });

  it('serves nothing that comes behind what it refused and closed for', async () => {
    const deleted: unknown[] = [];
    const app = serve({
      delete: async (name) => {
        deleted.push(name);
        return FUNCTION_RECORD;
      },
    });
    const behind = 'DELETE /v1/functions/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const gzip = 'Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n';
    const first = `POST /v1/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\n${gzip}`;
    const response = await exchange(app, first + behind);
    expect(problemIn(response)).toMatchObject({ code: 'invalid_request' });
    expect(deleted).toEqual([]);
    await exchange(app, behind);
    expect(deleted).toEqual(['hello']);
  });

  it('answers once where the body behind an early answer is broken', async () => {
    const app = serve({
      get: (name) => {
        throw notFound(name);
      },
    });
    const response = await exchange(
      app,
      'POST /v1/functions/nobody/invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    );
    expect(problemIn(response)).toMatchObject({ code: 'not_found' });
  });

  it.each(['localhost', 'evil.example'])('refuses %s as a second host', async (host) => {
    const response = await exchange(serve(), get(`Host: localhost\r\nHost: ${host}\r\n`));
    expect(problemIn(response)).toMatchObject({ code: 'forbidden' });
  });

  it('answers before a body that is too large has come, and takes the rest of it', async () => {
    const size = 30 * 1024 * 1024;
    const app = serve();
    await app.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(`POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(problemIn(answer.toString())).toMatchObject({ code: 'payload_too_large' });
    socket.write(Buffer.alloc(size));
    const [hadError] = (await once(socket, 'close')) as [boolean];
    expect(hadError).toBe(false);
  });

  it('stops reading a body that goes on without end behind its answer', async () => {
    const app = serve();
    await app.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n');
    const closed = new Promise<void>((resolve) => {
      socket.on('close', () => resolve());
    });
    const piece = Buffer.alloc(1024 * 1024);
    const send = (): void => void (socket.writable && socket.write(piece, send));
    send();
    await closed;
    expect(socket.bytesWritten).toBeLessThan(80 * 1024 * 1024);
  });

  it.each(['https://evil.example', 'null', 'http://localhost:1'])('refuses pages from %s', async (origin) => {
    const response = await exchange(serve(), get(`Host: localhost:7070\r\nOrigin: ${origin}\r\n`));
    expect(problemIn(response)).toMatchObject({ code: 'forbidden' });
  });

  it('takes calls from its own page', async () => {
    const response = await exchange(
      serve(),
      get('Host: localhost:7070\r\nOrigin: http://localhost:7070\r\n'),
    );
    expect(response).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('disconnects who sends a body too slowly, with a problem', async () => {
    const app = serve({}, { requestTimeoutMs: 100, headersTimeoutMs: 100 });
    const response = await exchange(
      app,
      'POST /v1/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{',
    );
    expect(problemIn(response)).toMatchObject({
      code: 'invalid_request',
      detail: expect.stringContaining('100 ms'),
    });
  });

  it('closes a connection that was opened and never used without an answer that nobody asked for', async () => {
    expect(await exchange(serve({}, { headersTimeoutMs: 100 }), '')).toBe('');
    const late = await exchange(serve({}, { headersTimeoutMs: 100 }), 'GET /healthz HTTP/1.1\r\n');
    expect(problemIn(late)).toMatchObject({ code: 'invalid_request' });
  });

  it.each(['PROPFIND', 'TRACE'])('answers the method %s with a problem', async (method) => {
    const response = await exchange(
      serve(),
      `${method} /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(problemIn(response)).toMatchObject({ code: 'not_found', status: 404 });
  });
});
