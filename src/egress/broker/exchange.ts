/**
 * One request of a function, from its head to the end of the answer.
 *
 * Owns its connection, its time and its bytes. Redirects are not followed here: the sandbox asks anew, and is checked
 * anew. A connection serves one request, so nothing of one function is left for another, and what it cost is exact.
 * Invariants: exactly one of `ended` and `failed` is told, once; after that nothing of it is left open.
 */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Client, type Dispatcher, errors } from 'undici';
import type { NetworkFailure } from '../../guest/contract.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import { WINDOW_BYTES } from '../../sandbox/protocol/network-frames.ts';
import { beyond, failed, failureOf, NetworkError } from '../failures.ts';
import { admit } from './admission.ts';
import { AnswerBody } from './answer.ts';
import { headJson } from './answer-head.ts';
import { connectTo } from './connect.ts';
import type { Gate } from './gate.ts';
import type { BrokerOptions, RequestPolicy } from './options.ts';
import { type CheckedHead, checkHead } from './request-head.ts';

export interface ExchangeEvents {
  head(json: string): void;
  data(bytes: Buffer): void;
  /** Bytes of the request's body that went on. */
  used(bytes: number): void;
  ended(spent: Spent): void;
  failed(failure: NetworkFailure, spent: Spent): void;
}

/** Bytes of HTTP on the connection, heads included, before encryption. */
export interface Spent {
  readonly sent: number;
  readonly received: number;
}

export interface ExchangeParts {
  readonly gate: Gate;
  readonly clock: Clock;
  readonly options: Pick<BrokerOptions, 'maxHeaderBytes' | 'connectTimeoutMs' | 'requestTimeoutMs'>;
  readonly ca?: string;
}

/** Answers before the answer, such as 103: a server that sends no end of them is cut off. */
const INFORMATIONAL_MAX = 16;
/** What the socket may hold that was not looked at. */
const READ_AHEAD_BYTES = 2 * WINDOW_BYTES;
/** A chunk of one byte has five more. */
const FRAMING_FACTOR = 8;

export class Exchange {
  readonly #parts: ExchangeParts;
  readonly #policy: RequestPolicy;
  readonly #events: ExchangeEvents;
  readonly #body: Readable | null;
  readonly #answer: AnswerBody;
  readonly #timer: Timer;
  #client: Client | null = null;
  #socket: Socket | null = null;
  #giveUp: (() => void) | null = null;
  #controller: Dispatcher.DispatchController | null = null;
  #uploaded = 0;
  #unused = 0;
  #downloaded = 0;
  #informational = 0;
  #closed = false;

  constructor(parts: ExchangeParts, policy: RequestPolicy, hasBody: boolean, events: ExchangeEvents) {
    this.#parts = parts;
    this.#policy = policy;
    this.#events = events;
    this.#body = hasBody ? this.#openBody() : null;
    this.#answer = new AnswerBody({
      send: (bytes) => events.data(bytes),
      flow: (going) => (going ? this.#controller?.resume() : this.#controller?.pause()),
      done: () => this.#finish(null),
    });
    const { requestTimeoutMs } = parts.options;
    this.#timer = parts.clock.setTimer(requestTimeoutMs, () =>
      this.#finish(beyond('networkTimeMs', requestTimeoutMs)),
    );
  }

  start(headJsonText: string): void {
    this.#begin(headJsonText).catch((thrown: unknown) => this.fail(thrown));
  }

  fail(thrown: unknown): void {
    this.#finish(failureOf(thrown));
  }

  /** A part of the request's body. */
  data(bytes: Buffer, last: boolean): void {
    if (this.#closed || this.#body === null) return;
    this.#uploaded += bytes.length;
    if (this.#uploaded > this.#policy.maxSentBytes) {
      this.#finish(beyond('networkSentBytes', this.#policy.sentLimit));
      return;
    }
    this.#unused += bytes.length;
    if (bytes.length > 0) this.#body.push(bytes);
    if (last) this.#body.push(null);
  }

  credit(bytes: number): void {
    if (!this.#closed) this.#answer.credit(bytes);
  }

  /** Nobody waits for it any more; nothing is told. */
  abort(): void {
    this.#close();
  }

  async #begin(text: string): Promise<void> {
    const head = checkHead(text, this.#parts.options.maxHeaderBytes);
    if ((head.length ?? 0) > this.#policy.maxSentBytes)
      throw new NetworkError(beyond('networkSentBytes', this.#policy.sentLimit));
    const addresses = await admit(this.#parts, this.#policy.allow, head);
    if (this.#closed) return;
    const origin = `${head.secure ? 'https' : 'http'}://${head.host.includes(':') ? `[${head.host}]` : head.host}:${head.port}`;
    const { clock, options, ca } = this.#parts;
    const how = { clock, timeoutMs: options.connectTimeoutMs, ...(ca === undefined ? {} : { ca }) };
    this.#client = new Client(origin, {
      ...{ pipelining: 1, allowH2: false, maxHeaderSize: options.maxHeaderBytes },
      // Time is kept here, for the whole of it.
      ...{ headersTimeout: 0, bodyTimeout: 0, strictContentLength: true },
      connect: (_options, callback) => {
        if (this.#socket !== null) {
          callback(
            new NetworkError(failed('UND_ERR_SOCKET', 'the connection ended before the answer')),
            null,
          );
          return;
        }
        this.#giveUp = connectTo({ ...head, addresses }, how, (error, socket) => {
          this.#giveUp = null;
          this.#socket = socket;
          if (socket === null) callback(error ?? new Error('no connection'), null);
          else if (this.#closed) socket.destroy();
          else callback(null, socket);
        });
      },
    });
    this.#client.dispatch(this.#requestOf(head), this.#handler());
  }

  #requestOf(head: CheckedHead): Dispatcher.DispatchOptions {
    const length = head.length === null || this.#body === null ? [] : ['content-length', String(head.length)];
    return {
      method: head.method as Dispatcher.HttpMethod,
      path: head.path,
      headers: [...head.headers.flat(), ...length],
      body: this.#body,
      // Undici keeps the connection otherwise, and nobody comes after.
      reset: true,
    };
  }

  #handler(): Dispatcher.DispatchHandler {
    return {
      onRequestStart: (controller) => {
        this.#controller = controller;
        this.#socket?.prependListener('readable', () => this.#checkFraming());
      },
      onResponseStart: (controller, status, _headers, statusText) => {
        this.#controller = controller;
        if (status < 200) {
          this.#informational += 1;
          if (this.#informational > INFORMATIONAL_MAX)
            this.#finish(
              failed('UND_ERR_SOCKET', `more than ${INFORMATIONAL_MAX} answers before the answer`),
            );
          return;
        }
        const json = headJson(status, statusText ?? '', controller.rawHeaders);
        if (json === null) this.#finish(beyond('networkHeaderBytes', this.#parts.options.maxHeaderBytes));
        else this.#events.head(json);
      },
      onResponseData: (_controller, bytes) => this.#received(bytes),
      onResponseEnd: () => this.#answer.end(),
      onResponseError: (_controller, error) => this.#finish(this.#failureOf(error)),
    };
  }

  #received(bytes: Buffer): void {
    if (this.#closed) return;
    this.#downloaded += bytes.length;
    const { maxReceivedBytes, receivedLimit } = this.#policy;
    if (this.#downloaded > maxReceivedBytes) this.#finish(beyond('networkReceivedBytes', receivedLimit));
    else this.#answer.push(bytes);
  }

  /**
   * What belongs to no body is never handed out, so that credit does not hold it back and the limit of bytes does not see
   * it: status lines, spaces, sizes and extensions of chunks, without end.
   */
  #checkFraming(): void {
    const { maxHeaderBytes } = this.#parts.options;
    const heads = (INFORMATIONAL_MAX + 1) * maxHeaderBytes;
    const most = heads + READ_AHEAD_BYTES + this.#downloaded * FRAMING_FACTOR;
    if (this.#closed || (this.#socket?.bytesRead ?? 0) - this.#downloaded <= most) return;
    this.#finish(failed('UND_ERR_SOCKET', `the answer has ${most} bytes that are no part of its body`));
  }

  /** Credit goes back as the connection takes the bytes. */
  #openBody(): Readable {
    const body: Readable = new Readable({
      highWaterMark: WINDOW_BYTES / 2,
      read: () => {
        const used = this.#unused - body.readableLength;
        if (used <= 0 || this.#closed) return;
        this.#unused -= used;
        this.#events.used(used);
      },
    });
    body.on('error', () => undefined);
    return body;
  }

  #failureOf(error: unknown): NetworkFailure {
    if (error instanceof errors.HeadersOverflowError)
      return beyond('networkHeaderBytes', this.#parts.options.maxHeaderBytes);
    return failureOf(error);
  }

  #finish(failure: NetworkFailure | null): void {
    if (this.#closed) return;
    this.#close();
    const spent = { sent: this.#socket?.bytesWritten ?? 0, received: this.#socket?.bytesRead ?? 0 };
    if (failure === null) this.#events.ended(spent);
    else this.#events.failed(failure, spent);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#answer.close();
    this.#giveUp?.();
    this.#body?.destroy();
    this.#client?.destroy().catch(() => undefined);
    this.#socket?.destroy();
  }
}
