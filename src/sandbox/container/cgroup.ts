/**
 * A container's control group as this machine's kernel shows it: what it used, why it was killed, its bounds, the
 * freezer.
 *
 * Owns the files of both versions of control groups. Never speaks to the engine. Invariants: a group is used only when
 * it lists the container's process, so that a wrong path cannot bill a neighbour; values of one instant come from one
 * read each; nothing throws but the constructor functions: what cannot be read is null.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Where the kernel's files are; tests put recorded ones elsewhere. */
export interface CgroupRoots {
  readonly proc: string;
  readonly cgroup: string;
}
const KERNEL_ROOTS: CgroupRoots = { proc: '/proc', cgroup: '/sys/fs/cgroup' };

export interface MemoryEvents {
  /** Processes of the group that were killed because memory ran out, its own or the machine's. */
  readonly killed: number;
  /** How often the group's own limit was reached, as far as the kernel counts that or the peak showed it. */
  readonly limitHits: number;
  /**
   * The peak since `resetPeak` is the limit: some kernels (6.18) no longer count version 1's hits in groups below the
   * first. False with version 2, whose count can be relied on and whose peak cannot always be reset.
   */
  readonly atLimit: boolean;
}

/** A group that is out of memory is not full to the last page: a huge page of two megabytes fails before. */
const LIMIT_SLACK_BYTES = 3 * 1024 * 1024;

/** One container's group. Reads take some microseconds; nothing is cached. */
export interface Cgroup {
  readonly version: 1 | 2;
  /** CPU time of all its processes since it was made, nanoseconds. */
  cpuNs(): number | null;
  /** Bytes charged now: memory, tmpfs and the file cache on its account. */
  memoryBytes(): number | null;
  /** Bytes of its processes' own memory and tmpfs, without files that could be dropped. */
  ownBytes(): number | null;
  /** The largest number of bytes charged since `resetPeak`, or since it was made where that is not possible. */
  peakBytes(): number | null;
  resetPeak(): void;
  memoryEvents(): MemoryEvents | null;
  /** False when the files cannot be written: the engine has to do it then. */
  resize(memoryBytes: number, cpuQuotaUs: number): boolean;
  /**
   * Gives it so much of the weight that groups have unless told, or lets it run only where nothing else wants to. False
   * when the files cannot be written.
   */
  weigh(part: number, gives: boolean): boolean;
  /**
   * Bounds what waits in TCP and UDP sockets, which version 1 has on an account of its own; with version 2 it counts
   * as memory. False when that cannot be done here.
   */
  boundSockets(bytes: number): boolean;
  /** Whether all of it is frozen, by whomever. */
  frozen(): boolean;
  /** False when it cannot be done this way. */
  freeze(frozen: boolean): boolean;
  /** SIGKILL to every process in it, without asking the engine; false when that is not allowed here. */
  kill(): boolean;
  close(): void;
}

/**
 * The group of a container's first process; null when this machine does not show it, as with a remote engine.
 * @param pid as the engine reports it.
 */
export const openCgroup = (
  pid: number,
  containerId: string,
  roots: CgroupRoots = KERNEL_ROOTS,
): Cgroup | null => {
  try {
    const lines = readFileSync(join(roots.proc, String(pid), 'cgroup'), 'utf8').split('\n');
    const paths = new Map(lines.flatMap(controllersOf));
    // A process of this number that is not the container's is somebody else's.
    if (![...paths.values()].some((path) => path.includes(containerId))) return null;
    const group = paths.has('memory')
      ? new CgroupV1(paths, roots.cgroup)
      : new CgroupV2(paths.get('') ?? '', roots.cgroup);
    if (group.lists(pid) && group.cpuNs() !== null) return group;
    group.close();
    return null;
  } catch {
    return null;
  }
};

/** `4:cpu,cpuacct:/docker/…` → one pair for each controller; version 2's line has none and stands under ''. */
const controllersOf = (line: string): [controller: string, path: string][] => {
  const [number, controllers, ...path] = line.split(':');
  if (number === undefined || controllers === undefined || path.length === 0) return [];
  return controllers.split(',').map((controller) => [controller, path.join(':')]);
};

/** Files of a group, opened once: reading again needs no name. */
class Files {
  readonly #open = new Map<string, number | null>();

  read(path: string, flags: 'r' | 'r+' = 'r'): string | null {
    try {
      const descriptor = this.#descriptor(path, flags);
      return descriptor === null ? null : readText(descriptor);
    } catch {
      return null;
    }
  }

  number(path: string, flags: 'r' | 'r+' = 'r'): number | null {
    const value = Number.parseInt(this.read(path, flags) ?? '', 10);
    return Number.isSafeInteger(value) ? value : null;
  }

  /** The value behind a word at the start of a line. */
  field(path: string, name: string): number | null {
    const match = new RegExp(`^${name}\\s+(\\d+)`, 'm').exec(this.read(path) ?? '');
    return match?.[1] === undefined ? null : Number(match[1]);
  }

  write(path: string, text: string): boolean {
    try {
      const descriptor = this.#descriptor(path, 'r+');
      if (descriptor === null) return false;
      writeSync(descriptor, text, 0);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    for (const descriptor of this.#open.values()) if (descriptor !== null) closeSync(descriptor);
    this.#open.clear();
  }

  #descriptor(path: string, flags: 'r' | 'r+'): number | null {
    const key = `${flags} ${path}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    let descriptor: number | null;
    try {
      descriptor = openSync(path, flags);
    } catch {
      descriptor = null;
    }
    this.#open.set(key, descriptor);
    return descriptor;
  }
}

class CgroupV1 implements Cgroup {
  readonly version = 1;
  readonly #files = new Files();
  /** Peaks at the limit that were reset: hits as good as counted ones. */
  #forgottenPeaks = 0;
  readonly #memory: string;
  readonly #cpuacct: string;
  readonly #cpu: string;
  readonly #freezer: string;

  constructor(paths: ReadonlyMap<string, string>, root: string) {
    const folder = (controller: string): string => join(root, controller, paths.get(controller) ?? '');
    this.#memory = folder('memory');
    this.#cpuacct = folder('cpuacct');
    this.#cpu = folder('cpu');
    this.#freezer = folder('freezer');
  }

  lists(pid: number): boolean {
    return listed(this.#files.read(join(this.#memory, 'cgroup.procs')), pid);
  }

  cpuNs(): number | null {
    return this.#files.number(join(this.#cpuacct, 'cpuacct.usage'));
  }

  memoryBytes(): number | null {
    return this.#files.number(join(this.#memory, 'memory.usage_in_bytes'));
  }

  ownBytes(): number | null {
    const stat = join(this.#memory, 'memory.stat');
    const own = this.#files.field(stat, 'total_rss');
    const shared = this.#files.field(stat, 'total_shmem') ?? 0;
    return own === null ? null : own + shared;
  }

  peakBytes(): number | null {
    return this.#files.number(join(this.#memory, 'memory.max_usage_in_bytes'));
  }

  resetPeak(): void {
    // A function that was sent behind its load may have run and died before its account is opened, which resets this.
    if (this.#atLimit()) this.#forgottenPeaks += 1;
    this.#files.write(join(this.#memory, 'memory.max_usage_in_bytes'), '0');
  }

  memoryEvents(): MemoryEvents | null {
    const killed = this.#files.field(join(this.#memory, 'memory.oom_control'), 'oom_kill');
    const hits = this.#files.number(join(this.#memory, 'memory.failcnt')) ?? 0;
    // Where swap is accounted for, its limit is the same and is reached first.
    const hitsWithSwap = this.#files.number(join(this.#memory, 'memory.memsw.failcnt')) ?? 0;
    if (killed === null) return null;
    return { killed, limitHits: hits + hitsWithSwap + this.#forgottenPeaks, atLimit: this.#atLimit() };
  }

  #atLimit(): boolean {
    const limitBytes = this.#files.number(join(this.#memory, 'memory.limit_in_bytes'));
    return limitBytes !== null && (this.peakBytes() ?? 0) >= limitBytes - LIMIT_SLACK_BYTES;
  }

  resize(memoryBytes: number, cpuQuotaUs: number): boolean {
    const limit = join(this.#memory, 'memory.limit_in_bytes');
    const withSwap = join(this.#memory, 'memory.memsw.limit_in_bytes');
    const present = this.#files.number(limit);
    if (present === null) return false;
    // Memory with swap may never be below memory: growing starts with the one, shrinking with the other.
    const order = memoryBytes > present ? [withSwap, limit] : [limit, withSwap];
    return (
      order.every((path) => this.#files.write(path, String(memoryBytes))) &&
      this.#files.write(join(this.#cpu, 'cpu.cfs_quota_us'), String(cpuQuotaUs))
    );
  }

  weigh(part: number, gives: boolean): boolean {
    return weighed(this.#files, this.#cpu, { name: 'cpu.shares', usual: 1_024, least: 2 }, part, gives);
  }

  boundSockets(bytes: number): boolean {
    return this.#files.write(join(this.#memory, 'memory.kmem.tcp.limit_in_bytes'), String(bytes));
  }

  freeze(frozen: boolean): boolean {
    return this.#files.write(join(this.#freezer, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED');
  }

  frozen(): boolean {
    return this.#files.read(join(this.#freezer, 'freezer.state'), 'r+')?.trim() === 'FROZEN';
  }

  kill(): boolean {
    return killListed(this.#files.read(join(this.#memory, 'cgroup.procs')));
  }

  close(): void {
    this.#files.close();
  }
}

const CPU_PERIOD_US = 100_000;
const NS_PER_US = 1_000;

class CgroupV2 implements Cgroup {
  readonly version = 2;
  readonly #files = new Files();
  readonly #folder: string;

  constructor(path: string, root: string) {
    this.#folder = join(root, path);
  }

  lists(pid: number): boolean {
    return listed(this.#files.read(this.#path('cgroup.procs')), pid);
  }

  cpuNs(): number | null {
    const usageUs = this.#files.field(this.#path('cpu.stat'), 'usage_usec');
    return usageUs === null ? null : usageUs * NS_PER_US;
  }

  memoryBytes(): number | null {
    return this.#files.number(this.#path('memory.current'));
  }

  ownBytes(): number | null {
    const stat = this.#path('memory.stat');
    const own = this.#files.field(stat, 'anon');
    const shared = this.#files.field(stat, 'shmem') ?? 0;
    return own === null ? null : own + shared;
  }

  peakBytes(): number | null {
    const peak = this.#path('memory.peak');
    return this.#files.number(peak, 'r+') ?? this.#files.number(peak) ?? this.memoryBytes();
  }

  /** Since Linux 6.12 writing resets the peak for who reads by the same descriptor; before, it cannot be reset. */
  resetPeak(): void {
    this.#files.write(this.#path('memory.peak'), 'reset');
  }

  memoryEvents(): MemoryEvents | null {
    const events = this.#path('memory.events');
    const killed = this.#files.field(events, 'oom_kill');
    const limitHits = this.#files.field(events, 'oom');
    return killed === null || limitHits === null ? null : { killed, limitHits, atLimit: false };
  }

  resize(memoryBytes: number, cpuQuotaUs: number): boolean {
    return (
      this.#files.write(this.#path('memory.max'), String(memoryBytes)) &&
      this.#files.write(this.#path('cpu.max'), `${cpuQuotaUs} ${CPU_PERIOD_US}`)
    );
  }

  weigh(part: number, gives: boolean): boolean {
    return weighed(this.#files, this.#folder, { name: 'cpu.weight', usual: 100, least: 1 }, part, gives);
  }

  boundSockets(): boolean {
    return true;
  }

  freeze(frozen: boolean): boolean {
    return this.#files.write(this.#path('cgroup.freeze'), frozen ? '1' : '0');
  }

  frozen(): boolean {
    return this.#files.field(this.#path('cgroup.events'), 'frozen') === 1;
  }

  kill(): boolean {
    return killListed(this.#files.read(this.#path('cgroup.procs')));
  }

  close(): void {
    this.#files.close();
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

interface WeightFile {
  readonly name: string;
  readonly usual: number;
  readonly least: number;
}

const weighed = (
  files: Files,
  folder: string,
  { name, usual, least }: WeightFile,
  part: number,
  gives: boolean,
): boolean => {
  // Kernels before 5.15 do not know it; one that does refuses a weight for who gives way.
  if (files.write(join(folder, 'cpu.idle'), gives ? '1' : '0') && gives) return true;
  const weight = gives ? least : Math.max(least, Math.round(usual * part));
  return files.write(join(folder, name), String(weight));
};

const listed = (procs: string | null, pid: number): boolean =>
  (procs ?? '').split('\n').includes(String(pid));

const killListed = (procs: string | null): boolean => {
  const pids = (procs ?? '').split('\n').filter((line) => /^[1-9]\d*$/.test(line));
  // One that refuses, because another user's server owns it, keeps none of the others.
  return pids.map((pid) => killOne(Number(pid))).every(Boolean) && pids.length > 0;
};

/** Whether it was sent the signal, or has ended meanwhile. */
const killOne = (pid: number): boolean => {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ESRCH';
  }
};

/** The statistics of a group's memory are the longest of these files. */
const BUFFER = Buffer.alloc(16 * 1024);
const readText = (descriptor: number): string =>
  BUFFER.toString('latin1', 0, readSync(descriptor, BUFFER, 0, BUFFER.length, 0));
