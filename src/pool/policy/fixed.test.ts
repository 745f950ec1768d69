import { describe, expect, it } from 'vitest';
import type { Idle } from './api.ts';
import { fixedPolicy } from './fixed.ts';
import { CONTAINER_COSTS, profile } from './fixture.ts';

const COSTS = CONTAINER_COSTS;
const FLOOR = { warm: 5, runtimesEach: 4, cold: 5, max: 20 };
const idle = (idleMs: number, gaps = true): Idle => ({
  ...{ layer: 'code', memoryMb: 60, idleMs, gaps: gaps ? profile([]) : null },
  ...{ gapMs: idleMs, uses: 1, pressureAtUse: 0 },
});

describe('fixed', () => {
  it('keeps ten minutes, then nothing', () => {
    const policy = fixedPolicy();
    expect(policy.warm(profile([]), COSTS).windows).toEqual([{ fromMs: 0, untilMs: 600_000 }]);
    expect(policy.demotion(profile([]), COSTS)).toEqual({ runtimeMs: 0, containerMs: 0 });
  });

  it('keeps two prewarmed, whatever is asked', () => {
    const asked = { stablePerSecond: 100, panicPerSecond: 100, refillMs: 1_000 };
    expect(fixedPolicy().stock(asked, COSTS, FLOOR)).toMatchObject({ warm: 2, runtimesEach: 1, cold: 0 });
    expect(fixedPolicy().spares(asked, COSTS, 4)).toBe(0);
  });

  it('lets the least recently used make room, and nothing prewarmed', () => {
    const { worth } = fixedPolicy();
    expect(worth(idle(10), COSTS)).toBeGreaterThan(worth(idle(20), COSTS));
    expect(worth(idle(1e9, false), COSTS)).toBe(Number.POSITIVE_INFINITY);
  });

  it('takes other figures', () => {
    const policy = fixedPolicy({ keepMs: 1_000 });
    expect(policy.warm(profile([]), COSTS).windows).toEqual([{ fromMs: 0, untilMs: 1_000 }]);
  });
});
