/**
 * The children of a process as they are at this moment; none where the kernel does not list them.
 */
import { readFile } from 'node:fs/promises';

export const childProcesses = async (pid: number): Promise<readonly number[]> => {
  const listed = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '');
  return listed.split(' ').filter(Boolean).map(Number);
};
