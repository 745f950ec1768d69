/**
 * The egress broker: the one process that connects to other machines on behalf of functions.
 *
 * Owns the requests under way, exchanges and tunnels. Its only caller is the server, over descriptor 3: no sandbox can reach it. It reads no
 * environment, writes no file and ends when that descriptor closes. What upstreams send is hostile, and may take this
 * process over: it holds no secrets, and no more than what functions' requests hold.
 */
import { Socket } from 'node:net';
import { systemClock } from '../../ports/clock.ts';
import { FRAME, type Frame, FrameReader, FrameWriter } from '../../sandbox/protocol/frames.ts';
import {
  DATA,
  FETCH,
  NETWORK_FRAME,
  NETWORK_FRAME_MAX_BYTES,
  type NetworkFields,
  type NetworkFrameType,
  sendNetworkFrame,
} from '../../sandbox/protocol/network-frames.ts';
import { parseRange, type Range } from '../addresses.ts';
import { Exchange, type ExchangeEvents, type ExchangeParts, type Spent } from './exchange.ts';
import type { BrokerOptions, RequestPolicy } from './options.ts';
import { dnsResolver, machineAddresses } from './resolver.ts';
import { Tunnel } from './tunnel.ts';

const SERVER_FD = 3;
const NOTHING = Buffer.alloc(0);

const main = (options: BrokerOptions): void => {
  const socket = new Socket({ fd: SERVER_FD, readable: true, writable: true });
  const broker = new Broker(new FrameWriter(socket), {
    clock: systemClock,
    options,
    gate: {
      resolve: dnsResolver(options.dnsServers),
      ownAddresses: machineAddresses,
      privateRanges: options.privateRanges
        .map(parseRange)
        .filter((range): range is Range => typeof range !== 'string'),
    },
  });
  const reader = new FrameReader(NETWORK_FRAME_MAX_BYTES, (frame) => broker.accept(frame));
  socket.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (thrown) {
      // Where the next frame begins is not known any more, and what a function sends could be read as one.
      console.error(thrown);
      process.exit(1);
    }
  });
  socket.on('close', () => process.exit(0));
  socket.on('error', () => process.exit(1));
  // What an upstream of one tenant may find in the HTTP client must not end the requests of the others; its own request
  // ends by its time.
  process.on('uncaughtException', (thrown) => console.error(thrown));
  broker.ready();
};

/** What a frame of the server can mean to a request of either kind. */
interface Passage {
  start(head: string): void;
  data(bytes: Buffer, last: boolean): void;
  credit(bytes: number): void;
  abort(): void;
  /** Ends it for what went wrong here. */
  fail(thrown: unknown): void;
}

class Broker {
  readonly #writer: FrameWriter;
  readonly #parts: ExchangeParts;
  readonly #passages = new Map<number, Passage>();

  constructor(writer: FrameWriter, parts: ExchangeParts) {
    this.#writer = writer;
    this.#parts = parts;
  }

  ready(): void {
    this.#writer.send(FRAME.ready, 0);
  }

  /** What goes wrong in one request is that one's; the stream goes on behind its frame. */
  accept(frame: Frame): void {
    try {
      if (frame.type === NETWORK_FRAME.fetch) this.#open(frame);
      // It may have ended while the frame was on its way.
      else this.#pass(frame, this.#passages.get(frame.nonce));
    } catch (thrown) {
      const passage = this.#passages.get(frame.nonce);
      if (passage === undefined) console.error(thrown);
      else passage.fail(thrown);
    }
  }

  #pass(frame: Frame, passage: Passage | undefined): void {
    if (frame.type === NETWORK_FRAME.data) passage?.data(frame.payload, (frame.flags & DATA.last) !== 0);
    else if (frame.type === NETWORK_FRAME.credit) passage?.credit(frame.b);
    else if (frame.type === NETWORK_FRAME.end) {
      passage?.abort();
      this.#passages.delete(frame.nonce);
    }
  }

  #open({ nonce, flags, meta, payload }: Frame): void {
    const send = (type: NetworkFrameType, fields: NetworkFields): void =>
      sendNetworkFrame(this.#writer, type, 0, nonce, fields);
    const events: ExchangeEvents = {
      head: (json) => send(NETWORK_FRAME.head, { meta: json }),
      data: (bytes) => send(NETWORK_FRAME.data, { payload: bytes }),
      used: (bytes) => send(NETWORK_FRAME.credit, { b: bytes }),
      ended: (spent) => {
        this.#passages.delete(nonce);
        send(NETWORK_FRAME.data, { flags: DATA.last, payload: NOTHING, ...fieldsOf(spent) });
      },
      failed: (failure, spent) => {
        this.#passages.delete(nonce);
        send(NETWORK_FRAME.end, { meta: JSON.stringify(failure), ...fieldsOf(spent) });
      },
    };
    const policy = JSON.parse(meta) as RequestPolicy;
    const passage: Passage =
      (flags & FETCH.tunnel) === 0
        ? new Exchange(this.#parts, policy, (flags & FETCH.body) !== 0, events)
        : new Tunnel(this.#parts, policy, events);
    this.#passages.set(nonce, passage);
    passage.start(payload.toString('utf8'));
  }
}

const fieldsOf = ({ sent, received }: Spent): { b: number; c: number } => ({ b: sent, c: received });

main(JSON.parse(process.argv[2] ?? '{}') as BrokerOptions);
