/**
 * What a pool is made with: its tier, its settings, what it shares with others, and whom it tells what.
 *
 * Owns the shapes alone.
 */
import type { Runtime } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { SandboxTier } from '../sandbox/api.ts';
import type { Budget } from './budget.ts';
import type { DefaultCosts } from './costs.ts';
import type { KeeperSettings } from './keeper.ts';
import type { Lease } from './lease.ts';
import type { Policy } from './policy/api.ts';
import type { ShareSettings } from './shares.ts';
import type { Placement, Slot } from './slot.ts';

export interface PoolSettings extends KeeperSettings, ShareSettings {}

export interface PoolOptions {
  readonly tier: SandboxTier;
  /** What runs in this pool's sandboxes: one pool has one. */
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly policy: Policy;
  readonly settings: PoolSettings;
  /** Shared with the pools of other runtimes. */
  readonly budget: Budget;
  /** What layers are believed to cost until they have been measured. */
  readonly defaultCosts: DefaultCosts;
  /** Slots of one sandbox. */
  readonly capacity: number;
  /**
   * An instance can be given any memory size when code is loaded into it: all boot with `runtimeMemoryMb`, and serve
   * functions of every size.
   */
  readonly resizable: boolean;
  /** Sandboxes that may be started ahead in a second; null for any number. Who is waited for is not held back. */
  readonly refillPerSecond: number | null;
  readonly sweepIntervalMs: number;
  /** Loads a function's code into the instance of a lease, and ends the lease by `releaseAhead`. */
  readonly prepare: (placement: Placement, lease: Lease) => void;
  readonly events: PoolEvents;
}

export interface PoolEvents {
  /** A slot is free, or can take one more. */
  ready(slot: Slot): void;
  /** An instance has gone: what was refused for want of room may be possible now. */
  room(): void;
  /** A sandbox has ended; `cause` is the server's reason or how it died. */
  sandboxEnded(cause: string): void;
  /** Counts were found wrong, and were put right. */
  repaired(): void;
  fault(message: string, details: Readonly<Record<string, unknown>>): void;
}
