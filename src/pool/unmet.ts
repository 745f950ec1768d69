/**
 * Functions that have fewer instances ready than their `minInstances` ask for, and why.
 *
 * Owns the wording. Asks the very rules that a load ahead goes by, and changes nothing.
 */

import type { UnmetView } from './api.ts';
import type { FunctionState } from './functions.ts';
import type { Placement } from './slot.ts';
import type { TierViewParts } from './view.ts';

/** Of these functions, at most so many. */
export const viewUnmet = (
  parts: TierViewParts,
  functions: Iterable<FunctionState>,
  most: number,
): readonly UnmetView[] => {
  const unmet: UnmetView[] = [];
  for (const state of functions) {
    const { placement, deleted } = state;
    if (placement.minInstances === 0 || deleted) continue;
    const ready = readyOf(state);
    if (ready >= placement.minInstances) continue;
    const { label, tenant, minInstances } = placement;
    unmet.push({ function: label, tenant, minInstances, ready, why: whyOf(parts, state) });
    if (unmet.length === most) break;
  }
  return unmet;
};

const readyOf = ({ slots, placement }: FunctionState): number => {
  let ready = 0;
  for (const { state, loading, placement: loaded } of slots)
    if ((state === 'free' || state === 'busy') && loading === null && loaded?.key === placement.key)
      ready += 1;
  return ready;
};

const whyOf = (parts: TierViewParts, state: FunctionState): string => {
  const { budget, lifecycle, clock } = parts;
  const { placement, preloading } = state;
  if (preloading > 0) return preloading === 1 ? 'one is being loaded' : `${preloading} are being loaded`;
  if (placement.maxInstances < placement.minInstances) return `maxInstances allows ${placement.maxInstances}`;
  const heldOffMs = state.heldOffUntilMs - clock.nowMs();
  if (heldOffMs > 0)
    return (
      `its code has failed to load, or died before anybody used it, ${times(state.failures)}; ` +
      `it is tried again in ${Math.ceil(heldOffMs / 1_000)} s`
    );
  if (lifecycle.starts.holdsOff) return 'sandboxes fail to start; the log of the server says why';
  if (budget.pressure.memoryHigh)
    return 'more of the memory of the machine is in use than machine.memoryHighPercent allows';
  return (
    noRoom(parts, placement) ?? 'it waits for its turn: at most four of a tenant are loaded ahead at once'
  );
};

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

/** Null when there is room for one more. */
const noRoom = ({ budget, lifecycle, shares, costs }: TierViewParts, placement: Placement): string | null => {
  const codeMb = lifecycle.codeMb(placement);
  const room = lifecycle.sandboxes.roomFor(placement, lifecycle.quarantine.has(placement.key));
  if (room === null && !shares.isAnyLeft(placement))
    return 'all sandboxes that there may be are taken, but for the last, which are for tenants that have less than their fair share';
  const neededMb = codeMb + (room === null ? costs.containerMb : 0);
  // Nothing ends for it when nobody waits: the question alone changes nothing.
  if (budget.makeRoom(placement.tenant, neededMb, true)) return null;
  return (
    `memory is short: one more takes about ${Math.ceil(neededMb)} MB, and what is left of the ${Math.floor(budget.limitMb)} MB ` +
    'for sandboxes does not hold it, or is kept for tenants that have less than their fair share'
  );
};
