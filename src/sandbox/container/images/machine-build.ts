/**
 * An image's files from this machine: Debian packages that are installed, the pinned Node, the agent compiled here.
 *
 * Owns the order of the steps. Takes only what the manifest keeps; of what lies in the packages' folders and belongs
 * to no package nothing is taken, and nothing that is readable for some only.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import { StrataError } from '../../../core/errors.ts';
import { CommandError, type Commands } from '../../../ports/commands.ts';
import { addBytecode } from './bytecode.ts';
import { joined, placeOf, takeFile, takeLibraries, takePath } from './collection.ts';
import { BUILD_ENV, filesOf, findPackages, ownersOf, type Package } from './debian.ts';
import type { Manifest } from './manifest.ts';
import { emptyRootfs, type Rootfs } from './rootfs.ts';
import type { ImageSources } from './sources.ts';

export interface Composition {
  readonly rootfs: Rootfs;
  readonly packages: readonly Package[];
  /** The language and its version; null where the image has none of its own. */
  readonly language: string | null;
}

/**
 * @param folder of this build's own, for files in between; the archive is written from there too.
 * @throws StrataError `runtime_unavailable` when the machine lacks something, with the command that mends it.
 */
export const composeFromMachine = async (
  sources: ImageSources,
  commands: Commands,
  folder: string,
): Promise<Composition> => {
  const { manifest, node, shims } = sources;
  const named = await findPackages(commands, manifest.packages, manifest.follow);
  const rootfs = emptyRootfs();
  await takePackages(rootfs, manifest, await filesOf(commands, named));
  if (manifest.node) takeFile(rootfs, '/usr/local/bin/node', node.path);
  for (const [name, bytes] of shims) {
    rootfs.add(`/opt/strata/${name}`, { kind: 'file', executable: false, content: { bytes } });
  }
  const agent = await compileAgent(sources.agent, commands, folder);
  rootfs.add('/opt/strata/agent', { kind: 'file', executable: true, content: { bytes: agent } });
  const libraries = await takeLibraries(rootfs, commands);
  if (manifest.bytecode) await addBytecode(rootfs, commands, folder);
  checkPrograms(rootfs, manifest.programs);
  const packages = union(named, await ownersOf(commands, libraries));
  return { rootfs, packages, language: await languageOf(sources, commands) };
};

const takePackages = async (rootfs: Rootfs, manifest: Manifest, files: readonly string[]): Promise<void> => {
  const { keep, drop } = manifest;
  const some = (globs: readonly string[], path: string): boolean =>
    globs.some((glob) => matchesGlob(path, glob));
  // A package may name /bin/cat what lies at /usr/bin/cat; manifests have the latter.
  const places = [...new Set(files.flatMap((path) => placeOf(path) ?? []))].sort();
  const wanted = (path: string): boolean => some(keep, path) && !some(drop, path);
  for (const path of places) if (wanted(path)) takePath(rootfs, path, wanted);
  for (const [path, glob] of Object.entries(manifest.join)) {
    const parts = places.filter((place) => matchesGlob(place, glob));
    if (parts.length === 0) throw new StrataError('runtime_unavailable', `No package brings ${glob}.`);
    rootfs.add(path, { kind: 'file', executable: false, content: { bytes: joined(parts) } });
  }
  for (const [path, target] of Object.entries(manifest.links)) rootfs.add(path, { kind: 'link', target });
};

const COMPILE_TIMEOUT_MS = 120_000;
const COMPILE_OUTPUT_MAX_BYTES = 1024 * 1024;

/** In a folder of its own: the package's folder may be read only, and is not to get other files. */
const compileAgent = async (
  files: ReadonlyMap<string, Uint8Array>,
  commands: Commands,
  folder: string,
): Promise<Uint8Array> => {
  const place = join(folder, 'agent');
  const output = join(folder, 'agent-build');
  await mkdir(place, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(place, name), bytes);
  const bounds = { timeoutMs: COMPILE_TIMEOUT_MS, outputMaxBytes: COMPILE_OUTPUT_MAX_BYTES };
  const args = ['-C', place, `BUILD=${output}`];
  const ran = await commands
    .run({ command: 'make', args, env: BUILD_ENV, ...bounds })
    .catch((thrown: unknown) => {
      if (!(thrown instanceof CommandError)) throw thrown;
      return { exitCode: 1, stdout: '', stderr: thrown.message };
    });
  if (ran.exitCode === 0) return readFile(join(output, 'agent'));
  throw new StrataError(
    'runtime_unavailable',
    `The agent could not be compiled. It takes \`apt-get install make gcc libc6-dev\`. ${ran.stderr.trim().slice(-1500)}`,
  );
};

const checkPrograms = (rootfs: Rootfs, programs: readonly string[]): void => {
  const lacking = programs.filter((path) => rootfs.get(path) === undefined);
  if (lacking.length === 0) return;
  const detail = `The packages of this machine did not bring ${lacking.join(', ')}. Reinstall them, or use --from registry.`;
  throw new StrataError('runtime_unavailable', detail);
};

const VERSION_TIMEOUT_MS = 10_000;
const VERSION_OUTPUT_MAX_BYTES = 10_000;

const languageOf = async ({ manifest, node }: ImageSources, commands: Commands): Promise<string | null> => {
  if (manifest.node) return `Node ${node.version}`;
  const [command, ...args] = manifest.version ?? [];
  if (command === undefined) return null;
  const bounds = { timeoutMs: VERSION_TIMEOUT_MS, outputMaxBytes: VERSION_OUTPUT_MAX_BYTES };
  const { stdout } = await commands.run({ command, args, env: BUILD_ENV, ...bounds });
  return stdout.trim();
};

const union = (a: readonly Package[], b: readonly Package[]): Package[] => {
  const all = new Map([...a, ...b].map((row) => [row.name, row]));
  return [...all.values()].sort((x, y) => (x.name < y.name ? -1 : 1));
};
