/**
 * The container tier's backend for one runtime: makes containers from the template and checks them before use.
 *
 * Owns the way from nothing to a connected agent. Never keeps a deadline. Invariants: what fails half way leaves
 * neither a container nor a folder behind; a container that is not what the template says is never used.
 */
import { StrataError } from '../../core/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Confinement } from '../api.ts';
import type { Backend, BackendEvents } from '../backend.ts';
import type { CpuShares } from '../cpu-shares.ts';
import type { Frame } from '../protocol/frames.ts';
import { AgentLink } from './agent-link.ts';
import { type AgentSocket, openAgentSocket } from './agent-socket.ts';
import { ContainerCarrier } from './carrier.ts';
import { type Cgroup, openCgroup } from './cgroup.ts';
import { CodeCache } from './code-cache.ts';
import type { ContainerEngine } from './engine.ts';
import { type ContainerMeter, kernelMeter, statsMeter } from './meter.ts';
import type { Fate, Ownership } from './ownership.ts';
import { refuseUnconfined } from './process-check.ts';
import type { Removals } from './removals.ts';
import { LABELS } from './server-identity.ts';
import {
  CODE_INODES,
  type ContainerTemplate,
  containerTemplate,
  differences,
  type TemplateParameters,
} from './template.ts';
import type { UserIds } from './user-ids.ts';

export interface ContainerBackendOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly engine: ContainerEngine;
  /** Of all runtimes: they share the engine. */
  readonly removals: Removals;
  readonly confinement: Confinement;
  /** Everything of the template that is the same for all containers of this runtime. */
  readonly template: Omit<TemplateParameters, 'socketFolder' | 'hostsFile' | 'uid' | 'cpus'>;
  readonly cpusFor: (memoryMb: number) => number;
  readonly runFolder: string;
  readonly users: UserIds;
  /** The container's first process is one of this machine's kernel, which can be asked about it. */
  readonly kernelChecked: boolean;
  /** `auto` reads the kernel's files where it can. */
  readonly metering: 'auto' | 'cgroup' | 'stats';
  readonly freezeAfterMs: number;
  /** Null where CPU time is not divided between tenants. */
  readonly cpuShares: CpuShares | null;
  readonly resultMaxBytes: number;
  readonly logMaxBytes: number;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Of all runtimes: what the sweep leaves alone. */
  readonly ownership: Ownership;
}

/** Code may take so much of the code folder; the rest is for what file systems need. */
const CODE_SHARE = 0.9;
/** Five times what an agent sends of its network (PROXY_FRAMES_PER_SECOND in its limits.h). */
const UNASKED_PER_SECOND = 20_000;
const MB = 1024 * 1024;
/** For all TCP and UDP sockets of a container: they reach nobody but each other, and what is more only waits. */
const SOCKETS_MAX_BYTES = 16 * MB;

export const containerBackend = (options: ContainerBackendOptions): Backend => {
  const pending = new Set<Promise<unknown>>();
  return {
    tier: 'container',
    // Each carrier says its own once it is up: `auto` is decided by what the kernel shows of it.
    meter: options.metering === 'stats' ? 'stats' : 'cgroup',
    confinement: options.confinement,
    capacity: 1,
    unaskedPerSecond: UNASKED_PER_SECOND,
    provision(events, abandoned) {
      const provision = new Provision(options, events).run(abandoned);
      const removed = provision.then((carrier) => carrier.removed);
      pending.add(removed);
      const forget = (): void => void pending.delete(removed);
      removed.then(forget, forget);
      return provision;
    },
    // What the guard no longer waits for may still have to be taken down.
    close: async () => void (await Promise.allSettled(pending)),
  };
};

/** What this machine shows of a container that is what was asked for. */
interface Checked {
  readonly cgroup: Cgroup | null;
  readonly meter: ContainerMeter;
  readonly agentPid: number | null;
}

/** One container on its way up; what it has taken so far is given back when it fails. */
class Provision {
  readonly #options: ContainerBackendOptions;
  readonly #events: BackendEvents;
  #socket: AgentSocket | null = null;
  #uid: number | null = null;
  /** By which it is held, from before the engine is asked for it. */
  #name: string | null = null;
  /** Null until the engine has told it. */
  #containerId: string | null = null;
  #link: AgentLink | null = null;
  #carrier: ContainerCarrier | null = null;
  #rejectEarly: (reason: Error) => void = () => undefined;
  /** Why the start has failed, from the moment that it is known. */
  #failed: Error | null = null;

  constructor(options: ContainerBackendOptions, events: BackendEvents) {
    this.#options = options;
    this.#events = events;
  }

  run(abandoned: AbortSignal): Promise<ContainerCarrier> {
    const early = new Promise<never>((_, reject) => {
      this.#rejectEarly = reject;
    });
    early.catch(() => undefined);
    const abandon = (): void =>
      this.#failEarly(new StrataError('start_failed', 'Nobody waits for the container any more.'));
    abandoned.addEventListener('abort', abandon, { once: true });
    if (abandoned.aborted) abandon();
    return this.#start(early);
  }

  async #start(early: Promise<never>): Promise<ContainerCarrier> {
    const { engine, removals, runFolder, random, users, ownership } = this.#options;
    const unlessEarly = <Result>(step: Promise<Result>): Promise<Result> => Promise.race([step, early]);
    try {
      await unlessEarly(removals.room());
      this.#uid = users.take();
      const socket = await openAgentSocket(runFolder, random.uuid().slice(0, 8));
      this.#socket = socket;
      this.#name = ownership.hold();
      const template = this.#template(socket, this.#uid, this.#name);
      const containerId = await engine.create(template);
      this.#containerId = containerId;
      await unlessEarly(engine.start(containerId));
      void this.#watchExit(containerId);
      const ready = this.#connect(socket);
      // It may fail while the check is waited for, or after the check has failed.
      ready.catch(() => undefined);
      const checked = await unlessEarly(this.#check(template, containerId));
      const link = await unlessEarly(ready);
      // Until now nobody else would hear of it.
      if (this.#failed !== null) throw this.#failed;
      this.#carrier = this.#assemble(containerId, checked, link);
      return this.#carrier;
    } catch (thrown) {
      await this.#release().catch((left: unknown) => {
        this.#options.onFault('a container that did not come up is left over', { detail: String(left) });
      });
      throw thrown;
    }
  }

  #failEarly(reason: Error): void {
    this.#failed ??= reason;
    this.#rejectEarly(reason);
  }

  #template({ folder: socketFolder, hostsFile }: AgentSocket, uid: number, name: string): ContainerTemplate {
    const { template, cpusFor } = this.#options;
    const labels = { ...template.labels, [LABELS.container]: name };
    const cpus = cpusFor(template.memoryMb);
    return containerTemplate({ ...template, socketFolder, hostsFile, uid, cpus, labels });
  }

  /** Resolves when the agent has said that it is ready, and that it is the one for this runtime. */
  async #connect(socket: AgentSocket): Promise<AgentLink> {
    const connection = await socket.connected;
    return await new Promise((resolve, reject) => {
      let saidReady = false;
      const violated = (reason: string): void => {
        const broken = new StrataError(
          'start_failed',
          `The agent of a new container broke the protocol: ${reason}.`,
        );
        reject(broken);
        // The guard abandons the start because of it, which must not become the reason that is told.
        this.#failEarly(broken);
        this.#events.violated(reason);
      };
      this.#link = new AgentLink(connection, this.#options.template.maxFrameBytes, {
        ready: (about) => {
          const wrong = saidReady ? 'it said ready twice' : refusal(about, this.#options.template.runtime);
          saidReady = true;
          if (wrong !== null) violated(wrong);
          else if (this.#link !== null) resolve(this.#link);
        },
        frame: (frame: Frame) => {
          if (this.#carrier === null) violated(`a frame of type ${frame.type} before it was asked`);
          else this.#carrier.accept(frame);
        },
        violated,
        closed: () => {
          const hungUp = new StrataError('start_failed', 'The agent of a new container hung up.');
          reject(hungUp);
          this.#failEarly(hungUp);
          this.#carrier?.ended(null);
        },
      });
    });
  }

  /** Compares the container with its template, and finds the kernel's account of it. */
  async #check(template: ContainerTemplate, containerId: string): Promise<Checked> {
    const { engine, metering } = this.#options;
    const seen = await engine.inspect(containerId);
    if (!seen.State.Running || seen.State.Pid <= 0)
      throw new StrataError('start_failed', 'A new container ended before its agent connected.');
    const different = differences(template, seen);
    if (different.length > 0)
      throw new StrataError(
        'start_failed',
        `A new container is not what was asked for: ${different.slice(0, 5).join('; ')}.`,
      );
    // Other OCI runtimes put a kernel of their own around the container; its process is not the agent.
    if (this.#options.kernelChecked) refuseUnconfined(seen.State.Pid, containerId);
    const cgroup = openCgroup(seen.State.Pid, containerId);
    if (cgroup === null && metering === 'cgroup')
      throw new StrataError(
        'start_failed',
        'The control group of a new container cannot be read, and container.metering is "cgroup".',
      );
    cgroup?.boundSockets(SOCKETS_MAX_BYTES);
    const meter =
      cgroup === null || metering === 'stats' ? statsMeter(engine, containerId) : kernelMeter(cgroup);
    const agentPid = cgroup === null ? null : seen.State.Pid;
    return { cgroup: metering === 'stats' ? null : cgroup, meter, agentPid };
  }

  #assemble(containerId: string, { cgroup, meter, agentPid }: Checked, link: AgentLink): ContainerCarrier {
    const {
      clock,
      engine,
      removals,
      template,
      cpusFor,
      cpuShares,
      freezeAfterMs,
      resultMaxBytes,
      logMaxBytes,
      onFault,
    } = this.#options;
    return new ContainerCarrier({
      ...{
        clock,
        engine,
        removals,
        containerId,
        agentPid,
        cgroup,
        meter,
        link,
        events: this.#events,
        onFault,
      },
      ...{ memoryMb: template.memoryMb, cpusFor, cpuShares, freezeAfterMs, resultMaxBytes, logMaxBytes },
      codeCache: new CodeCache({
        bytes: template.codeMb * MB * CODE_SHARE,
        entries: CODE_INODES * CODE_SHARE,
      }),
      release: (isRemoved) => this.#giveBack(isRemoved ? 'gone' : 'left'),
    });
  }

  /** The engine tells first when a container ends on its own; a lost connection tells as well. */
  async #watchExit(containerId: string): Promise<void> {
    try {
      const exitCode = await this.#options.engine.waitForExit(containerId);
      this.#failEarly(
        new StrataError(
          'start_failed',
          `A new container ended with exit code ${exitCode} before its agent was ready.`,
        ),
      );
      this.#carrier?.ended(exitCode);
    } catch {
      // The engine went away; the connection tells when the container does.
    }
  }

  async #release(): Promise<void> {
    this.#link?.close();
    // The engine may have made what it did not tell of.
    let fate: Fate = this.#containerId === null ? 'unknown' : 'left';
    try {
      if (this.#containerId !== null && (await this.#options.removals.remove(this.#containerId, false)))
        fate = 'gone';
    } finally {
      await this.#giveBack(fate);
    }
  }

  /** What could not be removed is the sweep's from now on. */
  async #giveBack(fate: Fate): Promise<void> {
    if (this.#name !== null) this.#options.ownership.release(this.#name, fate);
    if (this.#uid !== null) this.#options.users.giveBack(this.#uid);
    this.#uid = null;
    await this.#socket?.close();
  }
}

/** Why an agent is not the one that belongs here; null when it is. */
const refusal = (about: string, runtime: string): string | null => {
  try {
    const told = JSON.parse(about) as { agent?: unknown; runtime?: unknown };
    if (told.agent !== 1)
      return `it speaks version ${String(told.agent).slice(0, 20)} of the agent's protocol, 1 is needed`;
    return told.runtime === runtime ? null : `it is for the runtime ${String(told.runtime).slice(0, 20)}`;
  } catch {
    return 'it did not introduce itself';
  }
};
