import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { ANSWER, scriptedExecutor } from './executor-fixture.ts';
import { createServer } from './server.ts';

const SETTINGS = {
  server: {
    ...{ requestTimeoutMs: 30_000, headersTimeoutMs: 10_000 },
    ...{ maxConnections: 100, maxBodyBytesInFlight: 1_000_000 },
  },
  limits: { eventMaxBytes: 1_000, codeMaxBytes: 3_000, containerCodeMaxBytes: 9_000 },
};

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const open: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

/** Sends what stands there at once, and answers with the status lines and all that came back. */
const exchange = async (text: string): Promise<{ statuses: string[]; text: string }> => {
  const app = createServer({
    // Answered when all that came with it has been read.
    executor: scriptedExecutor({
      invokeJson: async () => {
        for (let turns = 5; turns > 0; turns -= 1) await turn();
        return ANSWER;
      },
    }),
    config: SETTINGS,
    logger: pino({ level: 'silent' }),
  });
  open.push(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(text);
  await once(socket, 'close');
  const answered = Buffer.concat(chunks).toString();
  return { text: answered, statuses: answered.match(/HTTP\/1\.1 \d{3}/g) ?? [] };
};

const invocation = (headers = ''): string =>
  `POST /v1/functions/hello/invocations HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: 2\r\n\r\n{}`;

describe('requests one behind the other on a connection', () => {
  it('have their own answers before one behind them is refused', async () => {
    const { statuses, text } = await exchange(`${invocation()}${invocation()}no request at all\r\n\r\n`);
    expect(statuses).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400']);
    expect(text.match(/\{"hello":"Ada"\}/g)).toHaveLength(2);
    expect(text).toMatch(/Connection: close\r\n\r\n\{"type":"urn:strata:error:invalid_request"/);
  });

  it('are refused once, however much comes behind what cannot be read', async () => {
    const { statuses } = await exchange(`${invocation()}x\r\n\r\n${'GET / HTTP/1.1\r\n\r\n'.repeat(50_000)}`);
    expect(statuses).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  });

  it('are refused at once when the body of the first of them is what cannot be read', async () => {
    const { statuses } = await exchange(
      'POST /v1/functions/hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}XX',
    );
    expect(statuses).toEqual(['HTTP/1.1 400']);
  });

  it('are told to go on between two answers, never inside of one', async () => {
    const { statuses, text } = await exchange(
      invocation() + invocation('Expect: 100-continue\r\n') + invocation('Connection: close\r\n'),
    );
    expect(statuses.filter((status) => status !== 'HTTP/1.1 100')).toEqual(Array(3).fill('HTTP/1.1 200'));
    expect(text.match(/\r\n\r\n\{"hello":"Ada"\}/g)).toHaveLength(3);
  });

  it('are told to go on at once when nothing stands before them', async () => {
    const { statuses } = await exchange(invocation('Expect: 100-continue\r\nConnection: close\r\n'));
    expect(statuses).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200']);
  });
});
