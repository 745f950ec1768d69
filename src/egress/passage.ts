/**
 * One request on its way through the server, as the session that it is in keeps it.
 *
 * Owns its figures: what passed, what may come. Never sends to the sandbox: the session does.
 */
import { FrameError } from '../sandbox/protocol/frames.ts';
import { NETWORK_FRAME, WINDOW_BYTES } from '../sandbox/protocol/network-frames.ts';
import type { BrokerRequest, RequestListener } from './supervisor.ts';

export interface Passed {
  readonly sent: number;
  readonly received: number;
}

export const NONE_PASSED: Passed = { sent: 0, received: 0 };

/** One request on its way through the server. */
export class Passage<Session> {
  readonly number: number;
  /** Host and port as the sandbox says; for people. */
  readonly target: string;
  readonly listener: RequestListener;
  /** Of the invocation that it goes on for. */
  session: Session;
  /** What is on an account already. */
  counted: Passed = NONE_PASSED;
  upstream: BrokerRequest | null = null;
  /** Bytes of the request's head, as it was written in the sandbox. */
  head = 0;
  /** The same of the answer. */
  heads = 0;
  /** Bytes of bodies that have passed. */
  sent = 0;
  received = 0;
  /** Parts of its body may come. */
  uploads = false;
  /** What the sandbox may send before the broker has used some up. */
  upCredit = WINDOW_BYTES;
  /** What the sandbox was sent and has not used up. */
  outstanding = 0;

  constructor(number: number, target: string, session: Session, listener: RequestListener) {
    this.number = number;
    this.target = target;
    this.session = session;
    this.listener = listener;
  }

  credit(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes > this.outstanding)
      throw new FrameError(`credit for ${bytes} bytes of an answer; ${this.outstanding} were sent`);
    this.outstanding -= bytes;
    this.upstream?.send(NETWORK_FRAME.credit, { b: bytes });
  }

  /** What is known here of a request that ends before the broker has told: bodies, and the head as it was asked for. */
  passed(): Passed {
    return { sent: this.head + this.sent, received: this.heads + this.received };
  }
}
