/**
 * The isolate tier's backend: host processes behind a jail, spoken to in frames.
 *
 * Owns the translation between the guard's calls and frames. Never keeps a deadline. Invariant: bytes that break
 * the protocol end in `violated`, never in an exception.
 */
import { withCaller } from '../../core/caller.ts';
import { StrataError } from '../../core/errors.ts';
import type { CodeFiles } from '../../core/spec.ts';
import type { ProcessExit, Processes, ProcessHandle, ProcessUsage } from '../../ports/processes.ts';
import type { InvokeRequest, LoadRequest } from '../api.ts';
import type { Backend, BackendCarrier, BackendEvents, RawOutcome } from '../backend.ts';
import type { CpuShares } from '../cpu-shares.ts';
import type { NetworkSession } from '../network.ts';
import { FRAME, type Frame, FrameError, FrameReader, FrameWriter, OUTCOME } from '../protocol/frames.ts';
import { type LoadMeta, parseTail } from '../protocol/messages.ts';
import {
  NETWORK_FRAME,
  type NetworkFields,
  type NetworkFrameType,
  sendNetworkFrame,
} from '../protocol/network-frames.ts';
import type { HostOptions } from './host/main.ts';
import type { Jail } from './jail.ts';

export interface IsolateBackendOptions {
  readonly jail: Jail;
  readonly processes: Processes;
  readonly capacity: number;
  readonly hostOptions: Omit<HostOptions, 'guestPath'>;
  /** Null where nothing is divided: hosts that are only tried out. */
  readonly cpuShares: CpuShares | null;
  /** Called once, after the last carrier. */
  readonly release: () => Promise<void>;
}

export const isolateBackend = (options: IsolateBackendOptions): Backend => ({
  tier: 'isolate',
  confinement: options.jail.confinement,
  capacity: options.capacity,
  meter: 'isolate',
  async provision(events, abandoned) {
    const hostOptions: HostOptions = { ...options.hostOptions, guestPath: options.jail.guestPath };
    const handle = await options.processes.spawn(options.jail.command(JSON.stringify(hostOptions)));
    options.cpuShares?.started(handle.pid);
    if (abandoned.aborted) handle.kill();
    abandoned.addEventListener('abort', () => handle.kill(), { once: true });
    return HostProcess.connect(handle, events, hostOptions, options.cpuShares);
  },
  close: options.release,
});

/** What may lie in the server's memory for one host before the network brings it no more: far beyond what waits when all read. */
const UNREAD_MAX_BYTES = 64 * 1024 * 1024;

/** What no answer of a host may exceed, whatever the host has become. */
type AnswerLimits = Pick<HostOptions, 'maxFrameBytes' | 'resultMaxBytes' | 'logMaxBytes'>;

class HostProcess implements BackendCarrier {
  readonly exited: Promise<ProcessExit>;
  readonly #handle: ProcessHandle;
  readonly #events: BackendEvents;
  readonly #writer: FrameWriter;
  readonly #limits: AnswerLimits;
  readonly #cpuShares: CpuShares | null;
  /** Of the invocations that are open, by nonce. */
  readonly #networks = new Map<number, { readonly instance: number; readonly session: NetworkSession }>();
  #violated = false;
  #onReady: (() => void) | null;

  static connect(
    handle: ProcessHandle,
    events: BackendEvents,
    limits: AnswerLimits,
    cpuShares: CpuShares | null,
  ): Promise<HostProcess> {
    return new Promise((resolve, reject) => {
      const host: HostProcess = new HostProcess(handle, events, limits, cpuShares, () => resolve(host));
      void handle.exited.then(({ exitCode, signal }) =>
        reject(
          new StrataError(
            'start_failed',
            `An isolate host ended before it was ready (${signal ?? `exit code ${exitCode}`}): ` +
              `${handle.stderrTail().trim().slice(0, 500) || 'it wrote nothing'}`,
          ),
        ),
      );
    });
  }

  private constructor(
    handle: ProcessHandle,
    events: BackendEvents,
    limits: AnswerLimits,
    cpuShares: CpuShares | null,
    onReady: () => void,
  ) {
    this.#handle = handle;
    this.#cpuShares = cpuShares;
    this.#events = events;
    this.#onReady = onReady;
    this.exited = handle.exited;
    this.#writer = new FrameWriter(handle.channel);
    this.#limits = limits;
    const reader = new FrameReader(limits.maxFrameBytes, (frame) => this.#accept(frame));
    handle.channel.on('data', (chunk: Buffer) => {
      if (this.#violated) return;
      try {
        reader.push(chunk);
      } catch (thrown) {
        this.#violate(thrown instanceof Error ? thrown.message : String(thrown));
      }
    });
  }

  claimedBy(tenant: string): void {
    const pid = this.#handle.workerPid();
    if (pid === null || this.#cpuShares === null) return;
    const shares = this.#cpuShares;
    shares.join(tenant, pid);
    void this.exited.then(() => shares.leave(tenant, pid));
  }

  boot(instance: number, memoryMb: number): void {
    this.#writer.send(FRAME.boot, instance, 0, { a: memoryMb });
  }

  load(instance: number, nonce: number, request: LoadRequest): void {
    const { functionName, functionVersion, handler, initializer, env, memoryMb, initCpuMs } = request;
    const { resultMaxBytes, logMaxBytes } = request;
    const meta: LoadMeta = {
      ...{ functionName, functionVersion, handler, initializer, env, memoryMb, initCpuMs },
      ...{ resultMaxBytes, logMaxBytes },
    };
    this.#writer.send(FRAME.load, instance, nonce, {
      meta: JSON.stringify(meta),
      payload: encodeFiles(request.files),
    });
  }

  invoke(instance: number, nonce: number, request: InvokeRequest): void {
    const session = request.network ?? null;
    if (session !== null) {
      this.#networks.set(nonce, { instance, session });
      session.attach((type, fields) => this.#bring(instance, nonce, type, fields));
    }
    this.#writer.send(FRAME.invoke, instance, nonce, {
      a: request.timeoutMs,
      b: request.cpuMs,
      meta: withCaller(request.invocationId, request.caller),
      payload: request.eventJson,
    });
  }

  terminate(instance: number, nonce: number): void {
    this.#writer.send(FRAME.terminate, instance, nonce);
  }

  dispose(instance: number): void {
    this.#writer.send(FRAME.dispose, instance);
  }

  kill(): void {
    this.#handle.kill();
  }

  usage(): ProcessUsage | null {
    return this.#handle.usage();
  }

  stopped(): boolean {
    return this.#handle.stopped();
  }

  stderrTail(): string {
    return this.#handle.stderrTail();
  }

  #accept(frame: Frame): void {
    const events = this.#events;
    switch (frame.type) {
      case FRAME.outcome:
        this.#networks.delete(frame.nonce);
        events.settled(frame.instance, frame.nonce, outcomeOf(frame, this.#limits));
        break;
      case FRAME.loaded:
        events.loaded(frame.instance, frame.nonce, outcomeOf(frame, this.#limits));
        break;
      case FRAME.parked:
        events.parked(frame.instance, frame.nonce, frame.flags === 1);
        break;
      case FRAME.booted:
        events.booted(frame.instance);
        break;
      case FRAME.bootFailed:
        events.bootFailed(frame.instance, frame.meta.slice(0, 500));
        break;
      case FRAME.disposed:
        this.#forget(frame.instance);
        events.disposed(frame.instance);
        break;
      case FRAME.catastrophe:
        events.catastrophe(frame.instance);
        break;
      case FRAME.ready:
        this.#onReady?.();
        this.#onReady = null;
        break;
      case NETWORK_FRAME.fetch:
      case NETWORK_FRAME.data:
      case NETWORK_FRAME.credit:
      case NETWORK_FRAME.end:
        this.#network(frame);
        break;
      default:
        throw new FrameError(`a frame of type ${frame.type}, which no host sends`);
    }
  }

  /** A call that has ended meanwhile has no network any more; what comes for it is counted and dropped. */
  #network(frame: Frame): void {
    this.#events.unasked();
    const open = this.#networks.get(frame.nonce);
    if (open === undefined) return;
    if (open.instance !== frame.instance)
      throw new FrameError(`instance ${frame.instance} used the network of instance ${open.instance}`);
    open.session.accept(frame);
  }

  /** Credit is given for each request; a host that ends requests without reading could have any number of windows. */
  #bring(instance: number, nonce: number, type: NetworkFrameType, fields: NetworkFields): void {
    if (this.#violated) return;
    const unread = this.#handle.channel.writableLength;
    if (unread > UNREAD_MAX_BYTES) this.#violate(`${unread} bytes that it asked for and does not read`);
    else sendNetworkFrame(this.#writer, type, instance, nonce, fields);
  }

  #violate(reason: string): void {
    this.#violated = true;
    this.#events.violated(reason);
  }

  #forget(instance: number): void {
    for (const [nonce, open] of this.#networks) if (open.instance === instance) this.#networks.delete(nonce);
  }
}

/** @throws FrameError when the answer holds more than any answer may. */
const outcomeOf = (frame: Frame, { resultMaxBytes, logMaxBytes }: AnswerLimits): RawOutcome => {
  if (frame.payload.length > resultMaxBytes) {
    throw new FrameError(`a result of ${frame.payload.length} bytes; ${resultMaxBytes} are allowed`);
  }
  return {
    cpuNs: Math.round(countOf(frame.a)),
    firstMs: countOf(frame.b),
    second: Number.isFinite(frame.c) ? frame.c : -1,
    failed: (frame.flags & OUTCOME.failed) !== 0,
    tail: (frame.flags & OUTCOME.hasTail) === 0 ? null : parseTail(frame.meta, logMaxBytes),
    payload: frame.payload,
  };
};

/** A measure from a sandbox is a finite number that is not negative, or nothing. */
const countOf = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0);

/** A byte order mark is part of the text, as it was deployed. */
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });
const ENCODED = new WeakMap<CodeFiles, Uint8Array>();

/** The payload of a load frame; kept as long as the files are, because each fresh instance needs it again. */
const encodeFiles = (files: CodeFiles): Uint8Array => {
  const known = ENCODED.get(files);
  if (known !== undefined) return known;
  const texts = [...files].map(([path, { bytes }]) => [path, UTF8.decode(bytes)]);
  const encoded = Buffer.from(JSON.stringify(texts), 'utf8');
  ENCODED.set(files, encoded);
  return encoded;
};
