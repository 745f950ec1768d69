/**
 * What machines and operators do to isolate hosts.
 */
import type { SeenProcess } from '../hostile/remains.ts';
import type { Fault, Struck } from './fault.ts';

/** Some hosts at random: at least one that serves a tenant while there is load. */
const victims = async ({ world, chance }: Struck, count: number): Promise<readonly SeenProcess[]> => {
  const hosts = [...(await world.hosts())];
  const chosen: SeenProcess[] = [];
  while (chosen.length < count && hosts.length > 0)
    chosen.push(...hosts.splice(chance.below(hosts.length), 1));
  return chosen;
};

/** What has ended meanwhile has ended. */
const signal = (processes: readonly SeenProcess[], name: NodeJS.Signals): void => {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // It was quicker.
    }
  }
};

const BETWEEN_ANSWERS = 40;

export const ISOLATE_FAULTS: readonly Fault[] = [
  {
    name: 'isolate hosts are killed, one after the other',
    allows: { isolate: ['sandbox_lost', 'start_failed'] },
    times: 5,
    async strike(struck) {
      signal(await victims(struck, 1), 'SIGKILL');
      await struck.load.answers(BETWEEN_ANSWERS);
    },
  },
  {
    name: 'all isolate hosts are killed at once',
    allows: { isolate: ['sandbox_lost', 'start_failed'] },
    async strike({ world }) {
      signal(await world.hosts(), 'SIGKILL');
    },
  },
  {
    name: 'all isolate hosts are stopped and stay so',
    allows: { isolate: ['function_timeout', 'init_timeout', 'sandbox_lost', 'start_failed'] },
    async strike({ world }) {
      signal(await world.hosts(), 'SIGSTOP');
    },
  },
];
