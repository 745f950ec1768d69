import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import type { Runtime } from '../core/spec.ts';
import { type Bench, type BenchOptions, createBench, place, runOn } from '../pool/fixture.ts';
import { type Lane, Lanes } from './lanes.ts';

const CONFINEMENT = { kind: 'none', summary: '', gaps: [] };

const laneOf = (runtime: Runtime, { pool, scheduler }: Bench): Lane => ({
  ...{ runtime, confinement: CONFINEMENT, pool, scheduler },
});

const open = async (options: BenchOptions = {}) => {
  const released: string[] = [];
  const benches = [await createBench(), await createBench(options)] as const;
  const lanes = new Lanes({
    lanes: [laneOf('isolate', benches[0]), laneOf('python3', benches[1])],
    unavailable: new Map(),
    budget: benches[0].budget,
    release: async () => void released.push('released'),
  });
  return { lanes, benches, released };
};

describe('lanes', () => {
  it('show a pool for each runtime, and all who wait', async () => {
    const { lanes, benches } = await open();
    expect(Object.keys(lanes.view().tiers)).toEqual(['isolate', 'python3']);
    expect(Object.keys(lanes.confinement())).toEqual(['isolate', 'python3']);
    const placement = place('f', { maxInstances: 1 });
    for (const { scheduler } of benches) {
      const held = await scheduler.acquire(placement);
      expect(held.start).toBe('runtime');
      Promise.resolve(scheduler.acquire(placement)).catch(() => undefined);
    }
    expect(lanes.view().queued).toBe(2);
    lanes.refuseAll(new StrataError('draining', 'closing'));
    expect(lanes.waiting).toBe(0);
  });

  it('retire a function in the pool of the runtime that it had before', async () => {
    const { lanes, benches } = await open();
    const [{ scheduler, clock }] = benches;
    const lease = await scheduler.acquire(place('f'));
    const running = runOn(lease, 'echo');
    await clock.advance(50);
    await running;
    lanes.supersede(place('f').group, 'a/f of python3');
    await clock.advance(50);
    expect(lease.instance.ended).toBe(true);
  });

  it('are filled when every pool is that can be, and one of them is', async () => {
    const { lanes, benches } = await open({ failStart: () => true });
    const [good, bad] = benches.map(({ pool }) => pool);
    expect([good?.filled, bad?.filled, bad?.failing]).toEqual([true, false, true]);
    expect(lanes.filled).toBe(true);
    const alone = new Lanes({
      lanes: [laneOf('isolate', benches[1])],
      unavailable: new Map(),
      budget: benches[1].budget,
      release: async () => undefined,
    });
    expect(alone.filled).toBe(false);
  });

  it('all end, and what they share is released, when one of them fails to', async () => {
    const { lanes, benches, released } = await open();
    benches[0].pool.close = () => Promise.reject(new Error('it would not end'));
    const carriers = benches[1].pool.view().sandboxes.length;
    expect(carriers).toBeGreaterThan(0);
    await expect(lanes.close()).rejects.toThrow('it would not end');
    expect(released).toEqual(['released']);
    expect(benches[1].pool.view().sandboxes).toEqual([]);
  });
});
