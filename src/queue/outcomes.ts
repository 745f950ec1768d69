/**
 * What follows from the end of an attempt.
 *
 * Owns the rules, as one pure function. What a retry may mend is tried again; only what the function itself did uses up
 * one of its retries, as with Lambda: a refusal for lack of room and a fault of the platform are tried again until the
 * event is too old.
 */
import { ERROR_CATALOGUE, type ErrorCode, type Failure, failure, type StrataError } from '../core/errors.ts';
import type { AsyncPolicy } from '../core/spec.ts';
import type { Random } from '../ports/random.ts';
import type { Ran } from './api.ts';

export type Ended =
  | { readonly kind: 'ran'; readonly ran: Ran }
  /** Nothing of the function has run. */
  | { readonly kind: 'refused'; readonly error: StrataError };

export type Next =
  | { readonly next: 'succeeded' }
  | { readonly next: 'failed'; readonly failure: Failure }
  | { readonly next: 'cancelled' }
  /** `counts`: it uses up a retry. `refused`: nothing ran. */
  | { readonly next: 'again'; readonly counts: boolean; readonly refused: boolean; readonly atOnce: boolean };

export interface Standing {
  readonly policy: AsyncPolicy;
  readonly retries: number;
  readonly cancelAsked: boolean;
}

export const nextOf = (standing: Standing, ended: Ended): Next =>
  ended.kind === 'ran' ? afterRun(standing, ended.ran) : afterRefusal(standing, ended.error);

const afterRun = ({ policy, retries, cancelAsked }: Standing, { finished }: Ran): Next => {
  const failed = finished.failure;
  if (failed === null) return { next: 'succeeded' };
  if (cancelAsked) return { next: 'cancelled' };
  if (policy.delivery === 'at-most-once') return { next: 'failed', failure: failed };
  const { audience, retryable } = ERROR_CATALOGUE[failed.code];
  if (audience === 'platform' && retryable)
    return { next: 'again', counts: false, refused: false, atOnce: false };
  if (retries < policy.maxRetries) return { next: 'again', counts: true, refused: false, atOnce: false };
  return { next: 'failed', failure: failed };
};

const TOO_MANY = 429;

/** Refusals that end when somebody else does something: the function is enabled again, a change is done. */
const MENDED_BY_OTHERS: ReadonlySet<ErrorCode> = new Set(['conflict', 'function_disabled']);

const afterRefusal = ({ policy, cancelAsked }: Standing, error: StrataError): Next => {
  if (cancelAsked || error.code === 'cancelled') return { next: 'cancelled' };
  const { audience, status } = ERROR_CATALOGUE[error.code];
  // A fault nobody foresaw may have come after the code began.
  const unclear = error.code === 'internal_error' && policy.delivery === 'at-most-once';
  const isMendable =
    status === TOO_MANY || audience === 'platform' || error.retryable || MENDED_BY_OTHERS.has(error.code);
  if (unclear || !isMendable)
    return {
      next: 'failed',
      failure: failure(error.code, error.message, error.limit === null ? {} : { limit: error.limit }),
    };
  return { next: 'again', counts: false, refused: true, atOnce: error.code === 'draining' };
};

/** Twice as long each time; one half of it is random, so that what failed together does not come back together. */
export const backoffMs = (
  times: number,
  { retryDelayMs, maxRetryDelayMs }: { readonly retryDelayMs: number; readonly maxRetryDelayMs: number },
  random: Random,
): number => {
  const longestMs = Math.min(maxRetryDelayMs, retryDelayMs * 2 ** Math.min(times, DOUBLINGS_MAX));
  return longestMs / 2 + (longestMs / 2) * unitOf(random);
};

const DOUBLINGS_MAX = 30;

/** From 0 to below 1. */
const unitOf = (random: Random): number => {
  const bytes = random.bytes(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32;
};
