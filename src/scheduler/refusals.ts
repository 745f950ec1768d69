/**
 * What the scheduler says when it refuses: each with the limit that was reached, what was seen, and when to come again.
 */
import { StrataError } from '../core/errors.ts';
import type { Start } from '../core/receipt.ts';
import type { Placement } from '../pool/slot.ts';

export const lineFull = (
  { maxInstances }: Placement,
  waiting: number,
  { atMost, allowed }: { readonly atMost: boolean; readonly allowed: number },
  retryAfterMs: number,
): StrataError =>
  atMost
    ? new StrataError(
        'concurrency_limit',
        `The function runs on all ${maxInstances} instances that maxInstances allows, and ${waiting} invocations wait for it already. Retry later, or raise maxInstances or concurrency.`,
        { limit: { kind: 'maxInstances', configured: maxInstances, observed: maxInstances }, retryAfterMs },
      )
    : new StrataError(
        'overloaded',
        `${waiting} invocations of this function wait already; queue.maxLengthPerFunction allows no more. Retry later.`,
        { limit: { kind: 'queueLength', configured: allowed, observed: waiting }, retryAfterMs },
      );

export const queueFull = (waiting: number, allowed: number, retryAfterMs: number): StrataError =>
  new StrataError(
    'overloaded',
    `${waiting} invocations wait already; queue.maxLength allows no more. Retry later.`,
    {
      limit: { kind: 'queueLength', configured: allowed, observed: waiting },
      retryAfterMs,
    },
  );

export const waitedTooLong = (limitMs: number, source: WaitLimit, retryAfterMs: number): StrataError =>
  timedOut(`No instance became free within ${boundOf(limitMs, source)}.`, limitMs, source, retryAfterMs);

/** The caller would wait in vain: said at once, so that it can go elsewhere. */
export const wouldWaitTooLong = (limitMs: number, expectedMs: number): StrataError =>
  new StrataError(
    'queue_timeout',
    `The wait for an instance is expected to take ${expectedMs} ms, and the caller was willing to wait ${limitMs} ms. Retry later.`,
    {
      limit: { kind: 'maxWaitMs', configured: limitMs, observed: expectedMs },
      retryAfterMs: expectedMs,
    },
  );

export const unavailable = (start: Start): StrataError =>
  new StrataError(
    'start_unavailable',
    `The invocation requires a start from layer ${start}, and nothing of that layer is ready for this function. Retry when GET /v1/pools shows one, or drop the requirement.`,
  );

export const cancelled = (): StrataError =>
  new StrataError('cancelled', 'The caller went away before the invocation began; nothing has run.');

export const tenantFull = (count: number, allowed: number, retryAfterMs: number): StrataError =>
  new StrataError(
    'concurrency_limit',
    `${count} invocations of this tenant run or wait already, and its functions may have reserved what is left; admission.maxInFlightPerTenant allows ${allowed}. Retry later.`,
    { limit: { kind: 'maxInFlightPerTenant', configured: allowed, observed: count }, retryAfterMs },
  );

export const admissionFull = (waiting: number, allowed: number, retryAfterMs: number): StrataError =>
  new StrataError(
    'overloaded',
    `The server has as many invocations as it admits, and ${waiting} wait in line before it; admission.maxLength allows no more. Retry later.`,
    { limit: { kind: 'queueLength', configured: allowed, observed: waiting }, retryAfterMs },
  );

export const notAdmitted = (limitMs: number, source: WaitLimit, retryAfterMs: number): StrataError =>
  timedOut(
    `The server was full, and no place became free within ${boundOf(limitMs, source)}.`,
    limitMs,
    source,
    retryAfterMs,
  );

export const tooManyHeldBack = (waiting: number, allowed: number, retryAfterMs: number): StrataError =>
  new StrataError(
    'overloaded',
    `The processors are busy with this tenant's invocations, and ${waiting} of this function wait for their turn already; queue.maxLengthPerFunction allows no more. Retry later.`,
    { limit: { kind: 'queueLength', configured: allowed, observed: waiting }, retryAfterMs },
  );

export const heldBackTooLong = (limitMs: number, source: WaitLimit, retryAfterMs: number): StrataError =>
  timedOut(
    `The processors were busy with this tenant's invocations, and its turn did not come within ${boundOf(limitMs, source)}.`,
    limitMs,
    source,
    retryAfterMs,
  );

/** Whose limit on a wait it was: the server's, or the caller's own. */
type WaitLimit = 'queue.timeoutMs' | 'maxWaitMs';

const boundOf = (limitMs: number, source: WaitLimit): string =>
  `the ${limitMs} ms that ${source === 'maxWaitMs' ? 'the caller was willing to wait' : 'queue.timeoutMs allows'}`;

const timedOut = (
  happened: string,
  limitMs: number,
  source: WaitLimit,
  retryAfterMs: number,
): StrataError => {
  const kind = source === 'maxWaitMs' ? 'maxWaitMs' : 'queueTimeoutMs';
  const limit = { kind, configured: limitMs, observed: limitMs } as const;
  return new StrataError('queue_timeout', `${happened} Retry later.`, { limit, retryAfterMs });
};
