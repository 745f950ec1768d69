/**
 * One container as the guard drives it: its orders, its size, its rest, and the end of it all.
 *
 * Owns the container from the moment it is up until it is removed; the instance in it owns its calls. Keeps no wall
 * deadlines: the guard does. Invariants: frames are taken in their order, with the meter's figures of their time; `exited`
 * resolves when nothing can run in the container any more, because it has ended or each process in it was sent
 * SIGKILL; `removed` when the engine has let go of it too, or cannot be reached. Nobody pays for a slow engine.
 */
import type { Meter } from '../../core/receipt.ts';
import type { Timer } from '../../ports/clock.ts';
import { isStopped, type ProcessUsage } from '../../ports/processes.ts';
import type { InvokeRequest, LoadRequest } from '../api.ts';
import type { BackendCarrier, BackendExit } from '../backend.ts';
import type { CpuMember } from '../cpu-shares.ts';
import { FRAME, type Frame, FrameError } from '../protocol/frames.ts';
import type { CarrierParts } from './carrier-parts.ts';
import { ContainerInstance } from './container-instance.ts';
import { FrameGate } from './frame-gate.ts';
import { Freezer } from './freezer.ts';
import { isNetworkFrame } from './network.ts';

const MB = 1024 * 1024;
const NS_PER_MS = 1e6;
const CPU_PERIOD_US = 100_000;
/** A pool that wants another instance boots it long before. */
const EMPTY_MS = 1_000;
/** What the engine's own tools show of a container's id. */
const SHORT_ID_CHARS = 12;

export class ContainerCarrier implements BackendCarrier {
  readonly id: string;
  readonly meter: Meter;
  readonly exited: Promise<BackendExit>;
  readonly #parts: CarrierParts;
  readonly #instance: ContainerInstance;
  readonly #freezer: Freezer;
  readonly #gate: FrameGate;
  readonly removed: Promise<void>;
  #resolveRemoved: () => void = () => undefined;
  #resolveExit: (exit: BackendExit) => void = () => undefined;
  #memoryMb: number;
  /** What the kernel lets the container have: the function's memory, and the code that lies in it. */
  #limitBytes: number;
  /** Boots and disposals that the agent has not answered. */
  #orders = 0;
  /** Runs while the container holds no instance. */
  #emptied: Timer | null = null;
  #closing = false;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
    this.meter = parts.meter.kind;
    this.id = parts.containerId.slice(0, SHORT_ID_CHARS);
    this.#memoryMb = parts.memoryMb;
    this.#limitBytes = parts.memoryMb * MB;
    this.#instance = new ContainerInstance(parts, {
      refreshed: (then) => this.#gate.refreshed(then),
      resize: (memoryMb) => this.#resize(memoryMb),
      settled: () => this.#restWhenIdle(),
    });
    this.#gate = new FrameGate({
      meter: parts.meter,
      take: (frame) => this.#take(frame),
      violated: (reason) => parts.events.violated(reason),
    });
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
    if (this.#instance.number !== null) {
      this.#parts.events.bootFailed(instance, 'the container holds another instance');
      return;
    }
    this.#instance.begin(instance);
    this.#emptied?.cancel();
    this.#emptied = null;
    this.#order();
    this.#resize(memoryMb);
    this.#parts.link.boot(instance, memoryMb);
  }

  load(instance: number, nonce: number, request: LoadRequest): void {
    this.#freezer.wake();
    this.#instance.load(instance, nonce, request);
  }

  invoke(instance: number, nonce: number, request: InvokeRequest): void {
    this.#freezer.wake();
    this.#instance.invoke(instance, nonce, request);
  }

  terminate(instance: number, nonce: number): void {
    this.#instance.terminate(instance, nonce);
  }

  dispose(instance: number): void {
    const { number } = this.#instance;
    if (number !== null && number !== instance) return;
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
    return this.#instance.usedNs(nonce);
  }

  stderrTail(): string {
    return '';
  }

  /** The agent said something. @throws FrameError for what no agent says. */
  accept(frame: Frame): void {
    this.#gate.accept(frame);
  }

  #take(frame: Frame): void {
    if (
      frame.type !== FRAME.log &&
      frame.type !== FRAME.violation &&
      frame.instance !== this.#instance.number
    )
      throw new FrameError(
        `a frame of type ${frame.type} for instance ${frame.instance}, which is not there`,
      );
    switch (frame.type) {
      case FRAME.outcome:
        this.#instance.answered(frame, 'invoke');
        break;
      case FRAME.loaded:
        this.#instance.answered(frame, 'load');
        break;
      case FRAME.log:
        this.#instance.logged(frame);
        break;
      case FRAME.booted:
        this.#orderDone();
        this.#gate.refreshed(() => this.#parts.events.booted(frame.instance));
        break;
      case FRAME.bootFailed:
        this.#orderDone();
        this.#parts.events.bootFailed(frame.instance, frame.meta.slice(0, 500));
        break;
      case FRAME.disposed:
        this.#instance.disposed();
        this.#orderDone();
        this.#emptied = this.#parts.clock.setTimer(EMPTY_MS, () => this.#restEmpty());
        this.#parts.events.disposed(frame.instance);
        break;
      case FRAME.exited:
        this.#instance.processExited(frame);
        break;
      case FRAME.violation:
        this.#parts.events.violated(frame.meta.slice(0, 500));
        break;
      default:
        if (!isNetworkFrame(frame))
          throw new FrameError(`a frame of type ${frame.type}, which no agent sends`);
        this.#parts.events.unasked();
        this.#instance.networked(frame);
    }
  }

  /** The connection has ended, or the engine reports the end of the container. */
  ended(exitCode: number | null): void {
    void this.#close(exitCode, true);
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
    if (this.#instance.number !== null || this.#closing) return;
    this.#freezer.wake();
    this.#parts.link.rest();
    this.#freezer.rest();
  }

  #restWhenIdle(): void {
    if (this.#orders === 0 && this.#instance.openCalls === 0) this.#freezer.rest();
  }

  /** @param dead nothing runs in it any more. */
  async #close(exitCode: number | null, dead: boolean): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#gate.close();
    this.#instance.reportMemory();
    const { cgroup, removals, containerId, link, onFault, release } = this.#parts;
    this.#instance.stop();
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
}
