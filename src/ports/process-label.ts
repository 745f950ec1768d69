/**
 * A name for a process that no other one ever has while the machine is up: `pid:start time`.
 *
 * Owns reading it. Whoever leaves something behind puts the label on it, so that a later start can tell whose it was.
 */
import { readFileSync } from 'node:fs';

export const processLabel = (): string => `${process.pid}:${startTimeOf(process.pid) ?? 0}`;

/** Whether the process that a label names still runs. */
export const isAlive = (label: string | undefined): boolean => {
  const [pid, startTime] = (label ?? '').split(':').map(Number);
  if (pid === undefined || startTime === undefined || !Number.isInteger(pid)) return false;
  return startTimeOf(pid) === startTime;
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
