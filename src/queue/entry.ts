/**
 * An asynchronous invocation in memory: as long as it has not ended, or its record is still to be delivered.
 *
 * Owns the shape and how it is made. Times are of the monotonic clock, so that a wall clock that is put back or forward
 * moves nothing; what was stored is read once, at the start, and never brings more than its own bounds.
 */
import { type HeapItem, NOT_IN_HEAP } from '../core/heap.ts';
import type { AsyncPolicy } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { Lined } from './fair-line.ts';
import type { LiveRow } from './operations.ts';
import type { Status } from './states.ts';

export interface Entry extends Lined, HeapItem {
  readonly id: string;
  readonly qualifier: string | null;
  readonly bytes: number;
  readonly policy: AsyncPolicy;
  readonly hops: number;
  readonly acceptedAtMs: number;
  readonly arrivedMs: number;
  status: Status;
  /** Attempts that ran. */
  attempts: number;
  /** Attempts that count. */
  retries: number;
  interruptions: number;
  /** Attempts that were refused in a row; not kept. */
  refusals: number;
  deadlineMs: number;
  dueMs: number;
  /** When something is next to be done about it, unless it runs. */
  wakeMs: number;
  readonly serial: number;
  cancelAsked: boolean;
  /** Takes it out of the line for an instance, while it waits there. */
  stopWaiting: (() => void) | null;
  /** Kept while there is room; the database has it in any case. */
  event: Uint8Array | null;
  deliveryTries: number;
}

let serial = 0;

/** @param maxDelayMs no pause that was stored can be longer, whatever the wall clock says. */
export const entryOf = (row: LiveRow, clock: Clock, maxDelayMs: number): Entry => {
  const nowMs = clock.nowMs();
  const wallMs = clock.wallMs();
  const policy = JSON.parse(row.policy) as AsyncPolicy;
  const ageMs = Math.max(0, wallMs - row.queuedAtMs);
  serial += 1;
  return {
    ...{ id: row.id, tenant: row.tenant, function: row.function, qualifier: row.qualifier },
    ...{ bytes: row.eventBytes, policy, hops: row.hops, acceptedAtMs: row.acceptedAtMs, status: row.status },
    ...{ attempts: row.attempts, retries: row.retries, interruptions: row.interruptions, refusals: 0 },
    arrivedMs: nowMs - ageMs,
    deadlineMs: nowMs + policy.maxEventAgeMs - ageMs,
    dueMs: nowMs + Math.min(Math.max(0, row.dueAtMs - wallMs), maxDelayMs),
    ...{ wakeMs: 0, serial, cancelAsked: row.cancel, stopWaiting: null, event: null },
    deliveryTries: row.deliveryTries,
    ...{ row: null, before: null, after: null, heapIndex: NOT_IN_HEAP },
  };
};

export const wakesBefore = (one: Entry, other: Entry): boolean =>
  one.wakeMs < other.wakeMs || (one.wakeMs === other.wakeMs && one.serial < other.serial);
