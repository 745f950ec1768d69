/**
 * The pool as containers need it: one slot in a sandbox, instances that take any memory size, a bounded refill.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import type { FakeBehaviour } from '../sandbox/fake/backend.ts';
import { type Bench, createBench, place, runOn } from './fixture.ts';
import { Pace } from './pace.ts';

const ONE_SLOT = {
  ...{ capacity: 1, resizable: true },
  settings: { pristine: 2, runtimesPerPristine: 1, spareRuntimes: 1, maxSandboxes: 6 },
};

const run = async ({ scheduler, clock }: Bench, name: string, behaviour: FakeBehaviour, memoryMb = 128) => {
  const pending = Promise.resolve(scheduler.acquire(place(name, { memoryMb })));
  await clock.advance(60);
  const lease = await pending;
  const running = runOn(lease, behaviour);
  await clock.advance(60);
  return { start: lease.start, carrier: lease.instance.carrier.id, code: await running };
};

describe('a pool of sandboxes with one slot', () => {
  it('gives a function of any memory size the runtime that is booted already', async () => {
    const bench = await createBench(ONE_SLOT);
    expect((await run(bench, 'small', 'echo', 64)).start).toBe('runtime');
    expect((await run(bench, 'large', 'echo', 4_096)).start).toBe('runtime');
    const sizes = bench.pool.view().sandboxes.flatMap(({ instances }) => instances);
    expect(sizes.filter(({ layer }) => layer === 'code').map(({ memoryMb }) => memoryMb)).toEqual([
      64, 4_096,
    ]);
  });

  it('lets go of an instance whose process ends while it is idle, and boots another in its sandbox', async () => {
    const bench = await createBench(ONE_SLOT);
    const { carrier, code } = await run(bench, 'f', 'leave');
    expect(code).toBe('ok');
    await bench.clock.advance(100);
    const [own] = bench.pool.view().sandboxes.filter(({ tenant }) => tenant === 'a');
    expect(own?.instances.map(({ layer, state }) => [layer, state])).toEqual([['runtime', 'free']]);
    expect(bench.pool.instancesOf(place('f').key)).toBe(0);
    expect(await run(bench, 'f', 'echo')).toMatchObject({ carrier, start: 'runtime', code: 'ok' });
    expect(bench.faults).toEqual([]);
  });

  it('boots the runtime in as many pristine sandboxes as it is told to, and leaves the others empty', async () => {
    const { pool, clock } = await createBench({
      capacity: 1,
      settings: { pristine: 3, warmPristine: 1, runtimesPerPristine: 1 },
    });
    await clock.advance(1_000);
    expect(pool.view().ready).toMatchObject({ container: 2, runtime: 1 });
    expect(pool.filled).toBe(true);
  });

  it('without being resizable boots anew for another size', async () => {
    const bench = await createBench({ ...ONE_SLOT, resizable: false });
    expect((await run(bench, 'large', 'echo', 256)).start).toBe('none');
  });

  it('holds one instance in a sandbox, and never one function beside another', async () => {
    const bench = await createBench(ONE_SLOT);
    const seen = [
      await run(bench, 'f', 'echo'),
      await run(bench, 'g', 'echo'),
      await run(bench, 'h', 'echo'),
    ];
    expect(new Set(seen.map(({ carrier }) => carrier)).size).toBe(3);
    for (const { instances } of bench.pool.view().sandboxes) expect(instances.length).toBeLessThanOrEqual(1);
  });

  it('uses the sandbox of a demoted function for the tenant’s next one, with a spare runtime in it', async () => {
    const bench = await createBench(ONE_SLOT);
    const { carrier } = await run(bench, 'f', 'echo');
    bench.pool.supersede(place('f').group, null);
    await bench.clock.advance(100);
    const next = await run(bench, 'g', 'echo');
    expect(next).toMatchObject({ carrier, start: 'runtime' });
  });

  it('keeps no more spares for a tenant than the settings say, over all its sandboxes', async () => {
    const bench = await createBench(ONE_SLOT);
    for (const name of ['f', 'g', 'h']) await run(bench, name, 'echo');
    for (const name of ['f', 'g', 'h']) bench.pool.supersede(place(name).group, null);
    await bench.clock.advance(200);
    const mine = bench.pool.view().sandboxes.filter(({ tenant }) => tenant === 'a');
    expect(mine.map(({ layer }) => layer).sort()).toEqual(['container', 'container', 'runtime']);
  });

  it('puts a function that killed its sandbox into one of its own, which serves it warm', async () => {
    const bench = await createBench(ONE_SLOT);
    expect((await run(bench, 'bad', 'crash')).code).toBe('sandbox_exited');
    const first = await run(bench, 'bad', 'echo');
    const second = await run(bench, 'bad', 'echo');
    expect(first.start).toBe('runtime');
    expect(second).toMatchObject({ start: 'code', carrier: first.carrier, code: 'ok' });
    const view = bench.pool.view().sandboxes.find(({ id }) => id === first.carrier);
    expect(view?.quarantinedFor).toBe('bad');
  });

  it('starts at most so many ahead in a second, and does not hold up who waits', async () => {
    const bench = await createBench({
      ...ONE_SLOT,
      refillPerSecond: 1,
      settings: { ...ONE_SLOT.settings, maxSandboxes: 20 },
    });
    expect(bench.pool.view().sandboxes).toHaveLength(1);
    const names = ['f', 'g', 'h', 'i', 'j'];
    const pending = Promise.all(names.map((name) => Promise.resolve(bench.scheduler.acquire(place(name)))));
    await bench.clock.advance(100);
    const leases = await pending;
    expect(leases.map(({ start }) => start)).toEqual(['runtime', 'none', 'none', 'none', 'none']);
    expect(bench.pool.view().sandboxes.filter(({ tenant }) => tenant === null)).toHaveLength(0);
    await bench.clock.advance(900);
    expect(bench.pool.view().sandboxes.filter(({ tenant }) => tenant === null)).toHaveLength(1);
    await bench.clock.advance(1_000);
    expect(bench.pool.view().sandboxes.filter(({ tenant }) => tenant === null)).toHaveLength(2);
    for (const lease of leases) lease.release(true);
  });
});

const BEHAVIOURS: readonly FakeBehaviour[] = [
  'echo',
  'leave',
  'throw',
  'crash',
  'broken',
  'loop',
  'stuck',
  'exhaust',
];
const step = fc.record({
  tenant: fc.constantFrom('a', 'b', 'c'),
  name: fc.constantFrom('f', 'g'),
  behaviour: fc.constantFrom(...BEHAVIOURS),
  memoryMb: fc.constantFrom(64, 128, 1_024),
  pauseMs: fc.constantFrom(0, 1, 30, 2_000),
  ephemeral: fc.boolean(),
});

describe('whatever comes', () => {
  it('no sandbox serves two tenants or two at once, every lease settles, and no slot is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const bench = await createBench({ ...ONE_SLOT, refillPerSecond: 5 });
        const owners = new Map<string, string>();
        const running = new Map<string, number>();
        const works = steps.map(async ({ tenant, name, behaviour, memoryMb, ephemeral }, index) => {
          const atMs = steps.slice(0, index).reduce((sum, { pauseMs }) => sum + pauseMs, 0);
          await new Promise<void>((resolve) => void bench.clock.setTimer(atMs, resolve));
          const placement = place(name, { tenant, memoryMb, key: `${tenant}/${name}/${memoryMb}` });
          const lease = await bench.scheduler.acquire(placement);
          const { id } = lease.instance.carrier;
          expect(owners.get(id) ?? tenant).toBe(tenant);
          expect(running.get(id) ?? 0).toBe(0);
          owners.set(id, tenant);
          running.set(id, 1);
          const release = lease.release.bind(lease);
          lease.release = (clean) => {
            running.set(id, 0);
            release(clean && !ephemeral);
          };
          await runOn(lease, behaviour);
        });
        const settled = Promise.allSettled(works);
        await bench.clock.advance(120_000);
        for (const outcome of await settled) {
          if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StrataError);
        }
        expect(bench.faults.filter((fault) => fault.startsWith('slots'))).toEqual([]);
        expect(bench.pool.counts().busy).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a pace', () => {
  it('lets no second whatever have more than it allows', async () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), gaps, async (perSecond, pauses) => {
        const clock = new ManualClock();
        const pace = new Pace(clock, perSecond);
        const began: number[] = [];
        for (const pauseMs of pauses) {
          await clock.advance(pauseMs);
          const { waitMs } = pace;
          if (waitMs > 0) {
            await clock.advance(waitMs - 1);
            expect(pace.waitMs).toBe(1);
            await clock.advance(1);
          }
          pace.began();
          began.push(clock.nowMs());
        }
        for (const from of began)
          expect(began.filter((at) => at >= from && at < from + 1_000).length).toBeLessThanOrEqual(perSecond);
      }),
    );
  });
});
