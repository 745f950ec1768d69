/**
 * What is kept for whoever comes: pristine sandboxes, and spare runtimes for tenants at work.
 *
 * Owns how often each is taken, and the refill. Never starts more at once, or in a second, than the settings allow, and
 * nothing while starts fail. Invariant: what is kept is what the policy asked for lately, within the settings.
 */
import type { Clock } from '../ports/clock.ts';
import type { Budget } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Policy, Stock, StockDemand, StockFloor } from './policy/api.ts';
import { Rate } from './rate.ts';
import { Refill } from './refill.ts';
import { isEmpty, type Sandbox } from './slot.ts';

export interface StockSettings {
  /** Pristine sandboxes that are kept up whatever the demand. */
  readonly pristine: number;
  /** So many of them have runtimes; the others stay at layer container, which costs next to nothing. */
  readonly warmPristine: number;
  /** Runtimes booted ahead in each of those. */
  readonly runtimesPerPristine: number;
  /** No demand makes them more than so many. */
  readonly maxPristine: number;
  /** Runtimes kept booted for a tenant, in the sandbox it used last: at most. */
  readonly spareRuntimes: number;
  readonly maxSandboxes: number;
  /** Sandboxes that may be starting at once. */
  readonly startParallelism: number;
  /** Runtimes that may be booting at once in one sandbox. */
  readonly bootParallelism: number;
  /** The memory of runtimes that are booted ahead in pristine sandboxes. */
  readonly runtimeMemoryMb: number;
}

export interface StockroomOptions {
  readonly clock: Clock;
  readonly policy: Policy;
  readonly settings: StockSettings;
  readonly lifecycle: Lifecycle;
  readonly costs: RuntimeCosts;
  readonly budget: Budget;
  readonly refillPerSecond: number | null;
}

export class Stockroom {
  readonly #options: StockroomOptions;
  readonly #clock: Clock;
  readonly #refill: Refill;
  readonly #floor: StockFloor;
  readonly #taken = new Rate();
  /** How often each tenant with a sandbox has taken a runtime. */
  readonly #takenBy = new Map<string, Rate>();
  /** Tenants for whom something has changed since their spare runtimes were looked at. */
  readonly #changed = new Set<string>();
  #wanted: Stock;
  #closed = false;

  constructor(options: StockroomOptions) {
    const { settings } = options;
    this.#options = options;
    this.#clock = options.clock;
    this.#floor = {
      warm: Math.min(settings.warmPristine, settings.pristine),
      cold: Math.max(0, settings.pristine - settings.warmPristine),
      runtimesEach: settings.runtimesPerPristine,
      max: settings.maxPristine,
    };
    this.#wanted = this.#ask();
    this.#refill = new Refill(options.clock, options.refillPerSecond, () => this.plan());
  }

  /** What the policy asks to be kept now. */
  get wanted(): Stock {
    return this.#wanted;
  }

  /** Tenants of which is known how often they take a runtime. */
  get takers(): number {
    return this.#takenBy.size;
  }

  /** An invocation has taken a runtime, or a sandbox for one; `pristine` when it was nobody's before. */
  taken(tenant: string, pristine: boolean): void {
    const now = this.#clock.nowMs();
    if (pristine) this.#taken.note(now);
    let rate = this.#takenBy.get(tenant);
    if (rate === undefined) {
      rate = new Rate();
      this.#takenBy.set(tenant, rate);
    }
    rate.note(now);
    this.#changed.add(tenant);
    this.soon();
  }

  /** Something changed in a sandbox of this tenant, or in a pristine one. */
  changed(tenant: string | null): void {
    if (tenant !== null) this.#changed.add(tenant);
    this.soon();
  }

  soon(): void {
    if (!this.#closed) this.#refill.soon();
  }

  /** Whether what the settings ask for in any case is there. */
  get filled(): boolean {
    const { warm, cold } = this.#floor;
    const runtimesEach = Math.min(this.#floor.runtimesEach, this.#wanted.runtimesEach);
    let isWarm = 0;
    let isUp = 0;
    for (const sandbox of this.#options.lifecycle.sandboxes.pristine) {
      if (sandbox.state !== 'ready') continue;
      isUp += 1;
      if (runtimesIn(sandbox, this.#options.settings.runtimeMemoryMb).ready >= runtimesEach) isWarm += 1;
    }
    return (
      isWarm >= Math.min(warm, this.#wanted.warm) &&
      isUp >= Math.min(warm + cold, this.#wanted.warm + this.#wanted.cold)
    );
  }

  /** Starts what is missing and ends what is too much. */
  plan(): void {
    this.#refill.cancel();
    if (this.#closed) return;
    this.#wanted = this.#ask();
    this.#refillStock();
    for (const tenant of this.#changed) this.#refillSpares(tenant);
    this.#changed.clear();
  }

  /** Looks at what has not been wanted for a while; called once in a while. */
  sweep(): void {
    for (const tenant of this.#takenBy.keys()) this.#changed.add(tenant);
    this.plan();
    const { warm, cold } = this.#wanted;
    const { pristine } = this.#options.lifecycle.sandboxes;
    // One at a time: demand that comes back at once finds most of it still there.
    if (pristine.size <= warm + cold) return;
    for (const sandbox of pristine) {
      if (sandbox.state !== 'ready' || sandbox.starting > 0) continue;
      this.#options.lifecycle.end(sandbox, 'idle');
      return;
    }
  }

  /** Boots one runtime for nobody in a tenant's sandbox, if there is room for it. */
  bootSpare(sandbox: Sandbox): boolean {
    const { budget, costs, lifecycle, settings } = this.#options;
    const own = sandbox.tenant === null ? [] : lifecycle.sandboxes.of(sandbox.tenant);
    if (sparesElsewhere(own, sandbox) >= settings.spareRuntimes) return false;
    if (!budget.makeRoom(sandbox.tenant, costs.runtimeMb, true)) return false;
    void lifecycle.boot(sandbox, sandbox.spareMemoryMb, null);
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#refill.cancel();
  }

  #ask(): Stock {
    const { policy, costs, budget } = this.#options;
    const layerCosts = costs.of(null);
    // Processors that are at their limit are not made to start more than the reserve.
    const floor = budget.pressure.cpuHigh
      ? { ...this.#floor, max: this.#floor.warm + this.#floor.cold }
      : this.#floor;
    return policy.stock(this.#demand(this.#taken, layerCosts.startMs.none), layerCosts, floor);
  }

  #demand(rate: Rate, refillMs: number): StockDemand {
    const now = this.#clock.nowMs();
    return { stablePerSecond: rate.stablePerSecond(now), panicPerSecond: rate.panicPerSecond(now), refillMs };
  }

  #refillStock(): void {
    const { lifecycle, settings, budget, costs } = this.#options;
    const { sandboxes } = lifecycle;
    const { warm, cold, runtimesEach } = this.#wanted;
    const missing = Math.min(
      warm + cold - sandboxes.pristine.size,
      settings.startParallelism - lifecycle.provisioning,
      settings.maxSandboxes - sandboxes.all.size,
    );
    for (let count = 0; count < missing; count += 1) {
      if (lifecycle.starts.holdsOff || !budget.makeRoom(null, costs.containerMb, true)) break;
      if (!this.#refill.mayStart()) break;
      lifecycle.provision(null);
    }
    const byRuntimes = [...sandboxes.pristine]
      .filter(({ state }) => state === 'ready')
      .sort((one, other) => other.slots.size - one.slots.size);
    for (const sandbox of byRuntimes.slice(0, warm))
      this.#boot(sandbox, runtimesEach, settings.runtimeMemoryMb);
  }

  /** A tenant's spare runtimes are kept where it has been at work last. */
  #refillSpares(tenant: string): void {
    const { lifecycle, policy, costs, settings } = this.#options;
    const own = lifecycle.sandboxes.of(tenant);
    const rate = this.#takenBy.get(tenant);
    if (own.size === 0 || rate === undefined) {
      this.#takenBy.delete(tenant);
      return;
    }
    const layerCosts = costs.of(null);
    const bootMs = layerCosts.startMs.container - layerCosts.startMs.runtime;
    const wanted = policy.spares(this.#demand(rate, bootMs), layerCosts, settings.spareRuntimes);
    const home = homeOf(own);
    if (home === null) return;
    if (wanted === 0 || this.#hasHadItsTime(home)) this.#dropSpares(home);
    else this.#boot(home, wanted - sparesElsewhere(own, home), home.spareMemoryMb);
  }

  /** Its runtimes were given up because nobody had used it for so long: they would be again. */
  #hasHadItsTime(sandbox: Sandbox): boolean {
    const { plannedForMs, usedMs, runtimeUntilMs } = sandbox;
    return plannedForMs === usedMs && this.#clock.nowMs() >= runtimeUntilMs && isEmpty(sandbox);
  }

  /** Gives up spare runtimes that the policy does not want any longer. */
  #dropSpares(sandbox: Sandbox): void {
    if (this.#clock.nowMs() < sandbox.runtimeUntilMs) return;
    for (const slot of [...sandbox.slots])
      if (slot.state === 'free' && slot.layer === 'runtime') this.#options.lifecycle.drain(slot);
  }

  #boot(sandbox: Sandbox, wanted: number, memoryMb: number): void {
    const { settings, lifecycle, budget, costs } = this.#options;
    const { ready, starting } = runtimesIn(sandbox, memoryMb);
    const count = Math.min(
      wanted - ready - starting,
      settings.bootParallelism - starting,
      sandbox.capacity - sandbox.slots.size,
    );
    for (let made = 0; made < count; made += 1) {
      if (!budget.makeRoom(sandbox.tenant, costs.runtimeMb, true)) return;
      void lifecycle.boot(sandbox, memoryMb, null);
    }
  }
}

const runtimesIn = (sandbox: Sandbox, memoryMb: number): { ready: number; starting: number } => {
  let ready = 0;
  for (const slot of sandbox.slots)
    if (slot.state === 'free' && slot.layer === 'runtime' && slot.memoryMb === memoryMb) ready += 1;
  return { ready, starting: sandbox.starting };
};

/** The sandbox with room that a tenant used last, else the one used last. */
const homeOf = (own: Iterable<Sandbox>): Sandbox | null => {
  let home: Sandbox | null = null;
  for (const sandbox of own) {
    if (sandbox.state !== 'ready' || sandbox.quarantinedFor !== null) continue;
    if (home === null || isBetter(sandbox, home)) home = sandbox;
  }
  return home;
};

const isBetter = (sandbox: Sandbox, known: Sandbox): boolean =>
  hasRoom(sandbox) === hasRoom(known) ? sandbox.usedMs > known.usedMs : hasRoom(sandbox);

const hasRoom = (sandbox: Sandbox): boolean => sandbox.slots.size < sandbox.capacity;

/** Runtimes that a tenant has ready, or booting for nobody, in its other sandboxes. */
const sparesElsewhere = (own: Iterable<Sandbox>, home: Sandbox): number => {
  let count = 0;
  for (const other of own) {
    if (other === home || other.state !== 'ready') continue;
    if (other.quarantinedFor !== null || other.doubtful > 0) continue;
    for (const slot of other.slots) {
      const idle = slot.state === 'free' || (slot.state === 'starting' && slot.placement === null);
      if (idle && slot.layer === 'runtime' && slot.memoryMb === home.spareMemoryMb) count += 1;
    }
  }
  return count;
};
