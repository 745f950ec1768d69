/**
 * Names for a process, so that a later start can tell whose it is what somebody left behind.
 *
 * Owns reading them. `pid:start time` is no other process's of the same PID namespace while the machine is up;
 * `pid-start time-namespace` is no other's of the whole machine. Invariant: a process that cannot be seen from here is
 * never said to have ended.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/** For what only servers that can see each other share. */
export const processLabel = (): string => `${process.pid}:${startTimeOf(process.pid) ?? 0}`;

/** Whether the process that a label names still runs. */
export const isAlive = (label: string | undefined): boolean => {
  const [pid, startTime] = (label ?? '').split(':').map(Number);
  if (pid === undefined || startTime === undefined || !Number.isInteger(pid)) return false;
  return startTimeOf(pid) === startTime;
};

/** For what lies where servers of other PID namespaces see it too; fits into the name of a folder. */
export const processName = (): string => {
  const pid = shownPid() ?? process.pid;
  return `${pid}-${startTimeOf(pid) ?? 0}-${namespace() ?? UNKNOWN}`;
};

/** Three numbers with a dash between them. */
export const PROCESS_NAME = /\d+-\d+-\d+/;

/** Whether the process of that name is known to have ended: of one in another PID namespace nothing is known. */
export const hasEnded = (name: string): boolean => {
  const [pid, startTime, inode] = name.split('-');
  const own = namespace();
  return own !== null && inode === own && !isAlive(`${pid}:${startTime}`);
};

/** No namespace has this number. */
const UNKNOWN = '0';

/** The inode of the own PID namespace; null where `/proc` shows another one, or nothing. */
const namespace = (): string | null => {
  if (shownPid() !== process.pid) return null;
  return /^pid:\[(\d+)\]$/.exec(link('/proc/self/ns/pid') ?? '')?.[1] ?? null;
};

/** This process's number in the namespace that `/proc` shows. */
const shownPid = (): number | null => {
  const shown = link('/proc/self');
  return shown === null ? null : Number(shown);
};

const link = (path: string): string | null => {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
};

/** Field 22 of /proc/PID/stat, in clock ticks since the machine started; null when there is no such process. */
const startTimeOf = (pid: number): number | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return null;
  }
};
