/**
 * The bodies of requests and answers: what they may be made of, and how they are read, once.
 */
import { TextDecoder, TextEncoder } from './encoding.ts';
import { isDisturbed, ReadableStream } from './readable-stream.ts';
import { URLSearchParams } from './url-search-params.ts';

/** What a body holds: all of it, or a stream of Uint8Array. */
export type Content = Uint8Array | ReadableStream<Uint8Array>;

export interface Extracted {
  readonly content: Content;
  readonly type: string | null;
}

/** Null for no body. */
export const extract = (init: unknown): Extracted | null => {
  if (init === undefined || init === null) return null;
  if (init instanceof ReadableStream) {
    if (init.locked) throw new TypeError('a body that is a stream must not be locked');
    return { content: init as ReadableStream<Uint8Array>, type: null };
  }
  if (init instanceof ArrayBuffer) return { content: new Uint8Array(init.slice(0)), type: null };
  if (ArrayBuffer.isView(init)) {
    const { buffer, byteOffset, byteLength } = init;
    return {
      content: new Uint8Array((buffer as ArrayBuffer).slice(byteOffset, byteOffset + byteLength)),
      type: null,
    };
  }
  const type =
    init instanceof URLSearchParams
      ? 'application/x-www-form-urlencoded;charset=UTF-8'
      : 'text/plain;charset=UTF-8';
  return { content: new TextEncoder().encode(String(init)), type };
};

export class Body {
  #content: Content | null;
  #stream: ReadableStream<Uint8Array> | null = null;
  #used = false;

  constructor(content: Content | null) {
    this.#content = content;
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#content === null) return null;
    this.#stream ??= this.#content instanceof ReadableStream ? this.#content : streamOf(this.#content);
    return this.#stream;
  }

  get bodyUsed(): boolean {
    const stream = this.#stream ?? (this.#content instanceof ReadableStream ? this.#content : null);
    return this.#used || (stream !== null && (stream.locked || isDisturbed(stream)));
  }

  async bytes(): Promise<Uint8Array> {
    if (this.#content === null) return new Uint8Array(0);
    if (this.bodyUsed) throw new TypeError('the body has been read already');
    if (this.#stream === null && !(this.#content instanceof ReadableStream)) {
      this.#used = true;
      return this.#content;
    }
    const stream = this.body as ReadableStream<Uint8Array>;
    this.#used = true;
    return gather(stream);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = await this.bytes();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  /** What sends the body: it counts as read then. */
  protected takeContent(): Content | null {
    if (this.bodyUsed) throw new TypeError('the body has been read already');
    this.#used = this.#content !== null;
    return this.#stream ?? this.#content;
  }

  /** The content for a second body; this one goes on with its own. */
  protected splitContent(): Content | null {
    if (this.bodyUsed) throw new TypeError('a body that has been read cannot be cloned');
    if (this.#content === null) return null;
    if (this.#stream === null && !(this.#content instanceof ReadableStream)) return this.#content.slice();
    const [mine, other] = (this.body as ReadableStream<Uint8Array>).tee();
    this.#content = mine;
    this.#stream = mine;
    return other;
  }
}

const streamOf = (bytes: Uint8Array): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });

const gather = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    if (!ArrayBuffer.isView(chunk)) throw new TypeError('a body is a stream of Uint8Array');
    chunks.push(chunk);
    length += chunk.length;
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
};
