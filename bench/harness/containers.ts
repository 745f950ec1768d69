/**
 * What the engine and the kernel know about containers: whether there is an image, which processes run in a
 * container, whether it is frozen.
 *
 * Owns reading, and the removal of what a dead server has left. The engine is the one that the server finds, by DOCKER_HOST.
 */
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { expectedImage } from '../../src/sandbox/container/images/state.ts';
import { ContainerSweeper, sweepRunFolders } from '../../src/sandbox/container/sweep.ts';
import { reasonOf } from './result.ts';

const engine = () => dockerEngine(process.env.DOCKER_HOST ?? '');

/** The image that the server uses. @throws when there is no engine or no such image, with what to do. */
export const imageOf = async (runtime: ContainerRuntime): Promise<string> => {
  await engine().info();
  const name = await expectedImage(runtime);
  if ((await engine().image(name)) === null)
    throw new Error(`the image ${name} is missing: run "npx strata images build"`);
  return name;
};

/** In a few words, for the provenance of a result. */
export const describeEngine = async (): Promise<string> => {
  try {
    const { version, defaultOciRuntime, cgroupVersion } = await engine().info();
    return `Docker ${version} with ${defaultOciRuntime} and cgroup v${cgroupVersion}`;
  } catch (error) {
    return `none: ${reasonOf(error).replace(/\.$/, '')}`;
  }
};

/**
 * Removes what a server left behind that was killed before it could: its containers that are frozen outlive it, and with
 * its data folder goes the only name by which they could be found.
 */
export const removeContainersOf = async (dataFolder: string): Promise<void> => {
  const owner = readText(join(dataFolder, 'container-owner'))?.trim();
  if (owner === undefined || owner === '') return;
  // Of no start: what a start of this owner made is a leftover once its process has gone.
  const identity = { owner, boot: '', process: '' };
  const nobodys = { holds: () => false };
  const { failed } = await new ContainerSweeper(engine(), identity, nobodys, systemClock).sweep();
  await sweepRunFolders(tmpdir(), identity);
  if (failed.length > 0) throw new Error(`containers are left: ${failed.join('; ')}`);
};

/** The first process of a container, by the container's id or the beginning of it. */
export const firstProcessOf = async (containerId: string): Promise<{ pid: number; id: string }> => {
  const { State, Id } = (await engine().inspect(containerId)) as unknown as {
    State: { Pid: number };
    Id: string;
  };
  if (State.Pid <= 0) throw new Error(`the container ${containerId} does not run on this machine`);
  return { pid: State.Pid, id: Id };
};

/** Whether the kernel has frozen the control group of a process; null where that cannot be read. */
export const isFrozen = (pid: number): boolean | null => {
  const lines = readText(`/proc/${pid}/cgroup`)?.split('\n') ?? [];
  const pathOf = (controllers: string): string | undefined =>
    lines
      .find((line) => line.split(':')[1] === controllers)
      ?.split(':')
      .slice(2)
      .join(':');
  const [byVersion1, byVersion2] = [pathOf('freezer'), pathOf('')];
  if (byVersion1 !== undefined) {
    const state = readText(`/sys/fs/cgroup/freezer${byVersion1}/freezer.state`);
    return state === null ? null : state.trim() === 'FROZEN';
  }
  const events = readText(`/sys/fs/cgroup${byVersion2 ?? ''}/cgroup.events`);
  return events === null ? null : /^frozen 1$/m.test(events);
};

const readText = (path: string): string | null => {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8') : null;
  } catch {
    return null;
  }
};
