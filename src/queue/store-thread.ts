/**
 * The thread of the queue's database: does one call after the other and answers each.
 *
 * A program of its own, started by `store.ts`; it sees nothing but its calls.
 */
import { parentPort } from 'node:worker_threads';
import { StrataError } from '../core/errors.ts';
import { SqliteQueue } from './sqlite-queue.ts';
import type { Call, PlainError, Reply } from './store.ts';

let queue: SqliteQueue | null = null;

const plain = (thrown: unknown): PlainError =>
  thrown instanceof StrataError
    ? { code: thrown.code, detail: thrown.message }
    : { code: 'internal_error', detail: thrown instanceof Error ? thrown.message : String(thrown) };

const answer = ({ method, args }: Call): unknown => {
  if (method === 'open') {
    queue = new SqliteQueue(args[0] as string);
    return null;
  }
  if (queue === null) throw new StrataError('internal_error', 'The asynchronous queue is not open.');
  const value = (queue[method] as (...all: readonly unknown[]) => unknown).apply(queue, [...args]);
  if (method !== 'apply') return value;
  return (value as unknown[]).map((one) => (one instanceof StrataError ? { plain: plain(one) } : one));
};

parentPort?.on('message', (call: Call) => {
  let reply: Reply;
  try {
    reply = { number: call.number, value: answer(call) };
  } catch (thrown) {
    reply = { number: call.number, error: plain(thrown) };
  }
  parentPort?.postMessage(reply);
});
