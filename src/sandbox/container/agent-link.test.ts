import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import type { InvokeRequest } from '../api.ts';
import { NETWORK_FRAME } from '../protocol/network-frames.ts';
import { AgentLink } from './agent-link.ts';

const MB = 1024 * 1024;

/** The connection of an agent that reads when it is told to. */
const setUp = () => {
  let read: () => void = () => undefined;
  const socket = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => {
      read = done;
    },
    writev: (_chunks, done) => {
      read = done;
    },
  });
  const ignore = (): void => undefined;
  const link = new AgentLink(socket as unknown as Socket, MB, {
    ...{ ready: ignore, frame: ignore, violated: ignore, closed: ignore },
  });
  const readAll = async (): Promise<void> => {
    while (socket.writableLength > 0) {
      read();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { link, readAll };
};

it('knows how much an agent leaves unread of its network, whatever else waits for it', async () => {
  const { link, readAll } = setUp();
  link.invoke(1, 2, {
    timeoutMs: 1,
    cpuMs: 1,
    invocationId: 'i',
    eventJson: Buffer.alloc(20 * MB),
  } as InvokeRequest);
  expect(link.unreadNetworkBytes).toBe(0);
  for (let at = 0; at < 3; at += 1)
    link.network(NETWORK_FRAME.data, 1, 2, { a: 1, payload: Buffer.alloc(MB) });
  expect(link.unreadNetworkBytes).toBeGreaterThanOrEqual(3 * MB);
  expect(link.unreadNetworkBytes).toBeLessThan(3 * MB + 1_000);
  await readAll();
  expect(link.unreadNetworkBytes).toBe(0);
  link.network(NETWORK_FRAME.data, 1, 2, { a: 1, payload: Buffer.alloc(MB) });
  await readAll();
  expect(link.unreadNetworkBytes).toBe(0);
});
