/**
 * Waiting over HTTP: the longest that a client wants, and clients that go away.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, deploy, invoke } from './http-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;

/** Stays in the handler for as long as the event says. */
const HOLD = 'exports.handler = (event) => new Promise((resolve) => setTimeout(resolve, event.ms, event.ms))';

beforeAll(async () => {
  server = await startServer();
  await deploy(server, 'hold', HOLD, { maxInstances: 1, timeoutMs: 20_000 });
  await invoke(server, 'hold', { ms: 0 });
}, 60_000);

afterAll(() => server.stop(), 60_000);

const metric = async (name: string): Promise<number> => {
  const { text } = await call(server, 'GET', '/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? 0);
};

describe('a client that will not wait for ever', () => {
  it('is refused in its time, told when to come back, and served when something is ready', async () => {
    const holds = invoke(server, 'hold', { ms: 1_000 });
    const impatient = await invoke(server, 'hold', { ms: 0 }, { 'Strata-Max-Wait-Ms': '50' });
    expect(impatient.status).toBe(429);
    expect(Number(impatient.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(impatient.headers['strata-invocation-id']).toMatch(/^[\da-f-]{36}$/);
    expect(impatient.json).toMatchObject({
      invocationId: impatient.headers['strata-invocation-id'],
      ...{ code: 'queue_timeout', limit: { kind: 'maxWaitMs', configured: 50 } },
      retryAfterMs: expect.any(Number),
    });
    expect((await holds).json).toBe(1_000);
    expect((await invoke(server, 'hold', { ms: 0 }, { 'Strata-Max-Wait-Ms': '0' })).json).toBe(0);
  });
});

describe('a client that goes away', () => {
  it('leaves the line while it waits; one whose invocation runs leaves a receipt', async () => {
    const request = (ms: number): string => {
      const body = JSON.stringify({ ms });
      const head = `POST /v1/functions/hold/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}`;
      return `${head}\r\n\r\n${body}`;
    };
    const runs = connect(server.port, '127.0.0.1');
    const waits = connect(server.port, '127.0.0.1');
    runs.write(request(400));
    const inFlight = async (count: number): Promise<void> => {
      while ((await metric('strata_in_flight')) !== count);
    };
    await inFlight(1);
    waits.write(request(10_000));
    await inFlight(2);
    runs.destroy();
    waits.destroy();
    await Promise.all([once(runs, 'close'), once(waits, 'close')]);
    await inFlight(0);
    expect(await metric('strata_refusals_total{code="cancelled"}')).toBe(1);
    await server.logged(/"function":"hold".*"status":"succeeded".*"handlerMs":4\d\d/);
    expect((await invoke(server, 'hold', { ms: 0 })).json).toBe(0);
  });
});
