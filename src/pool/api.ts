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
  /** What bounds all pools together. */
  readonly limits?: LimitsView;
}

/** What the server shows to one tenant: its own, and what is nobody's. */
export interface TenantPoolsView extends Omit<PoolsView, 'tiers'> {
  readonly tiers: Readonly<Record<string, TenantTierView>>;
}

export interface TenantTierView extends TierView {
  /** Of this tenant and of nobody, beyond those that are shown. */
  readonly unlistedSandboxes: number;
  /** Those of other tenants, which are counted and not listed. */
  readonly otherSandboxes: number;
}

/** How many of each kind there are in one pool: what metrics show. */
export interface Census {
  readonly tier: Tier;
  readonly runtime: Runtime;
  readonly slots: readonly { readonly layer: Layer; readonly state: string; readonly count: number }[];
  readonly sandboxes: readonly {
    /** The highest inside. */
    readonly layer: Layer;
    readonly state: string;
    readonly taint: 'pristine' | 'tenant';
    readonly count: number;
  }[];
  /** What serves nobody now, as the budget counts it, by the layer that holds it. */
  readonly idle: readonly {
    readonly layer: Layer;
    /** `ahead` for code that was loaded ahead and that nobody has used yet. */
    readonly use: 'kept' | 'ahead';
    readonly memoryMb: number;
  }[];
}

/** What tenants and metrics are shown of one moment: made at once for many who ask. */
export interface TierSnapshot {
  readonly runtime: Runtime;
  readonly census: Census;
  of(tenant: string): TenantTierView;
}

export interface LimitsView {
  /** What sandboxes may take and do take, as the costs of their layers are measured. */
  readonly memoryMb: { readonly budget: number; readonly used: number };
  /** Invocations inside the server, running or waiting. */
  readonly inFlight: number;
  readonly maxInFlight: number;
}

export interface TierView {
  readonly tier: Tier;
  readonly runtime: Runtime;
  readonly confinement: string;
  readonly slots: SlotCounts;
  /** Ready and idle, by layer. */
  readonly ready: Readonly<Record<Layer, number>>;
  readonly sandboxes: readonly SandboxView[];
  /** The name of the policy that decides what is kept. */
  readonly policy?: string;
  /** What it will do next, the soonest first. */
  readonly plans?: readonly PlanView[];
  readonly stock?: StockView;
  readonly costs?: CostsView;
  /** Instances that are kept because their functions' `minInstances` ask for them. */
  readonly provisioned?: number;
  /** Functions that have fewer ready than their `minInstances`. */
  readonly unmet?: readonly UnmetView[];
  readonly memoryMb?: { readonly used: number; readonly idle: number };
}

/** One step that the policy has decided on, and why. */
export interface PlanView {
  /** `name@version`; null for what is not a function's, such as a pristine sandbox. */
  readonly function: string | null;
  /** Null for what is nobody's yet. */
  readonly tenant: string | null;
  readonly layer: Layer;
  readonly action: 'keep' | 'warm' | 'drop' | 'refill';
  /** Milliseconds from now; null for what has no time. */
  readonly inMs: number | null;
  /** A sentence for people. It may name the tenant and function above, and no others. */
  readonly why: string;
}

/** A function whose `minInstances` are not all ready, and why. */
export interface UnmetView {
  /** `name@version`. */
  readonly function: string;
  readonly tenant: string;
  readonly minInstances: number;
  readonly ready: number;
  readonly why: string;
}

/** Pristine sandboxes that are wanted: `warm` with `runtimesEach` booted runtimes, `cold` without. */
export interface StockView {
  readonly warm: number;
  readonly cold: number;
  readonly runtimesEach: number;
  readonly why: string;
}

/** What layers cost as measured: a start from each beyond one from `code`, and the memory that each adds. */
export interface CostsView {
  readonly startMs: { readonly none: number; readonly container: number; readonly runtime: number };
  readonly memoryMb: { readonly container: number; readonly runtime: number };
}
