/**
 * `greedy-dual`: FaasCache. Nothing expires; want of room decides.
 *
 *   warm:  [0, ∞).
 *   worth: clock + frequency × cost / size, with
 *          clock      the worth of what was evicted last, as it was when this was last used (`pressureAtUse`),
 *          frequency  invocations of the function, over all its instances, since it was last without any,
 *          cost       what its cold start takes longer than a warm one,
 *          size       the memory that ending it frees.
 *   stock: none; a miss starts from nothing.
 *
 * Source: Fuerst and Sharma, "FaasCache: Keeping Serverless Computing Alive with Greedy-Dual Caching", ASPLOS 2021.
 */
import type { Demotion, Idle, LayerCosts, Policy, Stock, WarmPlan } from './api.ts';

const PLAN: WarmPlan = {
  windows: [{ fromMs: 0, untilMs: Number.POSITIVE_INFINITY }],
  why: 'kept until its room is wanted',
};
const DESTROYED: Demotion = { runtimeMs: 0, containerMs: 0 };
export const NO_STOCK: Stock = { warm: 0, runtimesEach: 1, cold: 0, why: 'this policy keeps no stock' };

export const greedyDualPolicy = (): Policy => ({
  name: 'greedy-dual',
  warm: () => PLAN,
  demotion: () => DESTROYED,
  stock: () => NO_STOCK,
  spares: () => 0,
  worth,
});

const worth = (idle: Idle, costs: LayerCosts): number =>
  idle.pressureAtUse + (idle.uses * costs.startMs.none) / Math.max(1, idle.memoryMb);
