import { expect, it } from 'vitest';
import { ManualClock } from '../../ports/manual-clock.ts';
import type { InvokeRequest } from '../api.ts';
import type { NetworkSession } from '../network.ts';
import { NETWORK_FRAME, type NetworkFields, type NetworkFrameType } from '../protocol/network-frames.ts';
import type { CarrierParts } from './carrier-parts.ts';
import { ContainerInstance } from './container-instance.ts';

const MB = 1024 * 1024;

it('brings an agent no more of its network once it leaves sixteen megabytes unread', () => {
  const violations: string[] = [];
  const link = {
    unreadNetworkBytes: 0,
    brought: 0,
    invoke: () => undefined,
    network: () => {
      link.brought += 1;
    },
  };
  const meter = { cpuNs: () => 0, resetPeak: () => undefined };
  const parts = {
    ...{ clock: new ManualClock(), meter, link, memoryMb: 64 },
    events: { violated: (reason: string) => void violations.push(reason) },
  } as unknown as CarrierParts;
  const instance = new ContainerInstance(parts, {
    ...{ refreshed: (then) => then(), resize: () => undefined, settled: () => undefined },
  });
  let send: (type: NetworkFrameType, fields: NetworkFields) => void = () => undefined;
  const network = {
    attach: (given: typeof send) => {
      send = given;
    },
  } as unknown as NetworkSession;
  instance.begin(1);
  instance.invoke(1, 2, { cpuMs: 1, network } as unknown as InvokeRequest);
  for (const unread of [0, 16 * MB, 16 * MB + 1, 0]) {
    link.unreadNetworkBytes = unread;
    send(NETWORK_FRAME.data, { a: 1 });
  }
  expect(link.brought).toBe(3);
  expect(violations).toEqual([`${16 * MB + 1} bytes that it asked for and does not read`]);
  instance.stop();
  send(NETWORK_FRAME.data, { a: 1 });
  expect(link.brought).toBe(3);
});
