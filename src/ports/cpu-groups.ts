/**
 * Control groups of this server's own, which divide CPU time by weight: one base, and groups below it by name.
 *
 * Owns their files, in both versions, and sweeps what servers left behind that no longer run. Never decides who shares
 * with whom. Invariants: nothing is written outside of what it made, but for this process's own move into a group of its
 * own where version 2 asks for that; names are checked; nothing but the opening reads or writes synchronously.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controlPaths } from './own-cgroups.ts';
import { isAlive, processLabel } from './process-label.ts';

export interface CpuGroups {
  readonly version: 1 | 2;
  /** A group below the base, with the weight that all of them have. May be there already. */
  make(name: string): Promise<void>;
  /** Moves a process, with all its threads and what it will start. */
  add(name: string, pid: number): Promise<void>;
  /** False while something runs in it. */
  remove(name: string): Promise<boolean>;
  /** Removes all of it; what still runs in a group keeps it until the next start's sweep. */
  close(): Promise<void>;
}

/** Where the kernel's files are; tests put others elsewhere. */
export interface CpuGroupRoots {
  readonly proc: string;
  readonly cgroup: string;
}

const KERNEL_ROOTS: CpuGroupRoots = { proc: '/proc', cgroup: '/sys/fs/cgroup' };

/** The groups, or why there can be none, in one line. */
export const openCpuGroups = async (
  roots: CpuGroupRoots = KERNEL_ROOTS,
  label: string = processLabel(),
): Promise<CpuGroups | string> => {
  const paths = await controlPathsOf(roots.proc);
  const v1 = paths.get('cpu');
  const own = v1 === undefined ? join(roots.cgroup, paths.get('') ?? '/') : join(roots.cgroup, 'cpu', v1);
  try {
    await sweep(own);
    if (v1 !== undefined) return await GroupsV1.open(own, label);
    return await GroupsV2.open(own, label);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
};

const controlPathsOf = async (proc: string): Promise<ReadonlyMap<string, string>> =>
  controlPaths(await readFile(join(proc, 'self', 'cgroup'), 'latin1').catch(() => ''));

const BASE_PREFIX = 'strata-';
const SERVER_PREFIX = 'strata-server-';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;

const folderNameOf = (prefix: string, label: string): string => `${prefix}${label.replace(':', '-')}`;

/** Groups of servers that have ended, however they did. */
const sweep = async (own: string): Promise<void> => {
  for (const name of await readdir(own).catch(() => [])) {
    const label = /^strata-(?:server-)?(\d+)-(\d+)$/.exec(name);
    if (label === null || isAlive(`${label[1]}:${label[2]}`)) continue;
    await removeTree(join(own, name));
  }
};

/** Groups have no depth but one; a group in which something runs stays. */
const removeTree = async (folder: string): Promise<void> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removed(join(folder, entry.name));
  await removed(folder);
};

const removed = (folder: string): Promise<boolean> =>
  rmdir(folder).then(
    () => true,
    (thrown: NodeJS.ErrnoException) => thrown.code === 'ENOENT',
  );

const made = async (folder: string): Promise<void> => {
  await mkdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'EEXIST') throw thrown;
  });
};

abstract class Groups implements CpuGroups {
  abstract readonly version: 1 | 2;
  protected readonly base: string;

  constructor(base: string) {
    this.base = base;
  }

  async make(name: string): Promise<void> {
    await made(this.#folder(name));
  }

  async add(name: string, pid: number): Promise<void> {
    await writeFile(join(this.#folder(name), 'cgroup.procs'), String(pid));
  }

  remove(name: string): Promise<boolean> {
    return removed(this.#folder(name));
  }

  close(): Promise<void> {
    return removeTree(this.base);
  }

  #folder(name: string): string {
    if (!NAME.test(name)) throw new Error(`${JSON.stringify(name)} cannot be the name of a control group`);
    return join(this.base, name);
  }
}

/** Of a process that is not in a group of its own; what all tenants get together against the server. */
const SHARES = '1024';

class GroupsV1 extends Groups {
  readonly version = 1;

  static async open(own: string, label: string): Promise<GroupsV1> {
    const base = join(own, folderNameOf(BASE_PREFIX, label));
    await made(base);
    await writeFile(join(base, 'cpu.shares'), SHARES);
    return new GroupsV1(base);
  }
}

const SERVER_WEIGHT = '300';

class GroupsV2 extends Groups {
  readonly version = 2;
  readonly #own: string;
  readonly #server: string | null;

  static async open(own: string, label: string): Promise<GroupsV2> {
    const offered = (await readFile(join(own, 'cgroup.controllers'), 'latin1')).trim().split(' ');
    if (!offered.includes('cpu')) throw new Error(`the controller cpu is not delegated to ${own}`);
    const server = join(own, folderNameOf(SERVER_PREFIX, label));
    const moved = await GroupsV2.#divide(own, server);
    const base = join(own, folderNameOf(BASE_PREFIX, label));
    try {
      await made(base);
      await writeFile(join(base, 'cgroup.subtree_control'), '+cpu');
      return new GroupsV2(base, own, moved ? server : null);
    } catch (thrown) {
      await removed(base);
      if (moved) await GroupsV2.#back(own, server);
      throw thrown;
    }
  }

  /** Lets groups below have weights. A group that does cannot hold processes: this one moves one level down then. */
  static async #divide(own: string, server: string): Promise<boolean> {
    const control = join(own, 'cgroup.subtree_control');
    try {
      await writeFile(control, '+cpu');
      return false;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EBUSY') throw thrown;
    }
    await made(server);
    try {
      await writeFile(join(server, 'cgroup.procs'), '0');
      await writeFile(control, '+cpu');
      await writeFile(join(server, 'cpu.weight'), SERVER_WEIGHT);
      return true;
    } catch (thrown) {
      await GroupsV2.#back(own, server);
      if ((thrown as NodeJS.ErrnoException).code !== 'EBUSY') throw thrown;
      throw new Error(`other processes are in the control group ${own}`);
    }
  }

  static async #back(own: string, server: string): Promise<void> {
    await writeFile(join(own, 'cgroup.procs'), '0').catch(() => undefined);
    await removed(server);
  }

  constructor(base: string, own: string, server: string | null) {
    super(base);
    this.#own = own;
    this.#server = server;
  }

  override async close(): Promise<void> {
    await super.close();
    if (this.#server === null) return;
    await writeFile(join(this.#own, 'cgroup.subtree_control'), '-cpu').catch(() => undefined);
    await GroupsV2.#back(this.#own, this.#server);
  }
}
