import { describe, expect, it, vi } from 'vitest';
import { type BenchOptions, createBench, place, runOn } from '../pool/fixture.ts';

const burst = async (concurrency: number, options: BenchOptions, maxInstances = 100) => {
  const { pool, scheduler, clock } = await createBench({
    queue: { maxLengthPerFunction: 200, maxLength: 200 },
    ...options,
  });
  const placement = place('f', { concurrency, maxInstances });
  const pending = Array.from({ length: 100 }, async () =>
    runOn(await scheduler.acquire(placement), 'sleep', { ms: 3 }),
  );
  let instances = 0;
  let sandboxes = 0;
  for (let step = 0; step < 2_000; step += 1) {
    await clock.advance(1);
    instances = Math.max(instances, pool.instancesOf(placement.key));
    sandboxes = Math.max(sandboxes, pool.view().sandboxes.filter(({ tenant }) => tenant !== null).length);
  }
  expect(new Set(await Promise.all(pending))).toEqual(new Set(['ok']));
  return { instances, sandboxes };
};

const NONE_READY = { pristine: 0, maxPristine: 0, spareRuntimes: 0 };

describe('a burst of 100 to a cold function', () => {
  it('starts as many instances as its concurrency needs, whether anything is ready or not', async () => {
    for (const pristine of [0, 1]) {
      const settings = { ...NONE_READY, pristine, maxSandboxes: 100, startParallelism: 20 };
      const { instances } = await burst(10, { capacity: 1, settings });
      expect(instances).toBe(10);
    }
  });

  it('of short handlers starts far fewer sandboxes than there are calls', async () => {
    const settings = { ...NONE_READY, maxSandboxes: 100, startParallelism: 2 };
    const { sandboxes } = await burst(1, { capacity: 1, settings });
    expect(sandboxes).toBeLessThanOrEqual(15);
  });

  it('never has more instances than maxInstances, nor sandboxes than there may be', async () => {
    const settings = { ...NONE_READY, maxSandboxes: 5, startParallelism: 20 };
    expect((await burst(1, { capacity: 1, settings })).sandboxes).toBeLessThanOrEqual(5);
    expect((await burst(2, { capacity: 4, settings }, 7)).instances).toBe(7);
  });
});

describe('a refusal', () => {
  const retryAfter = async (provisionMs: number): Promise<number> => {
    const { scheduler, clock } = await createBench({
      ...{ provisionMs, capacity: 1, settings: { ...NONE_READY, maxSandboxes: 100 } },
      queue: { maxLengthPerFunction: 1 },
    });
    for (let turn = 0; turn < 30; turn += 1) {
      const pending = Promise.resolve(scheduler.acquire(place(`f${turn}`)));
      await clock.advance(provisionMs + 50);
      (await pending).release(true);
    }
    const cold = place('cold', { tenant: 'z' });
    const first = Promise.resolve(scheduler.acquire(cold));
    let afterMs = 0;
    try {
      await scheduler.acquire(cold);
    } catch (refusal) {
      afterMs = (refusal as { retryAfterMs: number }).retryAfterMs;
    }
    await clock.advance(provisionMs + 50);
    (await first).release(true);
    return afterMs;
  };

  it('says when to come again from the time that starts take as measured: twice the one is twice the other', async () => {
    const [once, twice] = [await retryAfter(200), await retryAfter(400)];
    expect(once).toBeGreaterThan(150);
    expect(once).toBeLessThan(250);
    expect(twice / once).toBeGreaterThan(1.8);
    expect(twice / once).toBeLessThan(2.2);
  });

  it('of a full line leaves nothing behind that the pool would plan for, and costs no stack', async () => {
    const { pool, scheduler, clock } = await createBench({
      ...{ queue: { maxLengthPerFunction: 1 }, settings: { pristine: 1 } },
    });
    const placement = place('f', { maxInstances: 1 });
    const runs = await scheduler.acquire(placement);
    const waits = Promise.resolve(scheduler.acquire(placement));
    const arrived = vi.spyOn(pool, 'arrived');
    for (let call = 0; call < 10; call += 1) {
      await expect(async () => scheduler.acquire(placement)).rejects.toMatchObject({
        ...{ code: 'concurrency_limit', stack: expect.not.stringContaining('\n') },
      });
    }
    expect(arrived).not.toHaveBeenCalled();
    expect(() => scheduler.acquire(placement, { requireStart: 'code' })).toThrow('requires a start');
    runs.release(false);
    await clock.advance(2_000);
    (await waits).release(false);
  });

  it('is not said where nobody may wait and something is ready', async () => {
    const { scheduler } = await createBench({
      ...{ queue: { maxLengthPerFunction: 0 }, settings: { pristine: 1 } },
    });
    const lease = await scheduler.acquire(place('f', { maxInstances: 1 }));
    expect(() => scheduler.acquire(place('f', { maxInstances: 1 }))).toThrow('wait for it already');
    lease.release(true);
  });

  it('comes at once for whoever would wait in vain', async () => {
    const { scheduler, clock } = await createBench({ settings: { pristine: 1 } });
    const placement = place('f', { maxInstances: 1 });
    const served = Array.from({ length: 10 }, async () =>
      runOn(await scheduler.acquire(placement), 'sleep', { ms: 100 }),
    );
    await clock.advance(450);
    const waiting = scheduler.waiting;
    await expect(async () => scheduler.acquire(placement, { maxWaitMs: 50 })).rejects.toMatchObject({
      ...{ code: 'queue_timeout', limit: { configured: 50 } },
    });
    expect(scheduler.waiting).toBe(waiting);
    const patient = Promise.resolve(scheduler.acquire(placement, { maxWaitMs: 3_000 }));
    await clock.advance(2_000);
    (await patient).release(true);
    await Promise.all(served);
  });
});
