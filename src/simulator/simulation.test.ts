import { expect, it } from 'vitest';
import { createPolicy } from '../pool/policy/policies.ts';
import type { ArrivalMinute } from './arrivals.ts';
import { DEFAULT_MACHINES, type PlayedMachine } from './played-machine.ts';
import { play } from './simulation.ts';
import { functionOf, smallTrace } from './testing.ts';

const machine: PlayedMachine = {
  ...DEFAULT_MACHINES.container,
  settings: { ...DEFAULT_MACHINES.container.settings, pristine: 0, warmPristine: 0 },
  costs: { provisionMs: 100, bootMs: 10, loadMs: 1, containerMb: 3, runtimeMb: 16 },
};
const OPTIONS = { tier: 'container', budgetGb: 4, policy: createPolicy('greedy-dual'), seed: 1 } as const;
/** Invoked a hundred times in its minute. */
const trace = smallTrace([functionOf('a', [100]), functionOf('b', [100])]);

const sent = (timesMs: readonly number[]): readonly ArrivalMinute[] => [
  {
    ...{ minute: 0, count: timesMs.length },
    functionIndex: Uint32Array.from(timesMs, () => 0),
    timeMs: Float64Array.from(timesMs),
    durationMs: Float64Array.from(timesMs, () => 900),
  },
];

it('plays what is known to have come in place of what the trace would draw', async () => {
  const figures = await play(trace, { ...OPTIONS, machine, arrivals: sent([0, 2_000, 4_000]) });
  expect(figures.starts).toEqual({ none: 1, container: 0, runtime: 0, code: 2 });
  expect(figures.startLatencyMs.maxMs).toBeCloseTo(111);
  expect((await play(trace, { ...OPTIONS, machine })).served).toBe(200);
});

it('lets layers cost what they cost at the time', async () => {
  const costsAt = (nowMs: number) => ({ ...machine.costs, provisionMs: nowMs < 10_000 ? 100 : 400 });
  const arrivals = sent([0, 20_000, 20_001]);
  const figures = await play(trace, { ...OPTIONS, machine: { ...machine, costsAt }, arrivals });
  // The second instance is for the third, which comes while the second is served.
  expect(figures.starts).toEqual({ none: 2, container: 0, runtime: 0, code: 1 });
  expect(figures.startLatencyMs.totalMs).toBeCloseTo(111 + 411);
});
