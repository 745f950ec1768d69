/**
 * What the policy has decided to do next, as people see it.
 *
 * Owns the wording. Reads what the keeper works from, and shows of each function its next instance alone: what is said
 * happens unless somebody calls before, or the price of memory moves.
 */
import type { PlanView } from './api.ts';
import type { FunctionState } from './functions.ts';
import type { TierViewParts } from './view.ts';

/** The soonest first. */
export const viewPlans = (parts: TierViewParts): readonly PlanView[] => {
  const plans: PlanView[] = [];
  for (const state of parts.functions.all()) {
    const plan = planOf(parts, state);
    if (plan !== null) plans.push(plan);
  }
  const { lifecycle, keeper, nowMs } = parts;
  for (const sandbox of lifecycle.sandboxes.all) {
    if (sandbox.dueMs === Number.POSITIVE_INFINITY || sandbox.state !== 'ready') continue;
    const runtimeStays = nowMs < sandbox.runtimeUntilMs;
    plans.push({
      ...{
        function: null,
        tenant: sandbox.tenant,
        layer: runtimeStays ? 'runtime' : 'container',
        action: 'drop',
      },
      ...{ inMs: msUntil(sandbox.dueMs, nowMs), why: 'no code is loaded in it any longer' },
    });
  }
  const { warm, cold, why } = keeper.stockroom.wanted;
  const missing = warm + cold - lifecycle.sandboxes.pristine.size;
  if (missing > 0) {
    const layer = warm > 0 ? 'runtime' : 'container';
    plans.push({
      function: null,
      tenant: null,
      layer,
      action: 'refill',
      inMs: null,
      why: `${missing} missing; ${why}`,
    });
  }
  return plans.sort((one, other) => (one.inMs ?? 0) - (other.inMs ?? 0));
};

/** What happens to a function when its next time has come. */
const planOf = ({ keeper, nowMs }: TierViewParts, state: FunctionState): PlanView | null => {
  const { placement, demand, dueMs } = state;
  if (dueMs === Number.POSITIVE_INFINITY) return null;
  const level = demand.needed + 1;
  const gapMs = demand.gapMs(level, dueMs);
  const { windows, why } = keeper.planOf(state, level);
  const isKept =
    gapMs !== null && windows.some(({ fromMs, untilMs }) => gapMs >= fromMs && gapMs < untilMs - 1);
  // Where nothing is loaded and nothing is to be, there is nothing to tell.
  if (!isKept && state.slots.size === 0) return null;
  const action = isKept ? (state.slots.size > demand.needed ? 'keep' : 'warm') : 'drop';
  return {
    ...{ function: placement.label, tenant: placement.tenant, layer: 'code', action },
    ...{ inMs: msUntil(dueMs, nowMs), why },
  };
};

const msUntil = (dueMs: number, nowMs: number): number => Math.max(0, Math.round(dueMs - nowMs));
