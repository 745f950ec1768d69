/**
 * The network of one container: the sessions of its open invocations, and whose each connection is.
 *
 * Owns the way of frames between agent and sessions. Decides nothing about what may be reached. The function's processes
 * cannot be told apart, so a connection is that of the invocation that began last; when that one ends while others are
 * open, its connections go on for the newest of them. Invariants: only an open invocation can begin a connection; after
 * the last one has ended nothing is passed on in either direction.
 */
import type { NetworkSession } from '../network.ts';
import { type Frame, FrameError } from '../protocol/frames.ts';
import {
  DATA,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
} from '../protocol/network-frames.ts';

type Send = (nonce: number, type: NetworkFrameType, fields: NetworkFields) => void;

const TYPES: ReadonlySet<number> = new Set(Object.values(NETWORK_FRAME));

export const isNetworkFrame = ({ type }: Frame): boolean => TYPES.has(type);

export class ContainerNetwork {
  readonly #send: Send;
  /** By nonce, in the order in which they were opened. */
  readonly #sessions = new Map<number, NetworkSession>();
  /** Whose a connection is: the nonce, by the connection's number. */
  readonly #owners = new Map<number, number>();

  constructor(send: Send) {
    this.#send = send;
  }

  open(nonce: number, session: NetworkSession): void {
    this.#sessions.set(nonce, session);
    session.attach((type, fields) => {
      // What ends here needs no owner; the agent says nothing about it any more, or says it too late.
      if (endsHere(type, fields)) this.#owners.delete(fields.a ?? 0);
      this.#send(nonce, type, fields);
    });
  }

  /** A frame of the agent. @throws FrameError when no honest agent sends it. */
  accept(frame: Frame): void {
    const isNew = frame.type === NETWORK_FRAME.fetch;
    const nonce = isNew ? frame.nonce : this.#owners.get(frame.a);
    const session = nonce === undefined ? undefined : this.#sessions.get(nonce);
    // A call or a connection that has ended meanwhile: what comes for it is dropped.
    if (nonce === undefined || session === undefined) return;
    if (isNew) {
      if (this.#owners.has(frame.a)) throw new FrameError(`connection ${frame.a} was begun twice`);
      this.#owners.set(frame.a, nonce);
    }
    session.accept(frame);
    if (frame.type === NETWORK_FRAME.end) this.#owners.delete(frame.a);
  }

  /** The invocation has its answer. */
  close(nonce: number): void {
    const session = this.#sessions.get(nonce);
    if (session === undefined) return;
    this.#sessions.delete(nonce);
    const heir = [...this.#sessions.keys()].at(-1);
    const next = heir === undefined ? undefined : this.#sessions.get(heir);
    if (heir === undefined || next === undefined) {
      this.#owners.clear();
      return;
    }
    session.handOver(next);
    for (const [number, owner] of this.#owners) if (owner === nonce) this.#owners.set(number, heir);
  }

  /** Nothing of the instance runs any more. */
  clear(): void {
    this.#sessions.clear();
    this.#owners.clear();
  }
}

const endsHere = (type: NetworkFrameType, { flags = 0 }: NetworkFields): boolean =>
  type === NETWORK_FRAME.end || (type === NETWORK_FRAME.data && (flags & DATA.last) !== 0);
