/**
 * The layered pool of one tier: sandboxes, their slots, and the way from `none` up to `code` and back down.
 *
 * Owns every sandbox and slot of its tier, the taint, the refill and the demotion. Never queues a request: the
 * scheduler does, and is told when something becomes ready. Invariants: a tainted sandbox serves its tenant alone;
 * every lease ends; slots are conserved (see `slot.ts`).
 */
import PQueue from 'p-queue';
import { StrataError } from '../core/errors.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { CarrierExit, SandboxTier } from '../sandbox/api.ts';
import type { SlotCounts, TierView } from './api.ts';
import { Lease } from './lease.ts';
import { type Action, type PolicySettings, planFixed } from './policy.ts';
import { Quarantine } from './quarantine.ts';
import { ReadySlots } from './ready-slots.ts';
import { isFree, type Placement, type Sandbox, type Slot, Slots, taint } from './slot.ts';
import { viewTier } from './view.ts';

export interface PoolOptions {
  readonly tier: SandboxTier;
  readonly clock: Clock;
  readonly settings: PolicySettings;
  /** Slots of one sandbox. */
  readonly capacity: number;
  readonly sweepIntervalMs: number;
  readonly events: PoolEvents;
}

export interface PoolEvents {
  /** A slot is free, or can take one more. */
  ready(slot: Slot): void;
  /** A sandbox has ended; `cause` is the server's reason or how it died. */
  sandboxEnded(cause: string): void;
  fault(message: string, details: Readonly<Record<string, unknown>>): void;
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

/** Refills wait this long after a start, so that they do not hold up the invocation that made them necessary. */
const REFILL_DELAY_MS = 3;
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 30_000;

export class LayeredPool {
  readonly #options: PoolOptions;
  readonly #clock: Clock;
  readonly #sandboxes = new Set<Sandbox>();
  readonly #slots = new Slots();
  readonly #ready = new ReadySlots();
  readonly #quarantine = new Quarantine();
  readonly #provisions: PQueue;
  readonly #instanceCounts = new Map<string, number>();
  #nextNumber = 1;
  #failures = 0;
  #retryAtMs = 0;
  #refill: Timer | null = null;
  #sweep: Timer | null = null;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#provisions = new PQueue({ concurrency: options.settings.startParallelism });
    this.#plan();
    this.#scheduleSweep();
  }

  /** A loaded instance with room, the one used last first; null when there is none. */
  takeCode(placement: Placement): Lease | null {
    const slot = this.#ready.code(placement);
    return slot === null ? null : this.#lease(slot, placement, 'code', 0, 0);
  }

  /** A booted runtime of this tenant, else a pristine one; null when there is none or the function has its fill. */
  takeRuntime(placement: Placement): Lease | null {
    if (this.instancesOf(placement.key) >= placement.maxInstances) return null;
    const slot = this.#ready.runtime(placement, this.#quarantine.has(placement.key));
    if (slot === null) return null;
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
    const sandbox = from === 'none' ? null : this.#roomFor(placement);
    if (sandbox !== null) {
      this.#claim(sandbox, placement);
      this.#boot(sandbox, placement.memoryMb, placement, { callbacks, start: 'container', provisionMs: 0 });
      return true;
    }
    if (from === 'container' || !this.#makeRoom()) return false;
    this.#provision(placement, callbacks);
    return true;
  }

  /** Instances that run, load or start for a function. */
  instancesOf(key: string): number {
    return this.#instanceCounts.get(key) ?? 0;
  }

  /** Ends what holds an older revision of a function: idle instances now, busy ones when they are done. */
  retire(key: string): void {
    for (const sandbox of this.#sandboxes) {
      for (const slot of [...sandbox.slots]) {
        if (slot.placement?.key !== key) continue;
        slot.retired = true;
        if (slot.state === 'free') this.#drain(slot);
      }
    }
    this.#refillSoon();
  }

  /** Called by the lease. */
  release(slot: Slot, clean: boolean): void {
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
    slot.loading = false;
    if (slot.state === 'busy') this.#offer(slot);
  }

  counts(): SlotCounts {
    return this.#slots.counts();
  }

  view(): TierView {
    return viewTier(this.#options.tier, this.#sandboxes, this.#slots.counts());
  }

  /** Whether the pristine part is as large as the settings ask. */
  get filled(): boolean {
    return !this.#planned().some((action) => action.kind !== 'dispose-slot' && action.kind !== 'end-sandbox')
      ? [...this.#sandboxes].every((sandbox) => sandbox.state === 'ready' && !anyStarting(sandbox))
      : false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#refill?.cancel();
    this.#sweep?.cancel();
    this.#provisions.clear();
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
      if (slot.placement === null) this.#count(placement.key, 1);
      slot.placement = placement;
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

  #count(key: string, by: number): void {
    const count = (this.#instanceCounts.get(key) ?? 0) + by;
    if (count === 0) this.#instanceCounts.delete(key);
    else this.#instanceCounts.set(key, count);
  }

  /** A sandbox becomes a tenant's, or one function's alone; its spare runtimes go with it. */
  #claim(sandbox: Sandbox, placement: Placement): void {
    taint(sandbox, placement.tenant);
    sandbox.spareMemoryMb = placement.memoryMb;
    if (this.#quarantine.has(placement.key)) sandbox.quarantinedFor = placement;
    for (const slot of sandbox.slots) if (slot.state === 'free') this.#ready.add(slot);
  }

  /** A sandbox that is up and may hold one more instance of this function: its own first, then a pristine one. */
  #roomFor(placement: Placement): Sandbox | null {
    const alone = this.#quarantine.has(placement.key);
    let best: Sandbox | null = null;
    for (const sandbox of this.#sandboxes) {
      if (sandbox.state !== 'ready' || sandbox.doubtful > 0) continue;
      if (sandbox.slots.size >= sandbox.capacity) continue;
      const own = alone
        ? sandbox.quarantinedFor?.key === placement.key
        : sandbox.tenant === placement.tenant && sandbox.quarantinedFor === null;
      if (!own && sandbox.tenant !== null) continue;
      const nearer = own && (best === null || best.tenant === null || sandbox.usedMs > best.usedMs);
      if (nearer || best === null) best = sandbox;
    }
    return best;
  }

  /** Whether one more sandbox may start; an idle one of the longest standing is ended for it if need be. */
  #makeRoom(): boolean {
    const live = [...this.#sandboxes].filter((sandbox) => sandbox.state !== 'ending');
    if (live.length < this.#options.settings.maxSandboxes) return true;
    const idle = live
      .filter(
        (sandbox) => sandbox.state === 'ready' && [...sandbox.slots].every((slot) => slot.state === 'free'),
      )
      .sort((one, other) => one.usedMs - other.usedMs)[0];
    if (idle === undefined) return false;
    this.#end(idle, 'evicted');
    return true;
  }

  #provision(placement: Placement | null, callbacks: StartCallbacks | null): void {
    const startedMs = this.#clock.nowMs();
    const sandbox: Sandbox = {
      ...{ number: this.#nextNumber, state: 'starting', carrier: null, capacity: this.#options.capacity },
      ...{ tenant: placement?.tenant ?? null, quarantinedFor: null, slots: new Set(), doubtful: 0 },
      ...{ spareMemoryMb: this.#options.settings.runtimeMemoryMb, usedMs: startedMs },
    };
    this.#nextNumber += 1;
    this.#sandboxes.add(sandbox);
    if (placement !== null) {
      this.#count(placement.key, 1);
      this.#claim(sandbox, placement);
    }
    const priority = placement === null ? 0 : 1;
    this.#provisions
      .add(() => this.#options.tier.provision(), { priority })
      .then(
        (carrier) => {
          sandbox.carrier = carrier;
          this.#failures = 0;
          void carrier.exited.then((exit) => this.#exited(sandbox, exit));
          if (sandbox.state !== 'starting') carrier.kill('shutdown');
          else sandbox.state = 'ready';
          if (placement !== null) {
            this.#count(placement.key, -1);
            const provisionMs = this.#clock.nowMs() - startedMs;
            if (callbacks !== null)
              this.#boot(sandbox, placement.memoryMb, placement, { callbacks, start: 'none', provisionMs });
          }
          this.#plan();
        },
        (thrown: unknown) => {
          this.#sandboxes.delete(sandbox);
          sandbox.state = 'gone';
          if (placement !== null) this.#count(placement.key, -1);
          this.#startFailed(thrown, callbacks);
        },
      );
  }

  #boot(
    sandbox: Sandbox,
    memoryMb: number,
    placement: Placement | null,
    asked: { callbacks: StartCallbacks; start: 'none' | 'container'; provisionMs: number } | null,
  ): void {
    const startedMs = this.#clock.nowMs();
    const slot: Slot = {
      ...{ sandbox, memoryMb, state: 'starting', layer: 'runtime', instance: null, placement },
      ...{ inFlight: 0, loading: false, retired: false, usedMs: startedMs, listed: null },
    };
    this.#slots.add(slot);
    if (placement !== null) this.#count(placement.key, 1);
    const booting = sandbox.carrier?.boot(memoryMb);
    if (booting === undefined) throw new StrataError('internal_error', 'A boot in a sandbox that is not up.');
    booting.then(
      (instance) => {
        if (slot.state !== 'starting') return;
        slot.instance = instance;
        this.#slots.move(slot, 'free');
        if (asked !== null) {
          const bootMs = this.#clock.nowMs() - startedMs;
          asked.callbacks.ready(slot, { start: asked.start, provisionMs: asked.provisionMs, bootMs });
        }
        if (isFree(slot)) {
          // Whoever asked has found another meanwhile: it is a spare runtime now.
          if (slot.placement !== null) this.#count(slot.placement.key, -1);
          slot.placement = null;
          this.#ready.add(slot);
          this.#options.events.ready(slot);
          this.#plan();
        }
      },
      (thrown: unknown) => {
        if (slot.state !== 'gone') this.#gone(slot);
        this.#startFailed(thrown, asked?.callbacks ?? null);
      },
    );
  }

  #startFailed(thrown: unknown, callbacks: StartCallbacks | null): void {
    const error =
      thrown instanceof StrataError
        ? thrown
        : new StrataError('start_failed', `A sandbox could not be started: ${String(thrown)}`, {
            cause: thrown,
          });
    this.#failures += 1;
    this.#retryAtMs =
      this.#clock.nowMs() + Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#failures - 1));
    if (!this.#closed)
      this.#options.events.fault('a start failed', { failures: this.#failures, detail: error.message });
    callbacks?.failed(error);
    this.#refillSoon();
  }

  /** Ends an instance. One that broke a limit keeps its sandbox from taking more until it has let go. */
  #drain(slot: Slot): void {
    const { sandbox } = slot;
    const doubtful = slot.instance?.ended === true;
    this.#slots.move(slot, 'draining');
    if (doubtful) sandbox.doubtful += 1;
    const gone = (): void => {
      if (slot.state === 'draining') this.#gone(slot);
      if (!doubtful) return;
      sandbox.doubtful -= 1;
      // What was passed over meanwhile is offered again: its entry in the stacks was dropped.
      for (const other of sandbox.slots)
        if (other.state === 'free' || other.state === 'busy') this.#offer(other);
    };
    slot.instance?.dispose().then(gone, gone);
  }

  #gone(slot: Slot): void {
    this.#slots.move(slot, 'gone');
    if (slot.placement !== null) this.#count(slot.placement.key, -1);
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
      this.#quarantine.add(slot.placement.key, exit.suspects.length === 1);
    }
    sandbox.state = 'gone';
    this.#sandboxes.delete(sandbox);
    for (const slot of [...sandbox.slots]) this.#gone(slot);
    if (this.#closed) return;
    this.#options.events.sandboxEnded(exit.cause ?? exit.signal ?? `exit ${exit.exitCode}`);
    this.#refillSoon();
  }

  #refillSoon(): void {
    if (this.#refill !== null || this.#closed) return;
    this.#refill = this.#clock.setTimer(REFILL_DELAY_MS, () => {
      this.#refill = null;
      this.#plan();
    });
  }

  #planned(): readonly Action[] {
    return planFixed(this.#sandboxes, this.#clock.nowMs(), this.#options.settings);
  }

  #plan(): void {
    if (this.#closed) return;
    for (const action of this.#planned()) {
      if (action.kind === 'start-sandbox') {
        if (this.#clock.nowMs() >= this.#retryAtMs) this.#provision(null, null);
      } else if (action.kind === 'boot-runtime') this.#boot(action.sandbox, action.memoryMb, null, null);
      else if (action.kind === 'dispose-slot') this.#drain(action.slot);
      else this.#end(action.sandbox, 'idle');
    }
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
