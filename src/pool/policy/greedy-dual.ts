/**
 * `greedy-dual`: FaasCache. Nothing expires; want of room decides.
 *
 *   warm:  [0, ∞).
 *   worth: clock + frequency × cost / size, with
 *          clock      the worth of what was evicted last, as it was when this was last used (`pressureAtUse`),
 *          frequency  invocations of the function, over all its instances, since it was last without any,
 *          cost       what its cold start takes longer than a warm one,
 *          size       the memory that ending it frees.
 *   stock: what the configuration asks for; none where a trace is simulated, as in the paper: a miss starts from nothing.
 *
 * Source: Fuerst and Sharma, "FaasCache: Keeping Serverless Computing Alive with Greedy-Dual Caching", ASPLOS 2021.
 */
import type { Demotion, Idle, LayerCosts, Policy, Stock, StockDemand, StockFloor, WarmPlan } from './api.ts';

const PLAN: WarmPlan = {
  windows: [{ fromMs: 0, untilMs: Number.POSITIVE_INFINITY }],
  why: 'kept until its room is wanted',
};
const DESTROYED: Demotion = { runtimeMs: 0, containerMs: 0 };

/** A policy that knows no stock keeps what the configuration asks for, and no more: in the paper that is nothing. */
export const configuredStock = (_demand: StockDemand, _costs: LayerCosts, floor: StockFloor): Stock => ({
  ...{ warm: floor.warm, runtimesEach: Math.max(1, floor.runtimesEach), cold: floor.cold },
  why: 'as the configuration asks',
});

export const greedyDualPolicy = (): Policy => ({
  name: 'greedy-dual',
  warm: () => PLAN,
  demotion: () => DESTROYED,
  stock: configuredStock,
  spares: () => 0,
  worth,
});

const worth = (idle: Idle, costs: LayerCosts): number =>
  idle.pressureAtUse + (idle.uses * costs.startMs.none) / Math.max(1, idle.memoryMb);
