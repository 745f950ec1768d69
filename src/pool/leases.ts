/**
 * Leases: from the moment a slot is given to an invocation, or to who only loads its code, until it is given back.
 *
 * Owns what a use changes in its slot, the places that loading instances will have, and what is learnt from a use. Never
 * chooses a slot. Invariants: every lease ends once; an instance that loads is counted for those who wait until it has loaded
 * or has gone.
 */
import { StrataError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Budget } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import type { Functions } from './functions.ts';
import type { Keeper } from './keeper.ts';
import { Lease, type LeaseTiming } from './lease.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Revisions } from './revisions.ts';
import type { Placement, Slot } from './slot.ts';
import { Tally } from './tally.ts';

export interface LeasesOptions {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly functions: Functions;
  readonly costs: RuntimeCosts;
  readonly budget: Budget;
  readonly revisions: Revisions;
  readonly keeper: Keeper;
  /** The invocation of a lease has ended. */
  readonly left: (placement: Placement) => void;
}

export const LOADED: LeaseTiming = { start: 'code', provisionMs: 0, bootMs: 0 };
export const BOOTED: LeaseTiming = { start: 'runtime', provisionMs: 0, bootMs: 0 };

/** What others are believed to take is not moved further by one whose initializer takes its time. */
const SHARED_LOAD_MAX_MS = 1_000;

export class Leases {
  /** Places that instances which are loading code will have for others, by function. */
  readonly comingPlaces = new Tally();
  readonly #options: LeasesOptions;
  #unusedCpuNs = 0;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  /** CPU time of code that was loaded ahead and has gone without being used, nanoseconds: nobody is billed for it. */
  get unusedCpuNs(): number {
    return this.#unusedCpuNs;
  }

  /** Leases a slot that is ready, or is about to be loaded. */
  begin(slot: Slot, placement: Placement, timing: LeaseTiming, loading: 'asked' | 'ahead' = 'asked'): Lease {
    const { instance } = slot;
    if (instance === null) throw new StrataError('internal_error', 'A slot without an instance was leased.');
    slot.inFlight += 1;
    slot.unused = false;
    slot.usedMs = this.#options.clock.nowMs();
    slot.sandbox.usedMs = slot.usedMs;
    if (slot.state === 'free') this.#options.lifecycle.slots.move(slot, 'busy');
    if (slot.layer === 'runtime') this.#beginLoad(slot, placement, loading);
    else if (slot.inFlight < placement.concurrency) this.#options.lifecycle.ready.add(slot);
    if (slot.owner !== null && slot.loading !== 'ahead') {
      slot.aheadCpuNs += slot.owner.unpaidCpuNs;
      slot.owner.unpaidCpuNs = 0;
    }
    return new Lease(this, slot, instance, timing);
  }

  release(slot: Slot, clean: boolean, memoryMb: number | null): void {
    const { placement, owner } = slot;
    if (owner !== null && memoryMb !== null) owner.costs.codeMb.add(memoryMb);
    if (owner !== null) owner.costs.servedMs.add(this.#options.clock.nowMs() - slot.usedMs);
    if (owner !== null && clean) owner.failures = 0;
    this.#settle(slot, clean);
    if (placement !== null) this.#options.left(placement);
  }

  releaseAhead(slot: Slot, worked: boolean): void {
    const { owner } = slot;
    const tookMs = this.#options.clock.nowMs() - slot.usedMs;
    slot.unused = worked;
    if (!worked && owner !== null) {
      owner.unpaidCpuNs += slot.aheadCpuNs;
      slot.aheadCpuNs = 0;
    }
    this.#settle(slot, worked);
    if (owner !== null) this.#options.keeper.preloaded(owner, worked, tookMs);
  }

  loaded(slot: Slot, loadMs: number): void {
    this.#options.costs.loadMs.add(Math.min(loadMs, SHARED_LOAD_MAX_MS));
    slot.owner?.costs.loadMs.add(loadMs);
    this.#loadEnded(slot);
    if (slot.state === 'busy') this.#options.lifecycle.offer(slot);
  }

  /** The slot takes nothing more, whoever it was leased to. */
  left(slot: Slot): void {
    // Whoever counted on it has to be served by another.
    this.#loadEnded(slot);
    this.#unusedCpuNs += slot.aheadCpuNs;
    slot.aheadCpuNs = 0;
    const { owner } = slot;
    if (owner === null) return;
    // What the pool itself ends is retired or drains.
    if (slot.unused && slot.state === 'gone' && !slot.retired) this.#options.keeper.wasted(owner);
    this.#options.keeper.lost(owner);
  }

  #beginLoad(slot: Slot, placement: Placement, loading: 'asked' | 'ahead'): void {
    slot.layer = 'code';
    slot.loading = loading;
    this.comingPlaces.add(placement.key, placesOf(placement.concurrency, loading));
    if (slot.placement === null) this.#options.lifecycle.instances.add(placement.key, 1);
    slot.placement = placement;
    const state = this.#options.functions.of(placement);
    slot.owner = state;
    slot.sandbox.lastOwner = state;
    state.slots.add(slot);
    if (this.#options.revisions.isSuperseded(placement)) slot.retired = true;
    // Of one revision the newest placement is that of `deployed`, however long ago an invocation was given its own.
    else if (state.placement.key !== placement.key) this.#options.functions.renew(state, placement);
    this.#options.keeper.stockroom.soon();
  }

  /** One use of a slot is over. */
  #settle(slot: Slot, clean: boolean): void {
    this.#loadEnded(slot);
    slot.inFlight -= 1;
    slot.usedMs = this.#options.clock.nowMs();
    slot.sandbox.usedMs = slot.usedMs;
    slot.pressureAtUse = this.#options.budget.worthOfLast;
    if (slot.state === 'gone') return;
    if (!clean || slot.instance?.ended === true) slot.retired = true;
    else if (slot.placement !== null) this.#options.lifecycle.quarantine.ranClean(slot.placement.key);
    if (slot.inFlight === 0 && slot.state === 'busy') {
      if (slot.retired) {
        this.#options.lifecycle.drain(slot);
        this.#options.keeper.stockroom.soon();
        return;
      }
      this.#options.lifecycle.slots.move(slot, 'free');
    }
    this.#options.lifecycle.offer(slot);
  }

  #loadEnded(slot: Slot): void {
    if (slot.loading === null || slot.placement === null) return;
    this.comingPlaces.add(slot.placement.key, -placesOf(slot.placement.concurrency, slot.loading));
    slot.loading = null;
  }
}

/** Places of an instance that loads code, beside that of the invocation for which it does. */
export const placesOf = (concurrency: number, loading: 'asked' | 'ahead'): number =>
  loading === 'ahead' ? concurrency : concurrency - 1;
