/**
 * What anybody can name without end takes no memory without end.
 */
import { describe, expect, it } from 'vitest';
import { createBench, place } from './fixture.ts';
import { Functions } from './functions.ts';
import { Quarantine } from './quarantine.ts';

describe('what is remembered', () => {
  it('of functions is bounded, and what has something or is to have it is not forgotten', () => {
    const functions = new Functions();
    const kept = functions.of(place('kept', { minInstances: 1 }));
    const busy = functions.of(place('busy'));
    busy.demand.arrived(0, 1);
    for (let number = 0; number < 30_000; number += 1)
      functions.of(place(`f${number}`, { tenant: `t${number}` }));
    expect(functions.size).toBeLessThanOrEqual(20_000);
    expect(functions.find(place('kept').group)).toBe(kept);
    expect(functions.find(place('busy').group)).toBe(busy);
  });

  it('of a function that is forgotten plans nothing any more', () => {
    const functions = new Functions();
    const first = functions.of(place('first'));
    for (let number = 0; number < 20_000; number += 1) functions.of(place(`f${number}`));
    expect(functions.find(place('first').group)).toBeNull();
    expect(first.deleted).toBe(true);
    expect(functions.of(place('first')).deleted).toBe(false);
  });

  it('of sandboxes that were killed is bounded', () => {
    const quarantine = new Quarantine();
    for (let number = 0; number < 30_000; number += 1) quarantine.add(`f${number}`, true);
    expect(quarantine.size).toBeLessThanOrEqual(10_000);
    expect(quarantine.has('f29999')).toBe(true);
  });

  it('of tenants that are refused is nothing', async () => {
    const { pool, scheduler, budget, clock } = await createBench({
      memoryMb: 60,
      queue: { maxLength: 5, timeoutMs: 100 },
    });
    let refused = 0;
    for (let number = 0; number < 100_000; number += 1) {
      const placement = place('f', { tenant: `t${number}` });
      pool.supersede(placement.group, placement.key);
      try {
        void Promise.resolve(scheduler.acquire(placement)).then(
          (lease) => lease.release(false),
          () => undefined,
        );
      } catch {
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(99_000);
    await clock.advance(5_000);
    expect([scheduler.waiting, scheduler.lines]).toEqual([0, 0]);
    expect(budget.holders).toBeLessThanOrEqual(4);
    expect(pool.listed).toBeLessThanOrEqual(10);
    expect(pool.remembered.functions).toBeLessThanOrEqual(20_000);
    expect(pool.remembered.currentKeys).toBeLessThanOrEqual(10_000);
    expect(pool.remembered.tenants).toBeLessThanOrEqual(10);
    expect(pool.audit()).toBeNull();
  });
});
