/**
 * What the policy has decided to do next, as people see it.
 *
 * Owns the wording. Shows of each function its next instance alone: what is said happens unless somebody calls before,
 * or the price of memory moves. Invariants: it reads plans that were made and never makes one; it looks at no more than
 * a bounded number of functions beyond their times.
 */
import { PLANS_SHOWN_MAX } from '../core/limits.ts';
import type { PlanView } from './api.ts';
import type { FunctionState } from './functions.ts';
import type { Sandbox } from './slot.ts';
import type { TierViewParts } from './view.ts';

/** Of all tenants, the soonest first. */
export const viewPlans = (parts: TierViewParts): readonly PlanView[] =>
  soonestOf(parts, parts.functions.all(), parts.lifecycle.sandboxes.all);

/** Of one tenant and of nobody, the soonest first. */
export const viewPlansOf = (
  parts: TierViewParts,
  tenant: string,
  sandboxes: Iterable<Sandbox>,
): readonly PlanView[] => soonestOf(parts, parts.functions.ofTenant(tenant), sandboxes);

const soonestOf = (
  parts: TierViewParts,
  functions: Iterable<FunctionState>,
  sandboxes: Iterable<Sandbox>,
): readonly PlanView[] => {
  const plans: PlanView[] = [];
  const nowMs = parts.clock.nowMs();
  for (const state of soonest(functions, LOOKS)) {
    const plan = planOf(nowMs, state);
    if (plan !== null) plans.push(plan);
  }
  for (const sandbox of soonest(sandboxes, PLANS_SHOWN_MAX)) {
    const plan = sandboxPlanOf(nowMs, sandbox);
    if (plan !== null) plans.push(plan);
  }
  const refill = refillPlanOf(parts);
  if (refill !== null) plans.push(refill);
  return plans.sort((one, other) => timeOf(one) - timeOf(other)).slice(0, PLANS_SHOWN_MAX);
};

/** So many functions are looked at: of some there is nothing to tell. */
const LOOKS = 4 * PLANS_SHOWN_MAX;

/** What has no time comes last. */
const timeOf = ({ inMs }: PlanView): number => Math.min(inMs ?? Number.MAX_VALUE, Number.MAX_VALUE);

/** Those that are due soonest, at most so many; what is not due at all is left out. */
const soonest = <Item extends { readonly dueMs: number }>(items: Iterable<Item>, most: number): Item[] => {
  const chosen: Item[] = [];
  let latestMs = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (item.dueMs >= latestMs) continue;
    chosen.push(item);
    if (chosen.length < 2 * most) continue;
    // Half of them go at a time, so that each item costs little however many there are.
    chosen.sort(byDue).length = most;
    latestMs = chosen.at(-1)?.dueMs ?? latestMs;
  }
  return chosen.sort(byDue).slice(0, most);
};

const byDue = (one: { readonly dueMs: number }, other: { readonly dueMs: number }): number =>
  one.dueMs - other.dueMs;

/** What happens to a function when its next time has come. */
const planOf = (nowMs: number, state: FunctionState): PlanView | null => {
  const { placement, demand, dueMs } = state;
  const level = demand.needed + 1;
  const gapMs = demand.gapMs(level, dueMs);
  const plan = demand.planOf(level);
  if (plan === null) return null;
  const isKept =
    gapMs !== null && plan.windows.some(({ fromMs, untilMs }) => gapMs >= fromMs && gapMs < untilMs - 1);
  // Where nothing is loaded and nothing is to be, there is nothing to tell.
  if (!isKept && state.slots.size === 0) return null;
  const action = isKept ? (state.slots.size > demand.needed ? 'keep' : 'warm') : 'drop';
  return {
    ...{ function: placement.label, tenant: placement.tenant, layer: 'code', action },
    ...{ inMs: msUntil(dueMs, nowMs), why: plan.why },
  };
};

const sandboxPlanOf = (nowMs: number, sandbox: Sandbox): PlanView | null => {
  if (sandbox.state !== 'ready') return null;
  return {
    ...{ function: null, tenant: sandbox.tenant, action: 'drop' },
    layer: nowMs < sandbox.runtimeUntilMs ? 'runtime' : 'container',
    ...{ inMs: msUntil(sandbox.dueMs, nowMs), why: 'no code is loaded in it any longer' },
  };
};

const refillPlanOf = ({ keeper, lifecycle }: TierViewParts): PlanView | null => {
  const { warm, cold, why } = keeper.stockroom.wanted;
  const missing = warm + cold - lifecycle.sandboxes.pristine.size;
  if (missing <= 0) return null;
  return {
    ...{ function: null, tenant: null, layer: warm > 0 ? 'runtime' : 'container', action: 'refill' },
    ...{ inMs: null, why: `${missing} missing; ${why}` },
  };
};

const msUntil = (dueMs: number, nowMs: number): number => Math.max(0, Math.round(dueMs - nowMs));
