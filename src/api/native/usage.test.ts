import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { pino } from 'pino';
import { it } from 'vitest';
import { openAccountsFixture } from '../../accounts/fixture.ts';
import type { ReceiptLine } from '../../billing/api.ts';
import { NO_USAGE } from '../../billing/no-usage.ts';
import { scriptedExecutor } from '../executor-fixture.ts';
import { createServer } from '../server.ts';

it.each(['json', 'csv'])(
  'an export as %s ends when the client went before its first line',
  async (format) => {
    const accounts = openAccountsFixture();
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    async function* receipts(): AsyncGenerator<readonly ReceiptLine[]> {
      asked.resolve();
      try {
        await gone.promise;
        yield [];
        yield [];
      } finally {
        ended.resolve();
      }
    }
    const app = createServer({
      executor: scriptedExecutor({ accounts, usage: { ...NO_USAGE, receipts } }),
      config: {
        server: {
          ...{ requestTimeoutMs: 30_000, headersTimeoutMs: 10_000 },
          ...{ maxConnections: 100, maxBodyBytesInFlight: 1_000_000 },
        },
        limits: { eventMaxBytes: 1_000, codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
      },
      logger: pino({ level: 'silent' }),
    });
    app.addHook('onRequest', (request, _reply, done) => {
      request.raw.socket.once('close', () => gone.resolve());
      done();
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET /v1/usage/receipts?format=${format} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await asked.promise;
    socket.resetAndDestroy();
    await ended.promise;
    await app.close();
  },
);
