/**
 * The processes of a container as this machine sees them, for tests that do to them what a machine can do.
 */
import { readFileSync } from 'node:fs';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { ENGINE_HOST } from './availability.ts';

/** The first process of a container: its agent. */
export const agentPid = async (containerId: string): Promise<number> =>
  (await dockerEngine(ENGINE_HOST).inspect(containerId)).State.Pid;

/** Sends a signal from outside, which the container's own first process cannot refuse. */
export const signalAgent = async (containerId: string, signal: NodeJS.Signals): Promise<void> => {
  process.kill(await agentPid(containerId), signal);
};

/** A field of /proc/PID/status, for example `State` or `Seccomp`. */
export const statusOf = (pid: number, field: string): string =>
  new RegExp(`^${field}:\\s*(.+)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
