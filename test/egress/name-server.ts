/**
 * A name server for tests: UDP on loopback, with answers that the test sets, also others the second time.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** Addresses by name, for one question after the other; the last list stays. Without lists there is no answer. */
export type Zone = Record<string, readonly (readonly string[])[]>;

export interface NameServer {
  /** As `egress.dnsServers` takes it. */
  readonly address: string;
  readonly zone: Zone;
  /** Every name that was asked for, once for each question about IPv4. */
  readonly asked: string[];
  close(): Promise<void>;
}

const TYPE_A = 1;
const TYPE_AAAA = 28;
const HEADER_BYTES = 12;
const NO_SUCH_NAME = 3;

export const startNameServer = async (zone: Zone = {}): Promise<NameServer> => {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  const turns = new Map<string, number>();
  socket.on('message', (question, from) => {
    const { name, type, end } = readQuestion(question);
    const key = `${name}/${type}`;
    const turn = turns.get(key) ?? 0;
    turns.set(key, turn + 1);
    if (type === TYPE_A) asked.push(name);
    const lists = zone[name];
    if (lists?.length === 0) return;
    const list = lists?.[Math.min(turn, lists.length - 1)];
    const addresses = (list ?? []).filter((text) => text.includes(':') === (type === TYPE_AAAA));
    socket.send(answerTo(question.subarray(0, end), addresses, lists === undefined), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  return {
    ...{ address: `127.0.0.1:${port}`, zone, asked },
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
};

const readQuestion = (message: Buffer): { name: string; type: number; end: number } => {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
};

const answerTo = (question: Buffer, addresses: readonly string[], unknown: boolean): Buffer => {
  const head = Buffer.from(question.subarray(0, HEADER_BYTES));
  head.writeUInt16BE(0x8180 | (unknown ? NO_SUCH_NAME : 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((text) => {
    const data = bytesOf(text);
    const record = Buffer.alloc(12);
    // A pointer to the name in the question.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(data.length === 4 ? TYPE_A : TYPE_AAAA, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(0, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([head, question.subarray(HEADER_BYTES), ...records]);
};

const bytesOf = (text: string): Buffer => {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const [left = '', right = ''] = text.split('::');
  const parts = (side: string): number[] =>
    side === '' ? [] : side.split(':').map((part) => Number.parseInt(part, 16));
  const [first, last] = [parts(left), parts(right)];
  const middle = Array.from({ length: 8 - first.length - last.length }, () => 0);
  const bytes = Buffer.alloc(16);
  for (const [index, part] of [...first, ...middle, ...last].entries()) bytes.writeUInt16BE(part, index * 2);
  return bytes;
};
