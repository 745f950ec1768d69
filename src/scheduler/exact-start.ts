/**
 * A start from exactly one layer, for the one invocation that asked for it.
 *
 * Owns that wait: it ends with the start, when the caller goes away, or when the caller's own time is up. Invariants: it
 * is settled once; whoever did not get its start has left the pool's counts; an instance that comes up for nobody
 * becomes a spare of its tenant.
 */
import type { StrataError } from '../core/errors.ts';
import type { LayeredPool } from '../pool/layered-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Placement } from '../pool/slot.ts';
import type { Clock } from '../ports/clock.ts';
import { cancelled, unavailable, waitedTooLong } from './refusals.ts';
import type { AcquireOptions } from './scheduler.ts';

/** @throws StrataError `start_unavailable` when it cannot be begun. */
export const startExactly = (
  clock: Clock,
  pool: LayeredPool,
  placement: Placement,
  start: 'container' | 'none',
  { maxWaitMs, arrivedMs, onWait }: AcquireOptions,
): Promise<Lease> => {
  const { promise, resolve, reject } = Promise.withResolvers<Lease>();
  let isSettled = false;
  const settle = (): boolean => {
    const isFirst = !isSettled;
    isSettled = true;
    return isFirst;
  };
  const refuse = (error: StrataError): void => {
    if (!settle()) return;
    pool.left(placement);
    reject(error);
  };
  const isBegun = pool.start(placement, start, {
    ready: (slot, timing) => {
      if (settle()) resolve(pool.takeStarted(slot, placement, timing));
    },
    failed: refuse,
  });
  if (!isBegun) throw unavailable(start);
  onWait?.(() => refuse(cancelled()));
  if (maxWaitMs === undefined) return promise;
  const waitedMs = arrivedMs === undefined ? 0 : clock.nowMs() - arrivedMs;
  const timer = clock.setTimer(Math.max(0, maxWaitMs - waitedMs), () =>
    refuse(waitedTooLong(maxWaitMs, 'maxWaitMs', Math.max(1, Math.ceil(pool.startEstimateMs())))),
  );
  return promise.finally(() => timer.cancel());
};
