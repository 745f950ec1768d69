/**
 * Whoever waits is served as soon as something can serve it, whatever happened to what it had waited for.
 */
import { describe, expect, it } from 'vitest';
import { createBench, loadRequest, place } from '../pool/fixture.ts';

const ONE_BOOT = { bootParallelism: 1, spareRuntimes: 0, pristine: 0 };

describe('whoever waits', () => {
  it('is not forgotten when the sandbox dies in which its place was loading', async () => {
    const { scheduler, clock, kills } = await createBench();
    const placement = place('f', { concurrency: 3, label: 'endless-load' });
    const first = await scheduler.acquire(placement);
    const loading = first.instance.load(loadRequest('endless-load'));
    let served = false;
    const waiting = Promise.resolve(scheduler.acquire(placement)).then((lease) => {
      served = true;
      lease.release(true);
    });
    await clock.advance(10);
    for (const kill of kills) kill();
    await clock.advance(0);
    expect((await loading).failure?.code).toBe('sandbox_lost');
    // Its owner finds out a little later than the pool.
    await clock.advance(1);
    first.release(false);
    await clock.advance(200);
    expect(served).toBe(true);
    await waiting;
  });

  it('does not wait behind a function of the same tenant that has all its instances', async () => {
    const { scheduler, clock } = await createBench({ settings: ONE_BOOT });
    const slow = place('slow', { maxInstances: 1 });
    const holding = Promise.resolve(scheduler.acquire(slow));
    await clock.advance(100);
    const held = await holding;
    const stuck = ['s1', 's2', 's3'].map(() => Promise.resolve(scheduler.acquire(slow)));
    const booting = Promise.resolve(scheduler.acquire(place('other')));
    let served = false;
    const quick = Promise.resolve(scheduler.acquire(place('quick'))).then((lease) => {
      served = true;
      return lease;
    });
    await clock.advance(200);
    expect(served).toBe(true);
    held.release(true);
    (await booting).release(true);
    (await quick).release(true);
    for (const one of stuck) (await one).release(true);
  });

  it('does not wait behind three tenants whose functions have all their instances', async () => {
    const { scheduler, clock } = await createBench({
      settings: { ...ONE_BOOT, startParallelism: 1, maxSandboxes: 12 },
    });
    const tenants = ['a', 'b', 'c', 'd', 'e', 'g', 'h'].map((tenant) =>
      place('slow', { tenant, maxInstances: 1 }),
    );
    const leases = [];
    for (const placement of tenants) {
      const pending = Promise.resolve(scheduler.acquire(placement));
      await clock.advance(100);
      leases.push(await pending);
    }
    for (const placement of tenants)
      void Promise.resolve(scheduler.acquire(placement)).catch(() => undefined);
    const before = Promise.resolve(scheduler.acquire(place('f', { tenant: 'x' })));
    let served = false;
    void Promise.resolve(scheduler.acquire(place('f', { tenant: 'y' }))).then(() => {
      served = true;
    });
    await clock.advance(300);
    (await before).release(true);
    expect(served).toBe(true);
  });
});
