/** Rows of the database as the queue reads them. */
import type { Failure } from '../core/errors.ts';
import type { AttemptRow, FullRow, LiveRow, ShownRow } from './operations.ts';
import type { Status } from './states.ts';

type Row = Readonly<Record<string, unknown>>;

export const liveOf = (row: Row): LiveRow => ({
  id: String(row.id),
  tenant: String(row.tenant),
  function: String(row.function),
  qualifier: row.qualifier === null ? null : String(row.qualifier),
  eventBytes: Number(row.event_bytes),
  policy: String(row.policy),
  hops: Number(row.hops),
  status: String(row.status) as Status,
  acceptedAtMs: Number(row.accepted_ms),
  queuedAtMs: Number(row.queued_ms),
  dueAtMs: Number(row.due_ms),
  attempts: Number(row.attempts),
  retries: Number(row.retries),
  interruptions: Number(row.interruptions),
  cancel: row.cancel === 1,
  deliveryTries: Number(row.delivery_tries),
  deliveryDueAtMs: Number(row.delivery_due_ms),
});

export const shownOf = (row: Row): ShownRow => ({
  ...liveOf(row),
  seq: Number(row.seq),
  finishedAtMs: row.finished_ms === null ? null : Number(row.finished_ms),
  failure: row.failure === null ? null : (JSON.parse(String(row.failure)) as Failure),
  dead: row.dead === 1,
  delivery: row.delivery as ShownRow['delivery'],
  deliveryError: row.delivery_error === null ? null : String(row.delivery_error),
});

export const fullOf = (row: Row, attempts: readonly Row[]): FullRow => ({
  ...shownOf(row),
  event: row.event instanceof Uint8Array ? row.event : null,
  result: row.result instanceof Uint8Array ? row.result : null,
  resultDropped: row.result_dropped === 1,
  attemptRows: attempts.map(
    ({ attempt, receipt }): AttemptRow => ({ attempt: Number(attempt), receipt: String(receipt) }),
  ),
});
