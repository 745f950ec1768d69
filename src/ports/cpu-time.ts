/**
 * How much CPU time a process has used since it started, with all its threads, as the kernel counts it.
 */
import { readFileSync } from 'node:fs';

/** Linux reports CPU time to user space in ticks of a hundredth of a second on every platform it runs Node on. */
const TICK_MS = 10;

/** Milliseconds; null when there is no such process. */
export const cpuTimeMs = (pid: number): number | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name may hold spaces; the fields are counted from behind its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return null;
  }
};
