/**
 * The other end of a sandbox's channel in the hands of a test: it answers as an honest one would, and lies when told to.
 *
 * Owns the two tiers' real server sides around it: `hostTier` and `agentTier` have everything but the process.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { ManualClock } from '../../src/ports/manual-clock.ts';
import type { ProcessExit, ProcessHandle } from '../../src/ports/processes.ts';
import { seededRandom } from '../../src/ports/random.ts';
import type { SandboxTier } from '../../src/sandbox/api.ts';
import type { Backend } from '../../src/sandbox/backend.ts';
import { AgentLink } from '../../src/sandbox/container/agent-link.ts';
import { ContainerCarrier } from '../../src/sandbox/container/carrier.ts';
import { CodeCache } from '../../src/sandbox/container/code-cache.ts';
import type { ContainerEngine } from '../../src/sandbox/container/engine.ts';
import type { ContainerMeter } from '../../src/sandbox/container/meter.ts';
import { Removals } from '../../src/sandbox/container/removals.ts';
import { guardTier } from '../../src/sandbox/guard.ts';
import { isolateBackend } from '../../src/sandbox/isolate/backend.ts';
import {
  FRAME,
  type Frame,
  FrameReader,
  type FrameType,
  FrameWriter,
  OUTCOME,
} from '../../src/sandbox/protocol/frames.ts';
import type { Dice } from './mutator.ts';

const MAX_FRAME_BYTES = 64 * 1024;
export const RESULT_MAX_BYTES = 4_096;
export const LOG_MAX_BYTES = 512;

/** The bytes of frames, as the protocol's writer has them. */
export const framesOf = (write: (writer: FrameWriter) => void): Buffer => {
  const parts: Buffer[] = [];
  const writer = new FrameWriter({
    cork: () => undefined,
    uncork: () => undefined,
    write: (bytes) => void parts.push(Buffer.from(bytes)),
  });
  write(writer);
  writer.flush();
  return Buffer.concat(parts);
};

/** The far end of a channel. What the server writes comes as frames; what the test says goes out as bytes. */
export class Puppet {
  readonly channel: Duplex;
  readonly heard: Frame[] = [];
  readonly exited: Promise<ProcessExit>;
  #exit: (exit: ProcessExit) => void = () => undefined;

  constructor() {
    const reader = new FrameReader(2 ** 30, (frame) => {
      this.heard.push({ ...frame, payload: Buffer.from(frame.payload) });
    });
    this.channel = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        reader.push(chunk);
        done();
      },
    });
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  say(bytes: Uint8Array): void {
    if (!this.channel.destroyed) this.channel.push(bytes);
  }

  die(): void {
    this.#exit({ exitCode: null, signal: 'SIGKILL' });
  }
}

/** What an honest sandbox answers to a frame; nothing to most. */
export const honestAnswer = (dice: Dice, { type, instance, nonce }: Frame): Buffer =>
  framesOf((writer) => {
    if (type === FRAME.boot) writer.send(FRAME.booted, instance, 0, { a: 3 });
    else if (type === FRAME.load) writer.send(FRAME.loaded, instance, nonce, { a: 1e6, b: 2, c: 1 });
    else if (type === FRAME.dispose) writer.send(FRAME.disposed, instance);
    else if (type === FRAME.terminate) writer.send(FRAME.outcome, instance, nonce, failedWith('terminated'));
    else if (type === FRAME.invoke) {
      const fields = { a: 2e6, b: 4, c: 1e6, payload: Buffer.from(`{"call":${nonce}}`) };
      if (dice.once(4)) writer.send(FRAME.outcome, instance, nonce, failedWith('function_error'));
      else writer.send(FRAME.outcome, instance, nonce, fields);
    }
  });

const failedWith = (code: string): { flags: number; a: number; meta: string } => ({
  flags: OUTCOME.failed | OUTCOME.hasTail,
  a: 1e6,
  meta: JSON.stringify({
    failure: { code, detail: 'It did.', error: { type: 'E', message: 'm', stack: 's' }, limit: null },
    logs: [['info', 1, 'a line']],
    logTruncated: false,
  }),
});

/** A frame that is well formed and comes when nobody expects it. */
export const forgedFrame = (dice: Dice, heard: readonly Frame[]): Buffer => {
  const known = heard.length === 0 ? null : dice.pick(heard);
  const number = (): number =>
    dice.pick([0, 1, -1, 0.5, 2 ** 53, Number.NaN, Infinity, -Infinity, dice.int(1000)]);
  const instance = dice.once(3) ? dice.pick([0, 1, 2, 2 ** 32 - 1]) : (known?.instance ?? 1);
  const nonce = dice.once(3) ? dice.int(10) : (known?.nonce ?? 0);
  const fields = {
    ...{ flags: dice.once(2) ? dice.int(16) : 0, a: number(), b: number(), c: number() },
    meta: dice.pick([
      '',
      'x',
      '{}',
      '{"failure":null,"logs":[],"logTruncated":false}',
      'null',
      'é'.repeat(300),
    ]),
    payload: dice.bytes(dice.size(5_000)),
  };
  // Unknown types as well, and those that only the server sends.
  return framesOf((writer) => writer.send(dice.int(26) as FrameType, instance, nonce, fields));
};

const NO_GAPS = { kind: 'none', summary: '', gaps: [] } as const;

const guarded = (backend: Backend, clock: ManualClock): SandboxTier =>
  guardTier(backend, {
    ...{ clock, random: seededRandom(5), startTimeoutMs: 500, killGraceMs: 50, watchdog: null },
  });

/** The isolate tier's server side. */
export const hostTier = (puppet: Puppet, clock: ManualClock): SandboxTier => {
  const handle: ProcessHandle = {
    pid: 1,
    channel: puppet.channel,
    exited: puppet.exited,
    stderrTail: () => '',
    kill: () => puppet.die(),
    usage: () => null,
    workerPid: () => null,
    stopped: () => false,
  };
  const hostOptions = {
    ...{ maxFrameBytes: MAX_FRAME_BYTES, logMaxBytes: LOG_MAX_BYTES, resultMaxBytes: RESULT_MAX_BYTES },
    ...{ timersMax: 10, requestsMax: 10, redirectsMax: 10, meterIntervalMs: 10 },
  };
  const jail = { confinement: NO_GAPS, guestPath: '/', command: () => ({ command: '', args: [] }) };
  const backend = isolateBackend({
    ...{ jail, capacity: 4, hostOptions, cpuShares: null, release: async () => undefined },
    processes: { spawn: async () => handle },
  });
  queueMicrotask(() => puppet.say(framesOf((writer) => writer.send(FRAME.ready, 0))));
  return guarded(backend, clock);
};

/** The container tier's server side, once a container is up. */
export const agentTier = (puppet: Puppet, clock: ManualClock, dice: Dice): SandboxTier => {
  const engine = {
    remove: async () => true,
    freeze: async () => undefined,
    resize: async () => undefined,
  } as unknown as ContainerEngine;
  const slow = dice.once(3);
  const backend: Backend = {
    ...{
      tier: 'container',
      meter: 'cgroup',
      confinement: NO_GAPS,
      capacity: 1,
      close: async () => undefined,
    },
    provision: async (events) => {
      let carrier: ContainerCarrier | null = null;
      const link = new AgentLink(puppet.channel as Socket, MAX_FRAME_BYTES, {
        ready: () => events.violated('it said ready twice'),
        frame: (frame) => carrier?.accept(frame),
        violated: (reason) => events.violated(reason),
        closed: () => carrier?.ended(null),
      });
      carrier = new ContainerCarrier({
        ...{
          clock,
          engine,
          removals: new Removals(engine),
          containerId: 'c'.repeat(64),
          agentPid: null,
          cgroup: null,
          link,
          events,
          memoryMb: 128,
        },
        ...{ meter: playedMeter(dice, slow), cpusFor: () => 1, freezeAfterMs: 100, cpuShares: null },
        ...{ resultMaxBytes: RESULT_MAX_BYTES, logMaxBytes: LOG_MAX_BYTES, onFault: () => undefined },
        codeCache: new CodeCache({ bytes: 1e6, entries: 100 }),
        release: async () => undefined,
      });
      return carrier;
    },
  };
  return guarded(backend, clock);
};

/** Time only goes on; a slow one has its figures a turn later, as an engine's statistics have. */
const playedMeter = (dice: Dice, slow: boolean): ContainerMeter => {
  let cpuNs = 0;
  return {
    kind: slow ? 'stats' : 'cgroup',
    cpuNs: () => {
      cpuNs += dice.int(1e6);
      return cpuNs;
    },
    refresh: () => (slow ? new Promise((resolve) => void setImmediate(resolve)) : null),
    memoryBytes: () => 1e6,
    peakBytes: () => 2e6,
    resetPeak: () => undefined,
    memoryEvents: () => null,
  };
};
