/**
 * An image by its Dockerfile: which bases that takes, the context the engine gets.
 *
 * Owns the reading of the `ARG …_BASE=` lines, and what lies where in the context.
 */
import { StrataError } from '../../../core/errors.ts';
import type { InspectedImage } from './engine-images.ts';
import { identityFiles, Rootfs } from './rootfs.ts';
import type { ImageSources } from './sources.ts';

/** Name of the build argument → image: what the Dockerfile says, unless `given` says otherwise. */
export const basesOf = (
  dockerfile: string,
  given: Readonly<Record<string, string>> = {},
): ReadonlyMap<string, string> => {
  const bases = new Map<string, string>();
  for (const [, name = '', image = ''] of dockerfile.matchAll(/^ARG ([A-Z]+_BASE)=(\S+)$/gm)) {
    bases.set(name, given[name] ?? image);
  }
  return bases;
};

/** @throws StrataError `invalid_request` for a base that no Dockerfile has, so that a slip is not ignored. */
export const checkBases = (given: Readonly<Record<string, string>>, dockerfiles: readonly string[]): void => {
  const known = new Set(dockerfiles.flatMap((dockerfile) => [...basesOf(dockerfile).keys()]));
  const unknown = Object.keys(given).find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw new StrataError(
    'invalid_request',
    `No image that is to be built has the base ${JSON.stringify(unknown)}; there are ${[...known].sort().join(', ')}.`,
  );
};

/** The files that the Dockerfile copies from. */
export const contextOf = ({ dockerfile, agent, shims, scripts }: ImageSources): Rootfs => {
  const context = new Rootfs();
  const add = (path: string, content: string | Uint8Array): void =>
    context.add(path, { kind: 'file', executable: false, content: { bytes: Buffer.from(content) } });
  add('/Dockerfile', dockerfile);
  for (const [name, bytes] of agent) add(`/agent/${name}`, bytes);
  for (const [name, bytes] of shims) add(`/shims/${name}`, bytes);
  for (const [name, bytes] of scripts) add(`/scripts/${name}`, bytes);
  for (const [path, text] of identityFiles()) add(path, text);
  return context;
};

/** What the official images say of themselves in their environment; null when none does. */
export const languageOfBases = (bases: readonly InspectedImage[]): string | null => {
  for (const [variable, language] of [
    ['NODE_VERSION', 'Node'],
    ['PYTHON_VERSION', 'Python'],
  ]) {
    const entry = bases.flatMap(({ env }) => env).find((line) => line.startsWith(`${variable}=`));
    if (entry !== undefined) return `${language} ${entry.slice(entry.indexOf('=') + 1)}`;
  }
  return null;
};
