import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InvokeJsonAnswer } from '../invocation/api.ts';
import { ANSWER, FUNCTION_RECORD, notFound, scriptedExecutor } from './executor-fixture.ts';
import { createServer } from './server.ts';

const BUDGET = 300_000;
const PATH = '/v1/functions/hello/invocations';

let app: FastifyInstance;
let sockets: Socket[];
/** Invocations that the executor has, to be answered by the test. */
let running: ((answer: InvokeJsonAnswer) => void)[];
let arrived: () => void;

const start = (maxConnections = 100): void => {
  app = createServer({
    executor: scriptedExecutor({
      get: (name) => {
        if (name !== 'hello') throw notFound(name);
        return FUNCTION_RECORD;
      },
      invokeJson: () =>
        new Promise((resolve) => {
          running.push(resolve);
          arrived();
        }),
    }),
    config: {
      server: {
        ...{ requestTimeoutMs: 30_000, headersTimeoutMs: 10_000 },
        ...{ maxConnections, maxBodyBytesInFlight: BUDGET },
      },
      limits: { eventMaxBytes: 400_000, codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
    },
    logger: pino({ level: 'silent' }),
  });
};

beforeEach(() => {
  sockets = [];
  running = [];
  arrived = () => {};
  start();
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const answer of running) answer(ANSWER);
  await app.close();
});

const open = async (): Promise<Socket> => {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => {});
  sockets.push(socket);
  return socket;
};

const head = (length: number | 'chunked', path = PATH): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n`;

const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;

/** Sends a whole body and resolves when the executor has it. */
const occupy = async (bytes: number): Promise<Socket> => {
  const socket = await open();
  const there = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  socket.write(head(bytes) + 'x'.repeat(bytes));
  await there;
  return socket;
};

const answerOf = async (socket: Socket): Promise<string> => {
  const chunks: Buffer[] = [];
  socket.on('data', (data) => chunks.push(data));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
};

const problemIn = (response: string): Record<string, unknown> =>
  JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4)) as Record<string, unknown>;

const refusal = {
  ...{ code: 'overloaded', invocationId: ANSWER.invocationId },
  limit: { kind: 'bodyBytesInFlight', configured: BUDGET },
};

describe('bodies in flight', () => {
  it('are refused beyond the budget by the length they announce, with when to retry, and disconnected', async () => {
    await occupy(200_000);
    const socket = await open();
    socket.write(head(150_000) + 'x'.repeat(150_000));
    const response = await answerOf(socket);
    expect(response).toMatch(/^HTTP\/1\.1 429 /);
    expect(response).toMatch(/^retry-after: 1\r$/im);
    expect(response).toMatch(/^connection: close\r$/im);
    expect(problemIn(response)).toMatchObject({
      ...refusal,
      limit: { ...refusal.limit, observed: 350_000 },
    });
    expect(running).toHaveLength(1);
  });

  it('are refused while they arrive when they announced no length', async () => {
    await occupy(200_000);
    const socket = await open();
    socket.write(`${head('chunked') + chunk(90_000) + chunk(90_000)}0\r\n\r\n`);
    expect(problemIn(await answerOf(socket))).toMatchObject(refusal);
    expect(running).toHaveLength(1);
  });

  it('give back what they took when they are answered, and when their client goes', async () => {
    const answered = await occupy(200_000);
    running.pop()?.(ANSWER);
    await once(answered, 'data');
    const connected = once(app.server, 'connection') as Promise<[Socket]>;
    const second = await occupy(200_000);
    const [server] = await connected;
    second.destroy();
    await once(server, 'close');
    await occupy(200_000);
    expect(running).toHaveLength(2);
  });

  it('are always taken alone, up to the limit of the route', async () => {
    await occupy(350_000);
    expect(running).toHaveLength(1);
  });

  it('are not counted when they are small', async () => {
    await occupy(290_000);
    for (let count = 1; count <= 5; count += 1) await occupy(60_000);
    expect(running).toHaveLength(6);
  });

  it('over the limit of the route are payload_too_large, with a length and without', async () => {
    const announced = await open();
    announced.write(`${head(500_000)}${'x'.repeat(500_000)}`);
    announced.once('data', () => announced.end());
    expect(problemIn(await answerOf(announced))).toMatchObject({ code: 'payload_too_large' });
    const chunked = await open();
    chunked.write(`${head('chunked')}${chunk(250_000)}${chunk(250_000)}0\r\n\r\n`);
    chunked.once('data', () => chunked.end());
    expect(problemIn(await answerOf(chunked))).toMatchObject({ code: 'payload_too_large' });
    await occupy(350_000);
  });

  it('for a function that is not there are not read into memory, and the connection goes on', async () => {
    const socket = await open();
    const unknown = head(200_000, '/v1/functions/nobody/invocations') + 'x'.repeat(200_000);
    socket.write(unknown);
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(problemIn(first.toString())).toMatchObject({ code: 'not_found' });
    const there = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    socket.write(`${head(2)}{}`);
    await there;
    expect(running).toHaveLength(1);
  });
});

it('takes no more connections than it is told', async () => {
  await app.close();
  start(2);
  const [first, second] = [await open(), await open()];
  await Promise.all([once(first, 'connect'), once(second, 'connect')]);
  const third = await open();
  await once(third, 'close');
  first.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [answer] = (await once(first, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200/);
});
