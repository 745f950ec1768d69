import { afterEach, describe, expect, it } from 'vitest';
import { call, deploy, invoke } from './http-client.ts';
import { type ServerProcess, startServer } from './server-process.ts';

let server: ServerProcess;

afterEach(() => server.stop(), 60_000);

/** Starts an invocation and returns when the server has it: it answers calls in the order it reads them. */
const startInvocation = async (name: string): Promise<{ reply: ReturnType<typeof invoke> }> => {
  const reply = invoke(server, name);
  // Read later, and its failure too; without a handler now a failure would end the test process.
  reply.catch(() => {});
  for (const _ of [1, 2, 3]) await call(server, 'GET', '/healthz');
  return { reply };
};

describe('SIGTERM', () => {
  it('lets what is in flight finish, refuses new work with draining, and exits 0', async () => {
    server = await startServer();
    const slow = 'exports.handler = () => new Promise((done) => setTimeout(() => done("finished"), 2000))';
    await deploy(server, 'slow', slow, { timeoutMs: 20_000 });
    const { reply } = await startInvocation('slow');
    server.signal('SIGTERM');
    await server.logged(/"draining"/);

    const refused = await invoke(server, 'slow');
    expect(refused.status).toBe(503);
    expect(refused.headers).toMatchObject({
      connection: 'close',
      'retry-after': expect.stringMatching(/^\d+$/),
    });
    expect(refused.json).toMatchObject({ code: 'draining', retryable: true });
    expect((await call(server, 'GET', '/readyz')).json).toMatchObject({ code: 'draining' });
    expect((await call(server, 'GET', '/healthz')).status).toBe(200);

    expect((await reply).json).toBe('finished');
    expect((await server.ended).code).toBe(0);
  }, 60_000);

  it('exits at once on a second signal', async () => {
    server = await startServer();
    await deploy(server, 'hang', 'exports.handler = () => new Promise((done) => setTimeout(done, 50000))', {
      timeoutMs: 60_000,
    });
    const { reply } = await startInvocation('hang');
    server.signal('SIGTERM');
    await server.logged(/"draining"/);
    server.signal('SIGINT');
    expect((await server.ended).code).toBe(1);
    await expect(reply).rejects.toThrow();
  }, 60_000);
});
