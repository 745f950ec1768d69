/**
 * Makes a process give way to this one, where it cannot be given a share of the CPU.
 *
 * Owns the two places in which Linux keeps that: of each thread, and of the whole session where the kernel groups by
 * session. Never lowers it again, which only root could.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** About a tenth of the weight. */
const NICER = 10;

export const makeNice = (pid: number): void => {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), NICER);
    // In a session of its own a thread's niceness counts within the session alone; the session has one as well.
    if (sessionOf(String(pid)) !== sessionOf('self')) writeFileSync(`/proc/${pid}/autogroup`, String(NICER));
  } catch {
    // It has ended, is another user's, or the kernel does not group by session.
  }
};

const sessionOf = (pid: string): string =>
  readFileSync(`/proc/${pid}/autogroup`, 'latin1').split(' ', 1)[0] ?? '';
