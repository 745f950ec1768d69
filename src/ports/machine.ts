/**
 * The machine as a port: how much memory and CPU there is for this process, and how much of it is taken.
 *
 * Owns the reading of Linux's figures, and takes the tightest bound of the machine and of each control group that this
 * process is in. Never decides what is too much. Invariants: nothing throws; what cannot be read, or makes no sense, is
 * null; a reading is a few small files, so that it can be taken every second.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from './clock.ts';
import { type CpuGroup, type MemoryGroup, openOwnCgroups } from './own-cgroups.ts';

export interface Machine {
  /** Memory as this process can use it, in whole MiB; null when it cannot be read. */
  memory(): MemoryReading | null;
  /**
   * The share of CPU that was busy since the last call, 0 to 1: of all cores, or of the quota where that is fuller.
   * Null at the first call and when it cannot be read.
   */
  cpu(): number | null;
}

export interface MemoryReading {
  readonly totalMb: number;
  /** What can be taken without swapping: file caches that can be dropped count as free. */
  readonly availableMb: number;
}

/** Where the kernel's files are; tests put recorded ones elsewhere. */
export interface MachineRoots {
  readonly proc: string;
  readonly cgroup: string;
}

/** The machine below this process. Each one has a memory of its own of the last reading of CPU. */
export const systemMachine = (
  clock: Clock = systemClock,
  roots: MachineRoots = { proc: '/proc', cgroup: '/sys/fs/cgroup' },
): Machine => new LinuxMachine(clock, roots);

const MIB = 1024 * 1024;
const KIB_PER_MIB = 1024;

class LinuxMachine implements Machine {
  readonly #clock: Clock;
  readonly #proc: string;
  readonly #memoryGroups: readonly MemoryGroup[];
  readonly #cores: CoreTime;
  readonly #quotas: readonly QuotaTime[];

  constructor(clock: Clock, roots: MachineRoots) {
    this.#clock = clock;
    this.#proc = roots.proc;
    const groups = openOwnCgroups(roots.proc, roots.cgroup);
    this.#memoryGroups = groups.memory;
    this.#cores = new CoreTime(join(roots.proc, 'stat'));
    this.#quotas = groups.cpu.map((group) => new QuotaTime(group));
  }

  memory(): MemoryReading | null {
    const text = readText(join(this.#proc, 'meminfo'));
    let totalMb = kibOf(text, 'MemTotal') / KIB_PER_MIB;
    let availableMb = kibOf(text, 'MemAvailable') / KIB_PER_MIB;
    if (!(totalMb > 0 && availableMb >= 0)) return null;
    for (const group of this.#memoryGroups) {
      const limitMb = (group.limitBytes() ?? Number.POSITIVE_INFINITY) / MIB;
      // A group without a limit of its own says that with a number no machine has.
      if (limitMb >= totalMb) continue;
      totalMb = limitMb;
      availableMb = Math.min(availableMb, limitMb - (group.usedBytes() ?? 0) / MIB);
    }
    return { totalMb: Math.floor(totalMb), availableMb: Math.max(0, Math.floor(availableMb)) };
  }

  cpu(): number | null {
    const nowMs = this.#clock.nowMs();
    let share = this.#cores.share();
    for (const quota of this.#quotas) {
      const ofQuota = quota.share(nowMs);
      // A quota of more than the machine has can look idle while the machine is full: the fuller one counts.
      if (ofQuota !== null && share !== null) share = Math.max(share, ofQuota);
    }
    return share === null ? null : Math.min(1, Math.max(0, share));
  }
}

/** What all cores did since the last call, by `/proc/stat`. */
class CoreTime {
  readonly #path: string;
  #busy = 0;
  #total = 0;
  #share: number | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  share(): number | null {
    const ticks = ticksOf(readText(this.#path));
    if (ticks === null) return null;
    const first = this.#total === 0;
    const tookTicks = ticks.total - this.#total;
    // Within one tick there is nothing new to say.
    if (!first && tookTicks === 0) return this.#share;
    const share = (ticks.busy - this.#busy) / tookTicks;
    this.#busy = ticks.busy;
    this.#total = ticks.total;
    this.#share = first || tookTicks < 0 ? null : share;
    return this.#share;
  }
}

/** What a group used of its quota since the last call. */
class QuotaTime {
  readonly #group: CpuGroup;
  #usedMs: number | null = null;
  #atMs = 0;
  #share: number | null = null;

  constructor(group: CpuGroup) {
    this.#group = group;
  }

  share(nowMs: number): number | null {
    const cpus = this.#group.quotaCpus();
    const usedMs = cpus === null ? null : this.#group.usedMs();
    if (cpus === null || usedMs === null) {
      this.#usedMs = null;
      return null;
    }
    const tookMs = nowMs - this.#atMs;
    if (this.#usedMs !== null && tookMs <= 0) return this.#share;
    this.#share = this.#usedMs === null ? null : (usedMs - this.#usedMs) / (tookMs * cpus);
    this.#usedMs = usedMs;
    this.#atMs = nowMs;
    return this.#share;
  }
}

/** NaN when the line is not there. */
const kibOf = (meminfo: string, name: string): number => {
  const match = new RegExp(`^${name}:\\s+(\\d{1,15}) kB$`, 'm').exec(meminfo);
  return Number(match?.[1] ?? Number.NaN);
};

/** user nice system idle iowait irq softirq steal: what follows is counted in the first two already. */
const TICKS = /^cpu +(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/;

const ticksOf = (stat: string): { readonly busy: number; readonly total: number } | null => {
  const match = TICKS.exec(stat);
  if (match === null) return null;
  const ticks = match.slice(1).map(Number);
  const total = ticks.reduce((sum, each) => sum + each, 0);
  // Waiting for a disk leaves a core free for others.
  return { busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0), total };
};

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
};
