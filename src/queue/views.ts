/** Rows as their tenant sees them. */
import type { Receipt } from '../core/receipt.ts';
import type { AsyncPolicy } from '../core/spec.ts';
import type { AsyncSummary, AsyncView, AttemptView, DeliveryView } from './api.ts';
import type { FullRow, ShownRow } from './operations.ts';
import { payloadOf } from './record.ts';

/** @param isRunning the database hears of a start a little later. */
export const summaryOf = (row: ShownRow, isRunning: boolean): AsyncSummary => {
  const status = row.status === 'queued' && isRunning ? 'running' : row.status;
  return {
    ...{ invocationId: row.id, function: row.function, qualifier: row.qualifier, status },
    attempts: row.attempts,
    acceptedAt: timeOf(row.acceptedAtMs),
    nextAttemptAt: status === 'queued' ? timeOf(row.dueAtMs) : null,
    finishedAt: row.finishedAtMs === null ? null : timeOf(row.finishedAtMs),
    cancelRequested: row.cancel,
    deadLetter: row.dead,
    failure: row.failure,
  };
};

export const viewOf = (row: FullRow, isRunning: boolean): AsyncView => {
  const attemptReceipts = row.attemptRows.map(
    ({ attempt, receipt }): AttemptView => ({ attempt, receipt: JSON.parse(receipt) as Receipt }),
  );
  return {
    ...summaryOf(row, isRunning),
    result: payloadOf(row.result),
    resultDropped: row.resultDropped,
    attemptReceipts,
    receipt: attemptReceipts.at(-1)?.receipt ?? null,
    delivery: deliveryOf(row),
    policy: JSON.parse(row.policy) as AsyncPolicy,
  };
};

const deliveryOf = (row: FullRow): DeliveryView | null => {
  const { onSuccess, onFailure } = JSON.parse(row.policy) as AsyncPolicy;
  const to = row.status === 'succeeded' ? onSuccess : onFailure;
  if (row.delivery === null || to === null) return null;
  return { to, state: row.delivery, tries: row.deliveryTries, error: row.deliveryError };
};

const timeOf = (ms: number): string => new Date(ms).toISOString();
