/**
 * The limits of waiting: how many instances, how many in the queue, how long.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { ExecutorOptions } from '../../src/index.ts';
import { type Bench, HOLD, openBench } from './bench.ts';

let bench: Bench | null = null;

afterEach(async () => {
  await bench?.executor.close();
  bench = null;
});

const open = async (queue: NonNullable<ExecutorOptions['queue']>): Promise<Bench> => {
  bench = await openBench({ queue });
  return bench;
};

const codes = async (invocations: readonly Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(invocations)).map((settled) =>
    settled.status === 'fulfilled' ? 'answered' : String(settled.reason.code),
  );

describe('maxInstances', () => {
  it('bounds the instances of a function; more wait and are served', async () => {
    const { deploy, invoke, holding, pool } = await open({});
    await deploy('held', HOLD, { maxInstances: 2, timeoutMs: 20_000 });
    const invocations = Array.from({ length: 6 }, () => invoke('held', { ms: 40 }));
    const peak = Math.max(
      ...(await Promise.all(
        invocations.map(async (invocation) => {
          await invocation;
          return holding('held').flatMap(({ instances }) =>
            instances.filter((instance) => instance.function === 'held@$LATEST'),
          ).length;
        }),
      )),
    );
    expect(peak).toBe(2);
    expect(pool().slots.busy).toBe(0);
  });

  it('refuses with concurrency_limit once the queue of the function is full', async () => {
    const { deploy, invoke } = await open({ maxLengthPerFunction: 2 });
    await deploy('held', HOLD, { maxInstances: 1, timeoutMs: 20_000 });
    await invoke('held', { ms: 1 });
    const invocations = Array.from({ length: 5 }, () => invoke('held', { ms: 60 }));
    expect(await codes(invocations)).toEqual([
      ...['answered', 'answered', 'answered'],
      ...['concurrency_limit', 'concurrency_limit'],
    ]);
    const refused = await Promise.allSettled(Array.from({ length: 4 }, () => invoke('held', { ms: 30 })));
    expect(refused[3]).toMatchObject({
      status: 'rejected',
      reason: { status: 429, retryable: true, limit: { kind: 'maxInstances', configured: 1, observed: 1 } },
    });
    const [, , , last] = refused;
    expect(last?.status === 'rejected' && last.reason.retryAfterMs).toBeGreaterThan(0);
  });
});

describe('the queue', () => {
  it('refuses with overloaded once all functions together fill it', async () => {
    const { deploy, invoke, executor } = await open({ maxLength: 2 });
    for (const name of ['one', 'two']) {
      await deploy(name, HOLD, { maxInstances: 1, timeoutMs: 20_000 });
      await invoke(name, { ms: 1 });
    }
    const invocations = ['one', 'two', 'one', 'two', 'one', 'two'].map((name) => invoke(name, { ms: 60 }));
    expect(executor.pools().queued).toBe(2);
    expect(await codes(invocations)).toEqual([
      ...['answered', 'answered', 'answered', 'answered'],
      ...['overloaded', 'overloaded'],
    ]);
    expect(executor.pools().queued).toBe(0);
  });

  it('lets nobody wait longer than it says', async () => {
    const { deploy, invoke } = await open({ timeoutMs: 50 });
    await deploy('held', HOLD, { maxInstances: 1, timeoutMs: 20_000 });
    await invoke('held', { ms: 1 });
    const first = invoke('held', { ms: 400 });
    await expect(invoke('held', { ms: 1 })).rejects.toMatchObject({
      code: 'queue_timeout',
      limit: { kind: 'queueTimeoutMs', configured: 50 },
    });
    expect((await first).result).toBe(400);
    expect((await invoke('held', { ms: 1 })).result).toBe(1);
  });

  it('of length zero refuses whatever nothing is ready for', async () => {
    const { deploy, invoke } = await open({ maxLength: 0 });
    await deploy('held', HOLD, { maxInstances: 1, timeoutMs: 20_000 });
    await invoke('held', { ms: 1 });
    expect(await codes([invoke('held', { ms: 30 }), invoke('held', { ms: 30 })])).toEqual([
      'answered',
      'overloaded',
    ]);
  });
});
