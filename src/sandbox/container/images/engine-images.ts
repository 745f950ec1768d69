/**
 * The engine as far as images are concerned: what it has, importing, building, pulling, removing.
 *
 * Owns every use of dockerode for images; nothing of dockerode's types leaves this file. Never removes an image that a
 * container uses, and never makes a container. Every call has a bound in time.
 */
import type { Readable } from 'node:stream';
import Docker from 'dockerode';
import { StrataError } from '../../../core/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import { bounded } from '../bounded.ts';
import { describeDockerHost, dockerodeOptions } from '../docker-host.ts';

export interface StoredImage {
  readonly id: string;
  /** `repository:tag`, each name that it has. */
  readonly names: readonly string[];
  readonly sizeBytes: number;
  readonly createdMs: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface InspectedImage {
  readonly id: string;
  readonly sizeBytes: number;
  readonly env: readonly string[];
  /** Digests of the layers' archives, the lowest first. */
  readonly layers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface EngineFacts {
  readonly version: string;
  readonly apiVersion: string;
  /** OCI runtimes that it offers, by name. */
  readonly ociRuntimes: readonly string[];
  readonly cgroupVersion: string;
  readonly cgroupDriver: string;
  readonly securityOptions: readonly string[];
}

export interface BuildRequest {
  readonly context: Readable;
  readonly name: string;
  readonly args: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether its steps may use the network. */
  readonly network: boolean;
}

export interface ImportRequest {
  readonly archive: Readable;
  readonly repository: string;
  readonly tag: string;
  /** Instructions of a Dockerfile that are applied to it. */
  readonly changes: readonly string[];
}

/** Its methods throw StrataError `runtime_unavailable` when the engine does not answer or refuses. */
export interface EngineImages {
  facts(): Promise<EngineFacts>;
  /** Images whose repository begins with the prefix. */
  list(prefix: string): Promise<readonly StoredImage[]>;
  /** Null when there is none of that name. */
  inspect(name: string): Promise<InspectedImage | null>;
  importArchive(request: ImportRequest): Promise<void>;
  build(request: BuildRequest): Promise<void>;
  pull(name: string): Promise<void>;
  /** False when a container uses it, which keeps it; true also when somebody else removed it meanwhile. */
  remove(name: string): Promise<boolean>;
}

const ASK_TIMEOUT_MS = 15_000;
const BUILD_TIMEOUT_MS = 20 * 60_000;
const PULL_TIMEOUT_MS = 10 * 60_000;
/** A registry that says nothing for this long is not reached. */
const PULL_SILENCE_MS = 20_000;

export const connectEngineImages = (dockerHost: string, clock: Clock): EngineImages => {
  const docker = new Docker(dockerodeOptions(dockerHost));
  const where = describeDockerHost(dockerHost);
  const ask = <T>(what: string, limitMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    bounded(clock, limitMs, work).catch((thrown: unknown) => {
      throw translated(thrown, what, where);
    });
  return {
    facts: () =>
      ask('asking for its version', ASK_TIMEOUT_MS, async () =>
        factsOf(await docker.version(), (await docker.info()) as EngineInfo),
      ),
    list: (prefix) =>
      ask('listing images', ASK_TIMEOUT_MS, async (abortSignal) => {
        const images = await docker.listImages({ abortSignal });
        return images.map(storedOf).filter(({ names }) => names.some((name) => name.startsWith(prefix)));
      }),
    inspect: (name) =>
      ask(`inspecting ${name}`, ASK_TIMEOUT_MS, async () => {
        const image = await docker.getImage(name).inspect().catch(absent);
        return image === null ? null : inspectedOf(image);
      }),
    importArchive: ({ archive, repository, tag, changes }) =>
      ask(`importing ${repository}:${tag}`, BUILD_TIMEOUT_MS, async (abortSignal) => {
        const options = { repo: repository, tag, changes: [...changes], abortSignal };
        await followed(await docker.importImage(archive, options), () => undefined);
      }),
    build: ({ context, name, args, labels, network }) =>
      ask(`building ${name}`, BUILD_TIMEOUT_MS, async (abortSignal) => {
        const options = {
          ...{ t: name, buildargs: { ...args }, labels: { ...labels }, rm: true, forcerm: true },
          ...{ networkmode: network ? 'default' : 'none', abortSignal },
        };
        await followed(await docker.buildImage(context, options), () => undefined);
      }),
    remove: (name) =>
      ask(`removing ${name}`, ASK_TIMEOUT_MS, async (abortSignal) => {
        // Not by force: the engine refuses to remove what a container uses.
        const removed = docker.getImage(name).remove({ force: false, abortSignal });
        return removed.then(() => true, goneAnyway);
      }),
    pull: (name) =>
      ask(`pulling ${name}`, PULL_TIMEOUT_MS, (abortSignal) => pullHeard(docker, clock, name, abortSignal)),
  };
};

/** Gives up when the registry falls silent, long before the bound of the whole. */
const pullHeard = async (docker: Docker, clock: Clock, name: string, whole: AbortSignal): Promise<void> => {
  const silence = new AbortController();
  const listen = () =>
    clock.setTimer(PULL_SILENCE_MS, () =>
      silence.abort(new Error(`no registry answered within ${PULL_SILENCE_MS} ms`)),
    );
  let timer = listen();
  try {
    const abortSignal = AbortSignal.any([whole, silence.signal]);
    const progress = await docker.pull(name, { abortSignal });
    await followed(progress, () => {
      timer.cancel();
      timer = listen();
    });
  } catch (thrown) {
    throw silence.signal.aborted ? silence.signal.reason : thrown;
  } finally {
    timer.cancel();
  }
};

interface Progress {
  readonly error?: string;
}

const LINE_MAX_CHARS = 1024 * 1024;

/** Reads the engine's progress, a JSON text on each line, to its end. @throws Error when a line reports one. */
const followed = async (progress: NodeJS.ReadableStream, heard: () => void): Promise<void> => {
  let rest = '';
  let failure: string | null = null;
  const read = (line: string): void => {
    if (line.trim() === '') return;
    const { error } = JSON.parse(line) as Progress;
    if (error !== undefined) failure ??= error;
  };
  progress.setEncoding('utf8');
  for await (const chunk of progress) {
    heard();
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_MAX_CHARS) throw new Error('its progress is no text of lines');
    for (const line of lines) read(line);
  }
  read(rest);
  if (failure !== null) throw new Error(failure);
};

interface EngineInfo {
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  readonly CgroupVersion?: string;
  readonly CgroupDriver?: string;
  readonly SecurityOptions?: readonly string[];
}

const factsOf = (version: Docker.DockerVersion, info: EngineInfo): EngineFacts => ({
  version: version.Version,
  apiVersion: version.ApiVersion,
  ociRuntimes: Object.keys(info.Runtimes ?? {}).sort(),
  // Engines before 20.10 know version 1 only and do not say so.
  cgroupVersion: info.CgroupVersion ?? '1',
  cgroupDriver: info.CgroupDriver ?? 'unknown',
  securityOptions: info.SecurityOptions ?? [],
});

const storedOf = (image: Docker.ImageInfo): StoredImage => ({
  id: image.Id,
  // Engines send null for what is not there.
  names: image.RepoTags ?? [],
  sizeBytes: image.Size,
  createdMs: image.Created * 1000,
  labels: image.Labels ?? {},
});

const inspectedOf = (image: Docker.ImageInspectInfo): InspectedImage => ({
  id: image.Id,
  sizeBytes: image.Size,
  env: image.Config.Env ?? [],
  layers: image.RootFS.Layers ?? [],
  labels: image.Config.Labels ?? {},
});

const absent = (thrown: unknown): null => {
  if (statusOf(thrown) === 404) return null;
  throw thrown;
};

/** Whether an image is gone, by how its removal failed. */
const goneAnyway = (thrown: unknown): boolean => {
  const status = statusOf(thrown);
  if (status !== 404 && status !== 409) throw thrown;
  return status === 404;
};

const statusOf = (thrown: unknown): unknown => (thrown as { statusCode?: unknown }).statusCode;

const UNREACHED = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'EACCES',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

const translated = (thrown: unknown, what: string, where: string): StrataError => {
  if (thrown instanceof StrataError) return thrown;
  const { message, code } = thrown as { message?: string; code?: unknown };
  const detail = UNREACHED.has(String(code))
    ? `No Docker engine answers at ${where} (${code}). Start one (\`systemctl start docker\`), or say where it is: --engine-host, or DOCKER_HOST.`
    : `The Docker engine at ${where} failed at ${what}: ${String(message).trim().slice(0, 2000)}`;
  return new StrataError('runtime_unavailable', detail, { cause: thrown });
};
