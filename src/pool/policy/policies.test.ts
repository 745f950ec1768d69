import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GAP_EDGES_MS, type Idle, POLICY_NAMES } from './api.ts';
import { CONTAINER_COSTS, ISOLATE_COSTS, profile } from './fixture.ts';
import { createPolicy } from './policies.ts';

const policies = POLICY_NAMES.map((name) => createPolicy(name));
const gap = fc.integer({ min: 0, max: 20_000_000 });
const someProfile = fc
  .record({
    own: fc.array(gap, { maxLength: 30 }),
    all: fc.array(gap, { maxLength: 30 }),
    iats: fc.array(gap, { maxLength: 6 }),
    level: fc.integer({ min: 1, max: 200 }),
  })
  .map(({ own, all, iats, level }) => profile(own, { all, iats, level }));
const someCosts = fc
  .record({
    base: fc.constantFrom(CONTAINER_COSTS, ISOLATE_COSTS),
    memoryDemand: fc.double({ min: 0, max: 1e9, noNaN: true }),
  })
  .map(({ base, memoryDemand }) => ({ ...base, memoryDemand }));
const perSecond = fc.double({ min: 0, max: 1e6, noNaN: true });
const demand = fc.record({ stablePerSecond: perSecond, panicPerSecond: perSecond, refillMs: perSecond });

describe('every policy', () => {
  it('answers to its name', () => {
    expect(policies.map((policy) => policy.name)).toEqual([...POLICY_NAMES]);
  });

  it('plans windows in order, without overlap, and says why', () => {
    fc.assert(
      fc.property(someProfile, someCosts, (gaps, costs) => {
        for (const policy of policies) {
          const { windows, why } = policy.warm(gaps, costs);
          let last = -1;
          for (const { fromMs, untilMs } of windows) {
            expect(fromMs).toBeGreaterThan(last);
            expect(untilMs).toBeGreaterThan(fromMs);
            last = untilMs;
          }
          expect(windows.length).toBeLessThan(GAP_EDGES_MS.length);
          expect(why).not.toBe('');
        }
      }),
    );
  });

  it('demotes for a finite time', () => {
    fc.assert(
      fc.property(someProfile, someCosts, (gaps, costs) => {
        for (const policy of policies) {
          const { runtimeMs, containerMs } = policy.demotion(gaps, costs);
          expect([runtimeMs >= 0, containerMs >= 0]).toEqual([true, true]);
          expect([Number.isFinite(runtimeMs), Number.isFinite(containerMs)]).toEqual([true, true]);
        }
      }),
    );
  });

  it('keeps whole numbers of sandboxes, however hard it is asked', () => {
    const floor = { warm: 1, runtimesEach: 2, cold: 1, max: 20 };
    fc.assert(
      fc.property(demand, someCosts, (asked, costs) => {
        for (const policy of policies) {
          const { warm, runtimesEach, cold } = policy.stock(asked, costs, floor);
          const spares = policy.spares(asked, costs, 4);
          for (const count of [warm, runtimesEach, cold, spares]) expect(Number.isInteger(count)).toBe(true);
          expect([warm >= 0, cold >= 0, runtimesEach >= 1, warm + cold <= 20]).toEqual([
            true,
            true,
            true,
            true,
          ]);
          expect([spares >= 0, spares <= 4]).toEqual([true, true]);
        }
      }),
    );
  });

  it('can compare whatever lies idle', () => {
    fc.assert(
      fc.property(
        someProfile,
        someCosts,
        gap,
        fc.constantFrom('container', 'runtime', 'code'),
        (gaps, costs, ms, layer) => {
          const idle: Idle = {
            ...{ layer, memoryMb: 40, idleMs: ms, gaps: layer === 'code' ? gaps : null },
            ...{ gapMs: ms, uses: 3, pressureAtUse: 0 },
          };
          for (const policy of policies) expect(policy.worth(idle, costs)).not.toBeNaN();
        },
      ),
    );
  });
});
