/**
 * Slots and sandboxes as the pool keeps them, and the one function that moves a slot from state to state.
 *
 * Owns the states and the counts. Invariant: free + busy + starting + draining = total after every transition.
 */
import type { StrataError } from '../core/errors.ts';
import type { Layer } from '../core/receipt.ts';
import type { Carrier, Instance } from '../sandbox/api.ts';
import type { SlotCounts } from './api.ts';
import type { Stack } from './ready-slots.ts';

/**
 * - `starting`: being booted.
 * - `free`: ready, nothing in flight; layer runtime or code.
 * - `busy`: leased at least once.
 * - `draining`: being disposed; takes nothing.
 * - `gone`: no longer counted.
 */
export type SlotState = 'starting' | 'free' | 'busy' | 'draining' | 'gone';

const MOVES: Readonly<Record<SlotState, readonly SlotState[]>> = {
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
  readonly reservedConcurrency?: number;
  readonly idleTimeoutMs: number;
  /** An instance serves once: none of them is ever idle. */
  readonly ephemeral?: boolean;
}

/** One place for one instance. Fields are changed by the pool alone, `state` by `move` alone. */
export interface Slot {
  readonly sandbox: Sandbox;
  readonly memoryMb: number;
  state: SlotState;
  layer: Extract<Layer, 'runtime' | 'code'>;
  instance: Instance | null;
  /** The function that is or will be loaded in it. */
  placement: Placement | null;
  inFlight: number;
  /** It is loading code; only the lease that loads it may use it. */
  loading: boolean;
  /** To be disposed as soon as nothing is in flight. */
  retired: boolean;
  /** Monotonic milliseconds of the last lease or release. */
  usedMs: number;
  /** The stack of `ReadySlots` that lists it; null when none does. */
  listed: Stack | null;
}

/** Who waits for a start, and since when. */
export interface Asked {
  readonly placement: Placement;
  readonly callbacks: StartCallbacks;
  readonly start: 'none' | 'container';
  readonly sinceMs: number;
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
export interface Sandbox {
  readonly number: number;
  state: SandboxState;
  carrier: Carrier | null;
  readonly capacity: number;
  tenant: string | null;
  quarantinedFor: Placement | null;
  readonly slots: Set<Slot>;
  /** Starts that wait until it is up. */
  readonly awaited: Asked[];
  /** Instances that broke a limit and have not yet let go: until they do, the carrier may be killed any moment. */
  doubtful: number;
  /** The memory size of which spare runtimes are kept. */
  spareMemoryMb: number;
  usedMs: number;
}

/** The counts of one tier, kept at every transition; `audit` recounts them. */
export class Slots {
  readonly #counts = { free: 0, busy: 0, starting: 0, draining: 0 };

  /** Adds a slot, which is `starting`. */
  add(slot: Slot): void {
    slot.sandbox.slots.add(slot);
    this.#counts.starting += 1;
  }

  /** @throws Error for a move that the table does not allow: a fault of the pool itself. */
  move(slot: Slot, to: SlotState): void {
    if (!MOVES[slot.state].includes(to)) throw new Error(`a slot cannot move from ${slot.state} to ${to}`);
    if (slot.state !== 'gone') this.#counts[slot.state] -= 1;
    slot.state = to;
    if (to === 'gone') slot.sandbox.slots.delete(slot);
    else this.#counts[to] += 1;
  }

  counts(): SlotCounts {
    const { free, busy, starting, draining } = this.#counts;
    return { free, busy, starting, draining, total: free + busy + starting + draining };
  }

  /** Compares the counts with the slots themselves; returns what differs, or null. Repairs the counts. */
  audit(sandboxes: Iterable<Sandbox>): string | null {
    const recount = { free: 0, busy: 0, starting: 0, draining: 0 };
    let strays = 0;
    for (const sandbox of sandboxes) {
      for (const slot of sandbox.slots) {
        if (slot.state === 'gone') strays += 1;
        else recount[slot.state] += 1;
      }
    }
    const keys = ['free', 'busy', 'starting', 'draining'] as const;
    const wrong = keys.filter((key) => recount[key] !== this.#counts[key]);
    const found = wrong.map((key) => `${key}: counted ${this.#counts[key]}, are ${recount[key]}`);
    if (strays > 0) found.push(`${strays} slots are gone and still listed`);
    Object.assign(this.#counts, recount);
    return found.length === 0 ? null : found.join('; ');
  }
}

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
  !slot.loading &&
  slot.layer === 'code' &&
  slot.sandbox.doubtful === 0 &&
  slot.inFlight < placement.concurrency &&
  slot.instance !== null &&
  !slot.instance.ended;
