import { describe, expect, it } from 'vitest';
import { createBench, place } from './fixture.ts';

describe('starts that fail', () => {
  it('hold off the refill, for twice as long each time, and no longer once one works', async () => {
    let failing = false;
    let tries = 0;
    const at: number[] = [];
    const bench = await createBench({
      settings: { pristine: 1, startParallelism: 1 },
      failStart: () => {
        tries += 1;
        at.push(tries);
        return failing;
      },
    });
    failing = true;
    for (const kill of bench.kills) kill();
    const before = tries;
    await bench.clock.advance(10_000);
    expect(bench.pool.failing).toBe(true);
    expect(tries - before).toBeGreaterThanOrEqual(4);
    expect(tries - before).toBeLessThanOrEqual(7);
    expect(bench.faults.filter((fault) => fault.startsWith('a start failed'))).toHaveLength(tries - before);
    failing = false;
    const pending = Promise.resolve(bench.scheduler.acquire(place('f')));
    await bench.clock.advance(50);
    (await pending).release(true);
    expect(bench.pool.failing).toBe(false);
  });

  it('are counted once for a sandbox, however many instances were booting in it', async () => {
    const { clock, kills, faults, scheduler, pool } = await createBench({ settings: { pristine: 0 } });
    const pending = ['f', 'g', 'h'].map((name) =>
      Promise.resolve(scheduler.acquire(place(name))).then((lease) => lease.release(true)),
    );
    await clock.advance(21);
    expect(pool.counts().starting).toBe(3);
    for (const kill of kills) kill();
    await clock.advance(0);
    expect(faults.filter((fault) => fault.startsWith('a start failed'))).toHaveLength(1);
    await clock.advance(1_000);
    await Promise.all(pending);
    expect(pool.audit()).toBeNull();
  });

  it('end a sandbox once that is killed while it is used, and settle who used it', async () => {
    const { clock, kills, ends, scheduler, pool, budget } = await createBench({ settings: { pristine: 0 } });
    const pending = Promise.resolve(scheduler.acquire(place('f')));
    await clock.advance(50);
    const lease = await pending;
    for (const kill of kills) kill();
    await clock.advance(5);
    expect(ends).toHaveLength(1);
    expect(pool.instancesOf(place('f').key)).toBe(0);
    lease.release(true);
    lease.release(false);
    expect(pool.audit()).toBeNull();
    expect(pool.inFlightOf(place('f'))).toBe(0);
    expect(budget.usedMb).toBe(0);
  });
});
