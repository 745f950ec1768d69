/**
 * A time limit for what somebody else's program is asked.
 *
 * Invariant: the promise settles within the limit, also when the work never does, as with an answer that breaks off.
 */
import type { Clock } from '../../ports/clock.ts';

/** @param work is told when nobody waits for it any more. */
export const bounded = async <T>(
  clock: Clock,
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const controller = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimer(limitMs, () => {
    const error = new Error(`it took longer than ${limitMs} ms`);
    controller.abort(error);
    late.reject(error);
  });
  try {
    return await Promise.race([work(controller.signal), late.promise]);
  } finally {
    timer.cancel();
  }
};
