/**
 * Slots and sandboxes as the pool keeps them.
 *
 * Owns the shapes, the states and the moves that are allowed; `slots.ts` makes the moves and keeps the counts.
 */
import type { StrataError } from '../core/errors.ts';
import { NOT_IN_HEAP } from '../core/heap.ts';
import type { Layer } from '../core/receipt.ts';
import type { Carrier, Instance } from '../sandbox/api.ts';
import type { Due } from './agenda.ts';
import type { FunctionState } from './functions.ts';
import type { Stack } from './ready-slots.ts';

/**
 * - `starting`: being booted.
 * - `free`: ready, nothing in flight; layer runtime or code.
 * - `busy`: leased at least once.
 * - `draining`: being disposed; takes nothing.
 * - `gone`: no longer counted.
 */
export type SlotState = 'starting' | 'free' | 'busy' | 'draining' | 'gone';

export const SLOT_MOVES: Readonly<Record<SlotState, readonly SlotState[]>> = {
  starting: ['free', 'gone'],
  free: ['busy', 'draining', 'gone'],
  busy: ['free', 'draining', 'gone'],
  draining: ['gone'],
  gone: [],
};

/** What the pool must know of a function to place it. */
export interface Placement {
  /** Identifies one revision of one version: instances of another revision never serve it. */
  readonly key: string;
  /** The same for all revisions of the version. */
  readonly group: string;
  readonly tenant: string;
  /** `name@version`, for people. */
  readonly label: string;
  readonly memoryMb: number;
  readonly concurrency: number;
  readonly minInstances: number;
  readonly maxInstances: number;
  readonly reservedConcurrency: number;
  readonly idleTimeoutMs: number;
  /** An instance serves once: none of them is ever idle. */
  readonly ephemeral: boolean;
}

/** One place for one instance. Fields are changed by the pool alone, `state` and `chargedMb` by `Slots` alone. */
export interface Slot {
  readonly sandbox: Sandbox;
  readonly memoryMb: number;
  state: SlotState;
  layer: Extract<Layer, 'runtime' | 'code'>;
  instance: Instance | null;
  /** The function that is or will be loaded in it. */
  placement: Placement | null;
  /** The same function, as the pool knows it; null at layer runtime. */
  owner: FunctionState | null;
  inFlight: number;
  /** It is loading code, for an invocation or ahead; only the lease that loads it may use it. */
  loading: 'asked' | 'ahead' | null;
  /** To be disposed as soon as nothing is in flight. */
  retired: boolean;
  /** Monotonic milliseconds of the last lease or release. */
  usedMs: number;
  /** What the pressure on memory was then. */
  pressureAtUse: number;
  /** Its code was loaded ahead, and nobody has used it since. */
  unused: boolean;
  /** CPU time of code that was loaded ahead, nanoseconds: the first invocation that uses it has it on its receipt. */
  aheadCpuNs: number;
  /** What it takes of the budget. */
  chargedMb: number;
  /** The stack of `ReadySlots` that lists it; null when none does. */
  listed: Stack | null;
}

/** Who waits for a start, and since when. */
export interface Asked {
  readonly placement: Placement;
  readonly callbacks: StartCallbacks;
  readonly start: 'none' | 'container';
  readonly sinceMs: number;
  /** Held in the budget until the slot is there to be charged. */
  readonly reservedMb: number;
}

/** How a start that takes a while is told about: one of the two, once. */
export interface StartCallbacks {
  /** The slot is free and of layer runtime; it must be leased before this returns, or it becomes a spare. */
  ready(slot: Slot, timing: StartTiming): void;
  failed(error: StrataError): void;
}

export interface StartTiming {
  readonly start: 'none' | 'container';
  readonly provisionMs: number;
  readonly bootMs: number;
}

export type SandboxState = 'starting' | 'ready' | 'ending' | 'gone';

/** One carrier with its slots. A sandbox's taint is set once and never changes: that is the isolation of tenants. */
export interface Sandbox extends Due {
  readonly number: number;
  state: SandboxState;
  carrier: Carrier | null;
  readonly capacity: number;
  tenant: string | null;
  quarantinedFor: Placement | null;
  readonly slots: Set<Slot>;
  /** Slots that are busy, and those that are starting. */
  busy: number;
  starting: number;
  /** Starts that wait until it is up. */
  readonly awaited: Asked[];
  /**
   * While it is not zero, it takes nothing: instances that broke a limit and have not yet let go, so that the carrier
   * may be killed any moment, and one more while it is to come to rest for another tenant.
   */
  doubtful: number;
  /** The memory size of which spare runtimes are kept. */
  spareMemoryMb: number;
  usedMs: number;
  /** The function that was loaded in it last. */
  lastOwner: FunctionState | null;
  /** What the empty carrier takes of the budget. */
  chargedMb: number;
  /** The use of it after which the next two were decided. */
  plannedForMs: number;
  /** Without code in it, its runtimes stay until the first and the carrier until the second; monotonic milliseconds. */
  runtimeUntilMs: number;
  untilMs: number;
}

/** Property by property here and below: short of memory, hundreds are made each second, and spreads take their time. */
export const startingSandbox = (
  number: number,
  capacity: number,
  spareMemoryMb: number,
  nowMs: number,
): Sandbox => ({
  number,
  state: 'starting',
  carrier: null,
  capacity,
  tenant: null,
  quarantinedFor: null,
  slots: new Set(),
  busy: 0,
  starting: 0,
  awaited: [],
  doubtful: 0,
  spareMemoryMb,
  usedMs: nowMs,
  lastOwner: null,
  chargedMb: 0,
  plannedForMs: -1,
  runtimeUntilMs: 0,
  untilMs: 0,
  dueMs: Number.POSITIVE_INFINITY,
  heapIndex: NOT_IN_HEAP,
});

export const startingSlot = (
  sandbox: Sandbox,
  memoryMb: number,
  placement: Placement | null,
  nowMs: number,
): Slot => ({
  sandbox,
  memoryMb,
  state: 'starting',
  layer: 'runtime',
  instance: null,
  placement,
  owner: null,
  inFlight: 0,
  loading: null,
  retired: false,
  usedMs: nowMs,
  pressureAtUse: 0,
  unused: false,
  aheadCpuNs: 0,
  chargedMb: 0,
  listed: null,
});

/** Marks a sandbox as a tenant's for ever. @throws Error when it is another's already. */
export const taint = (sandbox: Sandbox, tenant: string): void => {
  if (sandbox.tenant !== null && sandbox.tenant !== tenant) {
    throw new Error(`a sandbox of tenant ${sandbox.tenant} was about to serve tenant ${tenant}`);
  }
  sandbox.tenant = tenant;
};

export const isFree = (slot: Slot): boolean => slot.state === 'free';

/** Free and loaded with this function, or busy with it and able to take more. */
export const canTake = (slot: Slot, placement: Placement): boolean =>
  (slot.state === 'free' || slot.state === 'busy') &&
  !slot.retired &&
  slot.loading === null &&
  slot.layer === 'code' &&
  slot.sandbox.doubtful === 0 &&
  slot.inFlight < placement.concurrency &&
  slot.instance !== null &&
  !slot.instance.ended;

/** Nothing runs, starts or is awaited in it. */
export const isAtRest = (sandbox: Sandbox): boolean =>
  sandbox.busy === 0 && sandbox.starting === 0 && sandbox.awaited.length === 0;

/** At rest, and no function is loaded in it. */
export const isEmpty = (sandbox: Sandbox): boolean => {
  if (!isAtRest(sandbox)) return false;
  for (const { layer, state } of sandbox.slots) if (layer === 'code' && state === 'free') return false;
  return true;
};
