/**
 * One container as the guard drives it: its instance, the calls in it, their bill, and the end of it all.
 *
 * Owns the container from the moment it is up until it is removed. Keeps no wall deadlines: the guard does. What ends
 * an invocation without an answer of its own is told apart here: the server's order, the CPU budget, the kernel's
 * memory limit, the machine's lack of memory, or the process's own exit. Invariants: every open call is settled once;
 * `exited` resolves when nothing can run in the container any more, because it has ended or each process in it was sent
 * SIGKILL; `removed` when the engine has let go of it too, or cannot be reached. Nobody pays for a slow engine.
 */
import type { Meter } from '../../core/receipt.ts';
import type { Timer } from '../../ports/clock.ts';
import { isStopped, type ProcessUsage } from '../../ports/processes.ts';
import type { InvokeRequest, LoadRequest } from '../api.ts';
import type { BackendCarrier, BackendExit, RawOutcome } from '../backend.ts';
import type { CpuMember } from '../cpu-shares.ts';
import { FRAME, type Frame, FrameError, LOG, LOG_LEVELS, OUTCOME } from '../protocol/frames.ts';
import type { HostFailure, OutcomeTail } from '../protocol/messages.ts';
import type { NetworkFields, NetworkFrameType } from '../protocol/network-frames.ts';
import { parseOwnTail } from './answers.ts';
import type { CarrierParts } from './carrier-parts.ts';
import type { MemoryEvents } from './cgroup.ts';
import { ContainerCalls, type OpenCall } from './container-calls.ts';
import { type Ending, endingOf, memoryEnding } from './ending.ts';
import { Freezer } from './freezer.ts';
import { ContainerNetwork, isNetworkFrame } from './network.ts';
import { ContainerOutput } from './output.ts';

/** The one instance that a container holds. */
interface Held {
  readonly number: number;
  /** Its process has ended. */
  exited: boolean;
  loading: boolean;
  /** Invocations that were sent behind the load; they are on the account when it has ended. */
  readonly behindLoad: { readonly nonce: number; readonly budgetNs: number }[];
}

const MB = 1024 * 1024;
/** What may wait for an agent before the network brings it no more: far beyond what waits while it reads. */
const UNREAD_MAX_BYTES = 64 * MB;
const NS_PER_MS = 1e6;
const CPU_PERIOD_US = 100_000;
const NO_BYTES = Buffer.alloc(0);
/** A pool that wants another instance boots it long before. */
const EMPTY_MS = 1_000;
/** What the engine's own tools show of a container's id. */
const SHORT_ID_CHARS = 12;

export class ContainerCarrier implements BackendCarrier {
  readonly id: string;
  readonly meter: Meter;
  readonly exited: Promise<BackendExit>;
  readonly #parts: CarrierParts;
  readonly #calls: ContainerCalls;
  readonly #freezer: Freezer;
  readonly #output = new ContainerOutput();
  readonly #network = new ContainerNetwork((...frame) => this.#bring(...frame));
  readonly removed: Promise<void>;
  #resolveRemoved: () => void = () => undefined;
  #resolveExit: (exit: BackendExit) => void = () => undefined;
  #held: Held | null = null;
  #memoryMb: number;
  /** What the kernel lets the container have: the function's memory, and the code that lies in it. */
  #limitBytes: number;
  #memoryBefore: MemoryEvents | null = null;
  /** Boots and disposals that the agent has not answered. */
  #orders = 0;
  /** Runs while the container holds no instance. */
  #emptied: Timer | null = null;
  #closing = false;
  /** The engine is asked for its figures; what the agent says meanwhile waits. */
  #refreshing = false;
  readonly #waiting: Frame[] = [];

  constructor(parts: CarrierParts) {
    this.#parts = parts;
    this.meter = parts.meter.kind;
    this.id = parts.containerId.slice(0, SHORT_ID_CHARS);
    this.#memoryMb = parts.memoryMb;
    this.#limitBytes = parts.memoryMb * MB;
    this.#calls = new ContainerCalls(parts.meter, parts.clock, (call) => this.#overBudget(call));
    this.#freezer = new Freezer({
      ...{ clock: parts.clock, graceMs: parts.freezeAfterMs },
      byFile: (frozen) => parts.cgroup?.freeze(frozen) ?? false,
      byEngine: (frozen) => parts.engine.freeze(parts.containerId, frozen),
      onFault: (detail) => parts.onFault('a container could not be frozen or thawed', { detail }),
    });
    this.exited = new Promise((resolve) => {
      this.#resolveExit = resolve;
    });
    this.removed = new Promise((resolve) => {
      this.#resolveRemoved = resolve;
    });
    this.#freezer.rest();
  }

  claimedBy(tenant: string): void {
    const { cgroup, cpuShares } = this.#parts;
    if (cgroup === null || cpuShares === null) return;
    const member: CpuMember = {
      cpuMs: () => {
        const usedNs = this.#closing ? null : cgroup.cpuNs();
        return usedNs === null ? null : usedNs / NS_PER_MS;
      },
      weigh: (part, gives) => {
        if (!this.#closing) cgroup.weigh(part, gives);
      },
    };
    cpuShares.include(tenant, member);
    void this.exited.then(() => cpuShares.exclude(tenant, member));
  }

  boot(instance: number, memoryMb: number): void {
    if (this.#held !== null) {
      this.#parts.events.bootFailed(instance, 'the container holds another instance');
      return;
    }
    this.#held = { number: instance, exited: false, loading: false, behindLoad: [] };
    this.#emptied?.cancel();
    this.#emptied = null;
    this.#order();
    this.#resize(memoryMb);
    this.#parts.link.boot(instance, memoryMb);
  }

  load(instance: number, nonce: number, request: LoadRequest): void {
    const { link, codeCache, meter } = this.#parts;
    const held = this.#held;
    this.#freezer.wake();
    this.#calls.begin(this.#parts.cpusFor(request.memoryMb));
    this.#output.begin(Math.min(request.logMaxBytes, this.#parts.logMaxBytes));
    this.#memoryBefore = meter.memoryEvents();
    this.#calls.open(nonce, 'load', request.initCpuMs * NS_PER_MS);
    if (held === null || held.number !== instance || held.exited) {
      this.#settle(nonce, 'sandbox_lost', 'The sandbox ended before the code was loaded. Retry.');
      return;
    }
    held.loading = true;
    const dropped = codeCache.use(request.codeDigest)
      ? null
      : codeCache.add(request.codeDigest, request.files);
    this.#resize(request.memoryMb);
    if (dropped !== null) link.code(request.codeDigest, request.files, dropped);
    link.load(instance, nonce, request);
  }

  invoke(instance: number, nonce: number, request: InvokeRequest): void {
    const budgetNs = request.cpuMs * NS_PER_MS;
    const held = this.#held;
    this.#freezer.wake();
    if (held === null || held.number !== instance || held.exited) {
      this.#calls.open(nonce, 'invoke', budgetNs);
      this.#settle(nonce, 'sandbox_lost', 'The sandbox ended before the invocation could run in it. Retry.');
      return;
    }
    if (held.loading) held.behindLoad.push({ nonce, budgetNs });
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

  dispose(instance: number): void {
    if (this.#held !== null && this.#held.number !== instance) return;
    this.#order();
    this.#parts.link.dispose(instance);
  }

  kill(): void {
    void this.#close(null, false);
  }

  usage(): ProcessUsage | null {
    if (this.#closing) return null;
    const { meter } = this.#parts;
    const residentBytes = meter.memoryBytes();
    return residentBytes === null ? null : { residentBytes, cpuNs: meter.cpuNs() };
  }

  /** By a signal to the agent, or frozen by somebody else: what is awaited is never frozen by the server. */
  stopped(): boolean {
    const { agentPid, cgroup } = this.#parts;
    if (this.#closing) return false;
    if (agentPid !== null && isStopped(agentPid)) return true;
    if (!this.#freezer.immediate || cgroup === null) return false;
    if (!this.#freezer.frozen) return cgroup.frozen();
    // The kernel shows a process that was stopped and then frozen as frozen alone: it is thawed for the look.
    if (agentPid === null || !cgroup.freeze(false)) return false;
    const isStoppedBelow = isStopped(agentPid);
    cgroup.freeze(true);
    return isStoppedBelow;
  }

  usedNs(nonce: number): number | null {
    return this.#calls.usedNs(nonce);
  }

  stderrTail(): string {
    return '';
  }

  /** The agent said something. @throws FrameError for what no agent says. */
  accept(frame: Frame): void {
    // What was on its way when the end was decided must not decide it otherwise.
    if (this.#closing) return;
    if (this.#refreshing) this.#waiting.push(frame);
    else this.#take(frame);
  }

  #take(frame: Frame): void {
    if (frame.type !== FRAME.log && frame.type !== FRAME.violation && frame.instance !== this.#held?.number)
      throw new FrameError(
        `a frame of type ${frame.type} for instance ${frame.instance}, which is not there`,
      );
    switch (frame.type) {
      case FRAME.outcome:
        this.#answered(frame, 'invoke');
        break;
      case FRAME.loaded:
        this.#answered(frame, 'load');
        break;
      case FRAME.log:
        this.#logged(frame);
        break;
      case FRAME.booted:
        this.#orderDone();
        this.#refreshed(() => this.#parts.events.booted(frame.instance));
        break;
      case FRAME.bootFailed:
        this.#orderDone();
        this.#parts.events.bootFailed(frame.instance, frame.meta.slice(0, 500));
        break;
      case FRAME.disposed:
        this.#network.clear();
        this.#held = null;
        this.#orderDone();
        this.#emptied = this.#parts.clock.setTimer(EMPTY_MS, () => this.#restEmpty());
        this.#parts.events.disposed(frame.instance);
        break;
      case FRAME.exited:
        this.#processExited(frame);
        break;
      case FRAME.violation:
        this.#parts.events.violated(frame.meta.slice(0, 500));
        break;
      default:
        if (!isNetworkFrame(frame))
          throw new FrameError(`a frame of type ${frame.type}, which no agent sends`);
        this.#parts.events.unasked();
        this.#network.accept(frame);
    }
  }

  /** The connection has ended, or the engine reports the end of the container. */
  ended(exitCode: number | null): void {
    void this.#close(exitCode, true);
  }

  #answered(frame: Frame, kind: OpenCall['kind']): void {
    const call = this.#calls.get(frame.nonce);
    if (call === undefined || call.kind !== kind || call.answered)
      throw new FrameError(`an answer to call ${frame.nonce}, which is not open`);
    const { resultMaxBytes, logMaxBytes } = this.#parts;
    if (frame.payload.length > resultMaxBytes)
      throw new FrameError(`a result of ${frame.payload.length} bytes; ${resultMaxBytes} are allowed`);
    const told = (frame.flags & OUTCOME.hasTail) === 0 ? null : parseOwnTail(frame.meta, logMaxBytes);
    call.answered = true;
    this.#refreshed(() => {
      const tail = this.#output.joinTo(call.nonce, told);
      const failed = (frame.flags & OUTCOME.failed) !== 0;
      const [firstMs, initMs] = [positive(frame.b), positive(frame.c)];
      this.#settled(call, { failed, firstMs, initMs, tail, payload: frame.payload });
    });
  }

  /** Takes a call off the account and tells the guard. */
  #settled(
    call: OpenCall,
    answer: {
      failed: boolean;
      firstMs: number;
      initMs: number;
      tail: OutcomeTail | null;
      payload: Uint8Array;
    },
  ): void {
    const { events } = this.#parts;
    const number = this.#held?.number ?? 0;
    const { failed, firstMs, tail, payload } = answer;
    const cpuNs = this.#calls.close(call.nonce);
    if (call.kind === 'load') this.#loadEnded(failed);
    else this.#network.close(call.nonce);
    const second = call.kind === 'load' ? answer.initMs : (this.#peakBytes() ?? -1);
    const outcome: RawOutcome = { cpuNs, firstMs, second, failed, tail, payload };
    if (call.kind === 'load') events.loaded(number, call.nonce, outcome);
    else events.settled(number, call.nonce, outcome);
    this.#restWhenIdle();
  }

  /** Invocations behind the load are on the account from now on, or fail with it. */
  #loadEnded(failed: boolean): void {
    const held = this.#held;
    if (held === null) return;
    held.loading = false;
    for (const { nonce, budgetNs } of held.behindLoad.splice(0)) {
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

  #processExited(frame: Frame): void {
    const held = this.#held;
    if (held === null || held.exited) return;
    held.exited = true;
    this.#refreshed(() => {
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
      this.#parts.events.instanceEnded(held.number);
    });
  }

  #overBudget(call: OpenCall): void {
    const held = this.#held;
    if (held !== null) this.#parts.link.terminate(held.number, call.nonce);
  }

  #logged(frame: Frame): void {
    const { flags, nonce } = frame;
    const call = (flags & LOG.ofCall) === 0 ? null : nonce;
    if (call !== null && this.#calls.get(call) === undefined)
      throw new FrameError(`a line of call ${call}, which is not open`);
    if ((flags & LOG.dropped) !== 0) this.#output.dropped(call);
    const [timeMs, text] = [positive(frame.a), frame.payload.toString('utf8')];
    if (call !== null && (flags & LOG.dropped) === 0)
      this.#output.addTo(call, LOG_LEVELS[frame.b] ?? 'info', timeMs, text);
    else if ((flags & (LOG.stdout | LOG.stderr)) !== 0)
      this.#output.add((flags & LOG.stderr) === 0 ? 'info' : 'error', timeMs, text);
  }

  /** Credit is for each connection; an agent that reads nothing could have any number of them. */
  #bring(nonce: number, type: NetworkFrameType, fields: NetworkFields): void {
    const { link, events } = this.#parts;
    if (this.#held === null || this.#closing) return;
    if (link.unreadBytes > UNREAD_MAX_BYTES)
      events.violated(`${link.unreadBytes} bytes that it asked for and does not read`);
    else link.network(type, this.#held.number, nonce, fields);
  }

  /** Without the code, which is not the function's doing, and may be another function's of its tenant. */
  #peakBytes(): number | null {
    const bytes = this.#parts.meter.peakBytes();
    return bytes === null ? null : Math.max(0, bytes - this.#parts.codeCache.bytes);
  }

  /** The bounds of the container become those of the function; the code in it is on top. */
  #resize(memoryMb: number): void {
    const { cgroup, engine, containerId, link, cpusFor, codeCache } = this.#parts;
    const limitBytes = memoryMb * MB + codeCache.chargedBytes;
    if (memoryMb === this.#memoryMb && limitBytes === this.#limitBytes) return;
    this.#memoryMb = memoryMb;
    this.#limitBytes = limitBytes;
    const cpuQuotaUs = Math.round(cpusFor(memoryMb) * CPU_PERIOD_US);
    if (cgroup?.resize(limitBytes, cpuQuotaUs) === true) return;
    link.holdUntil(
      engine.resize(containerId, limitBytes, cpuQuotaUs).catch((thrown: unknown) => {
        this.#parts.onFault('a container could not be resized', { detail: String(thrown) });
        this.kill();
      }),
    );
  }

  #order(): void {
    this.#orders += 1;
    this.#freezer.wake();
  }

  #orderDone(): void {
    this.#orders = Math.max(0, this.#orders - 1);
    this.#restWhenIdle();
  }

  /** At layer container nothing of the language stays: Python's zygote has sixteen megabytes. */
  #restEmpty(): void {
    this.#emptied = null;
    if (this.#held !== null || this.#closing) return;
    this.#freezer.wake();
    this.#parts.link.rest();
    this.#freezer.rest();
  }

  #restWhenIdle(): void {
    if (this.#orders === 0 && this.#calls.size === 0) this.#freezer.rest();
  }

  /**
   * Runs when the meter's figures are of now: at once with the kernel's files. Frames that come meanwhile wait, so that
   * an answer never overtakes the one before it.
   */
  #refreshed(then: () => void): void {
    const refreshing = this.#parts.meter.refresh();
    if (refreshing === null) {
      then();
      return;
    }
    this.#refreshing = true;
    void refreshing.then(() => {
      this.#refreshing = false;
      if (this.#closing) return;
      then();
      this.#takeWaiting();
    });
  }

  #takeWaiting(): void {
    try {
      while (!this.#refreshing) {
        const frame = this.#waiting.shift();
        if (frame === undefined) return;
        this.#take(frame);
      }
    } catch (thrown) {
      this.#waiting.length = 0;
      this.#parts.events.violated(thrown instanceof FrameError ? thrown.message : String(thrown));
    }
  }

  /** @param dead nothing runs in it any more. */
  async #close(exitCode: number | null, dead: boolean): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#reportMemory();
    const { cgroup, removals, containerId, link, onFault, release } = this.#parts;
    this.#calls.stop();
    this.#emptied?.cancel();
    const thawed = this.#freezer.stop();
    // The first two end it without the engine: the agent ends when its connection does.
    // Who is frozen by somebody else does not die either.
    const isKilled = cgroup?.kill() === true && (!cgroup.frozen() || cgroup.freeze(false));
    const isOver = dead || isKilled;
    link.close();
    if (isOver) this.#resolveExit({ exitCode, signal: null, external: true });
    let isRemoved = false;
    try {
      await thawed;
      isRemoved = await removals.remove(containerId, isOver);
    } catch (thrown) {
      onFault('the sweep has to remove a container', { containerId, detail: String(thrown) });
    }
    cgroup?.close();
    await release(isRemoved).catch((thrown: unknown) =>
      onFault('a socket folder is left over', { detail: String(thrown) }),
    );
    this.#resolveExit({ exitCode, signal: null, external: true });
    this.#resolveRemoved();
  }

  /** The agent itself was killed for lack of memory: the function used it up, when its own limit was reached. */
  #reportMemory(): void {
    if (this.#held === null) return;
    if (memoryEnding(this.#memoryBefore, this.#parts.meter.memoryEvents()) === 'limit')
      this.#parts.events.catastrophe(this.#held.number);
  }
}

const positive = (value: number): number => (Number.isFinite(value) && value > 0 ? value : 0);
