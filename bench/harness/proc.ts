/**
 * Memory, processor time and ancestry of processes, read from /proc.
 *
 * A process may end between two reads: it is then left out. `ownMb` is what would be freed if the process ended:
 * its private pages, clean and dirty.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessMemory {
  readonly pid: number;
  readonly command: string;
  readonly residentMb: number;
  /** Null when the kernel does not let this user read it. */
  readonly ownMb: number | null;
  /** With its share of the pages that other processes map, too; null like `ownMb`. */
  readonly proportionalMb: number | null;
}

/** Every living descendant of a process, itself excluded. */
export const descendantsOf = (ancestorPid: number): readonly number[] => {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parentPid = /^\d+$/.test(name) ? readParentPid(Number(name)) : null;
    if (parentPid !== null) children.set(parentPid, [...(children.get(parentPid) ?? []), Number(name)]);
  }
  const collect = (pid: number): number[] =>
    (children.get(pid) ?? []).flatMap((child) => [child, ...collect(child)]);
  return collect(ancestorPid);
};

export const readMemory = (pid: number): ProcessMemory | null => {
  const status = readProc(pid, 'status');
  const residentKb = status === null ? null : fieldKb(status, 'VmRSS');
  if (status === null || residentKb === null) return null;
  const rollup = readProc(pid, 'smaps_rollup');
  const cleanKb = rollup === null ? null : fieldKb(rollup, 'Private_Clean');
  const shareKb = rollup === null ? null : fieldKb(rollup, 'Pss');
  const dirtyKb = rollup === null ? null : fieldKb(rollup, 'Private_Dirty');
  return {
    pid,
    command: /^Name:\s*(.*)$/m.exec(status)?.[1] ?? '',
    residentMb: toMb(residentKb),
    ownMb: cleanKb === null || dirtyKb === null ? null : toMb(cleanKb + dirtyKb),
    proportionalMb: shareKb === null ? null : toMb(shareKb),
  };
};

/** The kernel's unit of time is a hundredth of a second on every Linux that there is. */
const TICKS_PER_SECOND = 100;

/** Of a process, its living descendants, and those that have ended and were waited for. */
export const readCpuSeconds = (pid: number): number =>
  [pid, ...descendantsOf(pid)].reduce((sum, each) => sum + cpuSecondsIn(each, 4), 0);

/** Of a process alone. */
export const readOwnCpuSeconds = (pid: number): number => cpuSecondsIn(pid, 2);

/** The fields are: in user mode, in the kernel, and the same two for children that have ended. */
const cpuSecondsIn = (pid: number, fieldCount: number): number => {
  const stat = readProc(pid, 'stat');
  if (stat === null) return 0;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 11 + fieldCount).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
};

/** Null when there is no such process. The command stands in brackets and may itself contain brackets: fields are counted from the last one. */
export const readParentPid = (pid: number): number | null => {
  const stat = readProc(pid, 'stat');
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[1]);
};

const readProc = (pid: number, name: string): string | null => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return null;
  }
};

const fieldKb = (text: string, name: string): number | null => {
  const value = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  return value === undefined ? null : Number(value);
};

/** Megabytes of 10^6 bytes from the kernel's kilobytes of 1,024. */
const toMb = (kilobytes: number): number => (kilobytes * 1024) / 1e6;
