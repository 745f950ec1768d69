/**
 * Functions that have fewer instances ready than their `minInstances` ask for, and why.
 *
 * Owns the wording. Asks the very rules that a load ahead goes by, and changes nothing.
 */
import type { UnmetView } from './api.ts';
import type { FunctionState } from './functions.ts';
import type { ShareRefusal } from './shares.ts';
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
  const { placement, preloading, failures } = state;
  const failed = `its code has failed to load, or died before anybody used it, ${times(failures)}`;
  const after = failures === 0 ? '' : `; ${failed}`;
  if (preloading > 0)
    return (preloading === 1 ? 'one is being loaded' : `${preloading} are being loaded`) + after;
  if (placement.maxInstances < placement.minInstances) return `maxInstances allows ${placement.maxInstances}`;
  if (lifecycle.starts.holdsOff) return 'sandboxes fail to start; the log of the server says why';
  const nowMs = clock.nowMs();
  if (state.heldOffUntilMs > nowMs)
    return `${failed}; it is tried again ${inSeconds(state.heldOffUntilMs - nowMs)}`;
  if (budget.pressure.memoryHigh)
    return `more of the memory of the machine is in use than machine.memoryHighPercent allows${after}`;
  const short = noRoom(parts, placement);
  if (short !== null) return `${short}${after}`;
  const turn = 'at most four of a tenant are loaded ahead at once';
  if (failures === 0) return `it waits for its turn: ${turn}`;
  return `${failed}; it is tried again ${inSeconds(state.dueMs - nowMs)} if it is its turn then: ${turn}`;
};

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

const inSeconds = (ms: number): string =>
  Number.isFinite(ms) ? `in ${Math.max(1, Math.ceil(ms / 1_000))} s` : 'soon';

/** Null when there is room for one more. */
const noRoom = ({ budget, lifecycle, shares, costs }: TierViewParts, placement: Placement): string | null => {
  const codeMb = lifecycle.codeMb(placement);
  const room = lifecycle.sandboxes.roomFor(placement, lifecycle.quarantine.has(placement.key));
  if (room === null) {
    const refusal = shares.refusalOf(placement);
    if (refusal !== null) return SHARE_REFUSALS[refusal.kind](refusal.maxSandboxes);
  } else if (room.tenant === null && !shares.mayClaim(placement)) return SHARE_REFUSALS.reserve(0);
  const neededMb = codeMb + (room === null ? costs.containerMb : 0);
  // Nothing ends for it when nobody waits: the question alone changes nothing.
  if (budget.makeRoom(placement.tenant, neededMb, true)) return null;
  return (
    `memory is short: one more takes about ${Math.ceil(neededMb)} MB, and what is left of the ${Math.floor(budget.limitMb)} MB ` +
    'for sandboxes does not hold it, or is kept for tenants that have less than their fair share'
  );
};

const SHARE_REFUSALS: Readonly<Record<ShareRefusal['kind'], (max: number) => string>> = {
  'all-taken': (max) => `all sandboxes that there may be, ${max}, are taken`,
  reserve: () =>
    'all sandboxes that there may be are taken, but for the last, which are for tenants that have less than their fair share',
  'cpu-high': () =>
    'more of the processors is in use than machine.cpuHighPercent allows, and its tenant has its fair share of sandboxes',
};
