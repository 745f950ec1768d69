import { describe, expect, it } from 'vitest';
import type { Idle } from './api.ts';
import { CONTAINER_COSTS, profile } from './fixture.ts';
import { greedyDualPolicy } from './greedy-dual.ts';

const COSTS = CONTAINER_COSTS;
const IDLE: Idle = {
  ...{ layer: 'code', memoryMb: 66, idleMs: 5, gaps: profile([]) },
  ...{ gapMs: 5, uses: 3, pressureAtUse: 7 },
};

describe('greedy-dual', () => {
  it('keeps for ever, and stocks what the configuration asks for whatever the demand', () => {
    const policy = greedyDualPolicy();
    expect(policy.warm(profile([]), COSTS).windows).toEqual([
      { fromMs: 0, untilMs: Number.POSITIVE_INFINITY },
    ]);
    const asked = { stablePerSecond: 9, panicPerSecond: 9, refillMs: 100 };
    const floor = { warm: 1, runtimesEach: 1, cold: 1, max: 20 };
    expect(policy.stock(asked, COSTS, floor)).toMatchObject({ warm: 1, cold: 1 });
    expect(policy.stock(asked, COSTS, { ...floor, warm: 0, cold: 0 })).toMatchObject({ warm: 0, cold: 0 });
  });

  it('weighs clock + frequency × cost / size', () => {
    const { worth } = greedyDualPolicy();
    expect(worth(IDLE, COSTS)).toBeCloseTo(7 + (3 * 132) / 66);
    expect(worth({ ...IDLE, memoryMb: 132 }, COSTS)).toBeCloseTo(7 + 3);
    expect(worth({ ...IDLE, pressureAtUse: 8 }, COSTS)).toBeGreaterThan(worth(IDLE, COSTS));
  });
});
