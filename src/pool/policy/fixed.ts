/**
 * `fixed`: what OpenWhisk ships.
 *
 *   warm:  [0, 10 minutes) of every gap, then the sandbox is destroyed.
 *   stock: two sandboxes with one booted runtime each, whatever the demand.
 *   worth: −idleMs. The least recently used makes room first; prewarmed runtimes never do.
 *
 * Source: Apache OpenWhisk, `container-pool` (`idle-container` 10 minutes) and `runtimes.json` (`stemCells`: 2).
 */
import type { Demotion, Idle, LayerCosts, Policy, Stock, WarmPlan } from './api.ts';

export interface FixedSettings {
  /** How long an idle instance stays. OpenWhisk's default. */
  readonly keepMs: number;
  /** Sandboxes with a booted runtime. OpenWhisk's default for its most used runtime. */
  readonly prewarmed: number;
}

const FIXED_DEFAULTS: FixedSettings = { keepMs: 600_000, prewarmed: 2 };

const DESTROYED: Demotion = { runtimeMs: 0, containerMs: 0 };

export const fixedPolicy = (settings: Partial<FixedSettings> = {}): Policy => {
  const { keepMs, prewarmed } = { ...FIXED_DEFAULTS, ...settings };
  const plan: WarmPlan = {
    windows: [{ fromMs: 0, untilMs: keepMs }],
    why: `kept ${keepMs / 1_000} s, whatever was seen`,
  };
  const stock: Stock = {
    ...{ warm: prewarmed, runtimesEach: 1, cold: 0 },
    why: `${prewarmed} prewarmed, whatever the demand`,
  };
  return {
    name: 'fixed',
    warm: () => plan,
    demotion: () => DESTROYED,
    stock: () => stock,
    spares: () => 0,
    worth: (idle, costs) => (idle.gaps === null ? Number.POSITIVE_INFINITY : leastRecentlyUsed(idle, costs)),
  };
};

/** Shared by the policies whose source says nothing of eviction. */
export const leastRecentlyUsed = (idle: Idle, _costs: LayerCosts): number => -idle.idleMs;
