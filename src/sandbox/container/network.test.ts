import { describe, expect, it } from 'vitest';
import type { NetworkSession } from '../network.ts';
import { type Frame, FrameError } from '../protocol/frames.ts';
import {
  DATA,
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
} from '../protocol/network-frames.ts';
import { ContainerNetwork, isNetworkFrame } from './network.ts';

const frame = (type: number, nonce: number, a: number): Frame => ({
  ...{ type, nonce, a, flags: 0, instance: 1, b: 0, c: 0, meta: '', payload: Buffer.alloc(0) },
});

interface Played extends NetworkSession {
  readonly heard: string[];
  readonly heirs: NetworkSession[];
  send(type: NetworkFrameType, fields: NetworkFields): void;
}

const played = (): Played => {
  const heard: string[] = [];
  const heirs: NetworkSession[] = [];
  let outlet: Played['send'] = () => undefined;
  return {
    ...{ heard, heirs },
    attach: (send) => {
      outlet = send;
    },
    accept: ({ type, a }) => void heard.push(`${type} ${a}`),
    handOver: (to) => void heirs.push(to),
    send: (type, fields) => outlet(type, fields),
  };
};

const open = (...nonces: number[]) => {
  const sent: string[] = [];
  const network = new ContainerNetwork((nonce, type, { a }) => sent.push(`${nonce}: ${type} ${a}`));
  const sessions = nonces.map((nonce) => {
    const session = played();
    network.open(nonce, session);
    return session;
  });
  const [first = played(), second = played()] = sessions;
  return { network, sent, first, second };
};

const { fetch, data, credit, end, head } = NETWORK_FRAME;

describe('the network of a container', () => {
  it('knows its frames', () => {
    expect(Object.values(NETWORK_FRAME).every((type) => isNetworkFrame(frame(type, 1, 1)))).toBe(true);
    expect(isNetworkFrame(frame(8, 1, 1))).toBe(false);
  });

  it('gives each connection to the invocation that it was begun for, whatever later frames say', () => {
    const { network, first, second, sent } = open(10, 20);
    network.accept(frame(fetch, 10, 1));
    network.accept(frame(fetch, 20, 2));
    network.accept(frame(data, 20, 1));
    network.accept(frame(credit, 10, 2));
    first.send(head, { a: 1 });
    expect([first.heard, second.heard]).toEqual([
      ['20 1', '22 1'],
      ['20 2', '23 2'],
    ]);
    expect(sent).toEqual(['10: 21 1']);
  });

  it.each([
    ['a call that nobody opened', frame(fetch, 99, 1)],
    ['a connection that nobody began', frame(data, 10, 5)],
    ['a connection without a number', frame(data, 10, Number.NaN)],
  ])('drops what comes for %s', (_what, told) => {
    const { network, first } = open(10);
    network.accept(told);
    expect(first.heard).toEqual([]);
  });

  it('takes a connection that is begun twice for a breach', () => {
    const { network } = open(10, 20);
    network.accept(frame(fetch, 10, 1));
    expect(() => network.accept(frame(fetch, 20, 1))).toThrow(FrameError);
  });

  it('hands what is under way to the newest of the others, and drops it after the last', () => {
    const { network, first, second } = open(10, 20);
    network.accept(frame(fetch, 10, 1));
    network.close(10);
    expect(first.heirs).toEqual([second]);
    network.accept(frame(data, 10, 1));
    expect(second.heard).toEqual(['22 1']);
    network.close(20);
    network.accept(frame(data, 20, 1));
    network.accept(frame(fetch, 20, 2));
    network.accept(frame(fetch, 10, 3));
    expect(second.heirs).toEqual([]);
    expect([first.heard, second.heard]).toEqual([['20 1'], ['22 1']]);
  });

  it('forgets connections that ended on either side', () => {
    const { network, first } = open(10);
    for (const number of [1, 2, 3]) network.accept(frame(fetch, 10, number));
    network.accept(frame(end, 10, 1));
    first.send(end, { a: 2 });
    first.send(data, { a: 3, flags: DATA.last });
    first.heard.length = 0;
    for (const number of [1, 2, 3]) network.accept(frame(data, 10, number));
    expect(first.heard).toEqual([]);
  });

  it('is empty when the instance is', () => {
    const { network, first } = open(10);
    network.accept(frame(fetch, 10, 1));
    network.clear();
    network.accept(frame(data, 10, 1));
    network.accept(frame(fetch, 10, 2));
    expect(first.heard).toEqual(['20 1']);
  });
});
