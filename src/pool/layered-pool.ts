/**
 * The layered pool of one tier: sandboxes, their slots, and the way from `none` up to `code` and back down.
 *
 * Owns every sandbox and slot of its tier, the taint, the refill and the demotion. Never queues a request: the
 * scheduler does, and is told when something becomes ready. Invariants: a tainted sandbox serves its tenant alone;
 * every lease ends; slots are conserved (see `slot.ts`).
 */
import { StrataError } from '../core/errors.ts';
import type { Runtime } from '../core/spec.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { CarrierExit, SandboxTier } from '../sandbox/api.ts';
import type { SlotCounts, TierView } from './api.ts';
import { comingRoomFor, dispensable, roomFor } from './choice.ts';
import { Lease } from './lease.ts';
import { type Action, type PolicySettings, planFixed } from './policy.ts';
import { Quarantine } from './quarantine.ts';
import { ReadySlots } from './ready-slots.ts';
import { Refill } from './refill.ts';
import {
  type Asked,
  isFree,
  type Placement,
  type Sandbox,
  type Slot,
  Slots,
  type StartCallbacks,
  type StartTiming,
  taint,
} from './slot.ts';
import { Starts } from './starts.ts';
import { Tally } from './tally.ts';
import { viewTier } from './view.ts';

export interface PoolOptions {
  readonly tier: SandboxTier;
  /** What runs in this pool's sandboxes: one pool has one. */
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly settings: PolicySettings;
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
  readonly events: PoolEvents;
}

export interface PoolEvents {
  /** A slot is free, or can take one more. */
  ready(slot: Slot): void;
  /** An instance has gone: what was refused for want of room may be possible now. */
  room(): void;
  /** A sandbox has ended; `cause` is the server's reason or how it died. */
  sandboxEnded(cause: string): void;
  fault(message: string, details: Readonly<Record<string, unknown>>): void;
}

const CURRENT_KEYS_MAX = 10_000;

export class LayeredPool {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #sandboxes = new Set<Sandbox>();
  readonly #slots = new Slots();
  readonly #ready: ReadySlots;
  readonly #quarantine = new Quarantine();
  readonly #starts: Starts;
  readonly #refill: Refill;
  /** Instances that run, load or start, by function. */
  readonly #instances = new Tally();
  /** Instances that are loading code, by function. */
  readonly #loading = new Tally();
  /** The current revision of each function that was deployed or deleted lately. */
  readonly #currentKeys = new Map<string, string | null>();
  #nextNumber = 1;
  #sweep: Timer | null = null;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#ready = new ReadySlots((memoryMb) => this.#bootMb(memoryMb));
    this.#refill = new Refill(options.clock, options.refillPerSecond, () => this.#plan());
    this.#starts = new Starts(options.tier, options.clock, options.settings.startParallelism, (...fault) => {
      if (!this.#closed) options.events.fault(...fault);
    });
    this.#plan();
    this.#scheduleSweep();
  }

  /** A loaded instance with room, the one used last first; null when there is none. */
  takeCode(placement: Placement): Lease | null {
    const slot = this.#ready.code(placement);
    return slot === null ? null : this.#lease(slot, placement, 'code', 0, 0);
  }

  /**
   * A booted runtime of this tenant, else a pristine one; null when there is none or the function has its fill.
   * A pristine one costs a whole sandbox: a tenant that has room in its own boots another instance there.
   * @param insists take a pristine one all the same.
   */
  takeRuntime(placement: Placement, insists = false): Lease | null {
    if (this.instancesOf(placement.key) >= placement.maxInstances) return null;
    const alone = this.#quarantine.has(placement.key);
    const slot =
      this.#ready.ownRuntime(placement, alone) ??
      (insists || roomFor(this.#sandboxes, placement, alone)?.tenant == null
        ? this.#ready.pristineRuntime(placement)
        : null);
    if (slot === null) {
      // There is none left to be held up.
      this.#plan();
      return null;
    }
    this.#claim(slot.sandbox, placement);
    return this.#lease(slot, placement, 'runtime', 0, 0);
  }

  /** Leases a slot that `StartCallbacks.ready` has just handed over. */
  takeStarted(slot: Slot, placement: Placement, timing: StartTiming): Lease {
    return this.#lease(slot, placement, timing.start, timing.provisionMs, timing.bootMs);
  }

  /**
   * Starts one more instance for a function.
   * @param from `container` boots in a sandbox that is up, `none` starts a sandbox, `best` does what is nearer.
   * @returns false when that is not possible now; no callback follows then.
   */
  start(placement: Placement, from: 'container' | 'none' | 'best', callbacks: StartCallbacks): boolean {
    if (this.#closed || this.instancesOf(placement.key) >= placement.maxInstances) return false;
    const alone = this.#quarantine.has(placement.key);
    const asked: Asked = {
      ...{ placement, callbacks, sinceMs: this.#clock.nowMs() },
      start: from === 'none' ? 'none' : 'container',
    };
    const sandbox = from === 'none' ? null : roomFor(this.#sandboxes, placement, alone);
    if (sandbox !== null) {
      this.#claim(sandbox, placement);
      void this.#boot(sandbox, this.#bootMb(placement.memoryMb), asked);
      return true;
    }
    if (from === 'container') return false;
    const coming = from === 'none' ? null : comingRoomFor(this.#sandboxes, placement, alone);
    // Who insists on a new sandbox may have one at its own tenant's cost, and at nobody else's.
    const evictable = from === 'none' ? placement.tenant : null;
    if (coming === null && !this.#mayProvision(evictable)) return false;
    this.#instances.add(placement.key, 1);
    (coming ?? this.#provision(placement)).awaited.push({ ...asked, start: 'none' });
    return true;
  }

  /** Instances that run, load or start for a function. */
  instancesOf(key: string): number {
    return this.#instances.of(key);
  }

  /** Places that instances which are loading this function's code will have beside the lease that loads them. */
  comingPlaces(placement: Placement): number {
    return this.#loading.of(placement.key) * (placement.concurrency - 1);
  }

  /**
   * Says which revision of a function is the current one, null for none: instances of others end, idle ones now, busy
   * ones when they are done, and so will what is loaded of them by who found them before.
   */
  supersede(group: string, currentKey: string | null): void {
    this.#currentKeys.delete(group);
    this.#currentKeys.set(group, currentKey);
    if (this.#currentKeys.size > CURRENT_KEYS_MAX) {
      for (const [oldest] of this.#currentKeys) {
        this.#currentKeys.delete(oldest);
        break;
      }
    }
    for (const sandbox of this.#sandboxes) {
      for (const slot of [...sandbox.slots]) {
        if (slot.placement?.group !== group || slot.placement.key === currentKey) continue;
        slot.retired = true;
        if (slot.state === 'free') this.#drain(slot);
      }
    }
    this.#refillSoon();
  }

  /** Called by the lease. */
  release(slot: Slot, clean: boolean): void {
    this.#loadEnded(slot);
    slot.inFlight -= 1;
    slot.usedMs = this.#clock.nowMs();
    slot.sandbox.usedMs = slot.usedMs;
    if (slot.state === 'gone') return;
    if (!clean || slot.instance?.ended === true) slot.retired = true;
    else if (slot.placement !== null) this.#quarantine.ranClean(slot.placement.key);
    if (slot.inFlight === 0 && slot.state === 'busy') {
      if (slot.retired) {
        this.#drain(slot);
        this.#refillSoon();
        return;
      }
      this.#slots.move(slot, 'free');
    }
    this.#offer(slot);
  }

  /** Called by the lease when its code is loaded. */
  loaded(slot: Slot): void {
    this.#loadEnded(slot);
    if (slot.state === 'busy') this.#offer(slot);
  }

  counts(): SlotCounts {
    return this.#slots.counts();
  }

  view(): TierView {
    const { tier, runtime } = this.#options;
    return viewTier(tier, runtime, this.#sandboxes, this.#slots.counts());
  }

  /** Keys under which ready slots are listed: bounded by what is there. */
  get listed(): number {
    return this.#ready.size;
  }

  /** Starts have failed lately, and the pool holds off before it tries again. */
  get failing(): boolean {
    return this.#starts.holdsOff;
  }

  /** Whether the pristine part is as large as the settings ask. */
  get filled(): boolean {
    return !this.#planned().some((action) => action.kind !== 'dispose-slot' && action.kind !== 'end-sandbox')
      ? [...this.#sandboxes].every((sandbox) => sandbox.state === 'ready' && !anyStarting(sandbox))
      : false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#refill.cancel();
    this.#sweep?.cancel();
    this.#starts.close();
    await this.#options.tier.close();
  }

  #lease(
    slot: Slot,
    placement: Placement,
    start: Lease['start'],
    provisionMs: number,
    bootMs: number,
  ): Lease {
    const { instance } = slot;
    if (instance === null) throw new StrataError('internal_error', 'A slot without an instance was leased.');
    slot.inFlight += 1;
    slot.usedMs = this.#clock.nowMs();
    slot.sandbox.usedMs = slot.usedMs;
    if (slot.state === 'free') this.#slots.move(slot, 'busy');
    if (slot.layer === 'runtime') {
      slot.layer = 'code';
      slot.loading = true;
      this.#loading.add(placement.key, 1);
      if (slot.placement === null) this.#instances.add(placement.key, 1);
      slot.placement = placement;
      const current = this.#currentKeys.get(placement.group);
      if (current !== undefined && current !== placement.key) slot.retired = true;
      this.#refillSoon();
    } else if (slot.inFlight < placement.concurrency) {
      this.#ready.add(slot);
    }
    return new Lease(this, slot, instance, { start, provisionMs, bootMs, loads: start !== 'code' });
  }

  #offer(slot: Slot): void {
    if (slot.retired || slot.loading) return;
    this.#ready.add(slot);
    this.#options.events.ready(slot);
  }

  #loadEnded(slot: Slot): void {
    if (!slot.loading || slot.placement === null) return;
    slot.loading = false;
    this.#loading.add(slot.placement.key, -1);
  }

  /** A sandbox becomes a tenant's, or one function's alone; its spare runtimes go with it. */
  #claim(sandbox: Sandbox, placement: Placement): void {
    taint(sandbox, placement.tenant);
    sandbox.usedMs = this.#clock.nowMs();
    sandbox.spareMemoryMb = this.#bootMb(placement.memoryMb);
    if (this.#quarantine.has(placement.key)) sandbox.quarantinedFor = placement;
    for (const slot of sandbox.slots) if (slot.state === 'free') this.#ready.add(slot);
  }

  /**
   * Whether one more sandbox may start, once an idle one has been ended for it if need be.
   * @param evictable the tenant whose sandbox may be ended; null for anybody's.
   */
  #mayProvision(evictable: string | null): boolean {
    let live = 0;
    for (const { state } of this.#sandboxes) if (state !== 'ending') live += 1;
    if (live < this.#options.settings.maxSandboxes) return true;
    const candidates = [...this.#sandboxes].filter(
      ({ tenant }) => evictable === null || tenant === evictable,
    );
    const idle = dispensable(candidates);
    if (idle !== null) this.#end(idle, 'evicted');
    return idle !== null;
  }

  /** Starts a sandbox: a function's tenant's from the first moment, or a pristine one. */
  #provision(placement: Placement | null): Sandbox {
    const sandbox: Sandbox = {
      ...{ number: this.#nextNumber, state: 'starting', carrier: null, capacity: this.#options.capacity },
      ...{ tenant: null, quarantinedFor: null, slots: new Set(), awaited: [], doubtful: 0 },
      ...{ spareMemoryMb: this.#options.settings.runtimeMemoryMb, usedMs: this.#clock.nowMs() },
    };
    this.#nextNumber += 1;
    this.#sandboxes.add(sandbox);
    if (placement !== null) this.#claim(sandbox, placement);
    void this.#bringUp(sandbox, placement !== null);
    return sandbox;
  }

  async #bringUp(sandbox: Sandbox, wanted: boolean): Promise<void> {
    let failed: StrataError | null = null;
    try {
      const carrier = await this.#starts.provision(wanted);
      sandbox.carrier = carrier;
      void carrier.exited.then((exit) => this.#exited(sandbox, exit));
      if (sandbox.state === 'starting') sandbox.state = 'ready';
      else carrier.kill('shutdown');
    } catch (thrown) {
      failed = thrown as StrataError;
      this.#sandboxes.delete(sandbox);
      sandbox.state = 'gone';
    }
    for (const asked of sandbox.awaited.splice(0)) {
      this.#instances.add(asked.placement.key, -1);
      if (failed === null) void this.#boot(sandbox, this.#bootMb(asked.placement.memoryMb), asked);
      else asked.callbacks.failed(failed);
    }
    this.#refillSoon();
  }

  async #boot(sandbox: Sandbox, memoryMb: number, asked: Asked | null): Promise<void> {
    const startedMs = this.#clock.nowMs();
    const slot: Slot = {
      ...{ sandbox, memoryMb, state: 'starting', layer: 'runtime', instance: null },
      ...{ placement: asked?.placement ?? null, inFlight: 0, loading: false, retired: false },
      ...{ usedMs: startedMs, listed: null },
    };
    this.#slots.add(slot);
    if (slot.placement !== null) this.#instances.add(slot.placement.key, 1);
    try {
      slot.instance = await this.#starts.boot(sandbox.carrier, memoryMb);
    } catch (thrown) {
      if (slot.state !== 'gone') this.#gone(slot);
      asked?.callbacks.failed(thrown as StrataError);
      this.#refillSoon();
      return;
    }
    if (slot.state !== 'starting') return;
    void slot.instance.gone.then(() => this.#vanished(slot));
    this.#slots.move(slot, 'free');
    if (asked !== null) {
      const provisionMs = asked.start === 'none' ? startedMs - asked.sinceMs : 0;
      const bootMs = this.#clock.nowMs() - startedMs;
      asked.callbacks.ready(slot, { start: asked.start, provisionMs, bootMs });
    }
    if (isFree(slot)) this.#becomeSpare(slot);
  }

  /** A runtime that nobody waits for, or whoever did has found another meanwhile. */
  #becomeSpare(slot: Slot): void {
    if (slot.placement !== null) this.#instances.add(slot.placement.key, -1);
    slot.placement = null;
    slot.retired = false;
    this.#ready.add(slot);
    this.#options.events.ready(slot);
    this.#plan();
  }

  /** Ends an instance. One that broke a limit keeps its sandbox from taking more until it has let go. */
  #drain(slot: Slot): void {
    const { sandbox } = slot;
    const doubtful = slot.instance?.ended === true;
    this.#ready.remove(slot);
    this.#slots.move(slot, 'draining');
    if (doubtful) sandbox.doubtful += 1;
    const gone = (): void => {
      if (slot.state === 'draining') {
        this.#gone(slot);
        this.#options.events.room();
      }
      if (!doubtful) return;
      sandbox.doubtful -= 1;
      // What was passed over meanwhile is offered again: its entry in the stacks was dropped.
      for (const other of sandbox.slots)
        if (other.state === 'free' || other.state === 'busy') this.#offer(other);
    };
    slot.instance?.dispose().then(gone, gone);
  }

  #gone(slot: Slot): void {
    this.#ready.remove(slot);
    this.#slots.move(slot, 'gone');
    if (slot.placement !== null) this.#instances.add(slot.placement.key, -1);
  }

  /** Nothing is left of the instance. One that ended while idle leaves its place to another. */
  #vanished(slot: Slot): void {
    if (slot.state !== 'free') return;
    this.#gone(slot);
    this.#options.events.room();
    this.#refillSoon();
  }

  #end(sandbox: Sandbox, cause: 'idle' | 'evicted'): void {
    sandbox.state = 'ending';
    for (const slot of sandbox.slots) slot.retired = true;
    sandbox.carrier?.kill(cause);
  }

  #exited(sandbox: Sandbox, exit: CarrierExit): void {
    for (const suspect of exit.suspects) {
      const slot = [...sandbox.slots].find((candidate) => candidate.instance === suspect);
      if (slot?.placement == null) continue;
      this.#quarantine.add(slot.placement.key, exit.proven);
    }
    sandbox.state = 'gone';
    this.#sandboxes.delete(sandbox);
    for (const slot of [...sandbox.slots]) this.#gone(slot);
    if (this.#closed) return;
    this.#options.events.sandboxEnded(exit.cause ?? exit.signal ?? `exit ${exit.exitCode}`);
    this.#refillSoon();
  }

  #refillSoon(): void {
    if (!this.#closed) this.#refill.soon();
  }

  #planned(): readonly Action[] {
    return planFixed(this.#sandboxes, this.#clock.nowMs(), this.#options.settings);
  }

  #plan(): void {
    this.#refill.cancel();
    if (this.#closed) return;
    for (const action of this.#planned()) {
      if (action.kind === 'start-sandbox') {
        if (!this.#starts.holdsOff && this.#refill.mayStart()) this.#provision(null);
      } else if (action.kind === 'boot-runtime') {
        void this.#boot(action.sandbox, action.memoryMb, null);
      } else if (action.kind === 'dispose-slot') this.#drain(action.slot);
      else this.#end(action.sandbox, 'idle');
    }
  }

  /** The memory size with which an instance boots that is to serve a function of this size. */
  #bootMb(memoryMb: number): number {
    return this.#options.resizable ? this.#options.settings.runtimeMemoryMb : memoryMb;
  }

  #scheduleSweep(): void {
    this.#sweep = this.#clock.setTimer(this.#options.sweepIntervalMs, () => {
      const difference = this.#slots.audit(this.#sandboxes);
      if (difference !== null) this.#options.events.fault('slots were not conserved', { difference });
      this.#plan();
      this.#scheduleSweep();
    });
  }
}

const anyStarting = (sandbox: Sandbox): boolean =>
  [...sandbox.slots].some((slot) => slot.state === 'starting');
