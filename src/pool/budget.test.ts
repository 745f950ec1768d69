import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { Budget, type Evictable, type Victim } from './budget.ts';
import { createBench, patient, place, runOn } from './fixture.ts';
import type { Idle } from './policy/api.ts';

const budgetOf = (memoryMb: number, reservePercent = 0): Budget =>
  new Budget({ clock: new ManualClock(), memoryMb, reservePercent });

/** Gives up what it is told to, the first first. */
const poolOf = (
  budget: Budget,
  held: [holder: string | null, memoryMb: number, provisioned?: true][],
): Evictable => ({
  cheapest(mayEnd): Victim | null {
    const at = held.findIndex(([holder, , provisioned = false]) => mayEnd({ holder, provisioned }));
    const [holder, memoryMb, provisioned = false] = held[at] ?? [];
    if (holder === undefined || memoryMb === undefined) return null;
    return {
      ...{ worth: at, provisioned, memoryMb },
      end() {
        held.splice(at, 1);
        budget.charge(holder, -memoryMb);
      },
    };
  },
});

describe('the memory budget', () => {
  it('lets one run while others fill the machine, and no second one', () => {
    const budget = budgetOf(100);
    budget.pressure = { memoryHigh: true, cpuHigh: false };
    expect(budget.makeRoom('a', 30, true)).toBe(false);
    expect(budget.makeRoom('a', 30, false)).toBe(true);
    budget.charge('a', 30);
    expect(budget.makeRoom('b', 30, false)).toBe(false);
    budget.charge('a', -30);
    expect(budget.makeRoom('b', 30, false)).toBe(true);
  });

  it('adds up what the pools needed lately, and believes it as far as memory is in use', () => {
    const budget = budgetOf(100);
    expect(budget.demand).toBe(0);
    budget.charge('a', 40);
    budget.needs(150);
    budget.needs(60);
    expect(budget.demand).toBeCloseTo(2.1);
    budget.needs(-150);
    expect(budget.demand).toBeCloseTo(0.6);
    budget.needs(300);
    budget.charge('a', -30);
    expect(budget.demand).toBeCloseTo(0.8);
  });

  it('ends nothing for what would not fit if all that is idle were gone', () => {
    const budget = budgetOf(100);
    const held: [string, number][] = [
      ['a', 30],
      ['b', 10],
    ];
    budget.join(poolOf(budget, held));
    budget.charge('a', 30);
    budget.charge('b', 10);
    budget.charge('c', 50);
    budget.serve(50);
    expect(budget.makeRoom('d', 60, false)).toBe(false);
    expect(budget.evictions).toBe(0);
    expect(budget.makeRoom('d', 20, false)).toBe(true);
    expect(budget.evictions).toBe(1);
  });

  it('keeps the reserve from whoever holds more than its share, and gives it to whoever holds less', () => {
    const budget = budgetOf(100, 20);
    budget.charge('rich', 80);
    // Also while nobody else is there: whoever comes finds room.
    expect(budget.makeRoom('rich', 1, false)).toBe(false);
    expect(budget.makeRoom('poor', 20, false)).toBe(true);
    expect(budget.makeRoom('poor', 21, false)).toBe(false);
  });

  it('lets nobody who holds more make one that holds less give anything up', () => {
    const budget = budgetOf(100);
    budget.join(poolOf(budget, [['poor', 10]]));
    budget.charge('poor', 10);
    budget.charge('rich', 90);
    expect(budget.makeRoom('rich', 5, false)).toBe(false);
    expect(budget.heldBy('poor')).toBe(10);
  });

  it('keeps what is nobody’s from whoever holds more than its share, which makes room by what it has', () => {
    const budget = budgetOf(100);
    const held: [string | null, number][] = [
      [null, 20],
      ['rich', 10],
    ];
    budget.join(poolOf(budget, held));
    budget.charge(null, 20);
    budget.charge('rich', 80);
    expect(budget.makeRoom('rich', 10, false)).toBe(true);
    expect(held).toEqual([[null, 20]]);
    budget.charge('rich', 10);
    expect(budget.makeRoom('rich', 5, false)).toBe(false);
    expect(held).toEqual([[null, 20]]);
    expect(budget.makeRoom('poor', 20, false)).toBe(true);
    expect(held).toEqual([]);
  });

  it('ends for the machine what tenants beyond their share have idle, before the stock and what others have', () => {
    const budget = budgetOf(100);
    const held: [string | null, number][] = [
      [null, 10],
      ['modest', 10],
      ['hog', 60],
    ];
    budget.join(poolOf(budget, held));
    for (const [holder, memoryMb] of held) budget.charge(holder, memoryMb);
    expect(budget.evict(null)).toBe(60);
    expect(budget.evict(null)).toBe(10);
    expect(held).toEqual([['modest', 10]]);
  });

  it('ends what is provisioned last, and of tenants beyond their share before that of those within it', () => {
    const budget = budgetOf(100);
    const held: [string, number, true?][] = [
      ['plain', 5],
      ['modest', 10, true],
      ['hog', 10, true],
      ['hog', 10, true],
    ];
    budget.join(poolOf(budget, held));
    for (const [holder, memoryMb] of held) budget.charge(holder, memoryMb);
    budget.charge('hog', 60);
    const order: string[] = [];
    for (let step = 0; step < 4; step += 1) {
      const before = held.map(([holder]) => holder);
      budget.evict('newcomer');
      for (const [index, holder] of before.entries())
        if (held[index]?.[0] !== holder) {
          order.push(holder);
          break;
        }
    }
    expect(order).toEqual(['plain', 'hog', 'hog', 'modest']);
  });

  it('lets nothing grow above the watermark of memory unless as much ends, and nothing ahead', () => {
    const budget = budgetOf(100);
    budget.charge('a', 10);
    budget.join(poolOf(budget, [['a', 10]]));
    budget.pressure = { memoryHigh: true, cpuHigh: false };
    expect(budget.makeRoom('b', 5, true)).toBe(false);
    expect(budget.makeRoom('b', 10, false)).toBe(true);
    budget.charge('b', 10);
    expect(budget.makeRoom('b', 10, false)).toBe(false);
    budget.pressure = { memoryHigh: false, cpuHigh: true };
    expect(budget.makeRoom('b', 5, false)).toBe(true);
  });

  it('forgets a holder that holds nothing, after any number of fractions', () => {
    const budget = budgetOf(100);
    for (let round = 0; round < 10_000; round += 1) {
      const memoryMb = 0.1 + (round % 7) / 3;
      budget.charge('a', memoryMb);
      budget.charge('a', 20.8);
      budget.charge('a', -memoryMb);
      budget.charge('a', -20.8);
    }
    expect(budget.holders).toBe(0);
  });
});

describe('room in the pool', () => {
  it('is not made for a function that can never have it: pristine sandboxes and the code of others stay', async () => {
    const { pool, scheduler, clock, budget } = await createBench({
      memoryMb: 300,
      queue: { timeoutMs: 500 },
    });
    const running = runOn(await scheduler.acquire(place('f')), 'echo');
    await clock.advance(100);
    expect(await running).toBe('ok');
    const before = budget.evictions;
    const huge = place('huge', { tenant: 'b', memoryMb: 8_192 });
    const refused = expect(Promise.resolve(scheduler.acquire(huge))).rejects.toMatchObject({
      code: 'queue_timeout',
    });
    await clock.advance(1_000);
    await refused;
    expect(budget.evictions).toBe(before);
    expect(pool.view().ready).toMatchObject({ code: 1 });
  });

  it('takes a runtime only if it is still there when room has been made for it', async () => {
    // The provisioned instance goes for the room, and with it, because it was long unused, its whole sandbox.
    const { pool, scheduler, clock, budget } = await createBench({
      ...{ memoryMb: 50, settings: { pristine: 0, runtimesPerPristine: 0 } },
      policy: {
        name: 'fixed',
        warm: () => ({ windows: [{ fromMs: 0, untilMs: 1_000 }], why: 'the test says so' }),
        demotion: () => ({ runtimeMs: 0, containerMs: 0 }),
        stock: () => ({ warm: 0, cold: 0, runtimesEach: 1, why: 'the test says so' }),
        spares: () => 1,
        worth: ({ idleMs }) => -idleMs,
      },
    });
    const kept = place('kept', { minInstances: 1, label: 'echo', memoryMb: 64 });
    pool.deployed(kept);
    await clock.advance(100_000);
    expect(pool.view().ready).toMatchObject({ code: 1, runtime: 1 });
    const pending = Promise.resolve(scheduler.acquire(place('f', { memoryMb: 64 })));
    await clock.advance(200);
    const lease = await pending;
    expect(lease.instance.ended).toBe(false);
    lease.release(true);
    expect(pool.audit()).toBeNull();
    expect(budget.usedMb).toBeLessThanOrEqual(50);
  });
});

describe('the pristine stock', () => {
  it('is not drained by a tenant beyond its share, which ends what it has idle; whoever has less finds it', async () => {
    // By its worth alone the stock would go first. Functions of this size cannot take it: each needs a sandbox of its own.
    const policy = { ...patient, worth: ({ layer }: Idle) => (layer === 'code' ? 1 : 0) };
    const { pool, scheduler, clock, budget } = await createBench({
      ...{ capacity: 1, memoryMb: 400, policy },
      settings: {
        ...{ pristine: 2, maxPristine: 2, runtimesPerPristine: 1 },
        spareRuntimes: 0,
        maxSandboxes: 50,
      },
    });
    const stock = () =>
      pool.view().sandboxes.filter(({ tenant, state }) => tenant === null && state === 'ready').length;
    let fewest = stock();
    expect(fewest).toBe(2);
    for (let index = 0; index < 12; index += 1) {
      const pending = Promise.resolve(scheduler.acquire(place(`f${index}`, { memoryMb: 256 })));
      fewest = Math.min(fewest, stock());
      const running = pending.then((lease) => runOn(lease, 'echo'));
      await clock.advance(100);
      expect(await running).toBe('ok');
    }
    expect(budget.heldBy('a')).toBeGreaterThan(200);
    expect(budget.evictions).toBeGreaterThan(5);
    expect(fewest).toBe(2);
    const lease = await scheduler.acquire(place('g', { tenant: 'b' }));
    expect(lease.start).toBe('runtime');
    lease.release(true);
  });

  it('is there for a tenant whose one function takes more than a share, once what it had has ended', async () => {
    const { scheduler, clock } = await createBench({
      ...{ capacity: 1, memoryMb: 300 },
      settings: {
        ...{ pristine: 2, maxPristine: 2, runtimesPerPristine: 1 },
        spareRuntimes: 0,
        maxSandboxes: 50,
      },
    });
    for (const name of ['f', 'g', 'f']) {
      const huge = place(name, { memoryMb: 900 });
      const running = Promise.resolve(scheduler.acquire(huge)).then((lease) => runOn(lease, 'echo'));
      await clock.advance(4_000);
      expect(await running).toBe('ok');
    }
  });
});

describe('the last sandboxes', () => {
  it('are for tenants that hold less, pristine ones too', async () => {
    const { pool, scheduler, clock } = await createBench({
      capacity: 1,
      settings: { maxSandboxes: 4, reservePercent: 25, pristine: 1, maxPristine: 1 },
    });
    const flood = Array.from({ length: 8 }, (_, at) =>
      Promise.resolve(scheduler.acquire(place(`f${at}`))).catch(() => null),
    );
    await clock.advance(500);
    const mine = () => pool.view().sandboxes.filter(({ tenant }) => tenant === 'a');
    expect(mine()).toHaveLength(3);
    const other = Promise.resolve(scheduler.acquire(place('g', { tenant: 'b' })));
    await clock.advance(100);
    (await other).release(true);
    await clock.advance(10_000);
    for (const lease of await Promise.all(flood)) lease?.release(true);
  });
});

describe('what was needed lately', () => {
  it('is the most instances of ten minutes of each function, and nothing of a pool that has closed', async () => {
    const { clock, pool, budget, scheduler } = await createBench({ memoryMb: 1_000 });
    const pending = [1, 2].map(async () => runOn(await scheduler.acquire(place('f')), 'sleep', { ms: 100 }));
    await clock.advance(10_000);
    expect(await Promise.all(pending)).toEqual(['ok', 'ok']);
    const needed = budget.demand;
    expect(needed).toBeGreaterThan(0.05);
    await clock.advance(580_000);
    expect(budget.demand).toBeCloseTo(needed);
    await clock.advance(20_000);
    expect(budget.demand).toBe(0);
    const again = runOn(await scheduler.acquire(place('f')), 'echo');
    await clock.advance(10_000);
    expect(await again).toBe('ok');
    expect(budget.demand).toBeGreaterThan(0);
    expect(budget.demand).toBeLessThan(needed);
    await pool.close();
    expect(budget.demand).toBe(0);
  });

  it('is of one tenant at most half of what there is, however many functions it calls', async () => {
    const { clock, budget, scheduler } = await createBench({
      memoryMb: 400,
      settings: { maxSandboxes: 400 },
    });
    const call = async (name: string, tenant: string): Promise<void> => {
      const called = (async () => runOn(await scheduler.acquire(place(name, { tenant })), 'echo'))();
      await clock.advance(500);
      expect(await called).toBe('ok');
    };
    for (let at = 0; at < 100; at += 1) await call(`f${at}`, 'crowd');
    await clock.advance(6_000);
    expect(budget.demand).toBeCloseTo(0.5);
    await call('g', 'other');
    await clock.advance(6_000);
    expect(budget.demand).toBeGreaterThan(0.5);
    expect(budget.demand).toBeLessThan(0.7);
  });
});
