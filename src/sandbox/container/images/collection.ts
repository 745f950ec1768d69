/**
 * Takes files of this machine into an image: links with what they lead to, programs with their libraries.
 *
 * Owns how a path of the machine becomes a path of the image. Libraries are looked up as the image will: by the
 * dynamic loader without this machine's cache, so that nothing is found here that is not found there.
 */
import { closeSync, lstatSync, openSync, readFileSync, readlinkSync, readSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StrataError } from '../../../core/errors.ts';
import type { Commands } from '../../../ports/commands.ts';
import { BUILD_ENV } from './debian.ts';
import type { Rootfs } from './rootfs.ts';

/**
 * Adds a file or a link of this machine at its own place; folders and what is not there are passed over.
 * @param mayTake says of a link's target whether it may come along; a link without its target is passed over too.
 */
export const takePath = (
  rootfs: Rootfs,
  path: string,
  mayTake: (place: string) => boolean = () => true,
  depth = 0,
): void => {
  const place = placeOf(path);
  const stat = place === null ? undefined : lstatSync(place, { throwIfNoEntry: false });
  if (place === null || stat === undefined || rootfs.get(place) !== undefined) return;
  if (stat.isFile()) takeFile(rootfs, place, place);
  if (!stat.isSymbolicLink() || depth >= LINKS_MAX) return;
  const target = readlinkSync(place);
  const end = placeOf(resolve(dirname(place), target));
  if (end === null || !mayTake(end)) return;
  takePath(rootfs, end, mayTake, depth + 1);
  // A link to a folder, or to what is not there, would lead nowhere in the image.
  if (rootfs.get(end) !== undefined) rootfs.add(place, { kind: 'link', target });
};

const LINKS_MAX = 16;

/** Adds one file of this machine under a path of the image. */
export const takeFile = (rootfs: Rootfs, path: string, source: string): void => {
  const { mode, size } = lstatSync(source);
  if ((mode & 0o004) === 0) {
    throw new StrataError(
      'runtime_unavailable',
      `${source} is not readable for everybody, so it is not put into an image, where everybody could read it.`,
    );
  }
  const content = { source, sizeBytes: size };
  rootfs.add(path, { kind: 'file', executable: (mode & 0o111) !== 0, content });
};

/** The path with its folders' links resolved: /lib/x lies at /usr/lib/x. */
export const placeOf = (path: string): string | null => {
  try {
    const folder = realpathSync(dirname(path));
    return join(folder, path.slice(path.lastIndexOf('/') + 1));
  } catch {
    return null;
  }
};

/**
 * Adds what the programs and libraries in the image are linked with; answers the libraries' paths.
 * @throws StrataError `runtime_unavailable` when a library is not found where the image's loader looks.
 */
export const takeLibraries = async (rootfs: Rootfs, commands: Commands): Promise<readonly string[]> => {
  const loader = loaderOf();
  const libraries = new Set<string>([loader]);
  for (const [, entry] of rootfs.sorted()) {
    if (entry.kind !== 'file' || !('source' in entry.content)) continue;
    const { source } = entry.content;
    if (!isElf(source)) continue;
    for (const library of await linkedWith(source, loader, commands)) libraries.add(library);
  }
  const places: string[] = [];
  for (const library of libraries) {
    takePath(rootfs, library);
    places.push(placeOf(library) ?? library);
  }
  return places.sort();
};

const LOADERS: Readonly<Record<string, string>> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
};

const loaderOf = (): string => {
  const loader = LOADERS[process.arch];
  if (loader !== undefined && lstatSync(loader, { throwIfNoEntry: false }) !== undefined) return loader;
  throw new StrataError(
    'runtime_unavailable',
    `Images are built from the machine on x64 and arm64 with glibc; this is ${process.arch}, without ${loader ?? 'a known loader'}. Use --from registry.`,
  );
};

const LIST_TIMEOUT_MS = 10_000;
const LIST_OUTPUT_MAX_BYTES = 1024 * 1024;

const linkedWith = async (file: string, loader: string, commands: Commands): Promise<string[]> => {
  const { exitCode, stdout, stderr } = await commands.run({
    ...{ command: loader, args: ['--inhibit-cache', '--list', file], env: BUILD_ENV },
    ...{ timeoutMs: LIST_TIMEOUT_MS, outputMaxBytes: LIST_OUTPUT_MAX_BYTES },
  });
  const output = `${stdout}${stderr}`;
  // What needs no library says so in one of two ways.
  if (/statically linked|not a dynamic/.test(output)) return [];
  const lost = /^\s*(\S+) => not found/m.exec(output)?.[1] ?? (exitCode === 0 ? null : output.trim());
  if (lost !== null) {
    throw new StrataError(
      'runtime_unavailable',
      `${file} needs a library that is not where Debian has its libraries: ${lost.slice(0, 500)}. Install its package.`,
    );
  }
  return stdout.split('\n').flatMap((line) => /=> (\/\S+) \(0x/.exec(line)?.[1] ?? []);
};

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
/** Where an ELF file says what it is, and what programs and shared libraries say; the rest is not linked yet. */
const ELF_TYPE_AT = 16;
const ELF_LINKED = new Set([2, 3]);

const isElf = (path: string): boolean => {
  const start = Buffer.alloc(ELF_TYPE_AT + 2);
  const file = openSync(path, 'r');
  try {
    if (readSync(file, start, 0, start.length, 0) < start.length) return false;
    return start.subarray(0, 4).equals(ELF_MAGIC) && ELF_LINKED.has(start.readUInt16LE(ELF_TYPE_AT));
  } finally {
    closeSync(file);
  }
};

/** Several files of this machine as one, in the order of their names. */
export const joined = (paths: readonly string[]): Uint8Array =>
  Buffer.concat([...paths].sort().map((path) => readFileSync(path)));
