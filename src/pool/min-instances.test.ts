import { describe, expect, it } from 'vitest';
import { type Bench, type BenchOptions, createBench, place, runOn } from './fixture.ts';
import { POLICY_NAMES } from './policy/api.ts';
import { createPolicy } from './policy/policies.ts';

const ready = ({ pool }: Bench): number => pool.view().ready.code;

const deployed = async (overrides: Parameters<typeof place>[1], options: BenchOptions = {}) => {
  const bench = await createBench(options);
  const placement = place('f', { label: 'echo', minInstances: 2, ...overrides });
  bench.pool.supersede(placement.group, placement.key);
  bench.pool.deployed(placement);
  await bench.clock.advance(200);
  return { bench, placement };
};

describe('minInstances', () => {
  it.each(POLICY_NAMES)(
    'are ready before any call and for as long as nobody calls, under %s',
    async (name) => {
      const { bench } = await deployed({}, { policy: createPolicy(name) });
      expect(ready(bench)).toBe(2);
      const lease = await bench.scheduler.acquire(place('f', { label: 'echo', minInstances: 2 }));
      expect(lease.start).toBe('code');
      lease.release(true);
      await bench.clock.advance(3_600_000);
      expect(ready(bench)).toBe(2);
    },
  );

  it('are all made ready, also when there are more than may be loaded at once', async () => {
    const { bench } = await deployed({ minInstances: 9 });
    await bench.clock.advance(1_000);
    expect(ready(bench)).toBe(9);
  });

  it('are loaded later and later when they die before anybody has used them', async () => {
    const { bench } = await deployed({ minInstances: 1 });
    for (let tick = 0; tick < 6_000; tick += 1) {
      if (ready(bench) > 0) for (const kill of bench.kills) kill();
      await bench.clock.advance(10);
    }
    expect(bench.preloads.length).toBeLessThanOrEqual(8);
  });

  it('of one tenant are not loaded by more than four at once, however many functions it has', async () => {
    const bench = await createBench({ settings: { maxSandboxes: 20 } });
    for (let index = 0; index < 20; index += 1) {
      const placement = place(`f${index}`, { label: 'echo', minInstances: 4 });
      bench.pool.supersede(placement.group, placement.key);
      bench.pool.deployed(placement);
    }
    expect(bench.preloads.length + bench.pool.counts().starting).toBeLessThanOrEqual(4);
    await bench.clock.advance(30_000);
    expect(ready(bench)).toBe(80);
  });

  it('are replaced when their sandbox is killed', async () => {
    const { bench } = await deployed({});
    for (const kill of bench.kills) kill();
    await bench.clock.advance(0);
    expect(ready(bench)).toBe(0);
    await bench.clock.advance(2_000);
    expect(ready(bench)).toBe(2);
  });

  it('are replaced when an invocation has used one up', async () => {
    const { bench, placement } = await deployed({ ephemeral: true });
    const running = runOn(await bench.scheduler.acquire(placement), 'throw');
    await bench.clock.advance(10);
    expect(await running).toBe('ok');
    (await bench.scheduler.acquire(placement)).release(false);
    await bench.clock.advance(2_000);
    expect(ready(bench)).toBe(2);
  });

  it('are tried again later and later while their code does not load', async () => {
    const { bench, placement } = await deployed({ label: 'broken', minInstances: 1 });
    await bench.clock.advance(62_000);
    const waits = bench.preloads.slice(1).map((at, index) => at - (bench.preloads[index] ?? 0));
    expect(waits.map((ms) => Math.round(ms / 1_000))).toEqual([1, 2, 4, 8, 16]);
    bench.pool.supersede(placement.group, null);
    await bench.clock.advance(1_200_000);
    expect(bench.pool.instancesOf(placement.key)).toBe(0);
  });

  it('end when the function is deleted, and are those of the new revision when it is deployed anew', async () => {
    const { bench, placement } = await deployed({});
    const next = { ...placement, key: `${placement.key}/2`, minInstances: 1 };
    bench.pool.supersede(placement.group, next.key);
    bench.pool.deployed(next);
    await bench.clock.advance(500);
    expect(bench.pool.instancesOf(placement.key)).toBe(0);
    expect(bench.pool.instancesOf(next.key)).toBe(1);
    bench.pool.supersede(placement.group, null);
    await bench.clock.advance(5_000);
    expect(ready(bench)).toBe(0);
  });

  it('go when they are kept no more, and no invocation that was placed before brings them back', async () => {
    const { bench, placement } = await deployed({ minInstances: 2 });
    const lease = await bench.scheduler.acquire(placement);
    bench.pool.deployed({ ...placement, minInstances: 0 });
    expect(ready(bench)).toBe(0);
    const more = [bench.scheduler.acquire(placement), bench.scheduler.acquire(placement)];
    await bench.clock.advance(200);
    for (const one of [lease, ...more]) (await one).release(true);
    expect(bench.pool.view()).toMatchObject({ provisioned: 0, unmet: [] });
    bench.pool.deployed(placement);
    await bench.clock.advance(200);
    expect(bench.pool.view()).toMatchObject({ provisioned: 2, unmet: [] });
    expect(bench.pool.audit()).toBeNull();
  });

  it('stop to load when the function is deleted', async () => {
    const { bench, placement } = await deployed({ label: 'endless-load', minInstances: 1 });
    expect(bench.pool.instancesOf(placement.key)).toBe(1);
    bench.pool.supersede(placement.group, null);
    await bench.clock.advance(100);
    expect(bench.pool.instancesOf(placement.key)).toBe(0);
    expect(bench.pool.audit()).toBeNull();
  });

  it('are never more than maxInstances', async () => {
    const { bench, placement } = await deployed({ minInstances: 5, maxInstances: 3 });
    await bench.clock.advance(5_000);
    expect(bench.pool.instancesOf(placement.key)).toBe(3);
  });

  it('are the last to go when memory is short', async () => {
    const { bench } = await deployed({}, { memoryMb: 150, settings: { pristine: 0, spareRuntimes: 0 } });
    for (const name of ['g', 'h', 'i', 'j', 'k']) {
      const pending = Promise.resolve(bench.scheduler.acquire(place(name)));
      const running = pending.then((lease) => runOn(lease, 'echo'));
      await bench.clock.advance(6_000);
      expect(await running).toBe('ok');
    }
    expect(bench.budget.evictions).toBeGreaterThan(0);
    expect((await bench.scheduler.acquire(place('f', { label: 'echo', minInstances: 2 }))).start).toBe(
      'code',
    );
  });

  it('that fail give way to those of a revision that works at once', async () => {
    const { bench, placement } = await deployed({ label: 'broken', minInstances: 1 });
    await bench.clock.advance(60_000);
    const next = { ...placement, key: `${placement.key}/2` };
    bench.pool.supersede(next.group, next.key);
    bench.pool.deployed(next);
    const deployedMs = bench.clock.nowMs();
    // What was learnt of an earlier revision says nothing of this one: the wait begins anew at a second.
    await bench.clock.advance(1_500);
    const since = bench.preloads.filter((at) => at >= deployedMs).map((at) => Math.round(at - deployedMs));
    expect(since).toHaveLength(2);
    const last = { ...placement, key: `${placement.key}/3`, label: 'echo' };
    bench.pool.supersede(last.group, last.key);
    bench.pool.deployed(last);
    await bench.clock.advance(200);
    expect(ready(bench)).toBe(1);
  });

  it('of a tenant beyond its fair share go before those of one within it when memory is short', async () => {
    const bench = await createBench({
      ...{ memoryMb: 450, capacity: 1 },
      settings: { pristine: 0, spareRuntimes: 0, runtimesPerPristine: 0, maxSandboxes: 100 },
    });
    // The one within its share is loaded first and has been idle for longer: by its worth it would go first.
    const modest = place('modest', { tenant: 'b', label: 'echo', minInstances: 1 });
    const hog = place('hog', { tenant: 'a', label: 'echo', minInstances: 6 });
    for (const placement of [modest, hog]) {
      bench.pool.supersede(placement.group, placement.key);
      bench.pool.deployed(placement);
      await bench.clock.advance(3_000);
    }
    expect(bench.budget.heldBy('a')).toBeGreaterThan(225);
    const pending = ['f', 'g'].map((name) =>
      Promise.resolve(bench.scheduler.acquire(place(name, { tenant: 'c' }))),
    );
    await bench.clock.advance(100);
    for (const lease of await Promise.all(pending)) lease.release(true);
    expect(bench.pool.instancesOf(hog.key)).toBeLessThan(6);
    expect(bench.pool.instancesOf(modest.key)).toBe(1);
  });
});

describe('minInstances that cannot be met', () => {
  const why = ({ pool }: Bench) =>
    pool
      .snapshot()
      .of('a')
      .unmet?.map(({ ready: has, why }) => [has, why]);

  it('are not shown once all are ready, nor those of others', async () => {
    const { bench } = await deployed({});
    expect(why(bench)).toEqual([]);
    const { bench: other } = await deployed({ tenant: 'b', label: 'broken' });
    expect(other.pool.snapshot().of('a').unmet).toEqual([]);
    expect(other.pool.snapshot().of('b').unmet).toHaveLength(1);
    expect(other.pool.view().unmet).toHaveLength(1);
  });

  it('say that code does not load', async () => {
    const { bench } = await deployed({ label: 'broken', minInstances: 1 });
    await bench.clock.advance(1_500);
    expect(why(bench)).toEqual([
      [0, expect.stringMatching(/^its code has failed to load.*, 2 times; it is tried again in [12] s$/)],
    ]);
  });

  it('say that some are being loaded', async () => {
    const { bench } = await deployed({ label: 'endless-load', minInstances: 1 });
    expect(why(bench)).toEqual([[0, 'one is being loaded']]);
  });

  it('say that memory is short', async () => {
    const { bench } = await deployed(
      { minInstances: 9 },
      { memoryMb: 100, settings: { pristine: 0, spareRuntimes: 0 } },
    );
    await bench.clock.advance(10_000);
    expect(why(bench)).toEqual([
      [expect.any(Number), expect.stringMatching(/^memory is short: one more takes about \d+ MB/)],
    ]);
  });

  it('say that there are no more sandboxes', async () => {
    const { bench } = await deployed({ minInstances: 9 }, { capacity: 1, settings: { maxSandboxes: 4 } });
    await bench.clock.advance(10_000);
    expect(why(bench)).toEqual([[4, 'all sandboxes that there may be, 4, are taken']]);
  });

  it('say so also to a tenant that holds nothing', async () => {
    const options = { capacity: 1, settings: { maxSandboxes: 4, reservePercent: 25, pristine: 0 } };
    const { bench } = await deployed({ tenant: 'b', minInstances: 9 }, options);
    await bench.clock.advance(10_000);
    const last = place('last', { tenant: 'c', minInstances: 1 });
    bench.pool.supersede(last.group, last.key);
    bench.pool.deployed(last);
    await bench.clock.advance(1_000);
    const poor = place('f', { tenant: 'a', minInstances: 1 });
    bench.pool.supersede(poor.group, poor.key);
    bench.pool.deployed(poor);
    await bench.clock.advance(1_000);
    expect(why(bench)).toEqual([[0, 'all sandboxes that there may be, 4, are taken']]);
  });

  it('say that the last sandboxes are for others', async () => {
    const options = { capacity: 1, settings: { maxSandboxes: 4, reservePercent: 25, pristine: 0 } };
    const { bench } = await deployed({ minInstances: 9 }, options);
    await bench.clock.advance(10_000);
    expect(why(bench)).toEqual([[3, expect.stringContaining('but for the last, which are for tenants')]]);
  });

  it('say that the processors are above their watermark', async () => {
    const { bench } = await deployed(
      { minInstances: 1 },
      { capacity: 1, settings: { maxSandboxes: 4, pristine: 0, spareRuntimes: 0 } },
    );
    bench.budget.pressure = { memoryHigh: false, cpuHigh: true };
    const more = place('g', { minInstances: 3 });
    bench.pool.supersede(more.group, more.key);
    bench.pool.deployed(more);
    await bench.clock.advance(10_000);
    expect(why(bench)).toEqual([[expect.any(Number), expect.stringContaining('machine.cpuHighPercent')]]);
  });

  it('say that a load failed also while it waits for its turn, and when it is tried again', async () => {
    const { bench } = await deployed(
      { label: 'broken', minInstances: 1 },
      { settings: { startParallelism: 8, bootParallelism: 8, runtimesPerPristine: 0, maxSandboxes: 20 } },
    );
    await bench.clock.advance(600);
    const endless = place('endless', { label: 'endless-load', minInstances: 4 });
    bench.pool.supersede(endless.group, endless.key);
    bench.pool.deployed(endless);
    await bench.clock.advance(600);
    expect(why(bench)).toEqual([
      [
        0,
        expect.stringMatching(
          /failed to load.*, once; it is tried again in 1 s if it is its turn then: at most/,
        ),
      ],
      [0, '4 are being loaded'],
    ]);
    await bench.clock.advance(60_000);
    expect(why(bench)?.map(([, text]) => text)).toEqual(
      [1, 2].map(() => expect.stringMatching(/times; it is/)),
    );
  });

  it('say that the memory of the machine is above its watermark', async () => {
    const { bench } = await deployed({ minInstances: 9 }, { capacity: 1, settings: { maxSandboxes: 4 } });
    bench.budget.pressure = { memoryHigh: true, cpuHigh: false };
    await bench.clock.advance(10_000);
    expect(why(bench)).toEqual([[4, expect.stringContaining('machine.memoryHighPercent')]]);
  });
});
