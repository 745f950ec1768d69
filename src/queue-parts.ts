/**
 * The asynchronous queue, wired: what it runs by, what it is billed by, and how its webhooks go out.
 *
 * Owns the wiring alone. The executor is made later than the queue, because it needs it; nothing runs before both are there.
 */
import type { Ledger } from './billing/ledger.ts';
import { type Finished, toReceipt } from './billing/receipts.ts';
import type { Config } from './config/config.ts';
import type { Receipt } from './core/receipt.ts';
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
  /** Null where nothing is billed. */
  readonly ledger: Ledger | null;
  readonly executor: () => LocalExecutor;
  readonly onFault: QueueParts['onFault'];
}

/** @throws StrataError as `openQueue` does. */
export const openAsyncQueue = (config: Config, parts: AsyncQueueParts): Promise<DurableQueue> => {
  const { clock, random, registry, admission, egress, executor, onFault } = parts;
  const receiptOf = (finished: Finished): Receipt => toReceipt(finished, config.ledger.tariff);
  return openQueue(config.dataDir, {
    ...{ clock, random, settings: config.async, ledger: billedBy(parts.ledger), receiptOf, onFault },
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

/** The executor has handed the receipt in, under its attempt, when an attempt has run: here it has to reach the disk. */
const billedBy = (ledger: Ledger | null): AttemptLedger => ({
  add: () => ledger?.flush() ?? Promise.resolve(),
});
