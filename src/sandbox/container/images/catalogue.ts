/**
 * The runtimes that have an image, how images are named, and what is said about them in labels.
 *
 * Owns the names and the version of the builder's own rules. Never touches an engine or a file.
 */
import { StrataError } from '../../../core/errors.ts';
import { CONTAINER_RUNTIMES, type ContainerRuntime } from '../../../core/spec.ts';

/** Counts up when this folder builds other images from the same files. */
export const RULES_VERSION = 1;

/** An image's repository is this and the runtime. */
export const DEFAULT_PREFIX = 'strata-';

export type BuiltFrom = 'registry' | 'machine';

export const LABELS = {
  app: 'app',
  runtime: 'strata.runtime',
  builtFrom: 'strata.built-from',
  language: 'strata.language',
  packages: 'strata.packages',
} as const;

export const APP = 'strata';

export const imageName = (runtime: ContainerRuntime, tag: string, prefix = DEFAULT_PREFIX): string =>
  `${prefix}${runtime}:${tag}`;

/** @throws StrataError `invalid_request` for a name that is no container runtime. */
export const containerRuntime = (name: string): ContainerRuntime => {
  const runtime = CONTAINER_RUNTIMES.find((known) => known === name);
  if (runtime !== undefined) return runtime;
  throw new StrataError(
    'invalid_request',
    `There is no image for the runtime ${JSON.stringify(name)}; there are ${CONTAINER_RUNTIMES.join(', ')}.`,
  );
};
