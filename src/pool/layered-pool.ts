/**
 * The layered pool of one runtime: what an invocation may start from, and what is left when it has ended.
 *
 * Owns the choice of what an invocation starts from. Sandboxes and slots live in `lifecycle.ts`, leases in `leases.ts`;
 * what is kept warm is `keeper.ts`'s, memory is shared in `budget.ts`. Never queues a request: the scheduler does, and is
 * told when something becomes ready. Invariants: a tainted sandbox serves its tenant alone; every lease ends; slots are
 * conserved (see `slots.ts`).
 */
import type { Clock, Timer } from '../ports/clock.ts';
import type { SlotCounts, TierSnapshot, TierView } from './api.ts';
import { audit } from './audit.ts';
import { RuntimeCosts } from './costs.ts';
import { type FunctionState, Functions } from './functions.ts';
import { Keeper } from './keeper.ts';
import type { Lease } from './lease.ts';
import { BOOTED, Leases, LOADED, placesOf } from './leases.ts';
import { Lifecycle } from './lifecycle.ts';
import type { PoolOptions } from './options.ts';
import { Revisions } from './revisions.ts';
import { Shares } from './shares.ts';
import type { Asked, Placement, Sandbox, Slot, StartCallbacks, StartTiming } from './slot.ts';
import { Victims } from './victims.ts';
import { Snapshot, type TierViewParts, viewTier } from './view.ts';

/** So many times quicker than the start of a sandbox. */
const BOOT_IS_CHEAP = 8;

export class LayeredPool {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #costs: RuntimeCosts;
  readonly #functions = new Functions();
  readonly #lifecycle: Lifecycle;
  readonly #keeper: Keeper;
  readonly #shares: Shares;
  readonly #victims: Victims;
  readonly #shown: TierViewParts;
  readonly #leases: Leases;
  readonly #revisions = new Revisions();
  #sweep: Timer | null = null;
  #closed = false;

  constructor(options: PoolOptions) {
    const { clock, policy, budget, settings, tier, capacity, resizable, events } = options;
    this.#options = options;
    this.#clock = clock;
    const costs = new RuntimeCosts(options.defaultCosts, capacity, () => budget.demand);
    const functions = this.#functions;
    this.#costs = costs;
    const { startParallelism, runtimeMemoryMb } = settings;
    const lifecycle = new Lifecycle({
      ...{ tier, clock, capacity, resizable, budget, costs, functions, startParallelism, runtimeMemoryMb },
      events: {
        ready: events.ready,
        room: events.room,
        sandboxEnded: events.sandboxEnded,
        fault: events.fault,
        left: (slot) => this.#leases.left(slot),
        freed: (what) => this.#victims.freed(what),
        changed: (tenant) => this.#keeper.stockroom.changed(tenant),
        emptied: (sandbox) => this.#keeper.emptied(sandbox),
      },
    });
    this.#lifecycle = lifecycle;
    this.#shares = new Shares({ lifecycle, budget, settings });
    const preload = (state: FunctionState): boolean => this.#preload(state);
    const { refillPerSecond } = options;
    this.#keeper = new Keeper({
      ...{ clock, policy, settings, lifecycle, functions, costs, budget, refillPerSecond, preload },
    });
    const revisions = this.#revisions;
    const left = (placement: Placement): void => this.left(placement);
    this.#leases = new Leases({
      ...{ clock, lifecycle, functions, costs, budget, revisions, keeper: this.#keeper, left },
    });
    this.#victims = new Victims({ clock, policy, lifecycle, costs, budget });
    budget.join(this.#victims);
    this.#shown = {
      ...{ tier, runtime: options.runtime, policy, lifecycle, functions, keeper: this.#keeper },
      ...{ costs, budget, shares: this.#shares, clock },
    };
    this.#keeper.stockroom.plan();
    this.#scheduleSweep();
  }

  /** An invocation of this function has come; `left` follows once, when it has ended or was refused. */
  arrived(placement: Placement): void {
    this.#functions.of(placement).demand.arrived(this.#clock.nowMs(), placement.concurrency);
  }

  /** An invocation that had come has ended, or was refused. */
  left(placement: Placement): void {
    const state = this.#functions.of(placement);
    const level = state.demand.left(this.#clock.nowMs(), placement.concurrency);
    if (level > 0 && !this.#closed) this.#keeper.gapBegan(state, level);
  }

  /** A loaded instance with room, the one used last first; null when there is none. */
  takeCode(placement: Placement): Lease | null {
    const slot = this.#lifecycle.ready.code(placement);
    return slot === null ? null : this.#leases.begin(slot, placement, LOADED);
  }

  /**
   * A booted runtime of this tenant, else a pristine one; null when there is none or the function has its fill.
   * A pristine one costs a whole sandbox: a tenant that has room in its own boots another instance there, where that
   * takes next to no time beside the start of a sandbox.
   * @param insists take a pristine one all the same.
   */
  takeRuntime(placement: Placement, insists = false): Lease | null {
    if (this.isFull(placement)) return null;
    const slot = this.#readyRuntime(placement, insists);
    if (slot === null) {
      // There is none left to be held up.
      this.#keeper.stockroom.soon();
      return null;
    }
    if (!this.#mayLoad(slot, placement, false)) return null;
    return this.#leases.begin(slot, placement, BOOTED);
  }

  /** Leases a slot that `StartCallbacks.ready` has just handed over. */
  takeStarted(slot: Slot, placement: Placement, timing: StartTiming): Lease {
    return this.#leases.begin(slot, placement, timing);
  }

  /**
   * Starts one more instance for a function.
   * @param from `container` boots in a sandbox that is up, `none` starts a sandbox, `best` does what is nearer.
   * @param ahead nobody waits for it: nothing is ended for it.
   * @returns false when that is not possible now; no callback follows then.
   */
  start(
    placement: Placement,
    from: 'container' | 'none' | 'best',
    callbacks: StartCallbacks,
    ahead = false,
  ): boolean {
    const { budget } = this.#options;
    const lifecycle = this.#lifecycle;
    if (this.#closed || this.isFull(placement)) return false;
    const alone = lifecycle.quarantine.has(placement.key);
    const codeMb = lifecycle.codeMb(placement);
    const asked: Asked = {
      ...{ placement, callbacks, sinceMs: this.#clock.nowMs(), reservedMb: codeMb },
      start: from === 'none' ? 'none' : 'container',
    };
    const room = from === 'none' ? null : this.#roomFor(placement, alone);
    if (room !== null) {
      // More at once would take as long all together, and most would come when their waiters have been served.
      if (room.starting >= Math.max(1, this.#options.settings.bootParallelism)) return false;
      if (!budget.makeRoom(placement.tenant, codeMb, ahead) || room.state !== 'ready') return false;
      this.#claim(room, placement);
      void lifecycle.boot(room, lifecycle.bootMb(placement.memoryMb), asked);
      return true;
    }
    if (from === 'container') return false;
    const coming = from === 'none' ? null : lifecycle.sandboxes.comingRoomFor(placement, alone);
    if (coming !== null) {
      if (!budget.makeRoom(placement.tenant, codeMb, ahead)) return false;
      lifecycle.await(coming, { ...asked, start: 'none' });
      return true;
    }
    if (!this.#shares.mayProvision(placement, { insists: from === 'none', ahead })) return false;
    if (!budget.makeRoom(placement.tenant, codeMb + this.#costs.containerMb, ahead)) return false;
    const sandbox = lifecycle.provision(placement);
    this.#keeper.stockroom.taken(placement.tenant, true);
    lifecycle.await(sandbox, { ...asked, start: 'none' });
    return true;
  }

  /** Whether a function has as many instances as it may have. */
  isFull({ key, maxInstances }: Placement): boolean {
    return this.instancesOf(key) >= maxInstances;
  }

  /** Instances that run, load or start for a function. */
  instancesOf(key: string): number {
    return this.#lifecycle.instances.of(key);
  }

  /** Places that instances which are loading this function's code will have beside the leases that load them. */
  comingPlaces(placement: Placement): number {
    return this.#leases.comingPlaces.of(placement.key);
  }

  /**
   * A revision of a function has become the current one, or its `minInstances` are kept from now on, or not any more:
   * what it is to have at least is made ready, and what it has beyond that is the policy's to keep.
   */
  deployed(placement: Placement): void {
    const state = this.#functions.of(placement);
    const former = state.placement.minInstances;
    state.deleted = false;
    this.#functions.renew(state, placement);
    state.heldOffUntilMs = 0;
    state.failures = 0;
    if (placement.minInstances > 0 || former > 0) this.#keeper.review(state);
  }

  /**
   * Says which revision of a function is the current one, null for none: instances of others end, idle ones now, busy
   * ones when they are done, and so will what is loaded of them by who found them before.
   */
  supersede(group: string, currentKey: string | null): void {
    this.#revisions.set(group, currentKey);
    const state = this.#functions.find(group);
    if (state === null) return;
    state.deleted = currentKey === null;
    for (const slot of [...state.slots]) {
      if (slot.placement?.key === currentKey) continue;
      slot.retired = true;
      // What is only loading for those who will come has nobody who waits for it.
      if (slot.state === 'free' || slot.loading === 'ahead') this.#lifecycle.drain(slot);
    }
    this.#keeper.stockroom.soon();
  }

  /** Counts anew and puts right what differs; returns what did, or null. */
  audit(): string | null {
    return audit(this.#lifecycle, this.#leases.comingPlaces, placesOf);
  }

  /** Invocations of a function that have come and not left. */
  inFlightOf({ group }: Placement): number {
    return this.#functions.find(group)?.demand.inFlight ?? 0;
  }

  counts(): SlotCounts {
    return this.#lifecycle.slots.counts();
  }

  view(): TierView {
    return viewTier(this.#shown);
  }

  snapshot(): TierSnapshot {
    return new Snapshot(this.#shown);
  }

  /** How much is remembered of names that others choose: bounded. */
  get remembered(): { readonly functions: number; readonly currentKeys: number; readonly tenants: number } {
    const { takers: tenants } = this.#keeper.stockroom;
    return { functions: this.#functions.size, currentKeys: this.#revisions.size, tenants };
  }

  /** CPU time of code that was loaded ahead and has gone without being used, nanoseconds. */
  get unusedCpuNs(): number {
    return this.#leases.unusedCpuNs;
  }

  /** Keys under which ready slots are listed: bounded by what is there. */
  get listed(): number {
    return this.#lifecycle.ready.size;
  }

  /** Starts have failed lately, and the pool holds off before it tries again. */
  get failing(): boolean {
    return this.#lifecycle.starts.holdsOff;
  }

  /** How long a start from nothing takes, as measured for all functions; milliseconds. */
  startEstimateMs(): number {
    return this.#costs.of(null).startMs.none;
  }

  /** How long it takes until one of a function's places is free again when it has all it may have, milliseconds. */
  turnEstimateMs({ group, maxInstances, concurrency }: Placement): number {
    const servedMs = this.#functions.find(group)?.costs.servedMs.value ?? 0;
    return servedMs / (maxInstances * concurrency);
  }

  /** Whether the pristine part is as large as the settings ask in any case. */
  get filled(): boolean {
    return this.#keeper.stockroom.filled;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sweep?.cancel();
    this.#keeper.close();
    await this.#lifecycle.close();
  }

  /** A pristine sandbox is one more that the tenant holds: beyond its share it gets none. */
  #roomFor(placement: Placement, alone: boolean): Sandbox | null {
    const room = this.#lifecycle.sandboxes.roomFor(placement, alone);
    return room === null || room.tenant !== null || this.#shares.mayClaim(placement) ? room : null;
  }

  #readyRuntime(placement: Placement, insists: boolean): Slot | null {
    const { ready, quarantine, sandboxes } = this.#lifecycle;
    const alone = quarantine.has(placement.key);
    const own = ready.ownRuntime(placement, alone);
    if (own !== null) return own;
    const bootsOwn = !insists && this.#costs.bootMs.value * BOOT_IS_CHEAP < this.#costs.provisionMs.value;
    if (bootsOwn && sandboxes.roomFor(placement, alone)?.tenant != null) return null;
    return this.#shares.mayClaim(placement) ? ready.pristineRuntime(placement) : null;
  }

  /** Finds room for what the code will take beyond the runtime; puts the slot back when there is none. */
  #mayLoad(slot: Slot, placement: Placement, ahead: boolean): boolean {
    const codeMb = this.#lifecycle.codeMb(placement);
    const moreMb = codeMb - slot.chargedMb;
    if (!this.#options.budget.makeRoom(placement.tenant, moreMb, ahead)) {
      if (slot.state === 'free') this.#lifecycle.ready.add(slot);
      return false;
    }
    // What ended for it may have taken the slot's sandbox with it.
    if (slot.state !== 'free' || slot.sandbox.state !== 'ready') return false;
    this.#claim(slot.sandbox, placement);
    this.#lifecycle.slots.resize(slot, codeMb);
    return true;
  }

  #claim(sandbox: Sandbox, placement: Placement): void {
    this.#keeper.stockroom.taken(placement.tenant, sandbox.tenant === null);
    this.#lifecycle.claim(sandbox, placement);
  }

  /** Loads one more instance of a function for those who will come. */
  #preload(state: FunctionState): boolean {
    const { placement } = state;
    const { prepare } = this.#options;
    if (this.#closed || this.isFull(placement)) return false;
    const slot = this.#readyRuntime(placement, false);
    if (slot !== null) {
      if (!this.#mayLoad(slot, placement, true)) return false;
      prepare(placement, this.#leases.begin(slot, placement, BOOTED, 'ahead'));
      return true;
    }
    if (this.#lifecycle.starts.holdsOff) return false;
    const callbacks: StartCallbacks = {
      ready: (started, timing) => prepare(placement, this.#leases.begin(started, placement, timing, 'ahead')),
      failed: () => this.#keeper.preloaded(state, false, 0),
    };
    return this.start(placement, 'best', callbacks, true);
  }

  #scheduleSweep(): void {
    this.#sweep = this.#clock.setTimer(this.#options.sweepIntervalMs, () => {
      const difference = this.audit();
      if (difference !== null) {
        this.#options.events.repaired();
        this.#options.events.fault('slots were not conserved', { difference });
      }
      this.#shares.sweep();
      this.#keeper.sweep();
      this.#victims.sweep();
      this.#scheduleSweep();
    });
  }
}
