/**
 * The network of one invocation, at the server: its requests, what they may still use, and what they did use.
 *
 * Owns the account and the flow control between sandbox and broker. Never reads what passes. Invariants: a sandbox that
 * numbers requests anew, sends more than its credit or gives credit for what it did not get breaks the protocol, and so
 * does a broker that does the like; after `close` nothing reaches the sandbox, and nothing of it is left at the broker; a
 * byte is on the account of one invocation, that in whose time it passed.
 */
import type { ErrorCode, NetworkLimitKind } from '../core/errors.ts';
import type { NetworkRefusal, ReceiptNetwork } from '../core/receipt.ts';
import type { NetworkFailure } from '../guest/contract.ts';
import type { NetworkSession } from '../sandbox/network.ts';
import { type Frame, FrameError } from '../sandbox/protocol/frames.ts';
import {
  CHUNK_BYTES,
  DATA,
  FETCH,
  HEAD_MAX_BYTES,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  TUNNEL_TARGET_MAX_BYTES,
  WINDOW_BYTES,
} from '../sandbox/protocol/network-frames.ts';
import type { RequestPolicy } from './broker/options.ts';
import { beyond, denied, NO_NETWORK_TEXT, proxyStatusOf, unavailable } from './failures.ts';
import type { BrokerRequest, RequestListener } from './supervisor.ts';

export interface Grant {
  readonly tenant: string;
  /** Identifies the function, whatever its version. */
  readonly functionId: string;
  /** Entries of `network.allow` in their canonical form. */
  readonly allow: readonly string[];
  /** What its sandbox asks for: exchanges of HTTP, or tunnels. */
  readonly kind: 'exchange' | 'tunnel';
}

export interface SessionLimits {
  readonly maxRequests: number;
  readonly maxSentBytes: number;
  readonly maxReceivedBytes: number;
  readonly maxHeaderBytes: number;
}

/** What a session needs of the egress that it belongs to. */
export interface SessionHost {
  readonly limits: SessionLimits;
  /** Takes a place for one more request at once; otherwise how many there may be. */
  enter(grant: Grant): number | null;
  leave(grant: Grant): void;
  /** Null when functions have no network here. */
  request(listener: RequestListener): BrokerRequest | null;
}

const REFUSALS_MAX = 10;
const TARGET_MAX_CHARS = 300;
/** What JSON may make of headers that are within their limit; the broker looks at them themselves. */
const JSON_FACTOR = 3;
const JSON_SLACK_BYTES = 4_096;
const NOTHING = new Uint8Array();

export class EgressSession implements NetworkSession {
  readonly #host: SessionHost;
  readonly #grant: Grant;
  readonly #requests = new Map<number, Passage>();
  readonly #refusals: NetworkRefusal[] = [];
  #send: ((type: NetworkFrameType, fields: NetworkFields) => void) | null = null;
  #lastNumber = 0;
  #count = 0;
  #refused = 0;
  /** Of requests that are over. */
  #sent = 0;
  #received = 0;
  /** Bodies alone, also of those under way: what the limits are held against. */
  #sentBodies = 0;
  #receivedBodies = 0;
  #closed = false;

  constructor(host: SessionHost, grant: Grant) {
    this.#host = host;
    this.#grant = grant;
  }

  attach(send: (type: NetworkFrameType, fields: NetworkFields) => void): void {
    this.#send = send;
  }

  accept(frame: Frame): void {
    if (this.#closed) return;
    const number = frame.a;
    if (!Number.isSafeInteger(number) || number < 1) throw new FrameError(`a request numbered ${number}`);
    if (frame.type === NETWORK_FRAME.fetch) {
      this.#open(number, frame);
      return;
    }
    const passage = this.#requests.get(number);
    if (passage === undefined) {
      if (number > this.#lastNumber)
        throw new FrameError(`a frame about request ${number}, which was not begun`);
      return;
    }
    if (frame.type === NETWORK_FRAME.data) this.#upload(passage, frame);
    else if (frame.type === NETWORK_FRAME.credit) passage.credit(frame.b);
    else if (frame.type === NETWORK_FRAME.end) this.#over(passage, passage.passed());
    else throw new FrameError(`a frame of type ${frame.type} about a request`);
  }

  /**
   * What is under way goes on for another invocation of the same function in the same sandbox, which cannot tell them
   * apart. What has passed until now stays on this account.
   */
  handOver(to: NetworkSession): void {
    if (!(to instanceof EgressSession) || to.#closed || this.#closed) return;
    for (const [number, passage] of this.#requests) {
      this.#charge(passage, passage.passed());
      passage.session = to;
      to.#requests.set(number, passage);
      to.#lastNumber = Math.max(to.#lastNumber, number);
    }
    this.#requests.clear();
  }

  /** Ends what is under way, and tells what all of it came to. Idempotent. */
  close(): ReceiptNetwork {
    this.#closed = true;
    for (const passage of [...this.#requests.values()]) this.#over(passage, passage.passed());
    this.#send = null;
    return {
      ...{
        requests: this.#count,
        refused: this.#refused,
        sentBytes: this.#sent,
        receivedBytes: this.#received,
      },
      refusals: this.#refusals,
    };
  }

  #open(number: number, { flags, meta, payload }: Frame): void {
    if (number <= this.#lastNumber) throw new FrameError(`request ${number} after ${this.#lastNumber}`);
    if (payload.length > HEAD_MAX_BYTES) throw new FrameError(`a request's head of ${payload.length} bytes`);
    const tunnel = (flags & FETCH.tunnel) !== 0;
    if (tunnel !== (this.#grant.kind === 'tunnel') || (tunnel && payload.length > TUNNEL_TARGET_MAX_BYTES))
      throw new FrameError(`a request of a kind that this sandbox does not make`);
    this.#lastNumber = number;
    this.#count += 1;
    const target = printable(meta.slice(0, TARGET_MAX_CHARS));
    const { limits } = this.#host;
    if (this.#count > limits.maxRequests) {
      this.#refuse(number, target, beyond('networkRequests', limits.maxRequests, this.#count));
      return;
    }
    if (payload.length > limits.maxHeaderBytes * JSON_FACTOR + JSON_SLACK_BYTES) {
      this.#refuse(number, target, beyond('networkHeaderBytes', limits.maxHeaderBytes));
      return;
    }
    if (this.#grant.allow.length === 0) {
      this.#refuse(number, target, denied(NO_NETWORK_TEXT));
      return;
    }
    const most = this.#host.enter(this.#grant);
    if (most !== null) {
      this.#refuse(number, target, beyond('networkRequestsAtOnce', most));
      return;
    }
    const passage: Passage = new Passage(number, target, this, {
      head: (json) => {
        passage.heads += json.length;
        passage.session.#tell(NETWORK_FRAME.head, { a: number, meta: json });
      },
      data: (bytes, last, sent, received) =>
        passage.session.#download(passage, bytes, last, { sent, received }),
      used: (bytes) => {
        passage.upCredit += bytes;
        if (passage.upCredit > WINDOW_BYTES) throw new FrameError('the broker used up more than it was sent');
        passage.session.#tell(NETWORK_FRAME.credit, { a: number, b: bytes });
      },
      failed: (failure, sent, received) => passage.session.#fail(passage, failure, { sent, received }),
      lost: (reason) => passage.session.#fail(passage, unavailable(reason), passage.passed()),
    });
    this.#requests.set(number, passage);
    const upstream = this.#host.request(passage.listener);
    if (upstream === null) {
      this.#fail(passage, unavailable('functions have no network on this server'), NONE_PASSED);
      return;
    }
    passage.upstream = upstream;
    // Where a tunnel leads to is not sent to the other side.
    if (!tunnel) passage.head = payload.length;
    upstream.send(NETWORK_FRAME.fetch, {
      flags: flags & (FETCH.body | FETCH.tunnel),
      meta: this.#policyJson(),
      payload,
    });
  }

  #policyJson(): string {
    const { maxSentBytes, maxReceivedBytes } = this.#host.limits;
    return JSON.stringify({
      allow: this.#grant.allow,
      maxSentBytes: Math.max(0, maxSentBytes - this.#sentBodies),
      maxReceivedBytes: Math.max(0, maxReceivedBytes - this.#receivedBodies),
      sentLimit: maxSentBytes,
      receivedLimit: maxReceivedBytes,
    } satisfies RequestPolicy);
  }

  #upload(passage: Passage, { flags, payload }: Frame): void {
    const { length } = payload;
    if (length > CHUNK_BYTES || length > passage.upCredit)
      throw new FrameError(
        `${length} bytes of a request's body; ${Math.min(CHUNK_BYTES, passage.upCredit)} may come`,
      );
    passage.upCredit -= length;
    passage.sent += length;
    this.#sentBodies += length;
    const { maxSentBytes } = this.#host.limits;
    if (this.#sentBodies > maxSentBytes) this.#exceed(passage, 'networkSentBytes', maxSentBytes);
    else passage.upstream?.send(NETWORK_FRAME.data, { flags: flags & DATA.last, payload });
  }

  #download(passage: Passage, bytes: Uint8Array, last: boolean, passed: Passed): void {
    passage.outstanding += bytes.length;
    if (passage.outstanding > WINDOW_BYTES)
      throw new FrameError('the broker sent more than the sandbox has room for');
    passage.received += bytes.length;
    this.#receivedBodies += bytes.length;
    const { maxReceivedBytes } = this.#host.limits;
    if (this.#receivedBodies > maxReceivedBytes) {
      this.#exceed(passage, 'networkReceivedBytes', maxReceivedBytes);
      return;
    }
    this.#tell(NETWORK_FRAME.data, { a: passage.number, flags: last ? DATA.last : 0, payload: bytes });
    if (last) this.#over(passage, passed);
  }

  #exceed(passage: Passage, kind: NetworkLimitKind, limit: number): void {
    this.#fail(passage, beyond(kind, limit), passage.passed());
  }

  #fail(passage: Passage, failure: NetworkFailure, passed: Passed): void {
    if (!this.#over(passage, passed)) return;
    if (failure.refused) this.#noteRefusal(passage.target, failure);
    this.#tellFailure(passage.number, failure);
  }

  /** One that never began. */
  #refuse(number: number, target: string, failure: NetworkFailure): void {
    this.#noteRefusal(target, failure);
    this.#tellFailure(number, failure);
  }

  #tellFailure(number: number, failure: NetworkFailure): void {
    const status = this.#grant.kind === 'tunnel' ? { b: proxyStatusOf(failure) } : {};
    this.#tell(NETWORK_FRAME.end, { a: number, ...status, meta: JSON.stringify(failure) });
  }

  #noteRefusal(target: string, { code, message }: NetworkFailure): void {
    this.#refused += 1;
    if (this.#refusals.length >= REFUSALS_MAX) return;
    this.#refusals.push({ code: code as ErrorCode, target, detail: message });
  }

  /** Settles a request's account; false when that was done before. */
  #over(passage: Passage, passed: Passed): boolean {
    if (!this.#requests.delete(passage.number)) return false;
    passage.upstream?.end();
    this.#host.leave(this.#grant);
    this.#charge(passage, passed);
    return true;
  }

  /** Puts on the account what has passed and is on none yet. */
  #charge(passage: Passage, { sent, received }: Passed): void {
    this.#sent += Math.max(0, sent - passage.counted.sent);
    this.#received += Math.max(0, received - passage.counted.received);
    passage.counted = { sent, received };
  }

  #tell(type: NetworkFrameType, fields: NetworkFields): void {
    if (!this.#closed) this.#send?.(type, { payload: NOTHING, ...fields });
  }
}

interface Passed {
  readonly sent: number;
  readonly received: number;
}

const NONE_PASSED: Passed = { sent: 0, received: 0 };

/** One request on its way through the server. */
class Passage {
  readonly number: number;
  /** Host and port as the sandbox says; for people. */
  readonly target: string;
  readonly listener: RequestListener;
  /** Of the invocation that it goes on for. */
  session: EgressSession;
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
  /** What the sandbox may send before the broker has used some up. */
  upCredit = WINDOW_BYTES;
  /** What the sandbox was sent and has not used up. */
  outstanding = 0;

  constructor(number: number, target: string, session: EgressSession, listener: RequestListener) {
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

const printable = (text: string): string => text.replace(/[^\x21-\x7e]/g, '?');
