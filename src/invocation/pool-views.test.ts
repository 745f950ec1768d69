import { describe, expect, it, vi } from 'vitest';
import type { TierSnapshot } from '../pool/api.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { PoolViews } from './pool-views.ts';

const benchOf = () => {
  const clock = new ManualClock();
  let moment = 0;
  const of = vi.fn((tenant: string) => ({ tenant, moment }));
  const take = vi.fn(() => {
    moment += 1;
    return [{ runtime: 'isolate', census: { moment }, of } as unknown as TierSnapshot];
  });
  const views = new PoolViews({ clock, take, shared: () => ({ queued: 3 }) });
  return { clock, of, take, views };
};

describe('views of the pools', () => {
  it('are made once for all who ask within a quarter of a second, tenants and metrics alike', async () => {
    const { clock, of, take, views } = benchOf();
    for (let poll = 0; poll < 50; poll += 1) {
      for (const tenant of ['a', 'b']) expect(views.of(tenant).queued).toBe(3);
      views.census();
    }
    await clock.advance(249);
    expect(views.of('a').tiers.isolate).toEqual({ tenant: 'a', moment: 1 });
    expect(take).toHaveBeenCalledTimes(1);
    expect(of.mock.calls).toEqual([['a'], ['b']]);
    await clock.advance(1);
    expect(views.of('a').tiers.isolate).toEqual({ tenant: 'a', moment: 2 });
    expect(views.of('a')).toEqual(views.of('a'));
    expect(of).toHaveBeenCalledTimes(3);
  });

  it('of more tenants than are kept are made from the same moment', () => {
    const { of, take, views } = benchOf();
    for (let name = 0; name < 1_500; name += 1) views.of(`t${name}`);
    views.of('t0');
    expect(of).toHaveBeenCalledTimes(1_500);
    views.of('t1499');
    expect(of).toHaveBeenCalledTimes(1_501);
    expect(take).toHaveBeenCalledTimes(1);
  });
});
