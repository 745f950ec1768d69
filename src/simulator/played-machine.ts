/**
 * What a run stands on: the pool's settings, what layers cost, and how an instance's memory is accounted for.
 *
 * The default has the configuration's defaults and the costs that the benches found, but no bound on numbers of
 * sandboxes: memory is what is scarce there. Who compares a run with a server gives the server's own.
 */
import type { Runtime, Tier } from '../core/spec.ts';
import { DEFAULT_COSTS, type DefaultCosts } from '../pool/costs.ts';
import type { PoolSettings } from '../pool/options.ts';
import type { PolicyName } from '../pool/policy/api.ts';
import type { SchedulerSettings } from '../scheduler/scheduler.ts';

export interface PlayedMachine {
  readonly runtime: Runtime;
  readonly costs: DefaultCosts;
  /** What they cost at a time of the run, where they are known not to be the same throughout. */
  readonly costsAt?: (nowMs: number) => DefaultCosts;
  readonly settings: PoolSettings;
  readonly capacity: number;
  readonly resizable: boolean;
  readonly refillPerSecond: number | null;
  readonly sweepIntervalMs: number;
  readonly queue: SchedulerSettings;
  /** Of the memory. */
  readonly reservePercent: number;
  readonly maxInstances: number;
  /** What every function asks for and every instance is measured to take; null for what the trace says. */
  readonly memory: { readonly askedMb: number; readonly measuredMb: number | null } | null;
  /** The pool has so long to fill before the trace begins, and those who wait so long to be served after it. */
  readonly leadMs: number;
  readonly tailMs: number;
}

const MANY = 1_000_000;
const QUEUE: SchedulerSettings = { maxLength: 1_000, maxLengthPerFunction: 200, timeoutMs: 10_000 };
const SHARED = {
  ...{ resizable: true, sweepIntervalMs: 1_000, queue: QUEUE, reservePercent: 10, maxInstances: MANY },
  ...{ memory: null, leadMs: 0, tailMs: 0 },
} as const;

/** A runtime stands for its tier. */
export const DEFAULT_MACHINES: Readonly<Record<Tier, PlayedMachine>> = {
  isolate: {
    ...SHARED,
    ...{ runtime: 'isolate', costs: DEFAULT_COSTS.isolate, capacity: 100, refillPerSecond: null },
    settings: {
      ...{ pristine: 2, warmPristine: 2, runtimesPerPristine: 4, maxPristine: 20, spareRuntimes: 2 },
      ...{ maxSandboxes: MANY, startParallelism: 2, bootParallelism: 2, runtimeMemoryMb: 128 },
      ...{ runtimeIdleMs: 600_000, sandboxIdleMs: 600_000, reservePercent: 0 },
    },
  },
  container: {
    ...SHARED,
    ...{ runtime: 'nodejs24', costs: DEFAULT_COSTS.nodejs24, capacity: 1, refillPerSecond: 20 },
    settings: {
      ...{ pristine: 2, warmPristine: 1, runtimesPerPristine: 1, maxPristine: 20, spareRuntimes: 1 },
      ...{ maxSandboxes: MANY, startParallelism: 2, bootParallelism: 1, runtimeMemoryMb: 128 },
      ...{ runtimeIdleMs: 600_000, sandboxIdleMs: 600_000, reservePercent: 0 },
    },
  },
};

/** Policies whose papers know no stock: what they miss starts from nothing. */
const WITHOUT_STOCK: ReadonlySet<PolicyName> = new Set(['histogram', 'greedy-dual', 'layered']);

/** The machine of a tier as a policy is played on it. */
export const defaultMachine = (tier: Tier, policy: PolicyName): PlayedMachine => {
  const machine = DEFAULT_MACHINES[tier];
  if (!WITHOUT_STOCK.has(policy)) return machine;
  return { ...machine, settings: { ...machine.settings, pristine: 0, warmPristine: 0 } };
};
