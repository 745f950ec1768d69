/**
 * Stand-ins for the official base images, made from this machine's packages under names of the test's own: with them
 * the engine builds the Dockerfiles for real, without a registry and without a network.
 */
import { globSync } from 'node:fs';
import { matchesGlob } from 'node:path';
import { systemCommands } from '../../../src/ports/commands.ts';
import { archiveOf } from '../../../src/sandbox/container/images/archive.ts';
import { takeFile, takeLibraries, takePath } from '../../../src/sandbox/container/images/collection.ts';
import { filesOf, findPackages } from '../../../src/sandbox/container/images/debian.ts';
import type { EngineImages } from '../../../src/sandbox/container/images/engine-images.ts';
import { Rootfs } from '../../../src/sandbox/container/images/rootfs.ts';

const PYTHON = '(lib)?python3\\.\\d+-(minimal|stdlib)';
const TOOLS = ['coreutils', 'dash', 'findutils', 'grep', 'sed'];
const COMPILER = 'gcc-\\d+|cpp|cpp-\\d+|binutils|binutils-.*|libgcc-\\d+-dev|linux-libc-dev';

const fromPackages = async (
  names: readonly string[],
  follow: string | null,
  keep: string,
): Promise<Rootfs> => {
  const rootfs = new Rootfs();
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    rootfs.add(`/usr/${name}`, { kind: 'folder', sticky: false });
    rootfs.add(`/${name}`, { kind: 'link', target: `usr/${name}` });
  }
  rootfs.add('/tmp', { kind: 'folder', sticky: true });
  const packages = await findPackages(systemCommands, names, follow);
  for (const path of await filesOf(systemCommands, packages)) {
    if (!path.startsWith('/usr/share/') && !path.startsWith('/etc/')) takePath(rootfs, path);
    else if (matchesGlob(path, keep)) takePath(rootfs, path);
  }
  rootfs.add('/usr/bin/sh', { kind: 'link', target: 'dash' });
  return rootfs;
};

/** As the official image has it: Python and its library below /usr/local. */
const pythonBase = async (): Promise<Rootfs> => {
  const names = [
    ...TOOLS,
    'libc-bin',
    'libc6',
    'libgcc-s1',
    'libstdc++6',
    'libpython3-stdlib',
    'netbase',
    'python3-minimal',
    'tzdata',
  ];
  const rootfs = await fromPackages(names, PYTHON, '/{usr/share/zoneinfo/**,etc/protocols,etc/services}');
  const moved = new Rootfs();
  for (const [path, entry] of rootfs.sorted()) {
    moved.add(path.replace(/^\/usr\/(bin|lib)\/python3/, '/usr/local/$1/python3'), entry);
  }
  addCertificates(moved);
  return moved;
};

/** With dpkg and what it knows of these packages. */
const debianBase = async (): Promise<Rootfs> => {
  const names = [
    ...TOOLS,
    'curl',
    'dpkg',
    'gzip',
    'libc-bin',
    'libc6',
    'libgcc-s1',
    'libstdc++6',
    'libpython3-stdlib',
    'mawk',
    'netbase',
  ];
  const all = [...names, 'perl-base', 'python3-minimal', 'tar', 'tzdata'];
  const rootfs = await fromPackages(all, PYTHON, '/{usr/share/zoneinfo/**,etc/protocols,etc/services}');
  addCertificates(rootfs);
  takePath(rootfs, '/var/lib/dpkg/status');
  takePath(rootfs, '/var/lib/dpkg/info/format');
  for (const { name } of await findPackages(systemCommands, all, PYTHON)) {
    for (const path of globSync(`/var/lib/dpkg/info/${name}{,:*}.list`)) takePath(rootfs, path);
  }
  return rootfs;
};

const addCertificates = (rootfs: Rootfs): void => {
  const bytes = Buffer.from('stands for certificates\n');
  const path = '/etc/ssl/certs/ca-certificates.crt';
  rootfs.add(path, { kind: 'file', executable: false, content: { bytes } });
};

/** @returns build argument → image */
export const importBases = async (
  engine: EngineImages,
  repository: string,
): Promise<Readonly<Record<string, string>>> => {
  const node = await fromPackages(TOOLS, null, '/none');
  takeFile(node, '/usr/local/bin/node', process.execPath);
  const made: readonly (readonly [string, Rootfs, string])[] = [
    ['NODE_BASE', node, `NODE_VERSION=${process.versions.node}`],
    ['PYTHON_BASE', await pythonBase(), 'PYTHON_VERSION=3.11.0'],
    ['DEBIAN_BASE', await debianBase(), 'NOTHING=1'],
    ['GCC_BASE', await fromPackages([...TOOLS, 'gcc', 'libc6-dev', 'make'], COMPILER, '/none'), 'NOTHING=1'],
  ];
  const names: Record<string, string> = {};
  for (const [argument, rootfs, env] of made) {
    await takeLibraries(rootfs, systemCommands);
    const tag = argument.toLowerCase();
    const { stream: archive } = archiveOf(rootfs);
    await engine.importArchive({ archive, repository, tag, changes: [`ENV ${env}`, 'CMD ["/bin/sh"]'] });
    names[argument] = `${repository}:${tag}`;
  }
  return names;
};
