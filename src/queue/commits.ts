/**
 * Puts operations into transactions: one is under way, and what comes meanwhile shares the next.
 *
 * Owns the order: operations are applied as they were given. Invariant: an operation is answered once, after it is on the
 * disk or refused.
 */
import { StrataError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Operation, Outcome } from './operations.ts';
import { BATCH_MAX } from './sqlite-queue.ts';
import type { QueueStore } from './store.ts';

interface Pending {
  readonly operation: Operation;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

export type OnFault = (message: string, details: Readonly<Record<string, unknown>>) => void;

/** Between two tries to write what has to be written. */
const AGAIN_MS = 1_000;

export class Commits {
  readonly #store: QueueStore;
  readonly #clock: Clock;
  readonly #onFault: OnFault;
  #pending: Pending[] = [];
  #writing = false;
  #closing = false;
  #idle: (() => void) | null = null;
  /** Tries that wait for the disk to take them. */
  readonly #waiting = new Set<() => void>();

  constructor(store: QueueStore, clock: Clock, onFault: OnFault) {
    this.#store = store;
    this.#clock = clock;
    this.#onFault = onFault;
  }

  get isClosing(): boolean {
    return this.#closing;
  }

  /** @throws StrataError when it could not be written. */
  do(operation: Operation): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ operation, resolve, reject });
      if (!this.#writing) void this.#write();
    });
  }

  /**
   * What has happened and is only to be noted is tried until the disk takes it.
   * @throws StrataError when the queue is closed before.
   */
  async surely(operation: Operation): Promise<Outcome> {
    for (;;) {
      try {
        return await this.do(operation);
      } catch (thrown) {
        if (this.#closing) throw thrown;
        this.#onFault('what became of an asynchronous invocation cannot be stored; it is tried again', {
          ...{ operation: operation.op, invocationId: 'id' in operation ? operation.id : null },
          err: thrown,
        });
      }
      await this.pause(AGAIN_MS);
    }
  }

  /** Ends early when the queue closes. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#clock.setTimer(delayMs, done);
      if (this.#closing) done();
      else this.#waiting.add(done);
    });
  }

  /** From now on nothing is tried again. */
  giveUpTrying(): void {
    this.#closing = true;
    for (const done of [...this.#waiting]) done();
  }

  /** Resolves when nothing is left to be written. */
  async settled(): Promise<void> {
    if (!this.#writing) return;
    await new Promise<void>((resolve) => {
      const waited = this.#idle;
      this.#idle = () => {
        waited?.();
        resolve();
      };
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    // What the same turn brings goes along.
    await null;
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, BATCH_MAX);
      try {
        const outcomes = await this.#store.apply(batch.map(({ operation }) => operation));
        batch.forEach(({ resolve, reject }, at) => {
          const outcome = outcomes[at] ?? LOST;
          if (outcome instanceof StrataError) reject(outcome);
          else resolve(outcome);
        });
      } catch (thrown) {
        for (const { reject } of batch) reject(thrown);
      }
    }
    this.#writing = false;
    this.#idle?.();
    this.#idle = null;
  }
}

const LOST = new StrataError('internal_error', 'The database did not answer an operation.');
