/**
 * The real HTTP server over a registry in memory, with an executor that notes each invocation instead of running it.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { ANSWER, FUNCTION_RECORD, scriptedExecutor } from '../../src/api/executor-fixture.ts';
import { createServer } from '../../src/api/server.ts';
import { StrataError } from '../../src/core/errors.ts';
import { ManualClock } from '../../src/ports/manual-clock.ts';
import { seededRandom } from '../../src/ports/random.ts';
import type { Registry } from '../../src/registry/api.ts';
import { MEMORY, openRegistry } from '../../src/registry/registry.ts';

/** An invocation as the executor was asked for it. */
export interface Invoked {
  readonly name: string;
  readonly tenant: string;
  readonly body: string;
}

export interface Served {
  readonly app: FastifyInstance;
  readonly registry: Registry;
  readonly invoked: Invoked[];
  close(): Promise<void>;
}

const EVENT_MAX_BYTES = 2_000;
const LIMITS = { eventMaxBytes: EVENT_MAX_BYTES, codeMaxBytes: 3_000, containerCodeMaxBytes: 9_000 };

export const serve = async (how: { readonly hasEveryFunction: boolean }): Promise<Served> => {
  const clock = new ManualClock();
  const registry = await openRegistry({ dataDir: MEMORY, clock, random: seededRandom(9), limits: LIMITS });
  const invoked: Invoked[] = [];
  const nowhere = (): never => {
    throw new StrataError('not_found', 'There is no such thing here.');
  };
  const executor = scriptedExecutor({
    deploy: ({ name, tenant = 'default', ...spec }) => registry.deploy(tenant, name, spec),
    invokeJson: async ({ function: name, tenant = 'default', eventJson }) => {
      invoked.push({ name, tenant, body: Buffer.from(eventJson ?? []).toString('latin1') });
      // Some are answered at once, others when what comes behind them has been read.
      for (let turns = (name.length + invoked.length) % 4; turns > 0; turns -= 1) await turn();
      return { ...ANSWER, resultJson: Buffer.from(JSON.stringify({ invoked: name })) };
    },
    // Before a large body is read the server asks whether there is such a function.
    get: (name, { tenant = 'default', qualifier } = {}) =>
      how.hasEveryFunction ? FUNCTION_RECORD : registry.get(tenant, name, qualifier),
    list: (query) => registry.list({ tenant: 'default', ...query }),
    delete: async (name, { tenant = 'default' } = {}) => (await registry.delete(tenant, name)).function,
    ...{ invocation: nowhere, logs: nowhere, pools: nowhere, poolsOf: nowhere, confinement: () => ({}) },
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
  });
  const app = createServer({
    executor,
    config: {
      server: {
        ...{ requestTimeoutMs: 30_000, headersTimeoutMs: 10_000 },
        ...{ maxConnections: 100, maxBodyBytesInFlight: 1_000_000 },
      },
      limits: LIMITS,
    },
    logger: pino({ level: 'silent' }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const close = async (): Promise<void> => {
    await app.close();
    registry.close();
  };
  return { app, registry, invoked, close };
};

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Sends bytes piece by piece and returns all that came back until the server closed the connection. */
export const exchange = async (
  { app }: Served,
  sent: readonly Buffer[],
  how: { readonly ends: boolean },
): Promise<Buffer> => {
  const socket: Socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.setNoDelay(true);
  await once(socket, 'connect');
  for (const piece of sent) {
    if (!socket.writable) break;
    socket.write(piece);
    if (sent.length > 1) await turn();
  }
  if (how.ends) socket.end();
  await closed;
  return Buffer.concat(chunks);
};
