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
import { NONE_PASSED, Passage, type Passed } from './passage.ts';
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
  readonly #requests = new Map<number, Passage<EgressSession>>();
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
    const passage: Passage<EgressSession> = new Passage(number, target, this, {
      head: (json) => {
        if (passage.heads > 0) throw new FrameError('the broker sent two heads of one answer');
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
    passage.uploads = tunnel || (flags & FETCH.body) !== 0;
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

  #upload(passage: Passage<EgressSession>, { flags, payload }: Frame): void {
    const { length } = payload;
    const isLast = (flags & DATA.last) !== 0;
    // Credit does not hold back parts without bytes.
    if (!passage.uploads || (length === 0 && !isLast))
      throw new FrameError(`${length} bytes of a body that is over, or a part without any`);
    if (isLast) passage.uploads = false;
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

  #download(passage: Passage<EgressSession>, bytes: Uint8Array, last: boolean, passed: Passed): void {
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

  #exceed(passage: Passage<EgressSession>, kind: NetworkLimitKind, limit: number): void {
    this.#fail(passage, beyond(kind, limit), passage.passed());
  }

  #fail(passage: Passage<EgressSession>, failure: NetworkFailure, passed: Passed): void {
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
  #over(passage: Passage<EgressSession>, passed: Passed): boolean {
    if (!this.#requests.delete(passage.number)) return false;
    passage.upstream?.end();
    this.#host.leave(this.#grant);
    this.#charge(passage, passed);
    return true;
  }

  /** Puts on the account what has passed and is on none yet. */
  #charge(passage: Passage<EgressSession>, { sent, received }: Passed): void {
    this.#sent += Math.max(0, sent - passage.counted.sent);
    this.#received += Math.max(0, received - passage.counted.received);
    passage.counted = { sent, received };
  }

  #tell(type: NetworkFrameType, fields: NetworkFields): void {
    if (!this.#closed) this.#send?.(type, { payload: NOTHING, ...fields });
  }
}

const printable = (text: string): string => text.replace(/[^\x21-\x7e]/g, '?');
