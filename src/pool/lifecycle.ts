/**
 * The life of sandboxes and slots: they start, boot, drain and end.
 *
 * Owns every sandbox and slot of its pool, and their way into and out of the lists. Decides nothing: the pool says what
 * is wanted by whom, the keeper what is kept. Invariants: a tainted sandbox serves its tenant alone; each start is told
 * about once; whatever ends leaves no list, count or charge behind.
 */
import { StrataError } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { CarrierExit, SandboxTier } from '../sandbox/api.ts';
import type { Budget } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import type { Functions } from './functions.ts';
import { Quarantine } from './quarantine.ts';
import { ReadySlots } from './ready-slots.ts';
import { Sandboxes } from './sandboxes.ts';
import {
  type Asked,
  isFree,
  type Placement,
  type Sandbox,
  type Slot,
  startingSandbox,
  startingSlot,
} from './slot.ts';
import { Slots } from './slots.ts';
import { Starts } from './starts.ts';
import { Tally } from './tally.ts';

export interface LifecycleOptions {
  readonly tier: SandboxTier;
  readonly clock: Clock;
  readonly capacity: number;
  readonly startParallelism: number;
  /** The memory size of runtimes that are booted ahead in pristine sandboxes. */
  readonly runtimeMemoryMb: number;
  /** An instance can be given any memory size when code is loaded into it. */
  readonly resizable: boolean;
  readonly budget: Budget;
  readonly costs: RuntimeCosts;
  readonly functions: Functions;
  readonly events: LifecycleEvents;
}

export interface LifecycleEvents {
  /** A slot is free, or can take one more. */
  ready(slot: Slot): void;
  /** An instance has gone: what was refused for want of room may be possible now. */
  room(): void;
  /** A slot takes nothing more: it has begun to end, or is gone at once. Told once of each. */
  left(slot: Slot): void;
  /** It has become idle, or something that was beside it in its sandbox has gone. */
  freed(what: Slot | Sandbox): void;
  /** Something changed in a sandbox of this tenant, or in one that is nobody's. */
  changed(tenant: string | null): void;
  /** Nothing is left in a tenant's sandbox that anybody uses. */
  emptied(sandbox: Sandbox): void;
  sandboxEnded(cause: string): void;
  fault(message: string, details: Readonly<Record<string, unknown>>): void;
}

export class Lifecycle {
  readonly sandboxes = new Sandboxes();
  readonly slots: Slots;
  readonly ready: ReadySlots;
  readonly quarantine = new Quarantine();
  readonly starts: Starts;
  /** Instances that run, load or start, by function. */
  readonly instances = new Tally();
  /** Of those, the ones that are being disposed. */
  readonly leaving = new Tally();
  /** Sandboxes that are being started, and those of them for which somebody waits. */
  provisioning = 0;
  awaitedSandboxes = 0;
  readonly #options: LifecycleOptions;
  readonly #clock: Clock;
  #nextNumber = 1;
  #closed = false;

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.slots = new Slots(options.budget, (slot) => options.events.freed(slot));
    this.ready = new ReadySlots((memoryMb) => this.bootMb(memoryMb));
    this.starts = new Starts(options.tier, options.clock, options.startParallelism, (...fault) => {
      if (!this.#closed) options.events.fault(...fault);
    });
  }

  /** The memory size with which an instance boots that is to serve a function of this size. */
  bootMb(memoryMb: number): number {
    return this.#options.resizable ? this.#options.runtimeMemoryMb : memoryMb;
  }

  /** What an instance of this function takes of the budget. */
  codeMb(placement: Placement): number {
    const { functions, costs } = this.#options;
    return costs.codeMb(functions.of(placement).costs);
  }

  /** Instances of a function that are there or coming, and not on their way out. */
  staying(key: string): number {
    return this.instances.of(key) - this.leaving.of(key);
  }

  /** Starts a sandbox: a function's tenant's from the first moment, or a pristine one. */
  provision(placement: Placement | null): Sandbox {
    const { capacity, runtimeMemoryMb } = this.#options;
    const sandbox = startingSandbox(this.#nextNumber, capacity, runtimeMemoryMb, this.#clock.nowMs());
    this.#nextNumber += 1;
    this.provisioning += 1;
    if (placement !== null) this.awaitedSandboxes += 1;
    this.sandboxes.add(sandbox);
    this.slots.open(sandbox, this.#options.costs.containerMb);
    if (placement !== null) this.claim(sandbox, placement);
    void this.#bringUp(sandbox, placement !== null);
    return sandbox;
  }

  /** A sandbox becomes a tenant's, or one function's alone; its spare runtimes go with it. */
  claim(sandbox: Sandbox, placement: Placement): void {
    const pristine = sandbox.tenant === null;
    this.sandboxes.claim(sandbox, placement.tenant);
    if (pristine) {
      this.slots.handOver(sandbox);
      sandbox.carrier?.claimedBy(placement.tenant);
    }
    sandbox.usedMs = this.#clock.nowMs();
    sandbox.lastOwner = this.#options.functions.of(placement);
    sandbox.spareMemoryMb = this.bootMb(placement.memoryMb);
    if (this.quarantine.has(placement.key)) sandbox.quarantinedFor = placement;
    for (const slot of sandbox.slots) if (slot.state === 'free') this.ready.add(slot);
  }

  /** Lets somebody wait for a sandbox that is starting. */
  await(sandbox: Sandbox, asked: Asked): void {
    this.instances.add(asked.placement.key, 1);
    this.#options.budget.charge(asked.placement.tenant, asked.reservedMb);
    sandbox.awaited.push(asked);
  }

  async boot(sandbox: Sandbox, memoryMb: number, asked: Asked | null): Promise<void> {
    const startedMs = this.#clock.nowMs();
    const placement = asked?.placement ?? null;
    const slot = startingSlot(sandbox, memoryMb, placement, startedMs);
    this.slots.add(slot, placement === null ? this.#options.costs.runtimeMb : this.codeMb(placement));
    if (placement !== null) this.instances.add(placement.key, 1);
    try {
      slot.instance = await this.starts.boot(sandbox.carrier, memoryMb);
    } catch (thrown) {
      if (slot.state !== 'gone') this.#gone(slot);
      asked?.callbacks.failed(thrown as StrataError);
      this.#changed(sandbox);
      return;
    }
    // The sandbox may have ended meanwhile, and the slot with it: whoever waits hears of it all the same.
    if (slot.state !== 'starting') {
      asked?.callbacks.failed(
        new StrataError('start_failed', 'The sandbox ended while an instance was booting in it.'),
      );
      return;
    }
    void slot.instance.gone.then(() => this.#vanished(slot));
    const bootMs = this.#clock.nowMs() - startedMs;
    this.#options.costs.bootMs.add(bootMs);
    this.slots.move(slot, 'free');
    if (asked !== null) {
      const provisionMs = asked.start === 'none' ? startedMs - asked.sinceMs : 0;
      asked.callbacks.ready(slot, { start: asked.start, provisionMs, bootMs });
    }
    if (isFree(slot)) this.#becomeSpare(slot);
    // Whoever waits may boot the next one.
    if (!this.#closed) this.#options.events.room();
  }

  /** Ends an instance. One that broke a limit keeps its sandbox from taking more until it has let go. */
  drain(slot: Slot): void {
    const { sandbox } = slot;
    const doubtful = slot.instance?.ended === true;
    this.ready.remove(slot);
    this.slots.move(slot, 'draining');
    disown(slot);
    if (slot.placement !== null) this.leaving.add(slot.placement.key, 1);
    this.#options.events.left(slot);
    if (doubtful) sandbox.doubtful += 1;
    const gone = (): void => {
      if (slot.state === 'draining') {
        this.#gone(slot);
        this.#options.events.room();
        this.#reportEmpty(sandbox);
        this.#changed(sandbox);
      }
      if (!doubtful) return;
      sandbox.doubtful -= 1;
      // What was passed over meanwhile is offered again: its entry in the stacks was dropped.
      for (const other of sandbox.slots)
        if (other.state === 'free' || other.state === 'busy') this.offer(other);
    };
    slot.instance?.dispose().then(gone, gone);
    this.#reportEmpty(sandbox);
  }

  /** Kills a sandbox with all that is in it. */
  end(sandbox: Sandbox, cause: 'idle' | 'evicted'): void {
    if (sandbox.state === 'ending' || sandbox.state === 'gone') return;
    sandbox.state = 'ending';
    this.sandboxes.retire(sandbox);
    this.slots.close(sandbox);
    for (const slot of sandbox.slots) {
      slot.retired = true;
      this.ready.remove(slot);
    }
    sandbox.carrier?.kill(cause);
  }

  /** A slot can take more: whoever waits for one hears of it. */
  offer(slot: Slot): void {
    if (slot.retired || slot.loading !== null) return;
    this.ready.add(slot);
    this.#options.events.ready(slot);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.starts.close();
    await this.#options.tier.close();
  }

  async #bringUp(sandbox: Sandbox, wanted: boolean): Promise<void> {
    let failed: StrataError | null = null;
    try {
      const carrier = await this.starts.provision(wanted, (tookMs) =>
        this.#options.costs.provisionMs.add(tookMs),
      );
      sandbox.carrier = carrier;
      if (sandbox.tenant !== null) carrier.claimedBy(sandbox.tenant);
      void carrier.exited.then((exit) => this.#exited(sandbox, exit));
      if (sandbox.state === 'starting') {
        sandbox.state = 'ready';
        this.#options.events.freed(sandbox);
      } else carrier.kill('shutdown');
    } catch (thrown) {
      failed = thrown as StrataError;
      this.slots.close(sandbox);
      this.sandboxes.remove(sandbox);
      sandbox.state = 'gone';
    }
    this.provisioning -= 1;
    if (wanted) this.awaitedSandboxes -= 1;
    const up = sandbox.state === 'ready';
    for (const asked of sandbox.awaited.splice(0)) {
      this.instances.add(asked.placement.key, -1);
      this.#options.budget.charge(asked.placement.tenant, -asked.reservedMb);
      if (up) void this.boot(sandbox, this.bootMb(asked.placement.memoryMb), asked);
      else
        asked.callbacks.failed(
          failed ?? new StrataError('start_failed', 'The sandbox ended while it started.'),
        );
    }
    if (up) this.#reportEmpty(sandbox);
    // Whoever waits may start the next one.
    if (!this.#closed) this.#options.events.room();
    this.#changed(sandbox);
  }

  /** A runtime that nobody waits for, or whoever did has found another meanwhile. */
  #becomeSpare(slot: Slot): void {
    if (slot.placement !== null) this.instances.add(slot.placement.key, -1);
    slot.placement = null;
    slot.retired = false;
    this.slots.resize(slot, this.#options.costs.runtimeMb);
    this.ready.add(slot);
    this.#options.events.ready(slot);
    this.#reportEmpty(slot.sandbox);
    this.#changed(slot.sandbox);
  }

  #gone(slot: Slot): void {
    this.ready.remove(slot);
    const drained = slot.state === 'draining';
    if (drained && slot.placement !== null) this.leaving.add(slot.placement.key, -1);
    this.slots.move(slot, 'gone');
    disown(slot);
    if (slot.placement !== null) this.instances.add(slot.placement.key, -1);
    if (!drained) this.#options.events.left(slot);
  }

  /** Nothing is left of the instance. One that ended while idle leaves its place to another. */
  #vanished(slot: Slot): void {
    if (slot.state !== 'free') return;
    this.#gone(slot);
    this.#options.events.room();
    this.#reportEmpty(slot.sandbox);
    this.#changed(slot.sandbox);
  }

  #exited(sandbox: Sandbox, exit: CarrierExit): void {
    for (const suspect of exit.suspects) {
      const slot = [...sandbox.slots].find((candidate) => candidate.instance === suspect);
      if (slot?.placement == null) continue;
      this.quarantine.add(slot.placement.key, exit.proven);
    }
    this.sandboxes.remove(sandbox);
    this.slots.close(sandbox);
    sandbox.state = 'gone';
    for (const slot of [...sandbox.slots]) this.#gone(slot);
    if (this.#closed) return;
    this.#options.events.sandboxEnded(exit.cause ?? exit.signal ?? `exit ${exit.exitCode}`);
    this.#changed(sandbox);
  }

  #reportEmpty(sandbox: Sandbox): void {
    if (sandbox.state === 'ready' && sandbox.tenant !== null && !this.#closed)
      this.#options.events.emptied(sandbox);
  }

  #changed({ tenant }: Sandbox): void {
    if (!this.#closed) this.#options.events.changed(tenant);
  }
}

/** Its function has one instance less; the uses of one that has none left begin anew. */
const disown = (slot: Slot): void => {
  const { owner } = slot;
  if (owner?.slots.delete(slot) === true && owner.slots.size === 0) owner.demand.uses = 0;
};
