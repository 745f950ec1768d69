/**
 * Asynchronous invocations as the executor's users see them, and what the queue needs of the others.
 *
 * Owns the shapes alone.
 */
import type { Finished } from '../billing/receipts.ts';
import type { Failure } from '../core/errors.ts';
import type { Receipt } from '../core/receipt.ts';
import type { AsyncPolicy, Destination } from '../core/spec.ts';
import type { Status } from './states.ts';

export interface AcceptRequest {
  readonly tenant: string;
  readonly function: string;
  readonly qualifier?: string | undefined;
  /** UTF-8 JSON text; empty means `{}`. */
  readonly eventJson: Uint8Array;
  /** The id that it gets, unless it is known by its idempotency key. */
  readonly invocationId: string;
  readonly idempotencyKey?: string | undefined;
  /** What holds for this one instead of what the function says; within the bounds of a spec. */
  readonly policy?: Partial<AsyncPolicy>;
}

export interface Accepted {
  readonly invocationId: string;
  /** False when the same key had brought the same event before. */
  readonly created: boolean;
}

/** One attempt that ran. */
export interface AttemptView {
  readonly attempt: number;
  readonly receipt: Receipt;
}

export interface DeliveryView {
  readonly to: Destination;
  readonly state: 'pending' | 'delivered' | 'failed';
  readonly tries: number;
  readonly error: string | null;
}

/** What is shown of one in a list. */
export interface AsyncSummary {
  readonly invocationId: string;
  readonly function: string;
  readonly qualifier: string | null;
  readonly status: Status;
  /** Attempts that ran. */
  readonly attempts: number;
  /** ISO 8601, as all times here. */
  readonly acceptedAt: string;
  /** When the next attempt is due; null unless queued. */
  readonly nextAttemptAt: string | null;
  readonly finishedAt: string | null;
  readonly cancelRequested: boolean;
  readonly deadLetter: boolean;
  readonly failure: Failure | null;
}

export interface AsyncView extends AsyncSummary {
  /** Null unless it succeeded. */
  readonly result: unknown;
  /** The result was larger than what is kept. */
  readonly resultDropped: boolean;
  /** The newest attempts that ran, the oldest first. */
  readonly attemptReceipts: readonly AttemptView[];
  readonly receipt: Receipt | null;
  readonly delivery: DeliveryView | null;
  readonly policy: AsyncPolicy;
}

export interface AsyncPage {
  readonly invocations: readonly AsyncSummary[];
  readonly nextCursor: string | null;
}

export interface PageQuery {
  readonly tenant: string;
  readonly function: string;
  readonly status?: Status | undefined;
  /** 1 to 1,000; 100 unless told. */
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** What the executor offers of the queue. */
export interface AsyncQueue {
  /**
   * Resolves when the event is on the disk.
   * @throws StrataError `not_found`, `payload_too_large`, `overloaded`, `conflict` for another event with the same key,
   *   `storage_full`, `draining`.
   */
  accept(request: AcceptRequest): Promise<Accepted>;
  /** Null when this tenant has no asynchronous invocation of that id. */
  get(invocationId: string, tenant: string): Promise<AsyncView | null>;
  list(query: PageQuery): Promise<AsyncPage>;
  /**
   * A queued one never runs. One that waits for an instance leaves the line; one that runs goes on to its end and is
   * billed, no other attempt follows, and it is cancelled unless it succeeds.
   * @throws StrataError `not_found`, `conflict` when it has ended.
   */
  cancel(invocationId: string, tenant: string): Promise<AsyncSummary>;
  deadLetters(query: Omit<PageQuery, 'status'>): Promise<AsyncPage>;
  /**
   * Queues dead letters anew, with all their retries and age; one, or the oldest 1,000 for which there is room.
   * @throws StrataError `not_found` for one that is none, `overloaded`.
   */
  redrive(tenant: string, name: string, invocationId: string | null): Promise<{ readonly redriven: number }>;
  /** @throws StrataError `not_found` for one that is none. */
  discard(tenant: string, name: string, invocationId: string | null): Promise<{ readonly discarded: number }>;
  /** The key by which webhooks of this function are signed. @throws StrataError `not_found`. */
  webhookSecret(tenant: string, name: string): string;
  /** For metrics. */
  stats(): QueueStats;
}

export interface QueueStats {
  readonly queued: number;
  readonly running: number;
  readonly delivering: number;
  readonly oldestMs: number;
  readonly accepted: number;
  readonly attempts: number;
  readonly retried: number;
  readonly ended: Readonly<Record<'succeeded' | 'failed' | 'cancelled' | 'expired', number>>;
  readonly delivered: number;
  readonly deliveriesFailed: number;
  readonly dead: number;
}

/** One attempt, as the executor runs it. */
export interface Attempt {
  readonly invocationId: string;
  readonly attempt: number;
  readonly tenant: string;
  readonly function: string;
  readonly qualifier: string | undefined;
  readonly eventJson: Uint8Array;
  readonly onWait: (cancel: () => void) => void;
}

export interface Ran {
  readonly finished: Finished;
  readonly resultJson: Uint8Array | null;
}

/** Runs one attempt. @throws StrataError when it was refused before it ran. */
export type RunAttempt = (attempt: Attempt) => Promise<Ran>;

/**
 * Where attempts are billed. An entry is known by invocation and attempt: a second one with the same key changes nothing.
 * Resolves when the entry is on the disk; the queue does not forget an attempt before.
 */
export interface AttemptLedger {
  add(finished: Finished, attempt: number): Promise<void>;
}

export interface WebhookRequest {
  readonly tenant: string;
  readonly function: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/** Sends one request by the rules of egress; resolves with the status. @throws Error when there was no answer. */
export type SendWebhook = (request: WebhookRequest) => Promise<number>;

/** What the configuration says. */
export interface QueueSettings {
  readonly eventMaxBytes: number;
  readonly maxQueued: number;
  readonly maxQueuedPerTenant: number;
  readonly maxQueuedMb: number;
  readonly maxQueuedMbPerTenant: number;
  readonly maxRunning: number;
  readonly maxRunningPerTenant: number;
  readonly retryDelayMs: number;
  readonly maxRetryDelayMs: number;
  readonly maxInterruptions: number;
  readonly maxHops: number;
  readonly resultMaxBytes: number;
  readonly keepMs: number;
  readonly maxKept: number;
  readonly maxKeptPerTenant: number;
  readonly maxKeptMb: number;
  readonly deadLetterKeepMs: number;
  readonly maxDeadLettersPerTenant: number;
  readonly maxDeliveries: number;
  readonly maxDeliveriesPerTenant: number;
  readonly maxDeliveryRetries: number;
  readonly webhookTimeoutMs: number;
}
