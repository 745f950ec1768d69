import { describe, expect, it } from 'vitest';
import { createBench, place, runOn } from './fixture.ts';

describe('code that is loaded ahead and fails', () => {
  it('is paid by the next invocation of the function, once', async () => {
    const { pool, scheduler, clock } = await createBench();
    const placement = place('broken', { minInstances: 1 });
    pool.deployed(placement);
    await clock.advance(500);
    const leases = [];
    for (let index = 0; index < 2; index += 1) {
      const pending = Promise.resolve(scheduler.acquire(placement));
      await clock.advance(200);
      leases.push(await pending);
    }
    const [first, second] = leases.map(({ aheadCpuNs }) => aheadCpuNs);
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(0);
    for (const lease of leases) lease.release(false);
  });
});

describe('the time to come again', () => {
  it('is that of the function’s own invocations when it has all the instances that it may have', async () => {
    const { pool, scheduler, clock } = await createBench();
    const placement = place('f', { maxInstances: 1 });
    const first = Promise.resolve(scheduler.acquire(placement));
    await clock.advance(100);
    const running = runOn(await first, 'sleep', { ms: 900 });
    await clock.advance(1_000);
    expect(await running).toBe('ok');
    expect(pool.turnEstimateMs(placement)).toBeGreaterThan(800);
    const held = await scheduler.acquire(placement);
    const refused = expect(
      Promise.resolve(scheduler.acquire(placement, { maxWaitMs: 10 })),
    ).rejects.toMatchObject({ code: 'queue_timeout', limit: { kind: 'maxWaitMs', configured: 10 } });
    await clock.advance(20);
    await refused;
    await expect(
      Promise.resolve().then(async () => {
        const waiting = Promise.resolve(scheduler.acquire(placement, { maxWaitMs: 10 }));
        const told = waiting.catch((error: { retryAfterMs?: number }) => error.retryAfterMs);
        await clock.advance(20);
        return told;
      }),
    ).resolves.toBeGreaterThan(800);
    held.release(true);
  });
});
