/**
 * Plays a trace against the scheduler, the pool and a policy on a clock of its own: the same code that serves.
 *
 * Owns the wiring and the events of an invocation: it comes, is placed, loads if it has to, runs, and leaves. What
 * layers cost comes from the benches. Deterministic: the same trace, seed and settings give the same figures.
 */

import { StrataError } from '../core/errors.ts';
import type { Runtime, Tier } from '../core/spec.ts';
import { STRATA_VERSION } from '../core/version.ts';
import { Budget } from '../pool/budget.ts';
import { DEFAULT_COSTS, type DefaultCosts, FunctionCosts, RuntimeCosts } from '../pool/costs.ts';
import { LayeredPool, type PoolSettings } from '../pool/layered-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { LayerCosts, Policy } from '../pool/policy/api.ts';
import { createPolicy } from '../pool/policy/policies.ts';
import type { Placement } from '../pool/slot.ts';
import type { Clock } from '../ports/clock.ts';
import { VirtualClock } from '../ports/virtual-clock.ts';
import { Scheduler, type SchedulerSettings } from '../scheduler/scheduler.ts';
import type { Bounds, Simulate, SimulationRun } from './api.ts';
import { type ArrivalMinute, arrivals } from './arrivals.ts';
import { clairvoyant } from './clairvoyant.ts';
import { type RunFigures, RunResults } from './results.ts';
import { simulatedTier } from './simulated-tier.ts';
import { summaryOf, type Trace } from './trace.ts';

/** A runtime stands for its tier, with the costs that the benches found. */
const RUNTIME_OF: Readonly<Record<Tier, Runtime>> = { isolate: 'isolate', container: 'nodejs24' };
const CAPACITY_OF: Readonly<Record<Tier, number>> = { isolate: 100, container: 1 };

const NO_END = Number.POSITIVE_INFINITY;
const MANY = 1_000_000;

/** The defaults of the configuration, but for the numbers of sandboxes: memory is what is scarce here. */
const POOL_SETTINGS: Readonly<Record<Tier, PoolSettings>> = {
  isolate: {
    ...{ pristine: 2, warmPristine: 2, runtimesPerPristine: 4, maxPristine: 20, spareRuntimes: 2 },
    ...{ maxSandboxes: MANY, startParallelism: 2, bootParallelism: 2, runtimeMemoryMb: 128 },
    ...{ runtimeIdleMs: 600_000, sandboxIdleMs: 600_000, reservePercent: 0 },
  },
  container: {
    ...{ pristine: 2, warmPristine: 1, runtimesPerPristine: 1, maxPristine: 20, spareRuntimes: 1 },
    ...{ maxSandboxes: MANY, startParallelism: 2, bootParallelism: 1, runtimeMemoryMb: 128 },
    ...{ runtimeIdleMs: 600_000, sandboxIdleMs: 600_000, reservePercent: 0 },
  },
};
const QUEUE: SchedulerSettings = { maxLength: 1_000, maxLengthPerFunction: 200, timeoutMs: 10_000 };
const RESERVE_PERCENT = 10;
const SWEEP_MS = 1_000;
const MB_PER_GB = 1_024;

export const simulate: Simulate = async ({ trace, policies, budgetsGb, tiers, seed, progress }) => {
  const runs: SimulationRun[] = [];
  for (const tier of tiers) {
    for (const budgetGb of budgetsGb) {
      for (const name of policies) {
        progress?.(`${tier}, ${budgetGb} GB, ${name}`);
        const figures = await play(trace, { tier, budgetGb, policy: createPolicy(name), seed });
        runs.push({ tier, budgetGb, policy: name, figures });
      }
    }
  }
  return {
    ...{ version: STRATA_VERSION, trace: summaryOf(trace), seed, runs },
    bounds: Object.fromEntries(tiers.map((tier) => [tier, boundOf(trace, tier, seed)])),
    costs: Object.fromEntries(tiers.map((tier) => [tier, costsOf(tier, summaryOf(trace).memoryMb.p50)])),
    settings: { ...QUEUE, reservePercent: RESERVE_PERCENT },
  };
};

export interface PlayOptions {
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly policy: Policy;
  readonly seed: number;
}

/** One run of a trace. */
export const play = async (trace: Trace, options: PlayOptions): Promise<RunFigures> => {
  const run = new Run(trace, options);
  await run.toEnd();
  return run.figures();
};

class Run {
  readonly #clock = new VirtualClock();
  readonly #results = new RunResults();
  readonly #budget: Budget;
  readonly #pool: LayeredPool;
  readonly #scheduler: Scheduler;
  readonly #placements: readonly Placement[];
  readonly #memoryMb: readonly number[];
  readonly #loadMs: number;
  readonly #minutes: Generator<ArrivalMinute>;
  readonly #endMs: number;
  #minute: ArrivalMinute | null = null;
  #at = 0;

  constructor(trace: Trace, { tier, budgetGb, policy, seed }: PlayOptions) {
    const runtime = RUNTIME_OF[tier];
    const costs = DEFAULT_COSTS[runtime];
    const settings = POOL_SETTINGS[tier];
    const virtual = this.#clock;
    const clock = settling(virtual);
    this.#loadMs = costs.loadMs;
    this.#minutes = arrivals(trace, seed);
    this.#endMs = trace.minutes * trace.minuteMs;
    this.#memoryMb = trace.functions.map(({ memoryMb }) => Math.max(costs.runtimeMb, memoryMb));
    this.#placements = trace.functions.map(({ id, owner }, index) =>
      placementOf(id, owner, this.#memoryMb[index] ?? 0),
    );
    this.#budget = new Budget({ clock, memoryMb: budgetGb * MB_PER_GB, reservePercent: RESERVE_PERCENT });
    const scheduler = new Scheduler(clock, QUEUE);
    this.#pool = new LayeredPool({
      ...{ clock, runtime, policy, settings, budget: this.#budget, defaultCosts: costs },
      tier: simulatedTier(tier, virtual, costs, CAPACITY_OF[tier]),
      ...{ capacity: CAPACITY_OF[tier], resizable: true, sweepIntervalMs: SWEEP_MS },
      refillPerSecond: tier === 'container' ? 20 : null,
      prepare: (_placement, lease) => this.#prepare(lease),
      events: {
        ready: scheduler.ready,
        room: scheduler.retry,
        sandboxEnded: scheduler.retry,
        repaired: () => undefined,
        fault: (message, details) => {
          throw new Error(`${message}: ${JSON.stringify(details)}`);
        },
      },
    });
    scheduler.attach(this.#pool);
    this.#scheduler = scheduler;
  }

  async toEnd(): Promise<void> {
    this.#clock.unsettled();
    this.#scheduleNext();
    await this.#clock.run(this.#endMs);
  }

  figures(): RunFigures {
    const { idleMbSeconds, servingMbSeconds } = this.#budget.spent();
    this.#results.held(idleMbSeconds, servingMbSeconds);
    this.#results.memory(this.#budget.peakMb);
    this.#results.evicted(this.#budget.evictions);
    return this.#results.figures();
  }

  #scheduleNext(): void {
    while (this.#minute === null || this.#at >= this.#minute.count) {
      const next = this.#minutes.next();
      if (next.done === true) return;
      this.#minute = next.value;
      this.#at = 0;
    }
    this.#clock.at(this.#minute.timeMs[this.#at] ?? 0, this.#arrive);
  }

  readonly #arrive = (): void => {
    const minute = this.#minute;
    if (minute === null) return;
    const index = minute.functionIndex[this.#at] ?? 0;
    const durationMs = minute.durationMs[this.#at] ?? 0;
    this.#at += 1;
    this.#scheduleNext();
    const placement = this.#placements[index];
    if (placement === undefined) return;
    const arrivedMs = this.#clock.nowMs();
    let lease: Lease | Promise<Lease>;
    try {
      lease = this.#scheduler.acquire(placement);
    } catch (thrown) {
      this.#refused(thrown, arrivedMs);
      return;
    }
    if (!(lease instanceof Promise)) {
      this.#run(lease, index, durationMs, arrivedMs);
      return;
    }
    this.#clock.unsettled();
    lease.then(
      (leased) => this.#run(leased, index, durationMs, arrivedMs),
      (thrown: unknown) => this.#refused(thrown, arrivedMs),
    );
  };

  #run(lease: Lease, index: number, durationMs: number, arrivedMs: number): void {
    const now = this.#clock.nowMs();
    const loadMs = lease.loads ? this.#loadMs : 0;
    this.#results.started(lease.start, now - arrivedMs + loadMs);
    const release = (): void => lease.release(true, this.#memoryMb[index] ?? null);
    if (!lease.loads) {
      this.#clock.at(now + durationMs, release);
      return;
    }
    this.#clock.at(now + loadMs, () => {
      lease.loaded(loadMs);
      this.#clock.at(now + loadMs + durationMs, release);
    });
  }

  #prepare(lease: Lease): void {
    this.#clock.setTimer(this.#loadMs, () => {
      lease.loaded(this.#loadMs);
      lease.releaseAhead(true, 0);
    });
  }

  #refused(thrown: unknown, arrivedMs: number): void {
    if (!(thrown instanceof StrataError)) throw thrown;
    this.#results.refused(thrown.code, this.#clock.nowMs() - arrivedMs);
  }
}

/** What the pool's timers do may resolve promises: those run before time goes on. */
const settling = (clock: VirtualClock): Clock => ({
  nowMs: () => clock.nowMs(),
  wallMs: () => clock.wallMs(),
  setTimer: (delayMs, callback) =>
    clock.setTimer(delayMs, () => {
      callback();
      clock.unsettled();
    }),
});

/** The memory that a trace gives is what an instance takes; a function that was never measured is believed to take it. */
const placementOf = (id: string, owner: string, memoryMb: number): Placement => ({
  ...{ key: id, group: id, tenant: owner, label: id, memoryMb: memoryMb * 4, concurrency: 1 },
  ...{ minInstances: 0, maxInstances: MANY, reservedConcurrency: 0, idleTimeoutMs: NO_END, ephemeral: false },
});

/** What nobody can pass, for the costs and memory that the runs have. */
export const boundOf = (trace: Trace, tier: Tier, seed: number): Bounds =>
  clairvoyant(trace, seed, (memoryMb) => costsOf(tier, memoryMb));

const costsOf = (tier: Tier, memoryMb: number): LayerCosts => {
  const defaults: DefaultCosts = DEFAULT_COSTS[RUNTIME_OF[tier]];
  return new RuntimeCosts(defaults, CAPACITY_OF[tier], () => 0).of(new FunctionCosts(memoryMb * 4));
};
