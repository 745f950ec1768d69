/**
 * Counts anew what the pool keeps count of, and puts right what differs.
 *
 * Owns nothing. Looks at every sandbox and slot there is, so it is for a sweep and for tests, not for a placement.
 */
import type { Lifecycle } from './lifecycle.ts';
import { Tally } from './tally.ts';

/** @returns what differed, for an operator to read; null when all was right. */
export const audit = (
  { slots, sandboxes, instances, leaving }: Lifecycle,
  comingPlaces: Tally,
  placesOf: (concurrency: number, loading: 'asked' | 'ahead') => number,
): string | null => {
  const found: string[] = [];
  const inSlots = slots.audit(sandboxes.all);
  if (inSlots !== null) found.push(inSlots);
  const are = { instances: new Tally(), leaving: new Tally(), coming: new Tally() };
  for (const sandbox of sandboxes.all) {
    for (const { placement } of sandbox.awaited) are.instances.add(placement.key, 1);
    for (const { placement, state, loading } of sandbox.slots) {
      if (placement === null) continue;
      are.instances.add(placement.key, 1);
      if (state === 'draining') are.leaving.add(placement.key, 1);
      if (loading !== null) are.coming.add(placement.key, placesOf(placement.concurrency, loading));
    }
  }
  found.push(...instances.repair('instances', are.instances));
  found.push(...leaving.repair('leaving instances', are.leaving));
  found.push(...comingPlaces.repair('coming places', are.coming));
  return found.length === 0 ? null : found.join('; ');
};
