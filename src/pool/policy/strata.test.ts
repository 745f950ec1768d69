import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GapProfile, Idle, LayerCosts, Window } from './api.ts';
import { CONTAINER_COSTS, ISOLATE_COSTS, profile, repeated } from './fixture.ts';
import { hazardPerSecond } from './gap-belief.ts';
import { strataPolicy } from './strata.ts';

const MINUTE = 60_000;
const QUIET: LayerCosts = { ...CONTAINER_COSTS, memoryDemand: 0.2 };
const policy = strataPolicy();
const windows = (gaps: GapProfile, costs: LayerCosts = CONTAINER_COSTS): readonly Window[] =>
  policy.warm(gaps, costs).windows;
const heldMs = (all: readonly Window[]): number =>
  all.reduce((sum, { fromMs, untilMs }) => sum + untilMs - fromMs, 0);
const idle = (gaps: GapProfile | null, gapMs: number, memoryMb = 60): Idle => ({
  ...{ layer: 'code', memoryMb, idleMs: gapMs, gaps, gapMs, uses: 1, pressureAtUse: 0 },
});

describe('the windows of strata', () => {
  it('hold what is wanted again at once, and give up what is late', () => {
    const [window, ...more] = windows(profile([...repeated(20, 95), ...repeated(50 * MINUTE, 5)]));
    expect(more).toEqual([]);
    expect(window).toEqual({ fromMs: 0, untilMs: 30 });
  });

  it('are none for what is wanted again late and is large', () => {
    expect(windows(profile(repeated(50 * MINUTE, 50)))).toEqual([]);
  });

  it('come back shortly before a timer fires when memory is cheap', () => {
    const timer = profile(repeated(30.5 * MINUTE, 50), { all: repeated(30.5 * MINUTE, 50) });
    expect(windows(timer, QUIET)).toEqual([{ fromMs: 30 * MINUTE, untilMs: 31 * MINUTE }]);
  });

  it('reach a near hump by holding on when coming back costs more', () => {
    const short = profile(repeated(9_000, 50));
    expect(windows(short, QUIET)).toEqual([{ fromMs: 0, untilMs: 15_000 }]);
  });

  it('are the shorter, the more was needed lately and the larger the instance', () => {
    const gaps = profile([
      ...repeated(20, 60),
      ...repeated(700, 60),
      ...repeated(3_500, 60),
      ...repeated(40_000, 60),
    ]);
    const held = [0.5, 1.3, 1.7, 2.2, 4].map((memoryDemand) =>
      heldMs(windows(gaps, { ...CONTAINER_COSTS, memoryDemand })),
    );
    expect(held).toEqual(held.toSorted((one, other) => other - one));
    expect(held.at(0)).toBeGreaterThan(held.at(-1) ?? Number.NaN);
    const large = { ...QUIET, memoryMb: { ...QUIET.memoryMb, code: 6_000 } };
    expect(heldMs(windows(gaps, large))).toBeLessThan(heldMs(windows(gaps, QUIET)));
  });

  it('believe others of a function that is not known, and itself as soon as it is', () => {
    const others = repeated(20, 1_000);
    expect(windows(profile([], { all: others }))).toEqual([{ fromMs: 0, untilMs: 30 }]);
    const late = profile(repeated(50.5 * MINUTE, 20), { all: others });
    expect(windows(late, QUIET)).toContainEqual({ fromMs: 50 * MINUTE, untilMs: 51 * MINUTE });
  });

  it('are none while nothing is known of anything', () => {
    expect(windows(profile([]))).toEqual([]);
  });

  it('charge the carrier to the instance that needs it', () => {
    const gaps = repeated(1_500, 50);
    const costs = { ...ISOLATE_COSTS, memoryMb: { container: 5_000, runtime: 1, code: 2 } };
    expect(windows(profile(gaps, { level: 1 }), costs)).toEqual([]);
    expect(windows(profile(gaps, { level: 2 }), costs)).not.toEqual([]);
  });
});

describe('the price of memory', () => {
  const gaps = profile([
    ...repeated(20, 60),
    ...repeated(700, 60),
    ...repeated(3_500, 60),
    ...repeated(40_000, 60),
  ]);
  const at = (memoryDemand: number | undefined): number => {
    const { memoryDemand: _, ...costs } = CONTAINER_COSTS;
    return heldMs(windows(gaps, memoryDemand === undefined ? costs : { ...costs, memoryDemand }));
  };
  const demand = fc.double({ min: 0, max: 100, noNaN: true });

  it('is the lowest until it is known how much is needed, and while all of it fits', () => {
    expect([at(undefined), at(0.3), at(1)]).toEqual([at(0), at(0), at(0)]);
    expect(at(2)).toBeLessThan(at(0));
  });

  it('is never lower because more is needed', () => {
    fc.assert(
      fc.property(demand, demand, (one, other) => {
        expect(at(Math.max(one, other))).toBeLessThanOrEqual(at(Math.min(one, other)));
      }),
    );
  });

  it('has an upper bound: what comes again at once is kept however much is needed', () => {
    expect(at(1e9)).toBe(at(4));
    expect(at(1e9)).toBeGreaterThan(0);
  });

  it('keeps through five minutes, while memory is plenty, what may come in any of them', () => {
    const any = Array.from({ length: 100 }, (_, twentieth) => (twentieth * MINUTE) / 20 + 1);
    expect(windows(profile(any), QUIET)).toEqual([{ fromMs: 0, untilMs: 5 * MINUTE }]);
  });

  it('has a floor: memory that nobody wants yet is not held through half an hour for one start', () => {
    const any = Array.from({ length: 90 }, (_, third) => (third * MINUTE) / 3 + 1);
    expect(windows(profile(any), { ...QUIET, memoryDemand: 0 })).toEqual(windows(profile(any), QUIET));
    expect(heldMs(windows(profile(any), { ...QUIET, memoryDemand: 0 }))).toBeLessThan(15 * MINUTE);
  });

  it('lets go at once, while memory is plenty, of what comes late and seldom', () => {
    const seldom = profile(repeated(20 * MINUTE, 1), { all: repeated(200 * MINUTE, 1_000) });
    expect(heldMs(windows(seldom, QUIET))).toBeLessThan(3 * MINUTE);
  });
});

describe('the stock of strata', () => {
  const floor = { warm: 1, runtimesEach: 1, cold: 1, max: 20 };
  const stock = (perSecond: number, costs: LayerCosts = CONTAINER_COSTS) =>
    policy.stock({ stablePerSecond: perSecond, panicPerSecond: 0, refillMs: 130 }, costs, floor);

  it('grows with the demand, from the floor to the cap', () => {
    const warm = [0, 0.5, 2, 8, 1_000].map((perSecond) => stock(perSecond).warm);
    expect(warm).toEqual(warm.toSorted((one, other) => one - other));
    expect([warm.at(0), warm.at(-1)]).toEqual([1, 20]);
  });

  it('heeds a panic', () => {
    const asked = { stablePerSecond: 0, panicPerSecond: 8, refillMs: 130 };
    expect(policy.stock(asked, CONTAINER_COSTS, floor).warm).toBe(stock(8).warm);
  });

  it('never falls below the floor, however dear memory is', () => {
    const dear = strataPolicy({ priceMsPerMbSecond: 1e9, mostPriceMsPerMbSecond: 1e9 });
    const asked = { stablePerSecond: 0, panicPerSecond: 0, refillMs: 130 };
    expect(dear.stock(asked, CONTAINER_COSTS, floor)).toMatchObject({ warm: 1, cold: 1 });
  });

  it('keeps a spare runtime only in a sandbox that can hold one', () => {
    const asked = { stablePerSecond: 0.1, panicPerSecond: 0, refillMs: 3 };
    expect(policy.spares(asked, CONTAINER_COSTS, 4)).toBe(0);
    expect(policy.spares(asked, ISOLATE_COSTS, 4)).toBe(1);
    expect(policy.spares({ ...asked, stablePerSecond: 10_000 }, ISOLATE_COSTS, 4)).toBe(4);
  });
});

describe('the worth of what lies idle', () => {
  const gaps = profile([...repeated(20, 90), ...repeated(5.5 * MINUTE, 10)]);

  it('is the hazard times what is saved, for each megabyte', () => {
    const saved = 1.5 + 0.003 * (132 - 1.5);
    expect(policy.worth(idle(gaps, 20), CONTAINER_COSTS)).toBeCloseTo(
      (hazardPerSecond(gaps, 0.5, 20) * saved) / 60,
    );
    const half = policy.worth(idle(gaps, 20, 120), CONTAINER_COSTS);
    expect(half).toBeCloseTo(policy.worth(idle(gaps, 20), CONTAINER_COSTS) / 2);
  });

  it('falls when the likely end has passed, and rises again before the next', () => {
    const at = [20, 2 * MINUTE, 5.5 * MINUTE].map((ms) => policy.worth(idle(gaps, ms), CONTAINER_COSTS));
    expect(at[1]).toBeLessThan(at[0] ?? Number.NaN);
    expect(at[2]).toBeGreaterThan(at[1] ?? Number.NaN);
  });

  it('falls with the time for what is nobody’s', () => {
    const [young, old] = [100, 10_000].map((ms) =>
      policy.worth({ ...idle(null, ms), layer: 'runtime' }, CONTAINER_COSTS),
    );
    expect(old).toBeLessThan(young ?? Number.NaN);
  });
});
