/**
 * Everything of this repository that goes into an image, and the tag that comes of it.
 *
 * Owns which files those are. The same files give the same tag, on every machine and whichever way the image is
 * built; the machine's packages and the base images are not in it, they are in the image's labels.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StrataError } from '../../../core/errors.ts';
import type { ContainerRuntime } from '../../../core/spec.ts';
import { containerRuntime, RULES_VERSION } from './catalogue.ts';
import { joinManifests, type Manifest, parseManifest } from './manifest.ts';
import { readShims } from './shims.ts';

/** `sandbox-images/`, beside `src/` and in a published package beside the compiled code. */
export const IMAGES_FOLDER = fileURLToPath(new URL('../../../../sandbox-images/', import.meta.url));

export interface PinnedNode {
  readonly version: string;
  readonly path: string;
}

export interface ImageSources {
  readonly runtime: ContainerRuntime;
  readonly tag: string;
  readonly manifest: Manifest;
  readonly dockerfile: string;
  /** Name → source, for `make` in a folder of their own. */
  readonly agent: ReadonlyMap<string, Uint8Array>;
  /** Name in /opt/strata → content. */
  readonly shims: ReadonlyMap<string, Uint8Array>;
  /** Scripts that the Dockerfiles share. */
  readonly scripts: ReadonlyMap<string, Uint8Array>;
  readonly node: PinnedNode;
}

/** @throws StrataError `internal_error` when this package's own files are incomplete. */
export const readSources = async (
  runtime: ContainerRuntime,
  folder = IMAGES_FOLDER,
): Promise<ImageSources> => {
  const manifests = await readManifests(runtime, folder);
  const dockerfile = await readText(join(folder, runtime, 'Dockerfile'));
  const agent = await readFolder(join(folder, 'agent'), /\.[ch]$|^Makefile$/);
  const scripts = await readFolder(join(folder, 'scripts'), /\.sh$/);
  const shims = await readShims(runtime, folder);
  const node = pinnedNode();
  const parts = new Map<string, Uint8Array>([
    ['rules', Buffer.from(String(RULES_VERSION))],
    ['runtime', Buffer.from(runtime)],
    ...manifests.map(({ name, text }) => [`manifest/${name}`, Buffer.from(text)] as const),
    ['Dockerfile', Buffer.from(dockerfile)],
    ...[...agent].map(([name, bytes]) => [`agent/${name}`, bytes] as const),
    ...[...scripts].map(([name, bytes]) => [`scripts/${name}`, bytes] as const),
    ...[...shims].map(([name, bytes]) => [`shims/${name}`, bytes] as const),
  ]);
  const manifest = manifests.map((read) => read.manifest).reduce(joinManifests);
  if (manifest.node) parts.set('node', Buffer.from(node.version));
  return { runtime, tag: tagOf(parts), manifest, dockerfile, agent, shims, scripts, node };
};

const TAG_CHARS = 16;

/** The first digits of a SHA-256 over names and contents, each with its length, in the order of the names. */
export const tagOf = (parts: ReadonlyMap<string, Uint8Array>): string => {
  const hash = createHash('sha256');
  for (const name of [...parts.keys()].sort()) {
    const bytes = parts.get(name) ?? new Uint8Array();
    hash.update(`${Buffer.byteLength(name)} ${bytes.byteLength}\n`);
    hash.update(name).update(bytes);
  }
  return hash.digest('hex').slice(0, TAG_CHARS);
};

/** The Node that this package depends on: what runs the server runs the functions too. */
export const pinnedNode = (): PinnedNode => {
  try {
    const manifestPath = createRequire(import.meta.url).resolve('node/package.json');
    const { version } = JSON.parse(readFileSync(manifestPath, 'utf8')) as { version: string };
    const path = join(dirname(manifestPath), 'bin', 'node');
    if (existsSync(path)) return { version, path };
  } catch {
    // The same is to be done as when only its binary is missing.
  }
  throw new StrataError(
    'runtime_unavailable',
    'The Node that belongs to this package is not there: run `npm rebuild node`.',
  );
};

const readManifests = async (
  runtime: ContainerRuntime,
  folder: string,
): Promise<{ name: ContainerRuntime; text: string; manifest: Manifest }[]> => {
  const text = await readText(join(folder, runtime, 'manifest.json'));
  const manifest = parseManifest(text, `${runtime}/manifest.json`);
  const own = { name: runtime, text, manifest };
  // One step and no further: a manifest that is named here names none itself.
  return manifest.with === null
    ? [own]
    : [own, ...(await readPlain(containerRuntime(manifest.with), folder))];
};

const readPlain = async (runtime: ContainerRuntime, folder: string) => {
  const name = `${runtime}/manifest.json`;
  const text = await readText(join(folder, name));
  const manifest = parseManifest(text, name);
  if (manifest.with === null) return [{ name: runtime, text, manifest }];
  throw new StrataError('internal_error', `${name} is used by another one and may not use a third.`);
};

const readFolder = async (folder: string, wanted: RegExp): Promise<ReadonlyMap<string, Uint8Array>> => {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => wanted.test(name)).sort() : [];
  if (names.length === 0) throw incomplete(folder);
  const files = names.map(async (name) => [name, await readFile(join(folder, name))] as const);
  return new Map(await Promise.all(files));
};

const readText = async (path: string): Promise<string> => {
  if (!existsSync(path)) throw incomplete(path);
  return readFile(path, 'utf8');
};

const incomplete = (path: string): StrataError =>
  new StrataError(
    'internal_error',
    `${path} is missing or empty: this package is incomplete, install it again.`,
  );
