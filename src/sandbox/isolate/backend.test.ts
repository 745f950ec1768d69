import { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import type { ProcessHandle } from '../../ports/processes.ts';
import type { BackendEvents } from '../backend.ts';
import { FRAME, FrameWriter } from '../protocol/frames.ts';
import { NETWORK_FRAME, type NetworkFields, type NetworkFrameType } from '../protocol/network-frames.ts';
import { isolateBackend } from './backend.ts';

const MIB = 1024 * 1024;

/** A host that is ready and reads nothing from then on. */
const deafHost = (): ProcessHandle => {
  const channel = new Duplex({ read: () => undefined, write: () => undefined });
  const writer = new FrameWriter({
    cork: () => undefined,
    uncork: () => undefined,
    write: (bytes) => channel.push(Buffer.from(bytes)),
  });
  writer.send(FRAME.ready, 0);
  return {
    ...{ pid: 1, channel, exited: new Promise(() => undefined), stderrTail: () => '' },
    ...{ kill: () => undefined, usage: () => null, workerPid: () => 1, stopped: () => false },
  };
};

it('a host that asks the network and does not read breaks the protocol before the server holds much for it', async () => {
  const violations: string[] = [];
  const events: BackendEvents = {
    ...{ booted: () => undefined, bootFailed: () => undefined, loaded: () => undefined },
    ...{ settled: () => undefined, parked: () => undefined, disposed: () => undefined },
    ...{ catastrophe: () => undefined, unasked: () => undefined, instanceEnded: () => undefined },
    violated: (reason) => void violations.push(reason),
  };
  const host = deafHost();
  const backend = isolateBackend({
    jail: {
      ...{ confinement: { kind: 'none', summary: 'none', gaps: [] }, guestPath: '' },
      command: () => ({ command: '', args: [] }),
    },
    processes: { spawn: async () => host },
    ...{ capacity: 1, cpuShares: null, release: async () => undefined },
    hostOptions: {
      ...{ maxFrameBytes: 1e6, logMaxBytes: 1_000, resultMaxBytes: 1e5, timersMax: 10, requestsMax: 10 },
      ...{ redirectsMax: 1, meterIntervalMs: 5 },
    },
  });
  const carrier = await backend.provision(events, new AbortController().signal);
  let send: (type: NetworkFrameType, fields: NetworkFields) => void = () => undefined;
  carrier.invoke(1, 1, {
    ...{ invocationId: 'i', timeoutMs: 1_000, cpuMs: 1_000, eventJson: Buffer.from('{}') },
    network: {
      attach: (given) => {
        send = given;
      },
      accept: () => undefined,
      handOver: () => undefined,
    },
  });
  const part = new Uint8Array(MIB / 16);
  for (let sent = 0; sent < 256 * MIB; sent += part.length) send(NETWORK_FRAME.data, { a: 1, payload: part });
  expect(violations).toEqual([expect.stringContaining('bytes that it asked for and does not read')]);
  expect(host.channel.writableLength).toBeLessThan(70 * MIB);
});
