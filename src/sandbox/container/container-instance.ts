/**
 * The one instance that a container holds: the calls in it, what they are told, and what they are billed.
 *
 * Owns its calls, their output and their network. Keeps no wall deadlines: the guard does. What ends an invocation without
 * an answer of its own is told apart in `ending.ts`. Invariants: every open call is settled once; what an agent says that
 * no agent says is a FrameError.
 */
import type { InvokeRequest, LoadRequest } from '../api.ts';
import type { RawOutcome } from '../backend.ts';
import { type Frame, FrameError, LOG, LOG_LEVELS, OUTCOME } from '../protocol/frames.ts';
import type { HostFailure, OutcomeTail } from '../protocol/messages.ts';
import type { NetworkFields, NetworkFrameType } from '../protocol/network-frames.ts';
import { parseOwnTail } from './answers.ts';
import type { CarrierParts } from './carrier-parts.ts';
import type { MemoryEvents } from './cgroup.ts';
import { ContainerCalls, type OpenCall } from './container-calls.ts';
import { type Ending, endingOf, memoryEnding } from './ending.ts';
import { ContainerNetwork } from './network.ts';
import { ContainerOutput } from './output.ts';

/** What the container does for it. */
export interface Surroundings {
  /** Runs it when the meter's figures are of now. */
  readonly refreshed: (then: () => void) => void;
  /** The container's bounds become those of a function. */
  readonly resize: (memoryMb: number) => void;
  /** A call was settled: none may be open any more. */
  readonly settled: () => void;
}

interface Answer {
  readonly failed: boolean;
  readonly firstMs: number;
  readonly initMs: number;
  readonly tail: OutcomeTail | null;
  readonly payload: Uint8Array;
}

const MB = 1024 * 1024;
/** What may wait for an agent of its network: twice what all its connections have credit for. */
const UNREAD_MAX_BYTES = 16 * MB;
const NS_PER_MS = 1e6;
const NO_BYTES = Buffer.alloc(0);

export class ContainerInstance {
  readonly #parts: CarrierParts;
  readonly #around: Surroundings;
  readonly #calls: ContainerCalls;
  readonly #output = new ContainerOutput();
  readonly #network = new ContainerNetwork((...frame) => this.#bring(...frame));
  /** Null while there is no instance. */
  #number: number | null = null;
  /** Its process has ended. */
  #exited = false;
  #loading = false;
  /** Invocations that were sent behind the load; they are on the account when it has ended. */
  #behindLoad: { readonly nonce: number; readonly budgetNs: number }[] = [];
  #memoryMb: number;
  #memoryBefore: MemoryEvents | null = null;
  #stopped = false;

  constructor(parts: CarrierParts, around: Surroundings) {
    this.#parts = parts;
    this.#around = around;
    this.#memoryMb = parts.memoryMb;
    this.#calls = new ContainerCalls(parts.meter, parts.clock, (call) => this.#overBudget(call));
  }

  get number(): number | null {
    return this.#number;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  begin(number: number): void {
    this.#number = number;
    this.#exited = false;
    this.#loading = false;
    this.#behindLoad = [];
  }

  /** The agent has let go of it. */
  disposed(): void {
    this.#network.clear();
    this.#number = null;
  }

  /** The container ends: nothing is brought or accounted for any more. */
  stop(): void {
    this.#stopped = true;
    this.#calls.stop();
  }

  load(instance: number, nonce: number, request: LoadRequest): void {
    const { link, codeCache, meter } = this.#parts;
    this.#calls.begin(this.#parts.cpusFor(request.memoryMb));
    this.#output.begin(Math.min(request.logMaxBytes, this.#parts.logMaxBytes));
    this.#memoryBefore = meter.memoryEvents();
    this.#calls.open(nonce, 'load', request.initCpuMs * NS_PER_MS);
    if (this.#number !== instance || this.#exited) {
      this.#settle(nonce, 'sandbox_lost', 'The sandbox ended before the code was loaded. Retry.');
      return;
    }
    this.#loading = true;
    const dropped = codeCache.use(request.codeDigest)
      ? null
      : codeCache.add(request.codeDigest, request.files);
    this.#memoryMb = request.memoryMb;
    this.#around.resize(request.memoryMb);
    if (dropped !== null) link.code(request.codeDigest, request.files, dropped);
    link.load(instance, nonce, request);
  }

  invoke(instance: number, nonce: number, request: InvokeRequest): void {
    const budgetNs = request.cpuMs * NS_PER_MS;
    if (this.#number !== instance || this.#exited) {
      this.#calls.open(nonce, 'invoke', budgetNs);
      this.#settle(nonce, 'sandbox_lost', 'The sandbox ended before the invocation could run in it. Retry.');
      return;
    }
    if (this.#loading) this.#behindLoad.push({ nonce, budgetNs });
    else this.#calls.open(nonce, 'invoke', budgetNs);
    const network = request.network ?? null;
    if (network !== null) this.#network.open(nonce, network);
    this.#parts.link.invoke(instance, nonce, request);
  }

  terminate(instance: number, nonce: number): void {
    const call = this.#calls.get(nonce);
    if (call === undefined || call.answered) return;
    call.terminated = true;
    this.#parts.link.terminate(instance, nonce);
  }

  usedNs(nonce: number): number | null {
    return this.#calls.usedNs(nonce);
  }

  answered(frame: Frame, kind: OpenCall['kind']): void {
    const call = this.#calls.get(frame.nonce);
    if (call === undefined || call.kind !== kind || call.answered)
      throw new FrameError(`an answer to call ${frame.nonce}, which is not open`);
    const { resultMaxBytes, logMaxBytes } = this.#parts;
    if (frame.payload.length > resultMaxBytes)
      throw new FrameError(`a result of ${frame.payload.length} bytes; ${resultMaxBytes} are allowed`);
    const told = (frame.flags & OUTCOME.hasTail) === 0 ? null : parseOwnTail(frame.meta, logMaxBytes);
    call.answered = true;
    this.#around.refreshed(() => {
      const tail = this.#output.joinTo(call.nonce, told);
      const failed = (frame.flags & OUTCOME.failed) !== 0;
      const [firstMs, initMs] = [positive(frame.b), positive(frame.c)];
      this.#settled(call, { failed, firstMs, initMs, tail, payload: frame.payload });
    });
  }

  logged({ flags, nonce, a, b, payload }: Frame): void {
    const call = (flags & LOG.ofCall) === 0 ? null : nonce;
    if (call !== null && this.#calls.get(call) === undefined)
      throw new FrameError(`a line of call ${call}, which is not open`);
    if ((flags & LOG.dropped) !== 0) this.#output.dropped(call);
    const [timeMs, text] = [positive(a), payload.toString('utf8')];
    if (call !== null && (flags & LOG.dropped) === 0)
      this.#output.addTo(call, LOG_LEVELS[b] ?? 'info', timeMs, text);
    else if ((flags & (LOG.stdout | LOG.stderr)) !== 0)
      this.#output.add((flags & LOG.stderr) === 0 ? 'info' : 'error', timeMs, text);
  }

  networked(frame: Frame): void {
    this.#network.accept(frame);
  }

  processExited(frame: Frame): void {
    const number = this.#number;
    if (number === null || this.#exited) return;
    this.#exited = true;
    this.#around.refreshed(() => {
      const unanswered = this.#calls.unanswered();
      const ending: Ending = {
        exitCode: frame.a < 0 ? null : frame.a,
        signal: frame.b > 0 ? frame.b : null,
        reason: frame.meta.slice(0, 200),
        ordered: unanswered.some((call) => call.terminated || call.overNs !== null),
        memoryMb: this.#memoryMb,
        memoryBefore: this.#memoryBefore,
        memoryAfter: this.#parts.meter.memoryEvents(),
        lastWords: this.#output.lastWords(),
      };
      for (const call of unanswered) {
        const { code, detail, limit } = endingOf(call, ending);
        this.#settle(call.nonce, code, detail, limit);
      }
      this.#parts.events.instanceEnded(number);
    });
  }

  /** The agent itself was killed for lack of memory: the function used it up, when its own limit was reached. */
  reportMemory(): void {
    if (this.#number === null) return;
    if (memoryEnding(this.#memoryBefore, this.#parts.meter.memoryEvents()) === 'limit')
      this.#parts.events.catastrophe(this.#number);
  }

  /** Takes a call off the account and tells the guard. */
  #settled(call: OpenCall, { failed, firstMs, initMs, tail, payload }: Answer): void {
    const { events } = this.#parts;
    const number = this.#number ?? 0;
    const cpuNs = this.#calls.close(call.nonce);
    if (call.kind === 'load') this.#loadEnded(failed);
    else this.#network.close(call.nonce);
    const second = call.kind === 'load' ? initMs : (this.#peakBytes() ?? -1);
    const outcome: RawOutcome = { cpuNs, firstMs, second, failed, tail, payload };
    if (call.kind === 'load') events.loaded(number, call.nonce, outcome);
    else events.settled(number, call.nonce, outcome);
    this.#around.settled();
  }

  /** Invocations behind the load are on the account from now on, or fail with it. */
  #loadEnded(failed: boolean): void {
    if (this.#number === null) return;
    this.#loading = false;
    for (const { nonce, budgetNs } of this.#behindLoad.splice(0)) {
      this.#calls.open(nonce, 'invoke', budgetNs);
      if (failed) this.#settle(nonce, 'sandbox_lost', 'The code could not be loaded.');
    }
  }

  #settle(
    nonce: number,
    code: HostFailure['code'],
    detail: string,
    limit: HostFailure['limit'] = null,
  ): void {
    const call = this.#calls.get(nonce);
    if (call === undefined || call.answered) return;
    call.answered = true;
    const failure: HostFailure = { code, detail, error: null, limit };
    const tail = this.#output.joinTo(nonce, { failure, logs: [], logTruncated: false });
    this.#settled(call, { failed: true, firstMs: -1, initMs: 0, tail, payload: NO_BYTES });
  }

  #overBudget(call: OpenCall): void {
    if (this.#number !== null) this.#parts.link.terminate(this.#number, call.nonce);
  }

  /** Credit is for each connection; an agent that reads nothing could have any number of them. */
  #bring(nonce: number, type: NetworkFrameType, fields: NetworkFields): void {
    const { link, events } = this.#parts;
    if (this.#number === null || this.#stopped) return;
    const { unreadNetworkBytes } = link;
    if (unreadNetworkBytes > UNREAD_MAX_BYTES)
      events.violated(`${unreadNetworkBytes} bytes that it asked for and does not read`);
    else link.network(type, this.#number, nonce, fields);
  }

  /** Without the code, which is not the function's doing, and may be another function's of its tenant. */
  #peakBytes(): number | null {
    const bytes = this.#parts.meter.peakBytes();
    return bytes === null ? null : Math.max(0, bytes - this.#parts.codeCache.bytes);
  }
}

const positive = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0);
