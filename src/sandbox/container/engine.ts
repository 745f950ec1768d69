/**
 * The container engine: the only place that makes, inspects and removes containers, and what it may be asked at all.
 *
 * Owns the connection. There is no way to make a container but from a `ContainerTemplate`, and none to run a command
 * in one. Invariants: every request has a time limit, whatever becomes of its connection; no connection is used twice, so
 * that an engine which is on its way out is asked for nothing new; removing is idempotent; errors of the engine come out as
 * `StrataError` with the engine's own words.
 */
import Docker from 'dockerode';
import { StrataError } from '../../core/errors.ts';
import { type Clock, systemClock } from '../../ports/clock.ts';
import { bounded } from './bounded.ts';
import { describeDockerHost, dockerodeOptions } from './docker-host.ts';
import type { ContainerTemplate, InspectedContainer } from './template.ts';

export interface EngineInfo {
  readonly version: string;
  readonly apiVersion: string;
  readonly ociRuntimes: readonly string[];
  readonly defaultOciRuntime: string;
  readonly cgroupVersion: string;
  readonly cgroupDriver: string;
  readonly securityOptions: readonly string[];
  readonly rootFolder: string;
  readonly cpus: number;
}

export interface ImageInfo {
  /** `sha256:…`. */
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly bytes: number;
}

export interface ListedContainer {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: string;
}

export interface ContainerEngine {
  /** @throws StrataError `runtime_unavailable` when no engine answers. */
  info(): Promise<EngineInfo>;
  /** Null when there is no such image. */
  image(name: string): Promise<ImageInfo | null>;
  /** The id of a new container, which does not run yet. */
  create(template: ContainerTemplate): Promise<string>;
  start(id: string): Promise<void>;
  inspect(id: string): Promise<InspectedContainer>;
  /** Resolves with the exit code when the container has ended; rejects when the engine goes away. */
  waitForExit(id: string): Promise<number>;
  /** SIGKILL, then removal with its volumes. True when it is gone, also when it was; false when the engine is still at it. */
  remove(id: string): Promise<boolean>;
  list(labels: Readonly<Record<string, string>>): Promise<readonly ListedContainer[]>;
  /** By the engine's freezer, for where its files cannot be written. */
  freeze(id: string, frozen: boolean): Promise<void>;
  resize(id: string, memoryBytes: number, cpuQuotaUs: number): Promise<void>;
  /** CPU time since the start, nanoseconds, and bytes of memory, as the engine's statistics have them. */
  usage(id: string): Promise<{ readonly cpuNs: number; readonly memoryBytes: number }>;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** What the engine answers from its memory. */
const LOOK_TIMEOUT_MS = 10_000;
const GONE = new Set([304, 404]);

/** @throws StrataError `invalid_request` for an address that cannot be one. */
export const dockerEngine = (engineHost: string, clock: Clock = systemClock): ContainerEngine => {
  // With an agent of its own each request took a tenth of a second longer: measured, not understood.
  const options = { ...dockerodeOptions(engineHost), headers: { Connection: 'close' } };
  const docker = new Docker(options);
  const asked = async <Result>(
    what: string,
    request: (abortSignal: AbortSignal) => Promise<Result>,
    limitMs = REQUEST_TIMEOUT_MS,
  ): Promise<Result> => {
    try {
      return await bounded(clock, limitMs, request);
    } catch (thrown) {
      throw engineError(what, thrown);
    }
  };
  return {
    ...engineFacts(docker, engineHost, clock),
    async create(template) {
      // The template is the engine's own body; its types leave fields out that the engine has, and how to send it as it is.
      const create = (abortSignal: AbortSignal) =>
        docker.createContainer({
          ...{ abortSignal, _query: {}, _body: template },
        } as unknown as Docker.ContainerCreateOptions);
      return (await asked('create a container', create)).id;
    },
    start: (id) =>
      asked('start a container', async (abortSignal) => {
        await docker.getContainer(id).start({ abortSignal });
      }),
    inspect: (id) =>
      asked(
        'inspect a container',
        async (abortSignal) =>
          (await docker.getContainer(id).inspect({ abortSignal })) as unknown as InspectedContainer,
      ),
    async waitForExit(id) {
      try {
        // It takes as long as the container lives.
        const { StatusCode } = (await docker.getContainer(id).wait()) as { StatusCode: number };
        return StatusCode;
      } catch (thrown) {
        throw engineError('wait for a container', thrown);
      }
    },
    remove: (id) =>
      asked('remove a container', async (abortSignal) => {
        try {
          await docker.getContainer(id).remove({ force: true, v: true, abortSignal });
        } catch (thrown) {
          if (statusOf(thrown) === 409 && /already in progress/.test(reasonOf(thrown))) return false;
          if (!GONE.has(statusOf(thrown) ?? 0)) throw thrown;
        }
        return true;
      }),
    async list(labels) {
      const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
      const found = await asked(
        'list containers',
        (abortSignal) => docker.listContainers({ all: true, filters: { label }, abortSignal }),
        LOOK_TIMEOUT_MS,
      );
      return found.map(({ Id, Labels, State }) => ({ id: Id, labels: Labels, state: State }));
    },
    freeze: (id, frozen) =>
      asked('freeze a container', async (abortSignal) => {
        const container = docker.getContainer(id);
        await (frozen ? container.pause({ abortSignal }) : container.unpause({ abortSignal }));
      }),
    resize: (id, memoryBytes, cpuQuotaUs) =>
      asked('resize a container', async (abortSignal) => {
        const bounds = { Memory: memoryBytes, MemorySwap: memoryBytes, CpuQuota: cpuQuotaUs };
        await docker.getContainer(id).update({ ...bounds, abortSignal });
      }),
    async usage(id) {
      const stats = await asked('measure a container', (abortSignal) => {
        const options = { stream: false, 'one-shot': true, abortSignal } as unknown as { stream: false };
        return docker.getContainer(id).stats(options);
      });
      return { cpuNs: stats.cpu_stats.cpu_usage.total_usage, memoryBytes: stats.memory_stats.usage ?? 0 };
    },
  };
};

/** What is asked before containers are. */
const engineFacts = (
  docker: Docker,
  engineHost: string,
  clock: Clock,
): Pick<ContainerEngine, 'info' | 'image'> => ({
  async info() {
    try {
      return await bounded(clock, LOOK_TIMEOUT_MS, async () =>
        infoOf(await docker.info(), await docker.version()),
      );
    } catch (thrown) {
      throw new StrataError(
        'runtime_unavailable',
        `No Docker engine answers at ${describeDockerHost(engineHost)}: ${reasonOf(thrown)}.`,
        { cause: thrown },
      );
    }
  },
  async image(name) {
    try {
      const inspect = () => docker.getImage(name).inspect();
      const { Id, Size, Config } = await bounded(clock, LOOK_TIMEOUT_MS, inspect);
      return { id: Id, bytes: Size, labels: Config?.Labels ?? {} };
    } catch (thrown) {
      if (statusOf(thrown) === 404) return null;
      throw engineError('inspect an image', thrown);
    }
  },
});

const infoOf = (
  info: Record<string, unknown>,
  version: { Version: string; ApiVersion: string },
): EngineInfo => ({
  version: version.Version,
  apiVersion: version.ApiVersion,
  ociRuntimes: Object.keys((info.Runtimes as object | null) ?? {}),
  defaultOciRuntime: String(info.DefaultRuntime ?? ''),
  cgroupVersion: String(info.CgroupVersion ?? '1'),
  cgroupDriver: String(info.CgroupDriver ?? ''),
  securityOptions: (info.SecurityOptions as string[] | null) ?? [],
  rootFolder: String(info.DockerRootDir ?? ''),
  cpus: Number(info.NCPU ?? 1),
});

const engineError = (what: string, thrown: unknown): StrataError =>
  new StrataError('start_failed', `The container engine could not ${what}: ${reasonOf(thrown)}.`, {
    cause: thrown,
  });

const statusOf = (thrown: unknown): number | null => {
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : null;
};

const REASON_MAX_CHARS = 500;
const reasonOf = (thrown: unknown): string => {
  const told = (thrown as { json?: { message?: unknown } } | null)?.json?.message;
  const text = typeof told === 'string' ? told : thrown instanceof Error ? thrown.message : String(thrown);
  return text.trim().replace(/\.$/, '').slice(0, REASON_MAX_CHARS);
};
