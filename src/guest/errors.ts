/**
 * Owners that fail by what guest code threw. How a thrown value is described is thrown.ts's business.
 */
import type { GuestFailure } from './contract.ts';
import { cut } from './primordials.ts';
import { type Owner, settleFailure } from './records.ts';
import { describeError } from './thrown.ts';

const DETAIL_MAX_CHARS = 1_000;

/** Fails an owner with what it threw. */
export const failThrown = (owner: Owner, code: GuestFailure['code'], what: string, thrown: unknown): void => {
  if (owner.ended) return;
  const error = describeError(thrown);
  settleFailure(owner, code, cut(`${what} ${error.type}: ${error.message}`, DETAIL_MAX_CHARS), error);
};

/** An exception that no code of the guest's caught, as in a timer: its owner fails. */
export const uncaught = (owner: Owner | null, thrown: unknown, what: string): void => {
  if (owner === null) return;
  failThrown(owner, owner.number === 0 ? 'init_error' : 'function_error', what, thrown);
};
