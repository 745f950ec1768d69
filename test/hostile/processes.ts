/**
 * Processes of this machine as /proc shows them: who descends from whom, and who is still there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** A process for certain: its number may be given out again, its start time with it not. */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks: string;
  readonly name: string;
}

interface Entry extends ProcessId {
  readonly parent: number;
  readonly state: string;
}

const GONE_LIMIT_MS = 10_000;
const LOOK_INTERVAL_MS = 20;

/** Every living process below this one, wrappers and zygotes included. */
export const descendants = (root: number): readonly ProcessId[] => {
  const found: Entry[] = [];
  const all = entries();
  const parents = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const entry of all) {
      if (!parents.has(entry.parent) || parents.has(entry.pid)) continue;
      parents.add(entry.pid);
      found.push(entry);
      grown = true;
    }
  }
  return found.filter(isAlive).map(({ pid, startTicks, name }) => ({ pid, startTicks, name }));
};

/** The processes at the ends of the chains below this one: the hosts themselves, without their wrappers. */
export const leaves = (root: number): readonly ProcessId[] => {
  const parents = new Set(entries().map(({ parent }) => parent));
  return descendants(root).filter(({ pid }) => !parents.has(pid));
};

/**
 * Waits, within bounds, until these have gone, and answers those that have not. The kernel tells nobody but the
 * parent about a process's end, and these are not our children: there is nothing to wait on but /proc.
 */
export const gone = async (processes: readonly ProcessId[]): Promise<readonly ProcessId[]> => {
  const limitMs = performance.now() + GONE_LIMIT_MS;
  for (;;) {
    const left = processes.filter(({ pid, startTicks }) => {
      const entry = read(pid);
      return entry !== null && entry.startTicks === startTicks && isAlive(entry);
    });
    if (left.length === 0 || performance.now() > limitMs) return left;
    await delay(LOOK_INTERVAL_MS);
  }
};

const isAlive = ({ state }: Entry): boolean => state !== 'Z' && state !== 'X';

const entries = (): Entry[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name)))
    .filter((entry) => entry !== null);

const read = (pid: number): Entry | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name may hold spaces; the fields are counted from behind its closing bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent = ''] = fields;
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    return { pid, state, name, parent: Number(parent), startTicks: fields[19] ?? '' };
  } catch {
    return null;
  }
};
