/**
 * ReadableStream: the part of the standard that bodies need. Readers, async iteration, `tee`, `cancel`; no byte readers and
 * no pipes.
 */

interface UnderlyingSource<T> {
  start?(controller: StreamController<T>): unknown;
  /** Asked for when somebody reads and nothing is there. */
  pull?(controller: StreamController<T>): unknown;
  cancel?(reason: unknown): unknown;
}

export interface StreamController<T> {
  enqueue(chunk: T): void;
  close(): void;
  error(reason?: unknown): void;
  readonly desiredSize: number | null;
}

export type ReadResult<T> = { done: false; value: T } | { done: true; value: undefined };

interface Wanted<T> {
  readonly resolve: (result: ReadResult<T>) => void;
  readonly reject: (reason: unknown) => void;
}

/** What readers and bodies may do with a stream, and a function that only has the stream may not. */
interface Inside<T> {
  read(): Promise<ReadResult<T>>;
  cancel(reason: unknown): Promise<void>;
  lock(reader: object | null): void;
  readonly closed: Promise<void>;
  readonly disturbed: boolean;
}

let insideOf: <T>(stream: ReadableStream<T>) => Inside<T>;

export class ReadableStream<T = unknown> {
  static {
    insideOf = (stream) => stream.#inside;
  }

  readonly #source: UnderlyingSource<T>;
  readonly #controller: StreamController<T>;
  readonly #inside: Inside<T>;
  #chunks: T[] = [];
  #wanted: Wanted<T>[] = [];
  #state: 'open' | 'closing' | 'closed' | 'errored' = 'open';
  #reason: unknown;
  #reader: object | null = null;
  #started = false;
  #disturbed = false;
  #pulling = false;
  #closed = Promise.withResolvers<void>();

  constructor(source: UnderlyingSource<T> = {}) {
    this.#source = source;
    this.#closed.promise.catch(() => undefined);
    const stream = this;
    this.#inside = {
      read: () => this.#read(),
      cancel: (reason) => this.#cancel(reason),
      lock: (reader) => {
        this.#reader = reader;
      },
      closed: this.#closed.promise,
      get disturbed() {
        return stream.#disturbed;
      },
    };
    this.#controller = {
      enqueue: (chunk) => this.#enqueue(chunk),
      close: () => this.#close(),
      error: (reason) => this.#fail(reason),
      get desiredSize() {
        return stream.#state === 'open' ? 1 - stream.#chunks.length : stream.#state === 'errored' ? null : 0;
      },
    };
    const started = source.start?.(this.#controller);
    if (started instanceof Promise) {
      started.then(
        () => this.#begin(),
        (reason) => this.#fail(reason),
      );
    } else this.#begin();
  }

  get locked(): boolean {
    return this.#reader !== null;
  }

  getReader(): ReadableStreamDefaultReader<T> {
    return new ReadableStreamDefaultReader(this);
  }

  cancel(reason?: unknown): Promise<void> {
    if (this.locked)
      return Promise.reject(new TypeError('ReadableStream: a locked stream is cancelled by its reader'));
    return this.#cancel(reason);
  }

  /** Two streams of the same chunks; what the slower one has not read is kept. */
  tee(): [ReadableStream<T>, ReadableStream<T>] {
    const reader = this.getReader();
    const controllers: StreamController<T>[] = [];
    const gone = [false, false];
    const pull = async (): Promise<void> => {
      try {
        const { done, value } = await reader.read();
        for (const [index, controller] of controllers.entries()) {
          if (gone[index]) continue;
          if (done) controller.close();
          else controller.enqueue(value);
        }
      } catch (thrown) {
        for (const controller of controllers) controller.error(thrown);
      }
    };
    const branch = (index: number): ReadableStream<T> =>
      new ReadableStream<T>({
        start: (controller) => void controllers.push(controller),
        pull,
        cancel: (reason) => {
          gone[index] = true;
          return gone[0] && gone[1] ? reader.cancel(reason) : undefined;
        },
      });
    return [branch(0), branch(1)];
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, unknown> {
    const reader = this.getReader();
    let finished = false;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        yield value;
      }
      finished = true;
    } catch (thrown) {
      finished = true;
      throw thrown;
    } finally {
      if (!finished) await reader.cancel();
      reader.releaseLock();
    }
  }

  values(): AsyncGenerator<T, void, unknown> {
    return this[Symbol.asyncIterator]();
  }

  get [Symbol.toStringTag](): string {
    return 'ReadableStream';
  }

  #begin(): void {
    this.#started = true;
    if (this.#wanted.length > 0) this.#pull();
  }

  #read(): Promise<ReadResult<T>> {
    this.#disturbed = true;
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      if (this.#state === 'closing' && this.#chunks.length === 0) this.#finish();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#state === 'errored') return Promise.reject(this.#reason);
    if (this.#state !== 'open') return Promise.resolve({ done: true, value: undefined });
    const { promise, resolve, reject } = Promise.withResolvers<ReadResult<T>>();
    this.#wanted.push({ resolve, reject });
    this.#pull();
    return promise;
  }

  #pull(): void {
    if (!this.#started || this.#pulling || this.#source.pull === undefined) return;
    this.#pulling = true;
    const again = (): void => {
      this.#pulling = false;
      if (this.#wanted.length > 0 && this.#state === 'open') this.#pull();
    };
    try {
      const pulled: unknown = this.#source.pull(this.#controller);
      Promise.resolve(pulled).then(again, (reason) => this.#fail(reason));
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #enqueue(chunk: T): void {
    if (this.#state !== 'open') throw new TypeError('ReadableStream: it is closed and takes no more chunks');
    const wanted = this.#wanted.shift();
    if (wanted === undefined) this.#chunks.push(chunk);
    else wanted.resolve({ done: false, value: chunk });
  }

  #close(): void {
    if (this.#state !== 'open') throw new TypeError('ReadableStream: it is closed already');
    if (this.#chunks.length > 0) this.#state = 'closing';
    else this.#finish();
  }

  #finish(): void {
    this.#state = 'closed';
    this.#closed.resolve();
    for (const { resolve } of this.#wanted.splice(0)) resolve({ done: true, value: undefined });
  }

  #fail(reason: unknown): void {
    if (this.#state === 'closed' || this.#state === 'errored') return;
    this.#state = 'errored';
    this.#reason = reason;
    this.#chunks = [];
    this.#closed.reject(reason);
    for (const { reject } of this.#wanted.splice(0)) reject(reason);
  }

  async #cancel(reason: unknown): Promise<void> {
    this.#disturbed = true;
    if (this.#state === 'errored') throw this.#reason;
    if (this.#state === 'closed') return;
    this.#chunks = [];
    this.#finish();
    await this.#source.cancel?.(reason);
  }
}

/** Somebody has read from it, or cancelled it. */
export const isDisturbed = <T>(stream: ReadableStream<T>): boolean => insideOf(stream).disturbed;

class ReadableStreamDefaultReader<T> {
  readonly #stream: ReadableStream<T>;
  #released = false;

  constructor(stream: ReadableStream<T>) {
    if (stream.locked) throw new TypeError('ReadableStream: it is locked to another reader');
    this.#stream = stream;
    insideOf(stream).lock(this);
  }

  get closed(): Promise<void> {
    return insideOf(this.#stream).closed;
  }

  read(): Promise<ReadResult<T>> {
    return this.#released ? Promise.reject(released()) : insideOf(this.#stream).read();
  }

  cancel(reason?: unknown): Promise<void> {
    return this.#released ? Promise.reject(released()) : insideOf(this.#stream).cancel(reason);
  }

  releaseLock(): void {
    if (this.#released) return;
    this.#released = true;
    insideOf(this.#stream).lock(null);
  }

  get [Symbol.toStringTag](): string {
    return 'ReadableStreamDefaultReader';
  }
}

const released = (): TypeError => new TypeError('ReadableStream: the reader has been released');
