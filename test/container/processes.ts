/**
 * The processes of a container as this machine sees them, for tests that do to them what a machine can do.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { ENGINE_HOST } from './availability.ts';

/** The first process of a container: its agent. */
const agentPid = async (containerId: string): Promise<number> =>
  (await dockerEngine(ENGINE_HOST).inspect(containerId)).State.Pid;

/** Sends a signal from outside, which the container's own first process cannot refuse. */
export const signalAgent = async (containerId: string, signal: NodeJS.Signals): Promise<void> => {
  process.kill(await agentPid(containerId), signal);
};

/** A field of /proc/PID/status, for example `State` or `Seccomp`. */
export const statusOf = (pid: number, field: string): string =>
  new RegExp(`^${field}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ??
  '';

/** The agent, and the processes that run as the function's user. */
export const processesOf = async (
  containerId: string,
): Promise<{ readonly agent: number; readonly own: readonly number[] }> => {
  const { agent, processes } = await openGroup(containerId);
  return { agent, own: processes().filter((pid) => !statusOf(pid, 'Uid').startsWith('0\t')) };
};

/** A container's control group, read by the test itself: what the product says is held against it. */
export interface Group {
  readonly agent: number;
  processes(): readonly number[];
  cpuNs(): number;
  memoryLimitBytes(): number;
  frozen(): boolean;
}

export const openGroup = async (containerId: string): Promise<Group> => {
  const agent = await agentPid(containerId);
  const lines = readFileSync(`/proc/${agent}/cgroup`, 'utf8').trim().split('\n');
  const folders = new Map(
    lines.flatMap((line) => {
      const [, held = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      return held
        .split(',')
        .map((controller) => [controller, join('/sys/fs/cgroup', controller, path)] as const);
    }),
  );
  const read = (controller: string, name: string): string =>
    readFileSync(join(folders.get(controller) ?? folders.get('') ?? '', name), 'utf8');
  const processes = (text: string): readonly number[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  if (folders.has('memory'))
    return {
      agent,
      processes: () => processes(read('memory', 'cgroup.procs')),
      cpuNs: () => Number(read('cpuacct', 'cpuacct.usage')),
      memoryLimitBytes: () => Number(read('memory', 'memory.limit_in_bytes')),
      frozen: () => read('freezer', 'freezer.state').trim() === 'FROZEN',
    };
  return {
    agent,
    processes: () => processes(read('', 'cgroup.procs')),
    cpuNs: () => Number(/^usage_usec (\d+)/m.exec(read('', 'cpu.stat'))?.[1]) * 1_000,
    memoryLimitBytes: () => Number(read('', 'memory.max')),
    frozen: () => /^frozen 1/m.test(read('', 'cgroup.events')),
  };
};
