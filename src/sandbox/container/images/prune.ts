/**
 * Removes the images of other versions of Strata, which nothing of this one uses.
 *
 * Owns which those are allowed to be: outdated ones of the runtimes named. Never removes the image that this version
 * uses, nor one that a container is made from.
 */
import type { ContainerRuntime } from '../../../core/spec.ts';
import type { EngineImages } from './engine-images.ts';
import { type ImageNaming, imageStates } from './state.ts';

export interface Pruned {
  readonly runtime: ContainerRuntime;
  readonly name: string;
  /** False when a container uses it. */
  readonly removed: boolean;
}

/** Hands each image to `told` as soon as it is decided. @throws StrataError `runtime_unavailable`. */
export const pruneImages = async (
  runtimes: readonly ContainerRuntime[],
  engine: Pick<EngineImages, 'list' | 'remove'>,
  told: (pruned: Pruned) => void,
  naming: ImageNaming = {},
): Promise<void> => {
  for (const { runtime, outdated } of await imageStates(engine, naming)) {
    if (!runtimes.includes(runtime)) continue;
    for (const { name } of outdated) told({ runtime, name, removed: await engine.remove(name) });
  }
};
