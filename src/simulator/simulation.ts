/**
 * Plays a trace against the scheduler, the pool and a policy on a clock of its own: the same code that serves.
 *
 * Owns the wiring and the events of an invocation: it comes, is placed, loads if it has to, runs, and leaves. What
 * layers cost comes from the benches. Deterministic: the same trace, seed and settings give the same figures.
 */

import { StrataError } from '../core/errors.ts';
import type { Tier } from '../core/spec.ts';
import { STRATA_VERSION } from '../core/version.ts';
import { Budget } from '../pool/budget.ts';
import { type DefaultCosts, FunctionCosts, RuntimeCosts, UNMEASURED_SHARE } from '../pool/costs.ts';
import { LayeredPool } from '../pool/layered-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { LayerCosts, Policy } from '../pool/policy/api.ts';
import { createPolicy } from '../pool/policy/policies.ts';
import type { Placement } from '../pool/slot.ts';
import { settling, VirtualClock } from '../ports/virtual-clock.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Bounds, Simulate, SimulationRun } from './api.ts';
import { type ArrivalMinute, arrivals } from './arrivals.ts';
import { clairvoyant } from './clairvoyant.ts';
import { DEFAULT_MACHINES, defaultMachine, type PlayedMachine } from './played-machine.ts';
import { type RunFigures, RunResults } from './results.ts';
import { simulatedTier } from './simulated-tier.ts';
import { summaryOf, type Trace } from './trace.ts';

const NO_END = Number.POSITIVE_INFINITY;
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
    settings: SETTINGS,
  };
};

/** What all runs of `simulate` have alike. */
const SETTINGS = {
  ...DEFAULT_MACHINES.isolate.queue,
  reservePercent: DEFAULT_MACHINES.isolate.reservePercent,
};

export interface PlayOptions {
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly policy: Policy;
  readonly seed: number;
  /** By default that of the tier. */
  readonly machine?: PlayedMachine;
  /** What came when, in order of time, where that is known better than from the trace and the seed. */
  readonly arrivals?: Iterable<ArrivalMinute>;
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
  readonly #memoryMb: readonly (number | null)[];
  readonly #costsNow: () => DefaultCosts;
  readonly #minutes: Iterator<ArrivalMinute>;
  readonly #leadMs: number;
  readonly #endMs: number;
  #minute: ArrivalMinute | null = null;
  #at = 0;

  constructor(trace: Trace, options: PlayOptions) {
    const { tier, budgetGb, policy, seed, machine: given } = options;
    const machine = given ?? defaultMachine(tier, policy.name);
    const { runtime, costs, settings, capacity, resizable, refillPerSecond, sweepIntervalMs, queue } =
      machine;
    const virtual = this.#clock;
    const clock = settling(virtual);
    const { costsAt } = machine;
    this.#costsNow = costsAt === undefined ? () => costs : () => costsAt(virtual.nowMs());
    this.#minutes = (options.arrivals ?? arrivals(trace, seed))[Symbol.iterator]();
    this.#leadMs = machine.leadMs;
    this.#endMs = machine.leadMs + trace.minutes * trace.minuteMs + machine.tailMs;
    const asked = trace.functions.map(({ memoryMb }) => Math.max(costs.runtimeMb, memoryMb));
    this.#memoryMb = asked.map((memoryMb) =>
      machine.memory === null ? memoryMb : machine.memory.measuredMb,
    );
    this.#placements = trace.functions.map(({ id, owner }, index) =>
      placementOf(id, owner, machine, asked[index] ?? 0),
    );
    const { reservePercent } = machine;
    this.#budget = new Budget({ clock, memoryMb: budgetGb * MB_PER_GB, reservePercent });
    const scheduler = new Scheduler(clock, queue);
    this.#pool = new LayeredPool({
      ...{ clock, runtime, policy, settings, budget: this.#budget, defaultCosts: costs },
      tier: simulatedTier(tier, virtual, this.#costsNow, capacity),
      ...{ capacity, resizable, sweepIntervalMs, refillPerSecond },
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
    this.#clock.at(this.#leadMs + (this.#minute.timeMs[this.#at] ?? 0), this.#arrive);
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
    const loadMs = lease.loads ? this.#costsNow().loadMs : 0;
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
    const { loadMs } = this.#costsNow();
    this.#clock.setTimer(loadMs, () => {
      lease.loaded(loadMs);
      lease.releaseAhead(true, 0);
    });
  }

  #refused(thrown: unknown, arrivedMs: number): void {
    if (!(thrown instanceof StrataError)) throw thrown;
    this.#results.refused(thrown.code, this.#clock.nowMs() - arrivedMs);
  }
}

/** What a trace gives is what an instance takes: a function that was never measured is believed to take it. */
const placementOf = (id: string, owner: string, machine: PlayedMachine, takesMb: number): Placement => ({
  ...{ key: id, group: id, tenant: owner, label: id, concurrency: 1 },
  memoryMb: machine.memory?.askedMb ?? takesMb / UNMEASURED_SHARE,
  ...{ minInstances: 0, maxInstances: machine.maxInstances, reservedConcurrency: 0 },
  ...{ idleTimeoutMs: NO_END, ephemeral: false },
});

/** What nobody can pass, for the costs and memory that the runs have. */
export const boundOf = (trace: Trace, tier: Tier, seed: number): Bounds =>
  clairvoyant(trace, seed, (memoryMb) => costsOf(tier, memoryMb));

const costsOf = (tier: Tier, memoryMb: number): LayerCosts => {
  const { costs, capacity } = DEFAULT_MACHINES[tier];
  return new RuntimeCosts(costs, capacity, () => 0).of(new FunctionCosts(memoryMb / UNMEASURED_SHARE));
};
