import { describe, expect, it } from 'vitest';
import { createBench, place } from '../pool/fixture.ts';
import type { AcquireOptions } from './scheduler.ts';

/** A container takes 2 ms to boot a runtime in, and 20 ms more to come up. */
const begin = async (requireStart: 'none' | 'container', options: AcquireOptions = {}) => {
  const bench = await createBench({ settings: { runtimesPerPristine: 0, spareRuntimes: 0, pristine: 1 } });
  const pending = Promise.resolve(bench.scheduler.acquire(place('f'), { requireStart, ...options }));
  return { ...bench, pending };
};

describe.each(['none', 'container'] as const)('a required start from %s', (start) => {
  it('ends when the caller’s time is up, what it has waited before counted in', async () => {
    const { clock, pool, pending } = await begin(start, { maxWaitMs: 51, arrivedMs: 50 });
    const refused = expect(pending).rejects.toMatchObject({
      code: 'queue_timeout',
      message: expect.stringContaining('51 ms'),
      retryAfterMs: expect.any(Number),
    });
    await clock.advance(1);
    await refused;
    expect(pool.inFlightOf(place('f'))).toBe(0);
  });

  it('ends when the caller goes away, and what comes up then is a spare that serves the next', async () => {
    let cancel = (): void => {};
    const { clock, pool, scheduler, pending } = await begin(start, {
      onWait: (end) => {
        cancel = end;
      },
    });
    const refused = expect(pending).rejects.toMatchObject({ code: 'cancelled' });
    cancel();
    cancel();
    await refused;
    expect(pool.inFlightOf(place('f'))).toBe(0);
    await clock.advance(50);
    expect(pool.instancesOf('a/f')).toBe(0);
    expect(pool.audit()).toBeNull();
    const lease = await scheduler.acquire(place('f'));
    expect(lease.start).toBe('runtime');
    lease.release(true);
  });

  it('is served once, whatever the caller does after it', async () => {
    let cancel = (): void => {};
    const { clock, pool, pending } = await begin(start, {
      maxWaitMs: 10_000,
      onWait: (end) => {
        cancel = end;
      },
    });
    await clock.advance(50);
    const lease = await pending;
    expect(lease.start).toBe(start);
    cancel();
    await clock.advance(20_000);
    expect(pool.inFlightOf(place('f'))).toBe(1);
    lease.release(true);
    expect(pool.inFlightOf(place('f'))).toBe(0);
    expect(pool.audit()).toBeNull();
  });
});
