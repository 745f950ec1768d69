/**
 * What the pool shows of itself and what it is asked for.
 *
 * Owns the view types; the pool itself is in `layered-pool.ts`.
 */
import type { Layer } from '../core/receipt.ts';
import type { Runtime, Tier } from '../core/spec.ts';

/** One carrier and its instances, as `GET /v1/pools` shows them. */
export interface SandboxView {
  readonly id: string;
  readonly tier: Tier;
  readonly runtime: Runtime;
  /** The highest layer inside it. */
  readonly layer: Layer;
  readonly state: string;
  /** Null while no tenant's code has touched it. */
  readonly tenant: string | null;
  /** The function that is alone in it, after it killed a sandbox; null otherwise. */
  readonly quarantinedFor: string | null;
  readonly residentMb: number | null;
  readonly instances: readonly InstanceView[];
}

export interface InstanceView {
  readonly layer: Layer;
  readonly state: string;
  readonly memoryMb: number;
  /** `name@version` at layer code, null below it. */
  readonly function: string | null;
  readonly inFlight: number;
}

/** Slots of one pool: free + busy + starting + draining = total, always. */
export interface SlotCounts {
  readonly free: number;
  readonly busy: number;
  readonly starting: number;
  readonly draining: number;
  readonly total: number;
}

export interface PoolsView {
  /** By runtime, because each has a pool of its own; the runtime of the isolate tier is `isolate`. */
  readonly tiers: Readonly<Record<string, TierView>>;
  /** Invocations that wait for an instance. */
  readonly queued: number;
}

export interface TierView {
  readonly tier: Tier;
  readonly runtime: Runtime;
  readonly confinement: string;
  readonly slots: SlotCounts;
  /** Ready and idle, by layer. */
  readonly ready: Readonly<Record<Layer, number>>;
  readonly sandboxes: readonly SandboxView[];
}
