import { EventEmitter } from 'node:events';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Executor } from '../invocation/api.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { scriptedExecutor } from './executor-fixture.ts';
import { drainOnSignals, listen } from './lifecycle.ts';
import { createServer } from './server.ts';

const logger = pino({ level: 'silent' });

const start = (calls: Partial<Executor>) => {
  const executor = scriptedExecutor(calls);
  const app = createServer({
    executor,
    logger,
    config: {
      server: {
        ...{ requestTimeoutMs: 1_000, headersTimeoutMs: 1_000 },
        ...{ maxConnections: 10, maxBodyBytesInFlight: 65_536 },
      },
      limits: { eventMaxBytes: 1_000, codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
    },
  });
  const signals = new EventEmitter();
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>();
  const clock = new ManualClock();
  drainOnSignals({ app, executor, logger, clock, drainTimeoutMs: 5_000, signals, exit });
  return { app, signals, exited, clock };
};

describe('drainOnSignals', () => {
  it('drains, closes the executor, and exits 0', async () => {
    const order: string[] = [];
    const { signals, exited } = start({
      drain: async (timeoutMs) => void order.push(`drain ${timeoutMs}`),
      close: async () => void order.push('close'),
    });
    signals.emit('SIGTERM');
    expect(await exited).toBe(0);
    expect(order).toEqual(['drain 5000', 'close']);
  });

  it('exits 1 at once on a second signal', async () => {
    const { signals, exited } = start({ drain: () => new Promise(() => {}) });
    signals.emit('SIGTERM');
    signals.emit('SIGINT');
    expect(await exited).toBe(1);
  });

  it('takes the same signal right behind the first for its echo, and later for a second', async () => {
    const codes: number[] = [];
    const { signals, exited, clock } = start({ drain: () => new Promise(() => {}) });
    void exited.then((code) => codes.push(code));
    signals.emit('SIGINT');
    signals.emit('SIGINT');
    await clock.advance(99);
    expect(codes).toEqual([]);
    await clock.advance(1);
    signals.emit('SIGINT');
    expect(await exited).toBe(1);
  });

  it('exits 1 when the drain fails', async () => {
    const { signals, exited } = start({ drain: () => Promise.reject(new Error('broken')) });
    signals.emit('SIGINT');
    expect(await exited).toBe(1);
  });
});

describe('listen', () => {
  it.each(['0.0.0.0', '::', '192.168.1.1', 'example.org', '127.0.0.1.example.org', ''])(
    'refuses the address "%s"',
    async (host) => {
      const { app } = start({});
      await expect(listen(app, host, 0)).rejects.toMatchObject({ code: 'forbidden' });
    },
  );

  it('says so when the port is in use', async () => {
    const first = start({}).app;
    const second = start({}).app;
    const port = Number(new URL(await listen(first, '127.0.0.1', 0)).port);
    await expect(listen(second, '127.0.0.1', port)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`Port ${port}`),
    });
    await first.close();
  });
});
