/**
 * What the kernel itself says about a container's first process, where this machine shows it.
 *
 * Owns that check. The engine's report is what was asked for; this is what became of it.
 */
import { readFileSync } from 'node:fs';
import { StrataError } from '../../core/errors.ts';

/** CAP_KILL, CAP_SETGID and CAP_SETUID: bits 5, 6 and 7. */
const AGENT_CAPABILITIES = 0xe0n;
/** Linux's number for a filter of system calls in force. */
const SECCOMP_FILTER = '2';

/**
 * @throws StrataError `start_failed` when the process has more than it should; nothing when the process cannot be
 *   seen from here, or is not the container's.
 */
export const refuseUnconfined = (pid: number, containerId: string, procRoot = '/proc'): void => {
  let status: string;
  try {
    if (!readFileSync(`${procRoot}/${pid}/cgroup`, 'utf8').includes(containerId)) return;
    status = readFileSync(`${procRoot}/${pid}/status`, 'utf8');
  } catch {
    return;
  }
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
  const wrong: string[] = [];
  for (const name of ['CapPrm', 'CapEff', 'CapBnd', 'CapInh', 'CapAmb']) {
    const held = field(name);
    if (!/^[0-9a-f]+$/.test(held) || (BigInt(`0x${held}`) & ~AGENT_CAPABILITIES) !== 0n)
      wrong.push(`${name} is ${held || 'unknown'}`);
  }
  if (field('NoNewPrivs') !== '1') wrong.push('it can gain privileges');
  if (field('Seccomp') !== SECCOMP_FILTER) wrong.push('no filter of system calls is in force');
  if (wrong.length === 0) return;
  throw new StrataError(
    'start_failed',
    `A new container is not confined as it was asked to be: ${wrong.join('; ')}.`,
  );
};
