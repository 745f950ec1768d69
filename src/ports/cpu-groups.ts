/**
 * Control groups of this server's own, which divide CPU time by weight: beside the server and beside each other, so that
 * what one of them has used is held against no other.
 *
 * Owns their files, in both versions, and the sweep of what servers left behind that no longer run. Never decides who
 * shares with whom. Invariants: nothing is written outside of what it made, but for this process's own move into a group
 * of its own where version 2 asks for that; names are checked; nothing but the opening reads or writes synchronously.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { controlPaths } from './own-cgroups.ts';
import { hasEnded, PROCESS_NAME, processName } from './process-label.ts';

export interface CpuGroups {
  readonly version: 1 | 2;
  /** A group with the weight that all of them have, that of one process. May be there already. */
  make(name: string): Promise<void>;
  /** Whether what is in it runs only where nothing else wants to, and stops at once when something does. */
  giveWay(name: string, gives: boolean): Promise<void>;
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
  owner: string = processName(),
): Promise<CpuGroups | string> => {
  const { version, own } = await ownGroup(roots);
  try {
    if (version === 1) return await GroupsV1.open(own, owner);
    return await GroupsV2.open(own, owner);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
};

/** Removes the groups of servers that have ended, however they did; those of other PID namespaces stay. */
export const sweepCpuGroups = async (roots: CpuGroupRoots = KERNEL_ROOTS): Promise<void> => {
  const { own } = await ownGroup(roots);
  for (const name of await readdir(own).catch(() => [])) {
    const owner = OWNER.exec(name)?.[1];
    if (owner !== undefined && hasEnded(owner)) await removeTree(join(own, name));
  }
};

/** The group that this process is in: those of servers are below it. */
const ownGroup = async ({ proc, cgroup }: CpuGroupRoots): Promise<{ version: 1 | 2; own: string }> => {
  const paths = controlPaths(await readFile(join(proc, 'self', 'cgroup'), 'latin1').catch(() => ''));
  const v1 = paths.get('cpu');
  if (v1 !== undefined) return { version: 1, own: join(cgroup, 'cpu', v1) };
  return { version: 2, own: join(cgroup, paths.get('') ?? '/') };
};

/** What is nobody's yet. */
export const STARTING = 'starting';

const BASE_PREFIX = 'strata-';
const SERVER_PREFIX = 'strata-server-';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;

const OWNER = new RegExp(`^${BASE_PREFIX}(?:server-)?(${PROCESS_NAME.source})(?:\\.|$)`);

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

/** Answers whether it was not there before. */
const made = (folder: string): Promise<boolean> =>
  mkdir(folder).then(
    () => true,
    (thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== 'EEXIST') throw thrown;
      return false;
    },
  );

interface WeightFile {
  readonly name: string;
  /** That of a process, or a session, that is in no group. */
  readonly usual: string;
  readonly least: string;
}

abstract class Groups implements CpuGroups {
  abstract readonly version: 1 | 2;
  protected readonly own: string;
  readonly #prefix: string;
  readonly #weight: WeightFile;

  constructor(own: string, owner: string, weight: WeightFile) {
    this.own = own;
    this.#prefix = `${BASE_PREFIX}${owner}.`;
    this.#weight = weight;
  }

  async make(name: string): Promise<void> {
    const folder = this.#folder(name);
    if (await made(folder)) await this.#weigh(folder, this.#weight.usual);
  }

  add(name: string, pid: number): Promise<void> {
    return this.#within(name, (folder) => writeFile(join(folder, 'cgroup.procs'), String(pid)));
  }

  giveWay(name: string, gives: boolean): Promise<void> {
    return this.#within(name, (folder) => this.#giveWay(folder, gives));
  }

  async #giveWay(folder: string, gives: boolean): Promise<void> {
    const { usual, least } = this.#weight;
    try {
      await writeFile(join(folder, 'cpu.idle'), gives ? '1' : '0', WRITE);
      // Who no longer gives way has the kernel's own weight again.
      if (!gives) await this.#weigh(folder, usual);
    } catch {
      // Kernels before 5.15 do not know it.
      await this.#weigh(folder, gives ? least : usual);
    }
  }

  remove(name: string): Promise<boolean> {
    return removed(this.#folder(name));
  }

  async close(): Promise<void> {
    const names = await readdir(this.own).catch(() => []);
    let left = names.filter((name) => name.startsWith(this.#prefix)).map((name) => join(this.own, name));
    for (let attempt = 0; left.length > 0 && attempt < REMOVALS; attempt += 1) {
      if (attempt > 0) await setTimeout(REMOVAL_MS);
      const gone = await Promise.all(left.map(removed));
      left = left.filter((_, at) => !gone[at]);
    }
  }

  /** Whoever may do so can remove a group in which nothing runs at the moment: it is made anew then. */
  async #within(name: string, act: (folder: string) => Promise<void>): Promise<void> {
    const folder = this.#folder(name);
    try {
      await act(folder);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
      await this.make(name);
      await act(folder);
    }
  }

  #weigh(folder: string, weight: string): Promise<void> {
    return writeFile(join(folder, this.#weight.name), weight);
  }

  #folder(name: string): string {
    if (!NAME.test(name)) throw new Error(`${JSON.stringify(name)} cannot be the name of a control group`);
    return join(this.own, `${this.#prefix}${name}`);
  }
}

/** What was killed takes a moment to be gone, and what it had started another. */
const REMOVALS = 20;
const REMOVAL_MS = 25;

/** A file of the kernel's is there or is not: it is never made. */
const WRITE = { flag: 'r+' } as const;

class GroupsV1 extends Groups {
  readonly version = 1;

  static async open(own: string, owner: string): Promise<GroupsV1> {
    const groups = new GroupsV1(own, owner, { name: 'cpu.shares', usual: '1024', least: '2' });
    // Whether groups can be made is found out by making one.
    await groups.make(STARTING);
    return groups;
  }
}

const SERVER_WEIGHT = '300';

class GroupsV2 extends Groups {
  readonly version = 2;
  readonly #server: string | null;

  static async open(own: string, owner: string): Promise<GroupsV2> {
    const offered = (await readFile(join(own, 'cgroup.controllers'), 'latin1')).trim().split(' ');
    if (!offered.includes('cpu')) throw new Error(`the controller cpu is not delegated to ${own}`);
    const server = join(own, `${SERVER_PREFIX}${owner}`);
    const moved = await GroupsV2.#divide(own, server);
    try {
      const groups = new GroupsV2(own, owner, moved ? server : null);
      await groups.make(STARTING);
      return groups;
    } catch (thrown) {
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

  constructor(own: string, owner: string, server: string | null) {
    super(own, owner, { name: 'cpu.weight', usual: '100', least: '1' });
    this.#server = server;
  }

  override async close(): Promise<void> {
    await super.close();
    if (this.#server === null) return;
    await writeFile(join(this.own, 'cgroup.subtree_control'), '-cpu').catch(() => undefined);
    await GroupsV2.#back(this.own, this.#server);
  }
}
