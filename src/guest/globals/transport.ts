/**
 * One request to the network and its answer, as the bootstrap carries them: texts with a character for each byte.
 *
 * Owns the pace: a part of a body is sent when there is credit for it, and credit is given when a part of the answer has
 * been read.
 */
import type { AbortSignal } from './abort.ts';
import type { Content } from './body.ts';
import type { Headers } from './headers.ts';
import { ReadableStream, type StreamController } from './readable-stream.ts';
import { type NetworkListener, services } from './services.ts';
import type { URL } from './url.ts';

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly content: Content | null;
}

interface Answer {
  readonly head: Head;
  readonly body: ReadableStream<Uint8Array>;
  /** Nobody wants the body. */
  drop(): void;
}

interface Head {
  readonly status: number;
  readonly statusText: string;
  readonly headers: [string, string][];
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly refused: boolean;
  readonly limit: unknown;
}

/** So many arguments at a time are within every engine's stack. */
const PIECE = 8_192;

/** Like Node's: what went wrong is the cause; a refusal says so in the message, too. */
export const fetchFailed = (failure: Failure): TypeError => {
  const cause = Object.assign(new Error(failure.message), { code: failure.code });
  if (failure.limit !== null && failure.limit !== undefined) Object.assign(cause, { limit: failure.limit });
  return new TypeError(failure.refused ? `fetch failed: ${failure.message}` : 'fetch failed', { cause });
};

export const send = (asked: Asked, signal: AbortSignal): Promise<Answer> => {
  const { network } = services;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let stream: StreamController<Uint8Array> | null = null;
  let over = false;
  const end = (): void => {
    over = true;
    signal.removeEventListener('abort', abort);
  };
  const fail = (reason: unknown): void => {
    end();
    upload?.stop();
    reject(reason);
    stream?.error(reason);
  };
  const drop = (): void => {
    if (over) return;
    end();
    network.quit(number as number);
  };
  const abort = (): void => {
    if (over) return;
    drop();
    fail(signal.reason);
  };
  const listener: NetworkListener = {
    head: (json) => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          stream = controller;
        },
        cancel: drop,
      });
      resolve({
        head: JSON.parse(json) as Head,
        body: metered(body, (bytes) => network.credit(number as number, bytes)),
        drop,
      });
    },
    data: (text, last) => {
      if (over) return;
      if (text.length > 0) stream?.enqueue(bytesOf(text));
      if (!last) return;
      end();
      stream?.close();
    },
    used: (bytes) => upload?.more(bytes),
    failed: (json) => fail(fetchFailed(JSON.parse(json) as Failure)),
  };
  const { method, url, headers, content } = asked;
  const length = content instanceof Uint8Array ? content.length : null;
  const headJson = JSON.stringify({ method, url: url.href, headers: [...headers], length });
  const target = `${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`;
  const number = network.begin(headJson, target, content !== null, listener);
  const upload =
    typeof number === 'string' || content === null
      ? null
      : new Upload(number, content, (reason) => {
          if (over) return;
          drop();
          fail(reason);
        });
  if (typeof number === 'string') fail(fetchFailed(JSON.parse(number) as Failure));
  else {
    signal.addEventListener('abort', abort, { once: true });
    upload?.more();
  }
  return promise;
};

/** The body of a request on its way out. */
class Upload {
  readonly #number: number;
  readonly #next: () => Promise<Uint8Array | null>;
  readonly #stopReading: () => void;
  readonly #failed: (reason: unknown) => void;
  #credit = services.network.windowBytes;
  #rest: Uint8Array = new Uint8Array(0);
  #reading = false;
  #over = false;

  constructor(number: number, content: Content, failed: (reason: unknown) => void) {
    this.#number = number;
    this.#failed = failed;
    if (content instanceof Uint8Array) {
      let given = false;
      this.#next = async () => {
        if (given) return null;
        given = true;
        return content;
      };
      this.#stopReading = () => undefined;
      return;
    }
    const reader = content.getReader();
    this.#next = async () => {
      const { done, value } = await reader.read();
      if (done) return null;
      if (!(value instanceof Uint8Array)) throw new TypeError('a body is a stream of Uint8Array');
      return value;
    };
    this.#stopReading = () => void reader.cancel().catch(() => undefined);
  }

  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopReading();
  }

  /** @param bytes what the other side has used up since. */
  more(bytes = 0): void {
    this.#credit += bytes;
    if (this.#reading || this.#over) return;
    this.#reading = true;
    this.#run().then(
      () => {
        this.#reading = false;
      },
      (reason) => {
        this.#over = true;
        this.#failed(reason);
      },
    );
  }

  async #run(): Promise<void> {
    const { network } = services;
    while (!this.#over && this.#credit > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#next();
        if (this.#over) return;
        if (next === null) {
          this.#over = true;
          network.send(this.#number, '', true);
          return;
        }
        this.#rest = next;
        continue;
      }
      const size = Math.min(network.chunkBytes, this.#credit, this.#rest.length);
      network.send(this.#number, textOf(this.#rest.subarray(0, size)), false);
      this.#credit -= size;
      this.#rest = this.#rest.subarray(size);
    }
  }
}

/** The same stream, telling how much of it has been read. */
const metered = (
  from: ReadableStream<Uint8Array>,
  read: (bytes: number) => void,
): ReadableStream<Uint8Array> => {
  const reader = from.getReader();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
        return;
      }
      read(value.length);
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
};

const bytesOf = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
};

const textOf = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE)
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + PIECE) as unknown as number[]);
  return text;
};
