import { describe, expect, it } from 'vitest';
import { createBench, place, runOn } from './fixture.ts';
import { POLICY_NAMES } from './policy/api.ts';
import { createPolicy } from './policy/policies.ts';

describe('the layered pool', () => {
  it('keeps the pristine part that the settings ask for', async () => {
    const { pool } = await createBench({ settings: { pristine: 2, runtimesPerPristine: 3 } });
    const { sandboxes, ready } = pool.view();
    expect(sandboxes.map(({ tenant, layer }) => [tenant, layer])).toEqual([
      [null, 'runtime'],
      [null, 'runtime'],
    ]);
    expect(ready.runtime).toBe(6);
    expect(pool.filled).toBe(true);
  });

  it.each(POLICY_NAMES)('is filled when it has what the policy %s wants', async (name) => {
    const settings = { pristine: 2, warmPristine: 2, runtimesPerPristine: 3 };
    const { pool, clock } = await createBench({ policy: createPolicy(name), settings });
    await clock.advance(1_000);
    expect(pool.filled).toBe(true);
  });

  it('starts from code, then runtime, then container, then none', async () => {
    const { pool, scheduler, clock } = await createBench({
      ...{ settings: { runtimesPerPristine: 1, maxSandboxes: 3, spareRuntimes: 0 }, capacity: 2 },
    });
    const pending = [1, 2, 3].map(() => Promise.resolve(scheduler.acquire(place('f'))));
    await clock.advance(60);
    const leases = await Promise.all(pending);
    expect(leases.map(({ start }) => start)).toEqual(['runtime', 'container', 'none']);
    const running = Promise.all(leases.map((lease) => runOn(lease, 'echo')));
    await clock.advance(50);
    expect(await running).toEqual(['ok', 'ok', 'ok']);
    const warm = await scheduler.acquire(place('f'));
    expect(warm.start).toBe('code');
    warm.release(true);
    expect(pool.counts().busy).toBe(0);
  });

  it('never lets two tenants share a sandbox, nor one after the other', async () => {
    const { pool, scheduler, clock } = await createBench();
    const first = await scheduler.acquire(place('f', { tenant: 'a' }));
    const pending = Promise.resolve(scheduler.acquire(place('g', { tenant: 'b', key: 'b/g' })));
    await clock.advance(100);
    const second = await pending;
    expect(first.instance.carrier.id).not.toBe(second.instance.carrier.id);
    first.release(false);
    second.release(false);
    await clock.advance(1_000);
    const owners = pool.view().sandboxes.map(({ tenant }) => tenant);
    expect(owners.filter((tenant) => tenant === 'a')).toHaveLength(1);
    expect(owners.filter((tenant) => tenant === 'b')).toHaveLength(1);
  });

  it('uses the instance that was used last', async () => {
    const { scheduler, clock } = await createBench({ settings: { runtimesPerPristine: 3 } });
    const leases = await Promise.all([1, 2, 3].map(() => scheduler.acquire(place('f'))));
    const done = leases.map((lease) => runOn(lease, 'echo'));
    await clock.advance(50);
    await Promise.all(done);
    const again = await scheduler.acquire(place('f'));
    again.release(true);
    const once = await scheduler.acquire(place('f'));
    expect(once.instance).toBe(again.instance);
    once.release(true);
  });

  it('demotes idle code to a fresh runtime, then gives up the runtime, then the sandbox', async () => {
    const { pool, scheduler, clock } = await createBench({
      settings: { runtimeIdleMs: 20_000, sandboxIdleMs: 60_000 },
    });
    const lease = await scheduler.acquire(place('f', { idleTimeoutMs: 5_000 }));
    const instance = lease.instance;
    const running = runOn(lease, 'echo');
    await clock.advance(100);
    await running;
    const mine = () => pool.view().sandboxes.find(({ tenant }) => tenant === 'a');
    expect(mine()?.layer).toBe('code');
    await clock.advance(7_000);
    expect(mine()?.layer).toBe('runtime');
    expect(instance.ended).toBe(true);
    await clock.advance(20_000);
    expect(mine()?.layer).toBe('container');
    await clock.advance(60_000);
    expect(mine()).toBeUndefined();
  });

  it('keeps minInstances however long they are idle', async () => {
    const { pool, scheduler, clock } = await createBench();
    const lease = await scheduler.acquire(place('f', { idleTimeoutMs: 100, minInstances: 1 }));
    const running = runOn(lease, 'echo');
    await clock.advance(60_000);
    await running;
    expect(pool.view().ready.code).toBe(1);
  });

  it('puts a function that killed its sandbox alone in one', async () => {
    const { pool, scheduler, clock, ends } = await createBench();
    const crash = runOn(await scheduler.acquire(place('bad')), 'crash');
    await clock.advance(50);
    expect(await crash).toBe('sandbox_exited');
    expect(ends).toEqual(['SIGSEGV']);
    const pending = ['bad', 'good'].map((name) => Promise.resolve(scheduler.acquire(place(name))));
    await clock.advance(100);
    const [bad, good] = await Promise.all(pending);
    if (bad === undefined || good === undefined) throw new Error('two leases were expected');
    expect(bad.instance.carrier.id).not.toBe(good.instance.carrier.id);
    const view = pool.view().sandboxes.find(({ id }) => id === bad.instance.carrier.id);
    expect(view?.quarantinedFor).toBe('bad');
    bad.release(true);
    good.release(true);
  });

  it('suspects all who ran, blames none of them, and parts them', async () => {
    const { pool, scheduler, clock } = await createBench();
    const [one, two] = await Promise.all([scheduler.acquire(place('one')), scheduler.acquire(place('two'))]);
    expect(one?.instance.carrier.id).toBe(two?.instance.carrier.id);
    if (one === undefined || two === undefined) throw new Error('two leases were expected');
    const loop = runOn(one, 'loop');
    const crash = runOn(two, 'crash');
    await clock.advance(50);
    expect(await Promise.all([loop, crash])).toEqual(['sandbox_lost', 'sandbox_lost']);
    await clock.advance(100);
    const again = ['one', 'two'].map((name) => Promise.resolve(scheduler.acquire(place(name))));
    await clock.advance(100);
    const leases = await Promise.all(again);
    expect(leases[0]?.instance.carrier.id).not.toBe(leases[1]?.instance.carrier.id);
    for (const lease of leases) lease.release(true);
    expect(pool.counts().busy).toBe(0);
  });

  it('gives no work to a sandbox whose instance has not let go', async () => {
    const { scheduler, clock } = await createBench();
    const stuck = await scheduler.acquire(place('stuck'));
    const running = runOn(stuck, 'stuck');
    await clock.advance(1_051);
    expect(await running).toBe('function_timeout');
    const other = Promise.resolve(scheduler.acquire(place('other')));
    await clock.advance(50);
    expect((await other).instance.carrier.id).not.toBe(stuck.instance.carrier.id);
  });

  it('retires the instances of an older revision, busy ones when they are done', async () => {
    const { pool, scheduler, clock } = await createBench();
    const lease = await scheduler.acquire(place('f'));
    const running = runOn(lease, 'sleep', { ms: 100 });
    await clock.advance(20);
    pool.supersede(place('f').group, null);
    expect(lease.instance.ended).toBe(false);
    await clock.advance(200);
    expect(await running).toBe('ok');
    expect(lease.instance.ended).toBe(true);
  });

  it('ends the sandbox that is idle longest when all places are taken', async () => {
    const { scheduler, clock, ends } = await createBench({ settings: { maxSandboxes: 2, pristine: 1 } });
    const run = async (tenant: string) => {
      const pending = Promise.resolve(scheduler.acquire(place('f', { tenant, key: `${tenant}/f` })));
      await clock.advance(100);
      const running = runOn(await pending, 'echo');
      await clock.advance(100);
      return running;
    };
    expect(await run('a')).toBe('ok');
    expect(await run('b')).toBe('ok');
    expect(await run('c')).toBe('ok');
    expect(ends).toContain('evicted');
  });

  it('does not end a sandbox as idle while an instance is being booted in it', async () => {
    const { scheduler, clock, ends } = await createBench({
      settings: { runtimesPerPristine: 0, spareRuntimes: 0, sandboxIdleMs: 1_000 },
    });
    await clock.advance(5_000);
    const pending = Promise.resolve(scheduler.acquire(place('f')));
    await clock.advance(100);
    const lease = await pending;
    expect(lease.start).toBe('container');
    expect(ends).toEqual([]);
    lease.release(true);
  });

  it('ends what was loaded of a revision that had been replaced meanwhile, minInstances or not', async () => {
    const { pool, scheduler, clock } = await createBench();
    const stale = place('f', { key: 'a/f/1', group: 'a/f', minInstances: 1 });
    pool.supersede('a/f', 'a/f/2');
    const running = runOn(await scheduler.acquire(stale), 'echo');
    await clock.advance(100);
    expect(await running).toBe('ok');
    expect(pool.view().ready.code).toBe(0);
  });

  it('keeps nothing of functions and tenants that do not come back', async () => {
    const { pool, scheduler, clock } = await createBench({
      settings: { sandboxIdleMs: 2_000, runtimeIdleMs: 1_000 },
    });
    for (let index = 0; index < 30; index += 1) {
      const tenant = `t${index}`;
      const pending = Promise.resolve(
        scheduler.acquire(place('f', { tenant, key: `${tenant}/f`, idleTimeoutMs: 500 })),
      );
      await clock.advance(100);
      const running = runOn(await pending, 'echo');
      await clock.advance(200);
      await running;
    }
    await clock.advance(60_000);
    expect(pool.view().sandboxes.filter(({ tenant }) => tenant !== null)).toEqual([]);
    expect(pool.listed).toBeLessThanOrEqual(1);
  });

  it('boots in the sandbox that a tenant has rather than give it another pristine one', async () => {
    const { pool, scheduler, clock } = await createBench({
      capacity: 50,
      settings: { pristine: 2, spareRuntimes: 0 },
    });
    const starts: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      const key = `a/f${index}`;
      const pending = Promise.resolve(scheduler.acquire(place(key, { key, group: key })));
      await clock.advance(10);
      const lease = await pending;
      starts.push(lease.start);
      const running = runOn(lease, 'echo');
      await clock.advance(10);
      await running;
    }
    expect(pool.view().sandboxes.filter(({ tenant }) => tenant === 'a')).toHaveLength(1);
    expect(new Set(starts)).toEqual(new Set(['runtime', 'container']));
  });

  it('waits longer after each failed start, and recovers', async () => {
    let failing = true;
    const { pool, clock, faults } = await createBench({ failStart: () => failing });
    await clock.advance(10_000);
    const attempts = faults.length;
    expect(attempts).toBeGreaterThan(2);
    expect(attempts).toBeLessThan(10);
    failing = false;
    await clock.advance(40_000);
    expect(pool.filled).toBe(true);
  });

  it('is not led to believe that starts take a minute by one tenant whose initializers do', async () => {
    const bench = await createBench();
    for (let round = 0; round < 30; round += 1) {
      const acquired = bench.scheduler.acquire(place(`slow${round}`, { tenant: 'evil' }));
      await bench.clock.advance(100);
      const lease = await acquired;
      lease.loaded(60_000);
      lease.release(false);
      await bench.clock.advance(100);
    }
    expect(bench.pool.startEstimateMs()).toBeLessThan(1_100);
  });
});
