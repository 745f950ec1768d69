/**
 * What machines and operators do to containers and what runs in them.
 */
import Docker from 'dockerode';
import { dockerodeOptions } from '../../src/sandbox/container/docker-host.ts';
import { descendants } from '../hostile/processes.ts';
import type { SeenContainer } from '../hostile/remains.ts';
import type { Fault, Struck } from './fault.ts';

const BETWEEN_ANSWERS = 40;

const docker = ({ world }: Struck): Docker => new Docker(dockerodeOptions(world.engine?.host ?? ''));

/** Some containers at random. */
const victims = async ({ world, chance }: Struck, count: number): Promise<readonly SeenContainer[]> => {
  const containers = [...(await world.containers())];
  const chosen: SeenContainer[] = [];
  while (chosen.length < count && containers.length > 0)
    chosen.push(...containers.splice(chance.below(containers.length), 1));
  return chosen;
};

/** What has ended meanwhile has ended. */
const quietly = async (act: () => Promise<unknown> | unknown): Promise<void> => {
  try {
    await act();
  } catch {
    // It was quicker.
  }
};

const byEngine = async (
  struck: Struck,
  containers: readonly SeenContainer[],
  act: (container: Docker.Container) => Promise<unknown>,
): Promise<void> => {
  const engine = docker(struck);
  await Promise.all(containers.map(({ id }) => quietly(() => act(engine.getContainer(id)))));
};

/** The first process of a container, its agent, and those below it: a zygote, code processes. */
const inside = async (
  struck: Struck,
  containers: readonly SeenContainer[],
): Promise<readonly { readonly agent: number; readonly below: readonly number[] }[]> => {
  const engine = docker(struck);
  const found: { agent: number; below: readonly number[] }[] = [];
  for (const { id } of containers) {
    await quietly(async () => {
      const { Pid: agent } = (await engine.getContainer(id).inspect()).State;
      if (agent > 0) found.push({ agent, below: descendants(agent).map(({ pid }) => pid) });
    });
  }
  return found;
};

/** The first processes of all containers. */
export const agentsOf = async (struck: Struck): Promise<readonly number[]> =>
  (await inside(struck, await struck.world.containers())).map(({ agent }) => agent);

const signal = async (pids: readonly number[], name: NodeJS.Signals): Promise<void> => {
  for (const pid of pids) await quietly(() => process.kill(pid, name));
};

/**
 * All containers have to be ended and started anew, which is mostly the engine's work: on two cores that do nothing else
 * it starts 8 containers a second, and takes 2.5 s to end 16 and start 16, in whatever order. There are about 20, each
 * has a runtime to boot, and the load has half of the cores; it was seen to take from 3 to more than 5 seconds.
 */
export const ALL_ANEW_MS = 10_000;

const LOST = ['sandbox_lost', 'start_failed'] as const;
const STOPPED = [...LOST, 'function_timeout', 'init_timeout'] as const;

export const CONTAINER_FAULTS: readonly Fault[] = [
  {
    name: 'agents are killed, one after the other',
    allows: { container: LOST },
    times: 4,
    async strike(struck) {
      const [found] = await inside(struck, await victims(struck, 1));
      if (found !== undefined) await signal([found.agent], 'SIGKILL');
      await struck.load.answers(BETWEEN_ANSWERS);
    },
  },
  {
    name: 'all agents are stopped and stay so',
    allows: { container: STOPPED },
    recoveryLimitMs: ALL_ANEW_MS,
    async strike(struck) {
      const found = await inside(struck, await struck.world.containers());
      await signal(
        found.map(({ agent }) => agent),
        'SIGSTOP',
      );
    },
  },
  {
    name: 'code processes and zygotes are stopped and stay so',
    allows: { container: STOPPED },
    async strike(struck) {
      // A few: a function that hangs is found by its deadline alone, one after the other.
      const found = await inside(struck, await victims(struck, 3));
      await signal(
        found.flatMap(({ below }) => below),
        'SIGSTOP',
      );
    },
  },
  {
    name: 'containers are killed and removed behind the server’s back',
    allows: { container: LOST },
    async strike(struck) {
      const containers = await struck.world.containers();
      const half = Math.ceil(containers.length / 2);
      await Promise.all([
        byEngine(struck, containers.slice(0, half), (container) => container.kill()),
        byEngine(struck, containers.slice(half), (container) => container.remove({ force: true })),
      ]);
    },
  },
  {
    name: 'containers are paused behind the server’s back and stay so',
    allows: { container: STOPPED },
    async strike(struck) {
      await byEngine(struck, await struck.world.containers(), (container) => container.pause());
    },
  },
];

export const ENGINE_FAULTS: readonly Fault[] = [
  {
    name: 'the engine is restarted',
    allows: { container: LOST },
    recoveryLimitMs: ALL_ANEW_MS,
    async strike({ world }) {
      await world.engine?.stop('SIGTERM');
      await world.engine?.start();
    },
  },
  {
    name: 'the engine is killed and started again',
    allows: { container: LOST },
    recoveryLimitMs: ALL_ANEW_MS,
    async strike({ world }) {
      await world.engine?.stop('SIGKILL');
      await world.engine?.start();
    },
  },
];
