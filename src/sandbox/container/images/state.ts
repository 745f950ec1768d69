/**
 * Which images there should be, and which there are.
 *
 * Owns the comparison. Only reads.
 */
import { CONTAINER_RUNTIMES, type ContainerRuntime } from '../../../core/spec.ts';
import { type BuiltFrom, DEFAULT_PREFIX, imageName, LABELS } from './catalogue.ts';
import type { EngineImages, StoredImage } from './engine-images.ts';
import { readSources } from './sources.ts';

export interface ImageState {
  readonly runtime: ContainerRuntime;
  /** The image that this version of Strata uses. */
  readonly name: string;
  readonly present: boolean;
  readonly sizeBytes: number | null;
  /** Null when it is not present, or does not say. */
  readonly builtFrom: BuiltFrom | null;
  readonly language: string | null;
  /** Images of this runtime that are not used: of other versions of Strata, newest first. */
  readonly outdated: readonly { readonly name: string; readonly sizeBytes: number }[];
}

export interface ImageNaming {
  readonly prefix?: string;
  /** Where the images' sources lie; only tests have others. */
  readonly folder?: string;
}

/** The name of the image that a runtime's containers are made from, whether it is there or not. */
export const expectedImage = async (
  runtime: ContainerRuntime,
  { prefix, folder }: ImageNaming = {},
): Promise<string> => imageName(runtime, (await readSources(runtime, folder)).tag, prefix);

export const imageStates = async (
  engine: Pick<EngineImages, 'list'>,
  naming: ImageNaming = {},
): Promise<readonly ImageState[]> => {
  const stored = await engine.list(naming.prefix ?? DEFAULT_PREFIX);
  const states = CONTAINER_RUNTIMES.map(async (runtime) =>
    stateOf(runtime, await expectedImage(runtime, naming), stored),
  );
  return Promise.all(states);
};

const stateOf = (runtime: ContainerRuntime, name: string, stored: readonly StoredImage[]): ImageState => {
  const image = stored.find(({ names }) => names.includes(name));
  const repository = name.slice(0, name.lastIndexOf(':') + 1);
  const outdated = [...stored]
    .sort((a, b) => b.createdMs - a.createdMs)
    .flatMap(({ names, sizeBytes }) =>
      names
        .filter((other) => other.startsWith(repository) && other !== name)
        .map((other) => ({ name: other, sizeBytes })),
    );
  const builtFrom = image?.labels[LABELS.builtFrom];
  return {
    ...{ runtime, name, present: image !== undefined, sizeBytes: image?.sizeBytes ?? null },
    builtFrom: builtFrom === 'machine' || builtFrom === 'registry' ? builtFrom : null,
    language: image?.labels[LABELS.language] ?? null,
    outdated,
  };
};
