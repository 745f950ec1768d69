/**
 * The asynchronous queue, wired: what it runs by, what it is billed by, and how its webhooks go out.
 *
 * Owns the wiring alone. The executor is made later than the queue, because it needs it; nothing runs before both are there.
 */
import { toReceipt } from './billing/receipts.ts';
import type { Config } from './config/config.ts';
import { exchange, type SessionSource } from './egress/exchange.ts';
import type { LocalExecutor } from './invocation/executor.ts';
import type { Clock } from './ports/clock.ts';
import type { Random } from './ports/random.ts';
import type { AttemptLedger } from './queue/api.ts';
import { type DurableQueue, openQueue, type QueueParts } from './queue/queue.ts';
import type { Registry } from './registry/api.ts';
import type { Admission } from './scheduler/admission.ts';

export interface AsyncQueueParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly admission: Admission;
  readonly egress: SessionSource;
  readonly executor: () => LocalExecutor;
  readonly onFault: QueueParts['onFault'];
}

/** Nothing is billed by attempt. */
const NO_LEDGER: AttemptLedger = { add: async () => {} };

/** @throws StrataError as `openQueue` does. */
export const openAsyncQueue = (config: Config, parts: AsyncQueueParts): Promise<DurableQueue> => {
  const { clock, random, registry, admission, egress, executor, onFault } = parts;
  return openQueue(config.dataDir, {
    ...{ clock, random, settings: config.async, ledger: NO_LEDGER, receiptOf: toReceipt, onFault },
    run: (attempt) => executor().attempt(attempt),
    newId: () => executor().newInvocationId(),
    send: ({ function: name, ...request }) =>
      exchange(egress, clock, {
        ...request,
        method: 'POST',
        functionId: `webhook/${request.tenant}/${name}`,
      }),
    resolve: (...name) => registry.resolve(...name),
    isRoom: (tenant) => admission.isRoomBeyondOne(tenant),
  });
};
