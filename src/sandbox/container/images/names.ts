/**
 * The image that this version of Strata runs a runtime from.
 */
import type { ContainerRuntime } from '../../../core/spec.ts';
import { imageName } from './catalogue.ts';
import { readSources } from './sources.ts';

export const expectedImageName = async (runtime: ContainerRuntime): Promise<string> =>
  imageName(runtime, (await readSources(runtime)).tag);
