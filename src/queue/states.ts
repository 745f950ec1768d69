/**
 * The states of an asynchronous invocation, and the one function that changes them.
 *
 *     queued ⇄ running ──► succeeded
 *        │        ├──────► failed ───► (redrive) queued
 *        └────────┴──────► cancelled, expired ──► (redrive) queued
 *
 * Owns the table. Invariant: what is not in it does not happen; a final state is left by a redrive alone.
 */
export type Status = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'expired';
export type FinalStatus = Exclude<Status, 'queued' | 'running'>;

export type Change = 'start' | 'again' | 'succeed' | 'fail' | 'cancel' | 'expire' | 'redrive';

const TABLE: Readonly<Record<Status, Partial<Record<Change, Status>>>> = {
  queued: { start: 'running', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  running: { again: 'queued', succeed: 'succeeded', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  succeeded: {},
  failed: { redrive: 'queued' },
  cancelled: {},
  expired: { redrive: 'queued' },
};

/** The state that follows. @throws TypeError for a change that the table does not have. */
export const transition = (status: Status, change: Change): Status => {
  const next = TABLE[status][change];
  if (next === undefined) throw new TypeError(`an invocation that is ${status} cannot ${change}`);
  return next;
};

export const isFinal = (status: Status): status is FinalStatus => status !== 'queued' && status !== 'running';
