/**
 * A host that has been taken over: it boots and loads like any other, and forges when it is told to invoke.
 *
 * What to do is the event. It is started in the place of a real host and speaks over descriptor 3.
 */
import { Socket } from 'node:net';
import { FRAME, type Frame, FrameReader, FrameWriter } from '../../src/sandbox/protocol/frames.ts';
import {
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  sendNetworkFrame,
} from '../../src/sandbox/protocol/network-frames.ts';

interface Order {
  /** Frames to send, each for this call unless it says otherwise. */
  readonly frames: readonly {
    readonly type: NetworkFrameType;
    readonly instance?: number;
    readonly nonce?: number;
    readonly times?: number;
    readonly bytes?: number;
    readonly head?: unknown;
    readonly fields: NetworkFields;
  }[];
  /** Answer with what came for the request, once it ended; otherwise at once. */
  readonly waits?: boolean;
}

const socket = new Socket({ fd: 3, readable: true, writable: true });
const writer = new FrameWriter(socket);
const heard = new Map<number, string[]>();

const accept = (frame: Frame): void => {
  const { type, instance, nonce } = frame;
  if (type === FRAME.boot) writer.send(FRAME.booted, instance);
  else if (type === FRAME.load) writer.send(FRAME.loaded, instance, nonce);
  else if (type === FRAME.dispose) writer.send(FRAME.disposed, instance);
  else if (type === FRAME.invoke) invoke(frame);
  else if (type === NETWORK_FRAME.head) heard.get(nonce)?.push(`head ${frame.meta.slice(0, 20)}`);
  else if (type === NETWORK_FRAME.end) {
    const { code } = JSON.parse(frame.meta) as { code: string };
    heard.get(nonce)?.push(code);
    finish(instance, nonce);
  } else if (type === NETWORK_FRAME.data && frame.flags === 1) finish(instance, nonce);
};

const invoke = ({ instance, nonce, payload }: Frame): void => {
  const order = JSON.parse(payload.toString()) as Order;
  heard.set(nonce, []);
  for (const { type, fields, head, bytes, times = 1, ...to } of order.frames) {
    const body = head === undefined ? Buffer.alloc(bytes ?? 0) : Buffer.from(JSON.stringify(head));
    for (let sent = 0; sent < times; sent += 1) {
      const number = times === 1 ? fields.a : (fields.a ?? 0) + sent;
      sendNetworkFrame(writer, type, to.instance ?? instance, to.nonce ?? nonce, {
        ...fields,
        ...(number === undefined ? {} : { a: number }),
        payload: body,
      });
    }
  }
  if (order.waits !== true) finish(instance, nonce);
};

/** An answer for each call, and no second one: that would be another forgery. */
const finish = (instance: number, nonce: number): void => {
  const said = heard.get(nonce);
  if (said === undefined) return;
  heard.delete(nonce);
  const payload = Buffer.from(JSON.stringify({ nonce, instance, heard: said }));
  writer.send(FRAME.outcome, instance, nonce, { payload });
};

const reader = new FrameReader(64 * 1024 * 1024, accept);
socket.on('data', (chunk: Buffer) => reader.push(chunk));
socket.on('close', () => process.exit());
writer.send(FRAME.ready, 0);
