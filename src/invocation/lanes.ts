/**
 * The lanes of an executor: for each runtime that this server has, the pool and the scheduler of its sandboxes.
 *
 * Owns which runtime runs where, and why one does not. Decides nothing about placement. Invariant: whatever concerns
 * all pools reaches each of them, also when one of them fails.
 */
import { StrataError } from '../core/errors.ts';
import { RUNTIMES, type Runtime, tierOf } from '../core/spec.ts';
import type { PoolsView, TierSnapshot, TierView } from '../pool/api.ts';
import type { Budget } from '../pool/budget.ts';
import type { LayeredPool } from '../pool/layered-pool.ts';
import type { Placement } from '../pool/slot.ts';
import type { Confinement } from '../sandbox/api.ts';
import type { Scheduler } from '../scheduler/scheduler.ts';
import type { RuntimeView } from './api.ts';

export interface Lane {
  readonly runtime: Runtime;
  readonly confinement: Confinement;
  readonly pool: LayeredPool;
  readonly scheduler: Scheduler;
}

export interface LaneOptions {
  readonly lanes: readonly Lane[];
  /** Why there is no lane for the other runtimes. */
  readonly unavailable: ReadonlyMap<Runtime, string>;
  /** What the pools of all lanes share. */
  readonly budget: Budget;
  /** Ends what the lanes share; called once, after the last of them has ended. */
  readonly release: () => Promise<void>;
}

export class Lanes {
  readonly #options: LaneOptions;
  readonly #byRuntime: ReadonlyMap<Runtime, Lane>;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#byRuntime = new Map(options.lanes.map((lane) => [lane.runtime, lane]));
  }

  /** @throws StrataError `runtime_unavailable`. */
  of(runtime: Runtime): Lane {
    const lane = this.#byRuntime.get(runtime);
    if (lane !== undefined) return lane;
    throw new StrataError(
      'runtime_unavailable',
      `The runtime ${runtime} is not served here: ${this.#reason(runtime)}.`,
    );
  }

  runtimes(): readonly RuntimeView[] {
    return RUNTIMES.map((runtime) => {
      const available = this.#byRuntime.has(runtime);
      return { runtime, tier: tierOf(runtime), available, reason: available ? null : this.#reason(runtime) };
    });
  }

  /** Invocations that wait for an instance. */
  get waiting(): number {
    let waiting = 0;
    for (const { scheduler } of this.#options.lanes) waiting += scheduler.waiting;
    return waiting;
  }

  /** Whether every pool has what its settings ask for; one that cannot get it does not keep the others from serving. */
  get filled(): boolean {
    const pools = this.#options.lanes.map(({ pool }) => pool);
    return pools.every((pool) => pool.filled || pool.failing) && pools.some((pool) => pool.filled);
  }

  /** What sandboxes may take together, and do. */
  get memoryMb(): { readonly budget: number; readonly used: number } {
    const { limitMb, usedMb } = this.#options.budget;
    return { budget: Math.round(limitMb), used: Math.round(usedMb) };
  }

  view(): PoolsView {
    const tiers: Record<string, TierView> = {};
    for (const { runtime, pool } of this.#options.lanes) tiers[runtime] = pool.view();
    return { tiers, queued: this.waiting };
  }

  /** What tenants and metrics are shown of this moment. */
  snapshots(): readonly TierSnapshot[] {
    return this.#options.lanes.map(({ pool }) => pool.snapshot());
  }

  /** By runtime, nanoseconds of CPU that went into code which was loaded ahead and never used. */
  unusedCpuNs(): ReadonlyMap<string, number> {
    return new Map(this.#options.lanes.map(({ runtime, pool }) => [runtime, pool.unusedCpuNs]));
  }

  confinement(): Readonly<Record<string, Confinement>> {
    return Object.fromEntries(this.#options.lanes.map(({ runtime, confinement }) => [runtime, confinement]));
  }

  /** In every lane, because a function may have had another runtime before. */
  supersede(group: string, currentKey: string | null): void {
    for (const { pool } of this.#options.lanes) pool.supersede(group, currentKey);
  }

  /** A revision of a function has become the current one; nothing where its runtime is not served. */
  deployed(runtime: Runtime, placement: Placement): void {
    this.#byRuntime.get(runtime)?.pool.deployed(placement);
  }

  refuseAll(error: StrataError): void {
    for (const { scheduler } of this.#options.lanes) scheduler.refuseAll(error);
  }

  /** Resolves when every sandbox has ended; @throws what failed first, once all the others have ended. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#options.lanes.map(({ pool }) => pool.close()));
    closed.push(...(await Promise.allSettled([this.#options.release()])));
    for (const outcome of closed) if (outcome.status === 'rejected') throw outcome.reason;
  }

  #reason(runtime: Runtime): string {
    return (this.#options.unavailable.get(runtime) ?? 'it was not set up').replace(/\.$/, '');
  }
}
