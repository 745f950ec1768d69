/**
 * Which sandbox: pure choices over what is there.
 */
import type { Placement, Sandbox } from './slot.ts';
import { Tally } from './tally.ts';

/**
 * A sandbox that is up and may hold one more instance of this function: one of its own first, the last used of
 * them, then a pristine one; null when there is none.
 * @param alone the function may share a sandbox with nobody.
 */
export const roomFor = (
  sandboxes: Iterable<Sandbox>,
  placement: Placement,
  alone: boolean,
): Sandbox | null => {
  let best: Sandbox | null = null;
  for (const sandbox of sandboxes) {
    if (sandbox.state !== 'ready' || sandbox.doubtful > 0) continue;
    if (sandbox.slots.size >= sandbox.capacity) continue;
    const own = alone
      ? sandbox.quarantinedFor?.key === placement.key
      : sandbox.tenant === placement.tenant && sandbox.quarantinedFor === null;
    if (!own && sandbox.tenant !== null) continue;
    const nearer = own && (best === null || best.tenant === null || sandbox.usedMs > best.usedMs);
    if (nearer || best === null) best = sandbox;
  }
  return best;
};

/** A sandbox that is being started for this function's tenant and will have room for one more; null when none is. */
export const comingRoomFor = (
  sandboxes: Iterable<Sandbox>,
  placement: Placement,
  alone: boolean,
): Sandbox | null => {
  for (const sandbox of sandboxes) {
    if (sandbox.state !== 'starting' || sandbox.tenant !== placement.tenant) continue;
    if (sandbox.awaited.length >= sandbox.capacity) continue;
    const alike = alone ? sandbox.quarantinedFor?.key === placement.key : sandbox.quarantinedFor === null;
    if (alike) return sandbox;
  }
  return null;
};

/**
 * The sandbox to end so that another may start: one in which nothing is under way, of the tenant that holds the most
 * of them, and of those the one unused for longest; null when all are at work.
 */
export const dispensable = (sandboxes: Iterable<Sandbox>): Sandbox | null => {
  const held = new Tally();
  for (const { tenant } of sandboxes) held.add(tenant ?? '', 1);
  let chosen: Sandbox | null = null;
  for (const sandbox of sandboxes) {
    if (sandbox.state !== 'ready' || sandbox.awaited.length > 0) continue;
    if ([...sandbox.slots].some((slot) => slot.state !== 'free')) continue;
    const more = chosen === null ? 1 : held.of(sandbox.tenant ?? '') - held.of(chosen.tenant ?? '');
    if (chosen === null || more > 0 || (more === 0 && sandbox.usedMs < chosen.usedMs)) chosen = sandbox;
  }
  return chosen;
};
