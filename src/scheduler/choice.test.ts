/**
 * The order of choice: code, runtime, container, none, end something idle and start, wait, refuse.
 */
import { describe, expect, it } from 'vitest';
import { createBench, place, runOn } from '../pool/fixture.ts';
import type { Lease } from '../pool/lease.ts';

describe('the order of choice', () => {
  it('is code, runtime, container, none, the end of something idle, the line, and a refusal', async () => {
    const { scheduler, clock, pool, ends } = await createBench({
      ...{ capacity: 2, queue: { maxLengthPerFunction: 1 } },
      settings: { maxSandboxes: 3, pristine: 1, maxPristine: 1, runtimesPerPristine: 1, spareRuntimes: 0 },
    });
    const leases: Lease[] = [];
    const next = async (name: string, tenant = 'a', tenMs = 5): Promise<string> => {
      const pending = Promise.resolve(scheduler.acquire(place(name, { tenant })));
      await clock.advance(tenMs * 10);
      const lease = await pending;
      leases.push(lease);
      return lease.start;
    };
    expect(await next('idle', 'b')).toBe('runtime');
    const running = runOn(leases[0] as Lease, 'echo');
    await clock.advance(100);
    expect(await running).toBe('ok');
    expect(await next('idle', 'b')).toBe('code');
    leases[1]?.release(true);
    expect(await next('f')).toBe('runtime');
    expect(await next('f')).toBe('container');
    // The pristine one that was refilled, then a new one in the place of what only lies idle.
    expect(await next('f')).toBe('runtime');
    expect(await next('f')).toBe('container');
    expect(ends).toEqual([]);
    expect(await next('f')).toBe('none');
    expect(ends).toEqual(['evicted']);
    expect(await next('f')).toBe('container');
    const waiting = Promise.resolve(scheduler.acquire(place('f')));
    expect(scheduler.waiting).toBe(1);
    await expect(async () => scheduler.acquire(place('f'))).rejects.toMatchObject({ code: 'overloaded' });
    for (const lease of leases) lease.release(false);
    await clock.advance(100);
    (await waiting).release(true);
    expect(pool.audit()).toBeNull();
  });

  it('takes the one used last, of instances and of spare runtimes', async () => {
    const { scheduler, clock } = await createBench({
      capacity: 6,
      settings: { runtimesPerPristine: 3, spareRuntimes: 0 },
    });
    const leases = await Promise.all([1, 2, 3].map(() => scheduler.acquire(place('f'))));
    const done = Promise.all(leases.map((lease) => runOn(lease, 'echo')));
    await clock.advance(50);
    await done;
    const [one, two] = await Promise.all([scheduler.acquire(place('f')), scheduler.acquire(place('f'))]);
    await clock.advance(1);
    two?.release(true);
    await clock.advance(1);
    one?.release(true);
    const again = await scheduler.acquire(place('f'));
    expect(again.instance).toBe(one?.instance);
    expect((await scheduler.acquire(place('f'))).instance).toBe(two?.instance);
  });

  it('asks for nothing once it is closed', async () => {
    const { pool, scheduler, clock } = await createBench();
    const running = runOn(await scheduler.acquire(place('f', { minInstances: 3 })), 'sleep', { ms: 500 });
    await clock.advance(20);
    const closing = pool.close();
    pool.deployed(place('g', { minInstances: 2 }));
    pool.supersede(place('f').group, null);
    // What was coming up has to come up before it can be ended.
    await clock.advance(100);
    await Promise.all([closing, running]);
    await clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
    expect(pool.counts().total).toBe(0);
  });
});
