/**
 * What is asked of the queue's database, as plain data: it may cross to another thread.
 *
 * Owns the shapes. Times are milliseconds since the epoch.
 */
import type { Failure } from '../core/errors.ts';
import type { FinalStatus, Status } from './states.ts';

/** An invocation that has not ended, or whose record is still to be delivered. */
export interface LiveRow {
  readonly id: string;
  readonly tenant: string;
  readonly function: string;
  readonly qualifier: string | null;
  readonly eventBytes: number;
  /** JSON of its AsyncPolicy, as it was when the event was accepted. */
  readonly policy: string;
  readonly hops: number;
  readonly status: Status;
  readonly acceptedAtMs: number;
  /** From when its age counts: when it was accepted, or redriven. */
  readonly queuedAtMs: number;
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly retries: number;
  readonly interruptions: number;
  readonly cancel: boolean;
  readonly deliveryTries: number;
  readonly deliveryDueAtMs: number;
}

export interface AttemptRow {
  readonly attempt: number;
  /** JSON of its receipt. */
  readonly receipt: string;
}

export interface AcceptOperation {
  readonly op: 'accept';
  readonly id: string;
  readonly tenant: string;
  readonly function: string;
  readonly qualifier: string | null;
  readonly event: Uint8Array;
  readonly policy: string;
  readonly hops: number;
  readonly atMs: number;
  readonly key: string | null;
  /** SHA-256 of event and qualifier, with a key. */
  readonly digest: Uint8Array | null;
  /** The invocation of which this one is the destination: its record counts as delivered in the same transaction. */
  readonly relayOf: string | null;
}

export interface FinishOperation {
  readonly op: 'finish';
  readonly id: string;
  readonly status: FinalStatus;
  readonly atMs: number;
  readonly attempts: number;
  readonly retries: number;
  readonly attempt: AttemptRow | null;
  readonly result: Uint8Array | null;
  readonly resultDropped: boolean;
  readonly failure: Failure | null;
  /** Its record is to be delivered; the event is kept until it is. */
  readonly deliver: boolean;
  readonly dead: boolean;
}

export interface AgainOperation {
  readonly op: 'again';
  readonly id: string;
  readonly dueAtMs: number;
  readonly attempts: number;
  readonly retries: number;
  readonly interruptions: number;
  readonly attempt: AttemptRow | null;
}

export interface DeadOperation {
  readonly tenant: string;
  readonly function: string;
  /** Null for the oldest ones. */
  readonly id: string | null;
  readonly limit: number;
}

export type Operation =
  | AcceptOperation
  | { readonly op: 'start'; readonly id: string; readonly attempt: number }
  | AgainOperation
  | FinishOperation
  | { readonly op: 'askCancel'; readonly id: string }
  | {
      readonly op: 'delivered';
      readonly id: string;
      readonly tries: number;
      /** Why it was given up; null when it arrived. */
      readonly error: string | null;
      /** The invocation becomes a dead letter, because its record reached nobody. */
      readonly dead: boolean;
    }
  | {
      readonly op: 'deliverAgain';
      readonly id: string;
      readonly dueAtMs: number;
      readonly tries: number;
      readonly error: string;
    }
  | ({ readonly op: 'redrive'; readonly atMs: number; readonly maxBytes: number } & DeadOperation)
  | ({ readonly op: 'discard' } & DeadOperation)
  | ({ readonly op: 'sweep' } & SweepLimits);

export interface SweepLimits {
  readonly finishedBeforeMs: number;
  readonly deadBeforeMs: number;
  readonly maxKept: number;
  readonly maxKeptPerTenant: number;
  readonly maxDeadPerTenant: number;
  readonly maxBytes: number;
}

/** What an operation came to. */
export interface Outcome {
  /** Of `accept`: the invocation that has the key already, and the digest of its event. */
  readonly existing?: { readonly id: string; readonly digest: Uint8Array };
  /** Of `redrive`. */
  readonly rows?: readonly LiveRow[];
  /** Of `discard` and `sweep`; of `redrive` how many there were to choose from. */
  readonly count?: number;
}

export interface ListQuery {
  readonly tenant: string;
  readonly function: string;
  readonly status: Status | null;
  readonly deadOnly: boolean;
  /** Those before this place, the newest first; null for the beginning. */
  readonly before: number | null;
  readonly limit: number;
}

/** An invocation as it is shown. */
export interface ShownRow extends LiveRow {
  readonly seq: number;
  readonly finishedAtMs: number | null;
  readonly failure: Failure | null;
  readonly dead: boolean;
  readonly delivery: 'pending' | 'delivered' | 'failed' | null;
  readonly deliveryError: string | null;
}

/** One with what its record and its page need. */
export interface FullRow extends ShownRow {
  readonly event: Uint8Array | null;
  readonly result: Uint8Array | null;
  readonly resultDropped: boolean;
  readonly attemptRows: readonly AttemptRow[];
}
