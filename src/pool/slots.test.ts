import { describe, expect, it } from 'vitest';
import { NOT_IN_HEAP } from '../core/heap.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { Budget } from './budget.ts';
import { createBench, place } from './fixture.ts';
import type { Sandbox, Slot } from './slot.ts';
import { Slots } from './slots.ts';
import { Tally } from './tally.ts';

const sandboxOf = (tenant: string | null): Sandbox => ({
  ...{
    number: 1,
    state: 'ready',
    carrier: null,
    capacity: 4,
    tenant,
    quarantinedFor: null,
    slots: new Set(),
  },
  ...{ busy: 0, starting: 0, awaited: [], doubtful: 0, spareMemoryMb: 128, usedMs: 0, lastOwner: null },
  ...{ chargedMb: 0, plannedForMs: -1, runtimeUntilMs: 0, untilMs: 0 },
  ...{ dueMs: Number.POSITIVE_INFINITY, heapIndex: NOT_IN_HEAP },
});

const slotIn = (sandbox: Sandbox): Slot => ({
  ...{
    sandbox,
    memoryMb: 128,
    state: 'starting',
    layer: 'runtime',
    instance: null,
    placement: null,
    owner: null,
  },
  ...{
    inFlight: 0,
    loading: null,
    retired: false,
    usedMs: 0,
    pressureAtUse: 0,
    aheadCpuNs: 0,
    unused: false,
  },
  ...{ chargedMb: 0, listed: null },
});

const setUp = () => {
  const budget = new Budget({ clock: new ManualClock(), memoryMb: 1_000, reservePercent: 0 });
  const slots = new Slots(budget, () => undefined);
  const sandbox = sandboxOf('a');
  slots.open(sandbox, 20);
  const slot = slotIn(sandbox);
  slots.add(slot, 10);
  return { budget, slots, sandbox, slot };
};

describe('the slots', () => {
  it('charge what is there, and say what of it serves: the carrier as long as anything in it does', () => {
    const { budget, slots, sandbox, slot } = setUp();
    slots.move(slot, 'free');
    expect([budget.usedMb, budget.servingMb]).toEqual([30, 0]);
    slots.move(slot, 'busy');
    expect(budget.servingMb).toBe(30);
    slots.close(sandbox);
    expect([budget.usedMb, budget.servingMb, budget.holders]).toEqual([0, 0, 0]);
    slots.move(slot, 'gone');
    expect(slots.counts().total).toBe(0);
    expect(slots.audit([sandbox])).toBeNull();
  });

  it('refuse a move that is not in the table', () => {
    const { slots, slot } = setUp();
    expect(() => slots.move(slot, 'busy')).toThrow('cannot move from starting to busy');
  });

  it('find and repair whatever was miscounted, and then find nothing', () => {
    const { budget, slots, sandbox, slot } = setUp();
    slots.move(slot, 'free');
    slots.move(slot, 'busy');
    sandbox.busy = 7;
    slot.state = 'free';
    slot.chargedMb = 25;
    const gone = slotIn(sandbox);
    gone.state = 'gone';
    sandbox.slots.add(gone);
    const found = slots.audit([sandbox]);
    for (const part of ['gone and still listed', 'busy: counted 7, are 0', 'free: counted 0, are 1'])
      expect(found).toContain(part);
    for (const part of ['busy: counted 1, are 0', 'charged: 30.00 MB counted, are 45.00', 'serving: 30.00'])
      expect(found).toContain(part);
    expect(slots.audit([sandbox])).toBeNull();
    expect(slots.counts()).toMatchObject({ free: 1, busy: 0, total: 1 });
    expect([budget.usedMb, budget.servingMb]).toEqual([45, 0]);
  });

  it('are audited by the pool once in a while: it says so when it had to put something right', async () => {
    const { pool, clock, repairs, faults, scheduler } = await createBench();
    const lease = await scheduler.acquire(place('f'));
    await clock.advance(2_000);
    expect(repairs()).toBe(0);
    // The only way in from outside: a tally that somebody else writes to.
    const add = Tally.prototype.add;
    Tally.prototype.add = function miscount(key, by) {
      add.call(this, key, by * 2);
    };
    try {
      lease.release(false);
    } finally {
      Tally.prototype.add = add;
    }
    await clock.advance(2_000);
    expect(repairs()).toBe(1);
    expect(faults.join()).toContain('not conserved');
    expect(pool.audit()).toBeNull();
    await clock.advance(5_000);
    expect(repairs()).toBe(1);
  });
});
