/**
 * Puts the container tier together: one engine, one set of sandboxes for each runtime whose image is there.
 *
 * Owns the decision what can be served, and the sweep of leftovers. What cannot be served is said with its reason and
 * its remedy; only `mode: required` makes that an error. Invariant: nothing is started before the first sweep is over.
 */
import { chmod, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StrataError } from '../../core/errors.ts';
import { CONTAINER_RUNTIMES, type ContainerRuntime } from '../../core/spec.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { SandboxTier } from '../api.ts';
import type { CpuShares } from '../cpu-shares.ts';
import { guardTier } from '../guard.ts';
import { containerBackend } from './backend.ts';
import { confinementOf } from './confinement.ts';
import { type ContainerEngine, dockerEngine, type EngineInfo } from './engine.ts';
import { expectedImage } from './images/state.ts';
import { Ownership } from './ownership.ts';
import { Removals } from './removals.ts';
import { labelsOf, type ServerIdentity, serverIdentity } from './server-identity.ts';
import { ContainerSweeper, runFolderName, type Swept, sweepRunFolders } from './sweep.ts';
import { SweepSchedule } from './sweep-schedule.ts';
import { UserIds } from './user-ids.ts';

export interface ContainerTiersOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Null for a server that keeps nothing. */
  readonly dataDir: string | null;
  readonly settings: ContainerSettings;
  /** Null where CPU time is not divided between tenants. */
  readonly cpuShares: CpuShares | null;
  readonly limits: {
    readonly eventMaxBytes: number;
    readonly resultMaxBytes: number;
    readonly containerCodeMaxBytes: number;
    readonly logMaxBytes: number;
  };
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** The part of the configuration that this tier reads. */
export interface ContainerSettings {
  readonly mode: 'auto' | 'off' | 'required';
  readonly engineHost: string;
  readonly ociRuntime: string;
  readonly startTimeoutMs: number;
  readonly killGraceMs: number;
  readonly freezeAfterMs: number;
  readonly pidsMax: number;
  readonly tmpMb: number;
  readonly memoryMb: number;
  readonly fullCpuMb: number;
  readonly metering: 'auto' | 'cgroup' | 'stats';
  readonly runDir: string;
}

export interface ContainerTiers {
  readonly tiers: ReadonlyMap<ContainerRuntime, SandboxTier>;
  /** Why a runtime is not served, and what to do. */
  readonly unavailable: ReadonlyMap<ContainerRuntime, string>;
  /** After the tiers have been closed: ends the sweep and removes the sockets' folder. */
  close(): Promise<void>;
}

const API_MIN = [1, 41] as const;
const MB = 1024 * 1024;
/** JSON may escape each character of a log line to six, and a line costs some forty beside its text. */
const TAIL_BYTES_PER_LOG_BYTE = 46;
/** The agent takes no larger limit; only a log of many megabytes could come near it. */
const FRAME_MAX_BYTES = 512 * MB;
const FRAME_SLACK_BYTES = 512 * 1024;
/** Folders and small files take more room than their bytes. */
const CODE_ROOM = 1.25;

/** @throws StrataError `runtime_unavailable` when containers are required and cannot be had. */
export const createContainerTiers = async (options: ContainerTiersOptions): Promise<ContainerTiers> => {
  const { settings, random, onFault } = options;
  if (settings.mode === 'off') return nothing('container.mode is off');
  const engine = dockerEngine(settings.engineHost, options.clock);
  let info: EngineInfo;
  try {
    info = await engine.info();
    refuseUnfit(info, settings);
  } catch (thrown) {
    if (settings.mode === 'required' || !(thrown instanceof StrataError)) throw thrown;
    return nothing(
      `${thrown.message} Start one, set DOCKER_HOST, and restart; \`strata doctor\` tells more.`,
    );
  }
  const identity = await serverIdentity(options.dataDir, random);
  const ownership = new Ownership(random, (fate) => {
    sweeper.owe(fate);
    schedule.soon();
  });
  const sweeper = new ContainerSweeper(engine, identity, ownership, options.clock);
  const runFolder = await makeRunFolder(settings.runDir, identity);
  const sweep = reported(() => sweeper.sweep(), onFault);
  await sweep();
  const schedule = new SweepSchedule(options.clock, sweep, () => sweeper.owes);
  const tiers = new Map<ContainerRuntime, SandboxTier>();
  const unavailable = new Map<ContainerRuntime, string>();
  const users = new UserIds(random.nonce());
  const removals = new Removals(engine);
  for (const runtime of CONTAINER_RUNTIMES) {
    const name = await expectedImage(runtime);
    const image = await engine.image(name);
    if (image === null) {
      unavailable.set(
        runtime,
        `the image ${name} is missing. Run \`strata images build ${runtime}\` and restart`,
      );
      continue;
    }
    const shared = { engine, removals, info, runFolder, users, ownership, identity };
    tiers.set(runtime, tierFor(runtime, image.id, options, shared));
  }
  if (settings.mode === 'required' && tiers.size === 0) {
    schedule.stop();
    await rm(runFolder, { recursive: true, force: true });
    throw new StrataError(
      'runtime_unavailable',
      `Containers are required: ${[...unavailable.values()].join('; ')}.`,
    );
  }
  return {
    tiers,
    unavailable,
    async close() {
      schedule.stop();
      await reported(() => sweeper.sweepOwn(), onFault)();
      await rm(runFolder, { recursive: true, force: true });
    },
  };
};

interface Shared {
  readonly engine: ContainerEngine;
  readonly removals: Removals;
  readonly info: EngineInfo;
  readonly runFolder: string;
  readonly users: UserIds;
  readonly ownership: Ownership;
  readonly identity: ServerIdentity;
}

const tierFor = (
  runtime: ContainerRuntime,
  imageId: string,
  options: ContainerTiersOptions,
  { engine, removals, info, runFolder, users, ownership, identity }: Shared,
): SandboxTier => {
  const { clock, random, settings, limits, cpuShares, onFault } = options;
  const { ociRuntime, memoryMb, pidsMax, tmpMb } = settings;
  const ociName = ociRuntime === '' ? info.defaultOciRuntime : ociRuntime;
  const backend = containerBackend({
    ...{ clock, random, engine, removals, runFolder, users, ownership, cpuShares, onFault },
    confinement: confinementOf(info, ociName),
    template: {
      ...{ runtime, imageId, ociRuntime, memoryMb, pidsMax, tmpMb },
      codeMb: Math.ceil((limits.containerCodeMaxBytes * CODE_ROOM) / MB),
      maxFrameBytes: maxFrameBytes(limits),
      appArmor: info.securityOptions.some((option) => option.includes('apparmor')),
      labels: labelsOf(identity, runtime),
    },
    cpusFor: (functionMb) => Math.min(info.cpus, Math.max(1, functionMb / settings.fullCpuMb)),
    kernelChecked: SHARES_KERNEL.has(ociName),
    metering: settings.metering,
    freezeAfterMs: settings.freezeAfterMs,
    resultMaxBytes: limits.resultMaxBytes,
    logMaxBytes: limits.logMaxBytes,
  });
  const { startTimeoutMs, killGraceMs } = settings;
  return guardTier(backend, { clock, random, startTimeoutMs, killGraceMs, watchdog: null, onFault });
};

/** OCI runtimes whose containers are processes of this machine's kernel. */
const SHARES_KERNEL: ReadonlySet<string> = new Set(['runc', 'crun', 'io.containerd.runc.v2']);

const maxFrameBytes = (limits: ContainerTiersOptions['limits']): number =>
  Math.min(
    FRAME_MAX_BYTES,
    Math.max(limits.eventMaxBytes, limits.resultMaxBytes) +
      limits.logMaxBytes * TAIL_BYTES_PER_LOG_BYTE +
      FRAME_SLACK_BYTES,
  );

const refuseUnfit = (info: EngineInfo, { ociRuntime }: ContainerSettings): void => {
  const [major = 0, minor = 0] = info.apiVersion.split('.').map(Number);
  if (major < API_MIN[0] || (major === API_MIN[0] && minor < API_MIN[1]))
    throw new StrataError(
      'runtime_unavailable',
      `The container engine is ${info.version} with API ${info.apiVersion}; API ${API_MIN.join('.')} (Docker 20.10) or later is needed.`,
    );
  if (ociRuntime !== '' && !info.ociRuntimes.includes(ociRuntime))
    throw new StrataError(
      'runtime_unavailable',
      `container.ociRuntime is "${ociRuntime}"; the engine has ${info.ociRuntimes.join(', ')}.`,
    );
};

const nothing = (reason: string): ContainerTiers => ({
  tiers: new Map(),
  unavailable: new Map(CONTAINER_RUNTIMES.map((runtime) => [runtime, reason])),
  close: async () => undefined,
});

const OWNER_ONLY = 0o700;

const makeRunFolder = async (runDir: string, identity: ServerIdentity): Promise<string> => {
  const parent = runDir === '' ? tmpdir() : runDir;
  await sweepRunFolders(parent, identity);
  const folder = join(parent, runFolderName(identity));
  await mkdir(parent, { recursive: true });
  // Not if it is there already: somebody else could have made it.
  await mkdir(folder, { mode: OWNER_ONLY });
  await chmod(folder, OWNER_ONLY);
  return folder;
};

/** An engine that is away is told of once, however often it is asked meanwhile. */
const reported = (
  sweep: () => Promise<Swept>,
  onFault: ContainerTiersOptions['onFault'],
): (() => Promise<void>) => {
  let told = '';
  const tell = (message: string, details: Readonly<Record<string, unknown>>): void => {
    const text = JSON.stringify([message, details]);
    if (text !== told) onFault(message, details);
    told = text;
  };
  return async () => {
    try {
      const { removed, failed } = await sweep();
      if (removed > 0 || failed.length === 0) told = '';
      if (removed > 0 || failed.length > 0) tell('containers were left over', { removed, failed });
    } catch (thrown) {
      tell('leftover containers could not be looked for', { detail: String(thrown) });
    }
  };
};
