/**
 * The broker's process as the server sees it: started at first need, started again when it dies, ended with the server.
 *
 * Owns the process and which request is whose. Never decides what a request may reach. Invariants: every request hears of
 * its end once, also when the broker dies; after a death the next start waits, twice as long each time; a broker that
 * breaks the protocol or stays silent over its own time limit is killed.
 */
import type { NetworkFailure } from '../guest/contract.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { ProcessHandle } from '../ports/processes.ts';
import { FRAME, type Frame, FrameError, FrameReader, FrameWriter } from '../sandbox/protocol/frames.ts';
import {
  DATA,
  NETWORK_FRAME,
  NETWORK_FRAME_MAX_BYTES,
  type NetworkFields,
  type NetworkFrameType,
  sendNetworkFrame,
} from '../sandbox/protocol/network-frames.ts';

export interface SupervisorOptions {
  readonly clock: Clock;
  /** Starts one broker. */
  readonly spawn: () => Promise<ProcessHandle>;
  readonly startTimeoutMs: number;
  /** After it the broker itself has ended a request. */
  readonly requestTimeoutMs: number;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** What a request hears: heads and parts, then `data` with `last`, or one of the other two. */
export interface RequestListener {
  head(json: string): void;
  data(bytes: Uint8Array, last: boolean, sent: number, received: number): void;
  used(bytes: number): void;
  failed(failure: NetworkFailure, sent: number, received: number): void;
  /** The broker is gone, or cannot be had. */
  lost(reason: string): void;
}

/** A request at the broker. */
export interface BrokerRequest {
  send(type: NetworkFrameType, fields: NetworkFields): void;
  /** Nobody waits for it any more; the listener hears nothing of it. Idempotent. */
  end(): void;
}

const BACK_OFF_FIRST_MS = 100;
const BACK_OFF_MOST_MS = 10_000;
/** Whoever lived so long did not die of its start. */
const SOUND_AFTER_MS = 30_000;
/** What a busy broker may be late by before it counts as silent. */
const SILENCE_MS = 10_000;

export class Supervisor {
  readonly options: SupervisorOptions;
  readonly #requests = new Map<number, Request>();
  #nextNumber = 1;
  #link: Link | null = null;
  /** The process that is up or coming up. */
  #handle: ProcessHandle | null = null;
  #starting: Promise<void> | null = null;
  #retry: Timer | null = null;
  #deaths = 0;
  #startedMs = 0;
  #closed = false;

  constructor(options: SupervisorOptions) {
    this.options = options;
  }

  request(listener: RequestListener): BrokerRequest {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const request = new Request(number, listener, this);
    this.#requests.set(number, request);
    if (this.#link !== null) request.connect(this.#link);
    else if (this.#retry === null) this.#startOnce();
    return request;
  }

  forget(request: Request): void {
    this.#requests.delete(request.number);
  }

  /** The broker did not end a request that it had to end: it hangs. */
  silent(): void {
    this.options.onFault('the egress broker does not answer and is killed', {});
    this.#link?.handle.kill();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    this.#handle?.kill();
    this.#loseAll('the server shuts down');
    await this.#starting;
    await this.#handle?.exited;
  }

  #startOnce(): void {
    if (this.#starting !== null || this.#closed) return;
    this.#starting = this.#start().finally(() => {
      this.#starting = null;
    });
  }

  async #start(): Promise<void> {
    this.#startedMs = this.options.clock.nowMs();
    let link: Link | null = null;
    try {
      const handle = await this.options.spawn();
      this.#handle = handle;
      if (this.#closed) handle.kill();
      link = new Link(handle, (frame) => this.#accept(frame), this.options.onFault);
      await link.ready(this.options.clock, this.options.startTimeoutMs);
    } catch (thrown) {
      link?.handle.kill();
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      if (!this.#closed) this.options.onFault('the egress broker could not be started', { reason });
      this.#loseAll('the egress broker could not be started');
      this.#backOff();
      return;
    }
    if (this.#closed) return;
    const up = link;
    this.#link = up;
    void up.handle.exited.then(({ exitCode, signal }) => this.#died(up, exitCode, signal));
    for (const request of this.#requests.values()) request.connect(up);
  }

  #died(link: Link, exitCode: number | null, signal: string | null): void {
    if (this.#link !== link) return;
    this.#link = null;
    if (this.#closed) return;
    const stderr = link.handle.stderrTail().slice(-500);
    this.options.onFault('the egress broker died', { exitCode, signal, stderr });
    this.#backOff();
    this.#loseAll('the egress broker ended during the request; send it again');
  }

  /** The next start waits; what is asked for meanwhile waits for it. */
  #backOff(): void {
    if (this.#closed) return;
    const { clock } = this.options;
    this.#deaths = clock.nowMs() - this.#startedMs > SOUND_AFTER_MS ? 1 : this.#deaths + 1;
    const delayMs = Math.min(BACK_OFF_MOST_MS, BACK_OFF_FIRST_MS * 2 ** (this.#deaths - 1));
    this.#retry = clock.setTimer(delayMs, () => {
      this.#retry = null;
      if (this.#requests.size > 0 && this.#link === null) this.#startOnce();
    });
  }

  #loseAll(reason: string): void {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.lose(reason);
  }

  #accept(frame: Frame): void {
    const listener = this.#requests.get(frame.nonce)?.listener;
    switch (frame.type) {
      case NETWORK_FRAME.head:
        listener?.head(frame.meta);
        break;
      case NETWORK_FRAME.data:
        listener?.data(frame.payload, (frame.flags & DATA.last) !== 0, countOf(frame.b), countOf(frame.c));
        break;
      case NETWORK_FRAME.credit:
        listener?.used(countOf(frame.b));
        break;
      case NETWORK_FRAME.end:
        listener?.failed(parseFailure(frame.meta), countOf(frame.b), countOf(frame.c));
        break;
      default:
        throw new FrameError(`a frame of type ${frame.type}, which no broker sends`);
    }
  }
}

class Request implements BrokerRequest {
  readonly number: number;
  readonly listener: RequestListener;
  readonly #supervisor: Supervisor;
  #deadline: Timer | null = null;
  #link: Link | null = null;
  /** What was sent before the broker was up: at most a window of it. */
  #waiting: [NetworkFrameType, NetworkFields][] = [];
  #over = false;

  constructor(number: number, listener: RequestListener, supervisor: Supervisor) {
    this.number = number;
    this.listener = listener;
    this.#supervisor = supervisor;
  }

  /** The broker's own limit counts from when it hears of the request, and so does what it is held to. */
  connect(link: Link): void {
    this.#link = link;
    for (const [type, fields] of this.#waiting.splice(0)) link.send(type, this.number, fields);
    const { clock, requestTimeoutMs } = this.#supervisor.options;
    this.#deadline = clock.setTimer(requestTimeoutMs + SILENCE_MS, () => {
      this.#supervisor.forget(this);
      this.lose('the egress broker did not answer');
      this.#supervisor.silent();
    });
  }

  send(type: NetworkFrameType, fields: NetworkFields): void {
    if (this.#over) return;
    if (this.#link === null) this.#waiting.push([type, fields]);
    else this.#link.send(type, this.number, fields);
  }

  end(): void {
    if (this.#over) return;
    this.#link?.send(NETWORK_FRAME.end, this.number);
    this.#close();
    this.#supervisor.forget(this);
  }

  lose(reason: string): void {
    if (this.#over) return;
    this.#close();
    this.listener.lost(reason);
  }

  #close(): void {
    this.#over = true;
    this.#waiting = [];
    this.#deadline?.cancel();
  }
}

/** One broker that was started, and its frames. */
class Link {
  readonly handle: ProcessHandle;
  readonly #writer: FrameWriter;
  #onReady: () => void = () => undefined;

  constructor(handle: ProcessHandle, accept: (frame: Frame) => void, onFault: SupervisorOptions['onFault']) {
    this.handle = handle;
    this.#writer = new FrameWriter(handle.channel);
    let broken = false;
    const reader = new FrameReader(NETWORK_FRAME_MAX_BYTES, (frame) => {
      if (frame.type === FRAME.ready) this.#onReady();
      else accept(frame);
    });
    handle.channel.on('data', (chunk: Buffer) => {
      if (broken) return;
      try {
        reader.push(chunk);
      } catch (thrown) {
        broken = true;
        onFault('the egress broker broke the protocol and is killed', { reason: String(thrown) });
        handle.kill();
      }
    });
  }

  send(type: NetworkFrameType, request: number, fields: NetworkFields = {}): void {
    sendNetworkFrame(this.#writer, type, 0, request, fields);
  }

  /** Rejects when it ends before, or takes too long. */
  ready(clock: Clock, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(timeoutMs, () => reject(new Error(`it was not up after ${timeoutMs} ms`)));
      this.#onReady = () => {
        timer.cancel();
        resolve();
      };
      void this.handle.exited.then(({ exitCode, signal }) => {
        timer.cancel();
        const wrote = this.handle.stderrTail().trim().slice(-500);
        reject(new Error(`it ended (${signal ?? `exit code ${exitCode}`}): ${wrote || 'it wrote nothing'}`));
      });
    });
  }
}

const countOf = (value: number): number => (Number.isSafeInteger(value) && value > 0 ? value : 0);

const TEXT_MAX_CHARS = 1_000;

/** The broker is trusted with the decision, not with the shape. @throws FrameError */
const parseFailure = (text: string): NetworkFailure => {
  let value: unknown;
  try {
    value = JSON.parse(text.slice(0, 8 * TEXT_MAX_CHARS));
  } catch {
    throw new FrameError('the failure of a request is not JSON');
  }
  const { code, message, refused, limit } = (value ?? {}) as Partial<NetworkFailure>;
  if (typeof code !== 'string' || typeof message !== 'string')
    throw new FrameError('the failure of a request has no code or no message');
  return {
    code: code.slice(0, 100),
    message: message.slice(0, TEXT_MAX_CHARS),
    refused: refused === true,
    limit: limit ?? null,
  };
};
