/**
 * The frames by which a sandbox uses the network, between host or agent and server, and between server and egress broker.
 *
 * Owns their types and sizes. `instance` and `nonce` name the call, and `a` is the request's number, which the asking
 * side counts up. A request is an exchange of HTTP, or a tunnel: bytes both ways. Both directions of a request are held back by credit: nobody sends more than `WINDOW_BYTES` beyond
 * what the other side has said it used up.
 */
import { NETWORK_CHUNK_BYTES, NETWORK_WINDOW_BYTES } from '../../guest/contract.ts';
import type { FrameType, FrameWriter } from './frames.ts';

export const NETWORK_FRAME = {
  /**
   * Asking side: begin a request. flags: FETCH; payload: JSON of its head, or of a tunnel `host:port`. To the broker meta
   * is the policy.
   */
  fetch: 20,
  /** Answering side: meta: JSON of the answer's head; empty when a tunnel is there. */
  head: 21,
  /** Either side: flags: DATA; payload: a part of the body. The answer's last one has what was sent and received in b and c. */
  data: 22,
  /** Either side. b: bytes of the other side's body that have been used up. */
  credit: 23,
  /**
   * Asking side: forget the request. Answering side: it failed; meta: JSON of why; b and c as above. To an agent b is the
   * status that its proxy answers with.
   */
  end: 24,
} as const;
export type NetworkFrameType = (typeof NETWORK_FRAME)[keyof typeof NETWORK_FRAME];

/** Flags of `fetch`: a body follows; it is a tunnel. */
export const FETCH = { body: 1, tunnel: 2 } as const;
/** Flags of `data`: the body ends with it. */
export const DATA = { last: 1 } as const;

export const WINDOW_BYTES = NETWORK_WINDOW_BYTES;
export const CHUNK_BYTES = NETWORK_CHUNK_BYTES;
/** What a head may be as JSON, however it is escaped; what bounds headers themselves is configured. */
export const HEAD_MAX_BYTES = 256 * 1024;
/** Host and port of a tunnel; the agent's limit is the same. */
export const TUNNEL_TARGET_MAX_BYTES = 300;
/** No frame about the network is larger. */
export const NETWORK_FRAME_MAX_BYTES = HEAD_MAX_BYTES + 64 * 1024;

export interface NetworkFields {
  readonly flags?: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly meta?: string;
  readonly payload?: Uint8Array;
}

/** These types are apart from the others because code processes do not know them. */
export const sendNetworkFrame = (
  writer: FrameWriter,
  type: NetworkFrameType,
  instance: number,
  nonce: number,
  fields: NetworkFields = {},
): void => writer.send(type as number as FrameType, instance, nonce, fields);
