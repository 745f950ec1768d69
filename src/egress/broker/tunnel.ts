/**
 * One connection of a function's own protocol: opened to a checked address, and then bytes both ways.
 *
 * Owns its connection, its time and its bytes. Reads nothing of what passes: whatever it is, it goes to the one address
 * that was checked. The other side's end is the end of the tunnel; the function's end is passed on, and answers still
 * come. Invariants: exactly one of `ended` and `failed` is told, once; after that nothing of it is left open.
 */
import type { Socket } from 'node:net';
import type { NetworkFailure } from '../../guest/contract.ts';
import type { Timer } from '../../ports/clock.ts';
import { beyond, failureOf } from '../failures.ts';
import { admit } from './admission.ts';
import { AnswerBody } from './answer.ts';
import { connectTo } from './connect.ts';
import type { ExchangeEvents, ExchangeParts } from './exchange.ts';
import type { RequestPolicy } from './options.ts';
import { checkTarget } from './request-head.ts';

export class Tunnel {
  readonly #parts: ExchangeParts;
  readonly #policy: RequestPolicy;
  readonly #events: ExchangeEvents;
  readonly #answer: AnswerBody;
  readonly #timer: Timer;
  #socket: Socket | null = null;
  #giveUp: (() => void) | null = null;
  /** What came before the connection was there: at most a window of it. */
  #waiting: Buffer[] = [];
  #ending = false;
  #uploaded = 0;
  #downloaded = 0;
  #closed = false;

  constructor(parts: ExchangeParts, policy: RequestPolicy, events: ExchangeEvents) {
    this.#parts = parts;
    this.#policy = policy;
    this.#events = events;
    this.#answer = new AnswerBody({
      send: (bytes) => events.data(bytes),
      flow: (going) => (going ? this.#socket?.resume() : this.#socket?.pause()),
      done: () => this.#finish(null),
    });
    const { requestTimeoutMs } = parts.options;
    this.#timer = parts.clock.setTimer(requestTimeoutMs, () =>
      this.#finish(beyond('networkTimeMs', requestTimeoutMs)),
    );
  }

  /** @param target `host:port`, as a sandbox wrote it. */
  start(target: string): void {
    this.#begin(target).catch((thrown: unknown) => this.fail(thrown));
  }

  fail(thrown: unknown): void {
    this.#finish(failureOf(thrown));
  }

  data(bytes: Buffer, last: boolean): void {
    if (this.#closed || this.#ending) return;
    this.#uploaded += bytes.length;
    this.#ending = last;
    if (this.#uploaded > this.#policy.maxSentBytes)
      this.#finish(beyond('networkSentBytes', this.#policy.sentLimit));
    else if (this.#socket === null) this.#waiting.push(bytes);
    else this.#pass(this.#socket, bytes);
  }

  credit(bytes: number): void {
    if (!this.#closed) this.#answer.credit(bytes);
  }

  /** Nobody waits for it any more; nothing is told. */
  abort(): void {
    this.#close();
  }

  async #begin(text: string): Promise<void> {
    const target = checkTarget(text);
    const addresses = await admit(this.#parts, this.#policy.allow, target);
    if (this.#closed) return;
    const { clock, options } = this.#parts;
    const how = { clock, timeoutMs: options.connectTimeoutMs };
    this.#giveUp = connectTo({ ...target, secure: false, addresses }, how, (error, socket) => {
      this.#giveUp = null;
      if (socket === null) this.#finish(failureOf(error));
      else if (this.#closed) socket.destroy();
      else this.#opened(socket);
    });
  }

  #opened(socket: Socket): void {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#received(bytes));
    socket.on('end', () => this.#answer.end());
    socket.on('error', (error) => this.#finish(failureOf(error)));
    this.#events.head('');
    this.#pass(socket, Buffer.concat(this.#waiting.splice(0)));
  }

  /** Credit goes back as the connection takes the bytes. */
  #pass(socket: Socket, bytes: Buffer): void {
    if (bytes.length > 0)
      socket.write(bytes, (error) => {
        if (error == null && !this.#closed) this.#events.used(bytes.length);
      });
    if (this.#ending) socket.end();
  }

  #received(bytes: Buffer): void {
    if (this.#closed) return;
    this.#downloaded += bytes.length;
    const { maxReceivedBytes, receivedLimit } = this.#policy;
    if (this.#downloaded > maxReceivedBytes) this.#finish(beyond('networkReceivedBytes', receivedLimit));
    else this.#answer.push(bytes);
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
    this.#waiting = [];
    this.#socket?.destroy();
  }
}
