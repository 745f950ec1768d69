/**
 * The network of one isolate, at its host: records of the guest as frames, and frames as entries into the guest.
 *
 * Owns what came for an owner and has not entered the isolate. Decides nothing: the guest asks, the server allows.
 * Invariant: an owner has one entry about the network at a time, so what comes meanwhile goes in together with the next.
 */
import { type NetworkEventKind, OP, type RecordKind } from '../../../guest/contract.ts';
import type { Frame } from '../../protocol/frames.ts';
import {
  DATA,
  FETCH,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
} from '../../protocol/network-frames.ts';
import type { EntryArguments } from './loader.ts';
import type { Owner } from './owner.ts';
import type { GuestRecord } from './records.ts';

export interface NetworkOutlet {
  send(owner: Owner, type: NetworkFrameType, fields: NetworkFields): void;
  /** Queues an entry for an owner that may be parked. */
  enter(owner: Owner, args: EntryArguments): void;
  nowMs(): number;
}

const NETWORK_KINDS: ReadonlySet<RecordKind> = new Set(['F', 'B', 'C', 'Q']);

export const isNetworkRecord = ({ kind }: GuestRecord): boolean => NETWORK_KINDS.has(kind);

export class GuestNetwork {
  readonly #outlet: NetworkOutlet;
  /** What came since the last entry, as the guest reads it; an owner is in here for as long as it has an entry queued. */
  readonly #waiting = new Map<Owner, string>();

  constructor(outlet: NetworkOutlet) {
    this.#outlet = outlet;
  }

  /** @throws Error when the record does not follow the contract. */
  told(owner: Owner, { kind, payload }: GuestRecord): void {
    if (kind === 'F') this.#begin(owner, payload);
    else if (kind === 'B') this.#upload(owner, payload);
    else if (kind === 'C') {
      const [number, bytes] = payload.split(' ');
      this.#outlet.send(owner, NETWORK_FRAME.credit, { a: Number(number), b: Number(bytes) });
    } else this.#outlet.send(owner, NETWORK_FRAME.end, { a: Number(payload) });
  }

  /** A frame of the server about one of the owner's requests. */
  came(owner: Owner, frame: Frame): void {
    const text = eventOf(frame);
    const waiting = this.#waiting.get(owner);
    if (waiting !== undefined) {
      this.#waiting.set(owner, waiting + text);
      return;
    }
    this.#waiting.set(owner, '');
    this.#enter(owner, text);
  }

  /** A batch with these owners has been in the isolate. */
  entered(owner: Owner): void {
    const waiting = this.#waiting.get(owner);
    if (waiting === undefined) return;
    if (waiting === '') {
      this.#waiting.delete(owner);
      return;
    }
    this.#waiting.set(owner, '');
    this.#enter(owner, waiting);
  }

  /** The owner is done. */
  forget(owner: Owner): void {
    this.#waiting.delete(owner);
  }

  #enter(owner: Owner, text: string): void {
    this.#outlet.enter(owner, [OP.NETWORK, owner.number, this.#outlet.nowMs(), text]);
  }

  #begin(owner: Owner, payload: string): void {
    const [heading, head] = split(payload);
    const [number, hasBody, target = ''] = heading.split(' ');
    this.#outlet.send(owner, NETWORK_FRAME.fetch, {
      a: Number(number),
      flags: hasBody === '1' ? FETCH.body : 0,
      meta: target,
      payload: Buffer.from(head, 'utf8'),
    });
  }

  #upload(owner: Owner, payload: string): void {
    const [heading, bytes] = split(payload);
    const [number, last] = heading.split(' ');
    this.#outlet.send(owner, NETWORK_FRAME.data, {
      a: Number(number),
      flags: last === '1' ? DATA.last : 0,
      payload: Buffer.from(bytes, 'latin1'),
    });
  }
}

const split = (payload: string): [string, string] => {
  const newline = payload.indexOf('\n');
  if (newline < 0) throw new Error('the bootstrap returned a record without its second line');
  return [payload.slice(0, newline), payload.slice(newline + 1)];
};

const eventOf = (frame: Frame): string => {
  const number = frame.a;
  if (frame.type === NETWORK_FRAME.head) return event('H', number, frame.meta);
  if (frame.type === NETWORK_FRAME.credit) return event('C', number, String(frame.b));
  if (frame.type === NETWORK_FRAME.end) return event('X', number, frame.meta);
  const kind = (frame.flags & DATA.last) === 0 ? 'D' : 'E';
  return event(kind, number, frame.payload.toString('latin1'));
};

const event = (kind: NetworkEventKind, number: number, payload: string): string =>
  `${kind}${number} ${payload.length}\n${payload}`;
