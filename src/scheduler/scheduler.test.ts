import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBench, place, runOn } from '../pool/fixture.ts';
import type { Lease } from '../pool/lease.ts';
import type { Behaviour } from '../sandbox/fake/backend.ts';
import { QueueLength } from './scheduler.ts';

describe('the scheduler', () => {
  it('serves a burst with as many instances as its concurrency needs', async () => {
    const { pool, scheduler, clock } = await createBench({
      ...{ capacity: 20, queue: { maxLengthPerFunction: 100 } },
    });
    const placement = place('f', { concurrency: 10, maxInstances: 50 });
    const pending = Array.from({ length: 100 }, async () =>
      runOn(await scheduler.acquire(placement), 'sleep', { ms: 50 }),
    );
    let most = 0;
    for (let step = 0; step < 400; step += 1) {
      await clock.advance(1);
      most = Math.max(most, pool.instancesOf(placement.key));
    }
    expect(new Set(await Promise.all(pending))).toEqual(new Set(['ok']));
    expect(most).toBe(10);
  });

  it('never runs a function on more than maxInstances, and lets the rest wait', async () => {
    const { pool, scheduler, clock } = await createBench({ capacity: 20 });
    const placement = place('f', { maxInstances: 3 });
    const pending = Array.from({ length: 12 }, async () =>
      runOn(await scheduler.acquire(placement), 'sleep', { ms: 10 }),
    );
    for (let step = 0; step < 300; step += 1) {
      await clock.advance(1);
      expect(pool.instancesOf(placement.key)).toBeLessThanOrEqual(3);
    }
    expect(new Set(await Promise.all(pending))).toEqual(new Set(['ok']));
  });

  it('refuses past the queue of a function and past the queue in all, and says when to come again', async () => {
    const { scheduler } = await createBench({ queue: { maxLengthPerFunction: 2, maxLength: 3 } });
    const one = place('one', { maxInstances: 1 });
    const two = place('two', { maxInstances: 1 });
    const held = await scheduler.acquire(one);
    const other = await scheduler.acquire(two);
    const waiting = [scheduler.acquire(one), scheduler.acquire(one), scheduler.acquire(two)];
    expect(scheduler.waiting).toBe(3);
    await expect(async () => scheduler.acquire(one)).rejects.toMatchObject({
      ...{ code: 'concurrency_limit', limit: { kind: 'maxInstances', configured: 1 } },
    });
    await expect(async () => scheduler.acquire(two)).rejects.toMatchObject({
      ...{ code: 'overloaded', limit: { kind: 'queueLength', configured: 3, observed: 3 } },
    });
    for (const lease of [held, other]) lease.release(false);
    expect(waiting).toHaveLength(3);
  });

  it('counts those who wait for other pools towards the queue in all', async () => {
    const queued = new QueueLength();
    const benches = await Promise.all(
      [1, 2].map(() => createBench({ queued, queue: { maxLength: 2, maxLengthPerFunction: 10 } })),
    );
    const placement = place('f', { maxInstances: 1 });
    const held = await Promise.all(benches.map(({ scheduler }) => scheduler.acquire(placement)));
    const waiting = benches.map(({ scheduler }) => Promise.resolve(scheduler.acquire(placement)));
    expect(benches.map(({ scheduler }) => scheduler.waiting)).toEqual([1, 1]);
    for (const { scheduler } of benches)
      await expect(async () => scheduler.acquire(placement)).rejects.toMatchObject({
        ...{ code: 'overloaded', limit: { kind: 'queueLength', configured: 2, observed: 2 } },
      });
    held[0]?.release(true);
    (await waiting[0])?.release(true);
    expect(queued.count).toBe(1);
    held[1]?.release(true);
    (await waiting[1])?.release(true);
    expect(queued.count).toBe(0);
  });

  it('gives up on who waits too long', async () => {
    const { scheduler, clock } = await createBench({ queue: { timeoutMs: 1_000 } });
    const placement = place('f', { maxInstances: 1 });
    const held = await scheduler.acquire(placement);
    const waiting = Promise.resolve(scheduler.acquire(placement));
    const refused = expect(waiting).rejects.toMatchObject({ code: 'queue_timeout' });
    await clock.advance(1_001);
    await refused;
    expect(scheduler.waiting).toBe(0);
    held.release(true);
  });

  it('starts exactly from the layer that is required, or refuses', async () => {
    const { scheduler, clock } = await createBench();
    await expect(async () => scheduler.acquire(place('f'), { requireStart: 'code' })).rejects.toMatchObject({
      code: 'start_unavailable',
    });
    for (const start of ['runtime', 'container', 'none', 'code'] as const) {
      const pending = Promise.resolve(scheduler.acquire(place('f'), { requireStart: start }));
      await clock.advance(100);
      const lease = await pending;
      expect(lease.start).toBe(start);
      const running = runOn(lease, 'echo');
      await clock.advance(20);
      expect(await running).toBe('ok');
    }
  });

  it('starts once more for who waited when a start fails, and tells nobody', async () => {
    let failures = 1;
    const failStart = () => {
      failures -= 1;
      return failures >= 0;
    };
    const { scheduler, clock } = await createBench({ failStart, settings: { pristine: 0 } });
    const pending = Promise.resolve(scheduler.acquire(place('f')));
    await clock.advance(200);
    const lease = await pending;
    expect(lease.start).toBe('none');
    lease.release(true);
  });

  it('tells the waiters of a start that failed, and serves those after it', async () => {
    let failing = true;
    const { scheduler, clock } = await createBench({ failStart: () => failing, settings: { pristine: 0 } });
    const refused = expect(Promise.resolve(scheduler.acquire(place('f')))).rejects.toMatchObject({
      code: 'start_failed',
    });
    await clock.advance(100);
    await refused;
    failing = false;
    const pending = Promise.resolve(scheduler.acquire(place('f')));
    await clock.advance(100);
    expect((await pending).start).toBe('none');
  });

  it('serves who waits when an instance that was in the way has gone', async () => {
    const { scheduler, clock } = await createBench();
    const placement = place('f', { maxInstances: 1 });
    const held = await scheduler.acquire(placement);
    const waiting = Promise.resolve(scheduler.acquire(placement));
    held.release(false);
    await clock.advance(100);
    const next = await waiting;
    expect(next.start).not.toBe('code');
    next.release(true);
  });

  it('serves who waits when the revision that was in the way is replaced', async () => {
    const { pool, scheduler, clock } = await createBench();
    const placement = place('f', { maxInstances: 1 });
    const running = runOn(await scheduler.acquire(placement), 'sleep', { ms: 50 });
    await clock.advance(10);
    const waiting = Promise.resolve(scheduler.acquire(placement));
    pool.supersede(placement.group, 'newer');
    await clock.advance(200);
    expect(await running).toBe('ok');
    (await waiting).release(true);
  });

  it('lets no tenant wait for a sandbox that another only keeps warm', async () => {
    const { scheduler, clock } = await createBench({ settings: { maxSandboxes: 1, pristine: 0 } });
    const first = Promise.resolve(scheduler.acquire(place('f', { tenant: 'a', key: 'a/f' })));
    await clock.advance(100);
    const running = runOn(await first, 'sleep', { ms: 300 });
    const other = Promise.resolve(scheduler.acquire(place('g', { tenant: 'b', key: 'b/g' })));
    await clock.advance(500);
    expect(await running).toBe('ok');
    (await other).release(true);
  });

  it('puts a burst of one tenant into as few sandboxes as hold it, and ends no other for it', async () => {
    const { pool, scheduler, clock } = await createBench({
      capacity: 10,
      settings: { maxSandboxes: 8, pristine: 1 },
    });
    const warm = Promise.resolve(scheduler.acquire(place('warm', { tenant: 'b', key: 'b/warm' })));
    await clock.advance(100);
    const warmed = runOn(await warm, 'echo');
    await clock.advance(100);
    await warmed;
    const burst = Array.from({ length: 25 }, async (_, index) => {
      const key = `a/f${index}`;
      return runOn(await scheduler.acquire(place(key, { key, group: key })), 'echo');
    });
    await clock.advance(300);
    expect(new Set(await Promise.all(burst))).toEqual(new Set(['ok']));
    const mine = pool.view().sandboxes.filter(({ tenant }) => tenant === 'a');
    expect(mine.length).toBeLessThanOrEqual(4);
    const again = await scheduler.acquire(place('warm', { tenant: 'b', key: 'b/warm' }));
    expect(again.start).toBe('code');
    again.release(true);
  });

  it('ends nobody for who insists on a start from none', async () => {
    const { scheduler, clock, ends } = await createBench({ settings: { maxSandboxes: 1, pristine: 1 } });
    await expect(
      Promise.resolve().then(() => scheduler.acquire(place('f'), { requireStart: 'none' })),
    ).rejects.toMatchObject({
      code: 'start_unavailable',
    });
    await clock.advance(100);
    expect(ends).toEqual([]);
  });

  it('conserves slots and settles every request, whatever happens in whatever order', async () => {
    const behaviours: Behaviour[] = [
      'echo',
      'echo',
      'sleep',
      'throw',
      'loop',
      'stuck',
      'crash',
      'exhaust',
      'broken',
      'endless-load',
    ];
    const step = fc.record({
      tenant: fc.constantFrom('a', 'b'),
      behaviour: fc.constantFrom(...behaviours),
      concurrency: fc.integer({ min: 1, max: 3 }),
      waitMs: fc.integer({ min: 0, max: 120 }),
      retire: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 9 }).map((value) => value === 0)),
        async (steps, failures) => {
          const bench = await createBench({ capacity: 3, failStart: () => failures.next().value });
          const results: Promise<string>[] = [];
          for (const { tenant, behaviour, concurrency, waitMs, retire } of steps) {
            const key = `${tenant}/${behaviour}${concurrency}`;
            const placement = place(behaviour, {
              tenant,
              key,
              concurrency,
              maxInstances: 4,
              idleTimeoutMs: 200,
            });
            results.push(request(() => bench.scheduler.acquire(placement), behaviour));
            await bench.clock.advance(waitMs);
            if (retire) bench.pool.supersede(key, null);
            expectConserved(bench.pool);
          }
          await bench.clock.advance(30_000);
          expect((await Promise.all(results)).length).toBe(steps.length);
          expect(bench.pool.counts()).toMatchObject({ busy: 0, starting: 0, draining: 0 });
          expect(bench.scheduler.waiting).toBe(0);
          expect(bench.faults.filter((fault) => fault.includes('conserved'))).toEqual([]);
        },
      ),
      { numRuns: 150, seed: 20_261_121 },
    );
  });
});

const request = async (acquire: () => Lease | Promise<Lease>, behaviour: Behaviour): Promise<string> => {
  try {
    return await runOn(await acquire(), behaviour, { ms: 30 });
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
};

const expectConserved = (pool: Awaited<ReturnType<typeof createBench>>['pool']): void => {
  const { slots, sandboxes } = pool.view();
  const listed = sandboxes.flatMap(({ instances }) => instances).map(({ state }) => state);
  for (const state of ['free', 'busy', 'starting', 'draining'] as const) {
    expect(slots[state]).toBe(listed.filter((one) => one === state).length);
  }
  expect(slots.total).toBe(listed.length);
  for (const { instances, tenant } of sandboxes) {
    for (const { inFlight, function: name } of instances) {
      expect(inFlight).toBeGreaterThanOrEqual(0);
      if (name !== null) expect(tenant).not.toBeNull();
    }
  }
};
