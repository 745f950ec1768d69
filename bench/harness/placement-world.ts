/**
 * Many functions on the real scheduler and pool above a simulated tier, and a stream of invocations whose decisions are
 * timed one by one.
 *
 * Owns the load: each active function is invoked at the same rate however many there are, and one invocation in a
 * hundred is of a function that is not active, so that starts happen. What the pool does between decisions, such as
 * refills and sweeps, runs outside of what is timed.
 */
import { Budget } from '../../src/pool/budget.ts';
import { DEFAULT_COSTS } from '../../src/pool/costs.ts';
import { LayeredPool } from '../../src/pool/layered-pool.ts';
import type { Lease } from '../../src/pool/lease.ts';
import { createPolicy } from '../../src/pool/policy/policies.ts';
import type { Placement } from '../../src/pool/slot.ts';
import { seededRandom } from '../../src/ports/random.ts';
import { settling, VirtualClock } from '../../src/ports/virtual-clock.ts';
import { Scheduler } from '../../src/scheduler/scheduler.ts';
import { simulatedTier } from '../../src/simulator/simulated-tier.ts';

/** Starts for which nothing was ready and nothing had to end are none of these: the stock leaves hardly any. */
export const DECISIONS = ['warm', 'from runtime', 'evicting'] as const;
export type DecisionKind = (typeof DECISIONS)[number];

export interface WorldOptions {
  readonly functions: number;
  readonly activeShare: number;
  readonly memoryMb: number;
  readonly seed: number;
}

const CAPACITY = 100;
const MANY = 1_000_000;
const FUNCTIONS_PER_TENANT = 5;
const HANDLER_MS = 10;
const INSTANCE_MB = 20;
/** Between two invocations of an active function. */
const INTERVAL_MS = 2_000;
const STRAY_SHARE = 0.01;
const RANDOM_MAX = 0x80000000;

const COSTS = DEFAULT_COSTS.isolate;

export class PlacementWorld {
  readonly decisionsMicros: Readonly<Record<DecisionKind, number[]>> = {
    ...{ warm: [], 'from runtime': [], evicting: [] },
  };
  refused = 0;
  readonly #clock = new VirtualClock();
  readonly #budget: Budget;
  readonly #pool: LayeredPool;
  readonly #scheduler: Scheduler;
  readonly #active: readonly Placement[];
  readonly #strays: readonly Placement[];
  readonly #random: () => number;
  readonly #intervalMs: number;
  #timing = false;

  constructor({ functions, activeShare, memoryMb, seed }: WorldOptions) {
    const clock = settling(this.#clock);
    const { nonce } = seededRandom(seed);
    this.#random = () => (nonce() - 1) / RANDOM_MAX;
    const active = Math.max(1, Math.round(functions * activeShare));
    this.#intervalMs = INTERVAL_MS / active;
    this.#budget = new Budget({ clock, memoryMb, reservePercent: 10 });
    this.#scheduler = new Scheduler(clock, {
      maxLength: MANY,
      maxLengthPerFunction: MANY,
      timeoutMs: 10_000,
    });
    this.#pool = new LayeredPool({
      ...{ clock, runtime: 'isolate', policy: createPolicy('strata'), budget: this.#budget },
      ...{ defaultCosts: COSTS, capacity: CAPACITY, resizable: true, sweepIntervalMs: 1_000 },
      tier: simulatedTier('isolate', this.#clock, () => COSTS, CAPACITY),
      settings: {
        ...{ pristine: 2, warmPristine: 2, runtimesPerPristine: 4, maxPristine: 20, spareRuntimes: 2 },
        ...{ maxSandboxes: MANY, startParallelism: 64, bootParallelism: 2, runtimeMemoryMb: 128 },
        ...{ runtimeIdleMs: 600_000, sandboxIdleMs: 600_000, reservePercent: 0 },
      },
      refillPerSecond: null,
      prepare: (_placement, lease) => this.#prepare(lease),
      events: {
        ready: this.#scheduler.ready,
        room: this.#scheduler.retry,
        sandboxEnded: this.#scheduler.retry,
        repaired: () => undefined,
        fault: (message, details) => {
          throw new Error(`${message}: ${JSON.stringify(details)}`);
        },
      },
    });
    this.#scheduler.attach(this.#pool);
    const placements = Array.from({ length: functions }, (_, at) => placementOf(at));
    for (const placement of placements) this.#pool.deployed(placement);
    this.#active = placements.slice(0, active);
    this.#strays = placements.slice(active);
  }

  get peakMb(): number {
    return this.#budget.peakMb;
  }

  get evictions(): number {
    return this.#budget.evictions;
  }

  /** Lets so many invocations come; their decisions count when `timed`. */
  async play(invocations: number, timed: boolean): Promise<void> {
    this.#timing = timed;
    let left = invocations;
    const next = (): void => {
      this.#invoke(this.#choose());
      left -= 1;
      if (left > 0) this.#clock.setTimer(-Math.log(1 - this.#random()) * this.#intervalMs, next);
    };
    const startedMs = this.#clock.nowMs();
    this.#clock.setTimer(0, next);
    // Some time more, until all have run that came; the pool's own timers never end.
    let untilMs = startedMs;
    while (left > 0) {
      untilMs += invocations * this.#intervalMs;
      await this.#clock.run(untilMs);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #choose(): Placement {
    const group = this.#random() < STRAY_SHARE ? this.#strays : this.#active;
    const placement = group[Math.floor(this.#random() * group.length)] ?? this.#active[0];
    if (placement === undefined) throw new Error('there are no functions');
    return placement;
  }

  #invoke(placement: Placement): void {
    const evictions = this.#budget.evictions;
    const startedMs = performance.now();
    const lease = this.#scheduler.acquire(placement);
    const micros = (performance.now() - startedMs) * 1_000;
    const evicted = this.#budget.evictions > evictions;
    if (lease instanceof Promise) {
      this.#clock.unsettled();
      lease.then(
        (leased) => this.#run(leased, micros, evicted ? 'evicting' : null),
        () => {
          this.refused += 1;
        },
      );
      return;
    }
    const kind = evicted ? 'evicting' : lease.start === 'code' ? 'warm' : 'from runtime';
    this.#run(lease, micros, kind);
  }

  #run(lease: Lease, acquiredMicros: number, kind: DecisionKind | null): void {
    const timing = this.#timing;
    const loadMs = lease.loads ? COSTS.loadMs : 0;
    if (lease.loads) this.#clock.setTimer(loadMs, () => lease.loaded(loadMs));
    this.#clock.setTimer(loadMs + HANDLER_MS, () => {
      const startedMs = performance.now();
      lease.release(true, INSTANCE_MB);
      const micros = (performance.now() - startedMs) * 1_000;
      if (timing && kind !== null) this.decisionsMicros[kind].push(acquiredMicros + micros);
    });
  }

  #prepare(lease: Lease): void {
    this.#clock.setTimer(COSTS.loadMs, () => {
      lease.loaded(COSTS.loadMs);
      lease.releaseAhead(true, 0);
    });
  }
}

const placementOf = (at: number): Placement => {
  const tenant = `tenant-${Math.floor(at / FUNCTIONS_PER_TENANT)}`;
  const key = `${tenant}/function-${at}`;
  return {
    ...{
      key,
      group: key,
      tenant,
      label: `function-${at}@$LATEST`,
      memoryMb: INSTANCE_MB * 4,
      concurrency: 1,
    },
    ...{
      minInstances: 0,
      maxInstances: 50,
      reservedConcurrency: 0,
      idleTimeoutMs: 600_000,
      ephemeral: false,
    },
  };
};
