/**
 * The files that an isolate host needs: the Node binary, the addon, the host's script and the guest's bootstrap.
 *
 * Owns a directory with copies of the small ones, readable for every user, because a jailed host runs as nobody.
 * Never puts anything secret there. Invariant: `dispose` removes what `prepareAssets` made.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StrataError } from '../../core/errors.ts';
import { loadGuestBundle } from '../../guest/bundle.ts';
import { hasEnded, PROCESS_NAME, processName } from '../../ports/process-label.ts';

export interface Assets {
  readonly nodePath: string;
  readonly addonPath: string;
  readonly hostPath: string;
  readonly guestPath: string;
  dispose(): Promise<void>;
}

/** @throws StrataError `runtime_unavailable` when there is no engine for this machine. */
export const prepareAssets = async (): Promise<Assets> => {
  const addon = findAddon();
  const directory = await makeRunFolder(PREFIX);
  const inside = (name: string): string => join(directory, name);
  const [hostScript, guestScript] = await bundles();
  await writeFile(inside('host.mjs'), hostScript, { mode: 0o444 });
  await writeFile(inside('guest.js'), guestScript, { mode: 0o444 });
  await copyFile(addon, inside('isolated_vm.node'));
  await chmod(inside('isolated_vm.node'), 0o444);
  await chmod(directory, 0o755);
  return {
    nodePath: process.execPath,
    addonPath: inside('isolated_vm.node'),
    hostPath: inside('host.mjs'),
    guestPath: inside('guest.js'),
    dispose: () => rm(directory, { recursive: true, force: true }),
  };
};

const PREFIX = 'strata-host-';

/** A folder below the system's temporary one, named after this process. */
export const makeRunFolder = (prefix: string): Promise<string> =>
  mkdtemp(join(tmpdir(), `${prefix}${processName()}-`));

/**
 * A server that was killed leaves its folder behind; the name tells whose it was. Whether one of another PID namespace
 * still runs cannot be told: its folder stays.
 */
export const sweepAssets = async (parent: string = tmpdir(), prefix = PREFIX): Promise<void> => {
  const named = new RegExp(`^${prefix}(${PROCESS_NAME.source})-`);
  for (const name of await readdir(parent).catch(() => [])) {
    const owner = named.exec(name)?.[1];
    if (owner === undefined || !hasEnded(owner)) continue;
    // Another user's folder stays, and so does one that another server is removing.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
};

/** Both scripts. The bundler runs as a service of its own, which must not stay behind. */
const bundles = async (): Promise<[string, string]> => {
  const scripts = await Promise.all([loadHostBundle(), loadGuestBundle()]);
  if (bundled) await (await import('esbuild')).stop();
  return scripts;
};

let bundled = false;

/** The host's script: made beforehand in a published package, bundled now in a checkout. */
const loadHostBundle = async (): Promise<string> => {
  const prebuilt = fileURLToPath(new URL('./isolate-host.js', import.meta.url));
  if (existsSync(prebuilt)) {
    const { readFile } = await import('node:fs/promises');
    return readFile(prebuilt, 'utf8');
  }
  bundled = true;
  return buildHostBundle();
};

export const buildHostBundle = async (): Promise<string> => {
  const { build } = await import('esbuild');
  const folder = dirname(fileURLToPath(import.meta.url));
  const result = await build({
    entryPoints: [join(folder, 'host', 'main.ts')],
    alias: { 'isolated-vm': join(folder, 'host', 'addon.ts') },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
  });
  const output = result.outputFiles[0];
  if (output === undefined) throw new StrataError('internal_error', 'The host script could not be bundled.');
  return output.text;
};

/** The prebuilt addon for this platform, engine version and C library, as the package ships it. */
export const findAddon = (): string => {
  const root = dirname(createRequire(import.meta.url).resolve('isolated-vm'));
  const { platform, arch } = process;
  const folder = join(root, 'prebuilds', `${platform}-${arch}`);
  const abi = `isolated-vm.abi${process.versions.modules}`;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const libc = report.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
  const candidates = [
    join(folder, `${abi}.${libc}.node`),
    join(folder, `${abi}.node`),
    join(root, 'build', 'Release', 'isolated_vm.node'),
  ];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) {
    throw new StrataError(
      'runtime_unavailable',
      `isolated-vm has no addon for Node ${process.version} on ${platform}-${arch}: run \`npm rebuild isolated-vm\`.`,
    );
  }
  return found;
};

/** Whether any user may read the file: every folder above it must let others pass. */
export const worldReadable = (path: string, mode: (path: string) => number): boolean => {
  if ((mode(path) & 0o004) === 0) return false;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if ((mode(folder) & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
};

export const executable = (
  name: string,
  path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
) => {
  for (const folder of path.split(':')) {
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Look in the next folder.
    }
  }
  return null;
};
