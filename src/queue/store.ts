/**
 * The queue's database as the queue sees it: every call is answered later, in the order in which they were made.
 *
 * Owns the choice of the thread. A commit waits for the disk for milliseconds, in which the server could do nothing else:
 * a database in a file has a thread of its own, one in memory is in the thread of the server.
 */
import { Worker } from 'node:worker_threads';
import { type ErrorCode, StrataError } from '../core/errors.ts';
import type { FullRow, ListQuery, LiveRow, Operation, Outcome, ShownRow } from './operations.ts';
import { SqliteQueue } from './sqlite-queue.ts';

export interface QueueStore {
  /**
   * Applies them in one transaction; what cannot be applied is answered with its error.
   * @throws StrataError `storage_full`, `internal_error` when nothing was written.
   */
  apply(operations: readonly Operation[]): Promise<(Outcome | StrataError)[]>;
  live(after: { readonly id: string } | null, limit: number): Promise<LiveRow[]>;
  event(id: string): Promise<Uint8Array | null>;
  get(id: string): Promise<FullRow | null>;
  list(query: ListQuery): Promise<ShownRow[]>;
  secret(name: string, fresh: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What can be asked of the database, in this thread or another one. */
type Method = keyof SqliteQueue & keyof QueueStore;

export interface Call {
  readonly number: number;
  readonly method: Method | 'open';
  readonly args: readonly unknown[];
}

/** An error as it crosses between threads, where it would lose its code. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly detail: string;
}

export interface Reply {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: PlainError;
}

/** Opens the database of that path in a thread of its own. @throws StrataError as `openDatabase` does. */
export const openThreadStore = async (path: string): Promise<QueueStore> => {
  const thread = new StoreThread();
  try {
    await thread.call('open', path);
  } catch (thrown) {
    await thread.end();
    throw thrown;
  }
  return {
    apply: async (operations) =>
      ((await thread.call('apply', operations)) as (Outcome | { readonly plain: PlainError })[]).map(
        (outcome) => ('plain' in outcome ? errorOf(outcome.plain) : outcome),
      ),
    live: (after, limit) => thread.call('live', after, limit) as Promise<LiveRow[]>,
    event: (id) => thread.call('event', id) as Promise<Uint8Array | null>,
    get: (id) => thread.call('get', id) as Promise<FullRow | null>,
    list: (query) => thread.call('list', query) as Promise<ShownRow[]>,
    secret: (name, fresh) => thread.call('secret', name, fresh) as Promise<Uint8Array>,
    async close() {
      await thread.call('close');
      await thread.end();
    },
  };
};

/** A database in this thread: for one in memory, and for tests. */
export const openInlineStore = (path: string): QueueStore => {
  const queue = new SqliteQueue(path);
  return {
    apply: async (operations) => queue.apply(operations),
    live: async (after, limit) => queue.live(after, limit),
    event: async (id) => queue.event(id),
    get: async (id) => queue.get(id),
    list: async (query) => queue.list(query),
    secret: async (name, fresh) => queue.secret(name, fresh),
    close: async () => queue.close(),
  };
};

const errorOf = ({ code, detail }: PlainError): StrataError => new StrataError(code, detail);

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

class StoreThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #gone: StrataError | null = null;

  constructor() {
    const script = import.meta.url.endsWith('.ts') ? './store-thread.ts' : './store-thread.js';
    this.#worker = new Worker(new URL(script, import.meta.url), { name: 'strata-queue', execArgv: [] });
    // Only a call that waits for its answer keeps the process alive.
    this.#worker.unref();
    this.#worker.on('message', (reply: Reply) => this.#replied(reply));
    this.#worker.on('error', (error: Error) => this.#lost(error.message));
    this.#worker.on('exit', (code) => this.#lost(`it ended with ${code}`));
  }

  call(method: Call['method'], ...args: readonly unknown[]): Promise<unknown> {
    if (this.#gone !== null) return Promise.reject(this.#gone);
    this.#last += 1;
    const number = this.#last;
    if (this.#waiting.size === 0) this.#worker.ref();
    this.#worker.postMessage({ number, method, args } satisfies Call);
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #replied({ number, value, error }: Reply): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(errorOf(error));
  }

  #lost(why: string): void {
    this.#gone ??= new StrataError('internal_error', `The thread of the asynchronous queue is gone: ${why}.`);
    for (const { reject } of this.#waiting.values()) reject(this.#gone);
    this.#waiting.clear();
  }
}
