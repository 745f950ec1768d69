/**
 * Builds the images that are missing, by their Dockerfiles where the bases are to be had, else from this machine.
 *
 * Owns the choice between the two, and what is told of it. Removes nothing but its own temporary folder.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StrataError } from '../../../core/errors.ts';
import type { ContainerRuntime } from '../../../core/spec.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Commands } from '../../../ports/commands.ts';
import { archiveOf } from './archive.ts';
import { APP, type BuiltFrom, imageName, LABELS } from './catalogue.ts';
import type { EngineImages, InspectedImage } from './engine-images.ts';
import { composeFromMachine } from './machine-build.ts';
import { basesOf, checkBases, contextOf, languageOfBases } from './registry-build.ts';
import { type ImageSources, readSources } from './sources.ts';
import type { ImageNaming } from './state.ts';

export interface BuildPlan extends ImageNaming {
  readonly runtimes: readonly ContainerRuntime[];
  readonly from: 'auto' | BuiltFrom;
  /** Build what is there already, too; the new image takes the name. */
  readonly force: boolean;
  /** Other base images, by the Dockerfiles' names for them. */
  readonly bases: Readonly<Record<string, string>>;
}

export interface BuildTools {
  readonly engine: EngineImages;
  readonly commands: Commands;
  readonly clock: Clock;
  /** Takes a line of progress. */
  readonly say: (line: string) => void;
}

export interface BuiltImage {
  readonly runtime: ContainerRuntime;
  readonly name: string;
  /** Null when it was there already. */
  readonly from: BuiltFrom | null;
  readonly sizeBytes: number;
  /** Digests of the layers' archives: equal for two images with the same files. */
  readonly layers: readonly string[];
  readonly tookMs: number;
}

/** @throws StrataError `runtime_unavailable` when the engine or what the build needs is missing. */
export const buildImages = async (plan: BuildPlan, tools: BuildTools): Promise<readonly BuiltImage[]> => {
  // Before anything is read or compiled: without an engine there is no point.
  await tools.engine.facts();
  const sources = await Promise.all(plan.runtimes.map((runtime) => readSources(runtime, plan.folder)));
  checkBases(plan.bases, [...sources.map(({ dockerfile }) => dockerfile)]);
  const builder = new Builder(plan, tools);
  const built: BuiltImage[] = [];
  for (const source of sources) built.push(await builder.ensure(source));
  return built;
};

class Builder {
  readonly #plan: BuildPlan;
  readonly #tools: BuildTools;
  /** Why no more bases are pulled; one registry that is not reached is enough. */
  #noRegistry: string | null = null;

  constructor(plan: BuildPlan, tools: BuildTools) {
    this.#plan = plan;
    this.#tools = tools;
  }

  async ensure(sources: ImageSources): Promise<BuiltImage> {
    const { engine, clock, say } = this.#tools;
    const { runtime } = sources;
    const name = imageName(runtime, sources.tag, this.#plan.prefix);
    const present = this.#plan.force ? null : await engine.inspect(name);
    if (present !== null) {
      say(`${runtime}: ${name} is there already`);
      return { ...finished(runtime, name, present), from: null, tookMs: 0 };
    }
    const startedMs = clock.nowMs();
    const from = await this.#make(sources, name);
    const image = await engine.inspect(name);
    if (image === null)
      throw new StrataError('internal_error', `The engine lost ${name} as soon as it was built.`);
    const tookMs = clock.nowMs() - startedMs;
    const megabytes = Math.round(image.sizeBytes / 1e6);
    say(`${runtime}: built ${name}, ${megabytes} MB, in ${(tookMs / 1000).toFixed(1)} s`);
    return { ...finished(runtime, name, image), from, tookMs };
  }

  async #make(sources: ImageSources, name: string): Promise<BuiltFrom> {
    const { from } = this.#plan;
    const { say } = this.#tools;
    if (from !== 'machine') {
      try {
        const bases = await this.#bases(sources);
        say(`${sources.runtime}: building by its Dockerfile, on ${[...bases.keys()].join(' and ')}`);
        await this.#fromRegistry(sources, name, [...bases.values()]);
        return 'registry';
      } catch (thrown) {
        if (from === 'registry' || !(thrown instanceof StrataError)) throw thrown;
        say(`${sources.runtime}: ${firstLine(thrown.message)}; building from the packages of this machine`);
      }
    }
    await this.#fromMachine(sources, name);
    return 'machine';
  }

  /** Each base image, pulled when the engine does not have it. */
  async #bases({ dockerfile }: ImageSources): Promise<ReadonlyMap<string, InspectedImage>> {
    const { engine, say } = this.#tools;
    const found = new Map<string, InspectedImage>();
    for (const name of basesOf(dockerfile, this.#plan.bases).values()) {
      let image = await engine.inspect(name);
      if (image === null) {
        if (this.#noRegistry !== null) throw new StrataError('runtime_unavailable', this.#noRegistry);
        say(`pulling ${name}`);
        await engine.pull(name).catch((thrown: unknown) => {
          this.#noRegistry = 'no image registry is reached';
          throw thrown;
        });
        image = await engine.inspect(name);
      }
      if (image === null) throw new StrataError('runtime_unavailable', `The engine did not keep ${name}.`);
      found.set(name, image);
    }
    return found;
  }

  async #fromRegistry(sources: ImageSources, name: string, bases: readonly InspectedImage[]): Promise<void> {
    const { stream: context } = archiveOf(contextOf(sources));
    const names = basesOf(sources.dockerfile, this.#plan.bases);
    try {
      await this.#tools.engine.build({
        ...{ context, name, args: Object.fromEntries(names) },
        labels: {
          ...labelsOf(sources, 'registry', languageOfBases(bases)),
          [LABELS.packages]: [...names.values()].join(','),
        },
        // Only there a base may lack something; the steps of the other two run without a network.
        network: sources.runtime === 'provided',
      });
    } finally {
      context.destroy();
    }
  }

  async #fromMachine(sources: ImageSources, name: string): Promise<void> {
    const { engine, commands } = this.#tools;
    const folder = await mkdtemp(join(tmpdir(), 'strata-image-'));
    try {
      const { rootfs, packages, language } = await composeFromMachine(sources, commands, folder);
      const archive = archiveOf(rootfs);
      const labels = {
        ...labelsOf(sources, 'machine', language),
        [LABELS.packages]: packages.map((row) => `${row.name}=${row.version}`).join(','),
      };
      const changes = ['ENTRYPOINT ["/opt/strata/agent"]', ...Object.entries(labels).map(labelLine)];
      const at = name.lastIndexOf(':');
      const place = { repository: name.slice(0, at), tag: name.slice(at + 1) };
      try {
        await engine.importArchive({ archive: archive.stream, ...place, changes });
      } finally {
        // An engine that refuses does not read to the end; then the files are closed here.
        archive.stream.destroy();
      }
      await this.#checkLayer(name, await archive.digest);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** What the engine keeps has to be what was written. */
  async #checkLayer(name: string, digest: string): Promise<void> {
    const image = await this.#tools.engine.inspect(name);
    const kept = image?.layers.join(', ') ?? 'nothing';
    if (kept === digest) return;
    throw new StrataError('internal_error', `The engine has ${kept} as ${name}; ${digest} was sent.`);
  }
}

const finished = (runtime: ContainerRuntime, name: string, { sizeBytes, layers }: InspectedImage) => ({
  ...{ runtime, name, sizeBytes, layers },
});

const labelsOf = (
  { runtime }: ImageSources,
  from: BuiltFrom,
  language: string | null,
): Readonly<Record<string, string>> => ({
  [LABELS.app]: APP,
  [LABELS.runtime]: runtime,
  [LABELS.builtFrom]: from,
  ...(language === null ? {} : { [LABELS.language]: language }),
});

const firstLine = (text: string): string => (text.split('\n')[0] ?? '').slice(0, 300);

/** A label as a Dockerfile has it: quotes, backslashes and variables would be read. */
const labelLine = ([name, value]: readonly [string, string]): string =>
  `LABEL "${name}"="${value.replace(/["\\$]/g, '\\$&').replace(/\s+/g, ' ')}"`;
