/**
 * How an invocation may wait for an instance: for how long, and until its caller goes away.
 *
 * Owns the bound that a caller sets, and what a caller's signal does. The waiting itself is the scheduler's. Invariants:
 * an invocation that is served at once registers nothing; a listener never outlives its invocation.
 */
import { StrataError } from '../core/errors.ts';
import { MAX_WAIT_MS } from '../core/limits.ts';
import type { Start } from '../core/receipt.ts';
import type { Lease } from '../pool/lease.ts';
import type { Placement } from '../pool/slot.ts';
import type { Clock } from '../ports/clock.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';

/** Takes an invocation out of the line and refuses it with `cancelled`; without effect once it no longer waits. */
export type Cancel = () => void;

export interface Waiting {
  readonly requireStart: Start | undefined;
  readonly maxWaitMs: number | undefined;
  /** Called when the invocation has to wait, and only then. */
  readonly onWait: ((cancel: Cancel) => void) | undefined;
}

/** @throws StrataError `invalid_request`. */
export const refuseMaxWait = (maxWaitMs: number | undefined): void => {
  if (maxWaitMs === undefined) return;
  const { min, max } = MAX_WAIT_MS;
  if (Number.isInteger(maxWaitMs) && maxWaitMs >= min && maxWaitMs <= max) return;
  throw new StrataError(
    'invalid_request',
    `maxWaitMs is ${String(maxWaitMs)}; a whole number from ${min} to ${max} is allowed.`,
  );
};

const cancelled = (): StrataError =>
  new StrataError('cancelled', 'The caller went away before the invocation began; nothing has run.');

/** Runs something that may have to wait, and ends its wait when the signal says so. */
export const untilAborted = async <Result>(
  signal: AbortSignal,
  run: (onWait: (cancel: Cancel) => void) => Promise<Result>,
): Promise<Result> => {
  if (signal.aborted) throw cancelled();
  const listeners: Cancel[] = [];
  try {
    return await run((cancel) => {
      listeners.push(cancel);
      signal.addEventListener('abort', cancel, { once: true });
    });
  } finally {
    for (const cancel of listeners) signal.removeEventListener('abort', cancel);
  }
};

/** A lease of the scheduler's, which bounds the wait by its own settings; here the caller's bounds are added. */
export const acquire = (
  clock: Clock,
  scheduler: Scheduler,
  placement: Placement,
  waiting: Waiting,
): Lease | Promise<Lease> => {
  const admitted = scheduler.acquire(placement, waiting.requireStart);
  const { maxWaitMs, onWait } = waiting;
  if (!(admitted instanceof Promise) || (maxWaitMs === undefined && onWait === undefined)) return admitted;
  const { promise, resolve, reject } = Promise.withResolvers<Lease>();
  let over = false;
  const end = (settle: () => void): void => {
    if (over) return;
    over = true;
    timer?.cancel();
    settle();
  };
  const timer =
    maxWaitMs === undefined ? null : clock.setTimer(maxWaitMs, () => end(() => reject(waitedOut(maxWaitMs))));
  onWait?.(() => end(() => reject(cancelled())));
  admitted.then(
    (lease) => {
      if (over) lease.release(!lease.loads);
      else end(() => resolve(lease));
    },
    (error: unknown) => end(() => reject(error)),
  );
  return promise;
};

const waitedOut = (maxWaitMs: number): StrataError =>
  new StrataError(
    'queue_timeout',
    `No instance became free within the ${maxWaitMs} ms that the caller allows. Retry later, or allow more.`,
    { limit: { kind: 'queueTimeoutMs', configured: maxWaitMs, observed: maxWaitMs } },
  );
