/**
 * Which sandbox: pure choices over what is there.
 */
import type { Placement, Sandbox } from './slot.ts';

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

/** The sandbox in which nothing has happened for longest and nothing is under way; null when all are at work. */
export const longestIdle = (sandboxes: Iterable<Sandbox>): Sandbox | null => {
  let oldest: Sandbox | null = null;
  for (const sandbox of sandboxes) {
    if (sandbox.state !== 'ready') continue;
    if ([...sandbox.slots].some((slot) => slot.state !== 'free')) continue;
    if (oldest === null || sandbox.usedMs < oldest.usedMs) oldest = sandbox;
  }
  return oldest;
};
