/**
 * The isolate host: the process that holds isolates. It speaks frames over descriptor 3 and does nothing else.
 *
 * Owns the instances and the process's own end: when the server is gone, so is the host. Never reads the
 * environment, never opens a file after start, never listens. Everything in here may be in the hands of hostile
 * code one day: the server checks every frame, and its SIGKILL needs no cooperation.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import ivm from 'isolated-vm';
import type { BootOptions } from '../../../guest/contract.ts';
import { systemClock } from '../../../ports/clock.ts';
import { FRAME, type Frame, FrameReader, FrameWriter, OUTCOME } from '../../protocol/frames.ts';
import type { HostFailure, LoadFiles, LoadMeta, OutcomeTail } from '../../protocol/messages.ts';
import {
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  sendNetworkFrame,
} from '../../protocol/network-frames.ts';
import { type BootMaterial, HostInstance, type InstanceEvents } from './instance.ts';
import type { Owner } from './owner.ts';
import { isolateThreadsNs, ProcessorShare } from './processor-share.ts';

/** What the server tells a host on its command line, as JSON. */
export interface HostOptions {
  readonly guestPath: string;
  readonly maxFrameBytes: number;
  readonly logMaxBytes: number;
  readonly resultMaxBytes: number;
  readonly timersMax: number;
  readonly requestsMax: number;
  readonly redirectsMax: number;
  /** How often running entries are held against their CPU budget. */
  readonly meterIntervalMs: number;
}

const SERVER_FD = 3;
const NO_PAYLOAD = Buffer.alloc(0);

const main = async (options: HostOptions): Promise<void> => {
  const source = readFileSync(options.guestPath, 'utf8');
  const boot: BootOptions = {
    logMaxChars: options.logMaxBytes,
    resultMaxChars: options.resultMaxBytes,
    timersMax: options.timersMax,
    requestsMax: options.requestsMax,
    redirectsMax: options.redirectsMax,
  };
  const cachedData = await compileCache(source);
  const socket = new Socket({ fd: SERVER_FD, readable: true, writable: true });
  const writer = new FrameWriter(socket);
  const host = new Host(writer, options.meterIntervalMs, () => ({
    source,
    cachedData,
    seedHex: randomBytes(32).toString('hex'),
    optionsJson: JSON.stringify(boot),
  }));
  const reader = new FrameReader(options.maxFrameBytes, (frame) => host.accept(frame));
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('close', endProcess);
  socket.on('error', endProcess);
  writer.send(FRAME.ready, 0, 0, { meta: JSON.stringify({ node: process.version, isolates: true }) });
};

/** The bootstrap's code cache, made from our own source before any guest code is here. */
const compileCache = async (source: string): Promise<ivm.ExternalCopy<ArrayBuffer> | undefined> => {
  const isolate = new ivm.Isolate({ memoryLimit: 64 });
  const context = await isolate.createContext();
  const script = await isolate.compileScript(source, { produceCachedData: true });
  await script.run(context, { reference: true });
  const { cachedData } = script as { cachedData?: ivm.ExternalCopy<ArrayBuffer> };
  isolate.dispose();
  return cachedData;
};

/** Leaving in an orderly way waits for isolates, and one that loops never lets go. */
const endProcess = (): void => {
  process.kill(process.pid, 'SIGKILL');
  // As the first process of its namespace it is spared its own signals; an abort is not a signal that can be spared.
  process.abort();
};

class Host implements InstanceEvents {
  readonly #writer: FrameWriter;
  readonly #meterIntervalMs: number;
  readonly #material: () => BootMaterial;
  readonly #instances = new Map<number, HostInstance>();
  readonly #share = new ProcessorShare(isolateThreadsNs, () => this.#claimsNs());
  #metering = false;

  constructor(writer: FrameWriter, meterIntervalMs: number, material: () => BootMaterial) {
    this.#writer = writer;
    this.#meterIntervalMs = meterIntervalMs;
    this.#material = material;
  }

  accept(frame: Frame): void {
    if (frame.type === FRAME.boot) {
      this.#boot(frame.instance, frame.a);
      return;
    }
    const instance = this.#instances.get(frame.instance);
    if (instance === undefined) return;
    this.#meter();
    switch (frame.type) {
      case NETWORK_FRAME.head:
      case NETWORK_FRAME.data:
      case NETWORK_FRAME.credit:
      case NETWORK_FRAME.end:
        instance.network(frame);
        break;
      case FRAME.load:
        instance.load(
          frame.nonce,
          JSON.parse(frame.meta) as LoadMeta,
          JSON.parse(frame.payload.toString('utf8')) as LoadFiles,
        );
        break;
      case FRAME.invoke:
        instance.invoke(frame.nonce, frame.meta, frame.payload.toString('utf8'), frame.a, frame.b);
        break;
      case FRAME.terminate:
        instance.terminate(frame.nonce);
        break;
      case FRAME.dispose:
        instance.end();
        break;
      default:
        endProcess();
    }
  }

  woke(): void {
    this.#meter();
  }

  loaded(
    instance: HostInstance,
    owner: Owner,
    failure: HostFailure | null,
    loadMs: number,
    initMs: number,
  ): void {
    const flags = failure === null ? 0 : OUTCOME.failed;
    const fields = { a: owner.cpuNs, b: loadMs, c: initMs };
    this.#answer(FRAME.loaded, instance, owner, failure, flags, fields, NO_PAYLOAD);
  }

  settled(
    instance: HostInstance,
    owner: Owner,
    failure: HostFailure | null,
    resultJson: string | null,
  ): void {
    const flags = failure === null ? 0 : OUTCOME.failed;
    const fields = { a: owner.cpuNs, b: systemClock.nowMs() - owner.startedMs, c: owner.memoryBytes };
    const payload = resultJson === null ? NO_PAYLOAD : Buffer.from(resultJson, 'utf8');
    this.#answer(FRAME.outcome, instance, owner, failure, flags, fields, payload);
  }

  parked(instance: HostInstance, owner: Owner, parked: boolean): void {
    this.#writer.send(FRAME.parked, instance.number, owner.nonce, { flags: parked ? 1 : 0 });
  }

  network(instance: HostInstance, owner: Owner, type: NetworkFrameType, fields: NetworkFields): void {
    sendNetworkFrame(this.#writer, type, instance.number, owner.nonce, fields);
  }

  ended(instance: HostInstance): void {
    this.#instances.delete(instance.number);
    this.#writer.send(FRAME.disposed, instance.number);
  }

  catastrophe(instance: HostInstance): void {
    this.#writer.send(FRAME.catastrophe, instance.number);
    this.#writer.flush();
  }

  #answer(
    type: typeof FRAME.loaded | typeof FRAME.outcome,
    instance: HostInstance,
    owner: Owner,
    failure: HostFailure | null,
    flags: number,
    numbers: { a: number; b: number; c: number },
    payload: Buffer,
  ): void {
    const plain = failure === null && owner.logs.length === 0 && !owner.logTruncated;
    const tail: OutcomeTail = { failure, logs: owner.logs, logTruncated: owner.logTruncated };
    this.#writer.send(type, instance.number, owner.nonce, {
      ...numbers,
      flags: plain ? flags : flags | OUTCOME.hasTail,
      meta: plain ? '' : JSON.stringify(tail),
      payload,
    });
  }

  #boot(number: number, memoryMb: number): void {
    const startedMs = systemClock.nowMs();
    HostInstance.boot(number, memoryMb, this.#material(), systemClock, this.#share, this).then(
      (instance) => {
        this.#instances.set(number, instance);
        this.#writer.send(FRAME.booted, number, 0, { a: systemClock.nowMs() - startedMs });
      },
      (thrown: unknown) => {
        const meta = thrown instanceof Error ? thrown.message : String(thrown);
        this.#writer.send(FRAME.bootFailed, number, 0, { meta });
      },
    );
  }

  /** Holds entries against their CPU budget; called before anything may enter an isolate, and it goes on while any does. */
  #meter(): void {
    if (this.#metering) return;
    this.#metering = true;
    if (this.#executing().length === 0) this.#share.begin();
    const check = (): void => {
      const executing = this.#executing();
      this.#share.meetAll(() => {
        for (const instance of executing) instance.checkCpu();
      });
      this.#metering = executing.length > 0;
      if (this.#metering) systemClock.setTimer(this.#meterIntervalMs, check);
    };
    systemClock.setTimer(this.#meterIntervalMs, check);
  }

  #executing(): HostInstance[] {
    return [...this.#instances.values()].filter((instance) => instance.executing);
  }

  #claimsNs(): number {
    let sumNs = 0;
    for (const { claimNs } of this.#executing()) sumNs += claimNs;
    return sumNs;
  }
}

await main(JSON.parse(process.argv[2] ?? '{}') as HostOptions);
