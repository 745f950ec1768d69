/**
 * Carries out the policy: what is kept, made ready, demoted and refilled, and when each is looked at again.
 *
 * Owns the agenda. Never takes anything from who uses or awaits it, and never queues: it drains what is free, ends what
 * is empty and starts what nobody waits for. Invariant: every gap that a policy has a plan for is looked at when the
 * plan changes, and nothing else costs a warm invocation any time.
 */
import type { Clock } from '../ports/clock.ts';
import { Agenda } from './agenda.ts';
import type { Budget } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import { isStale } from './demand.ts';
import type { FunctionState, Functions } from './functions.ts';
import { type Profile, topOfGroup } from './gaps.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Policy, WarmPlan } from './policy/api.ts';
import { isEmpty, type Sandbox, type Slot } from './slot.ts';
import { Stockroom, type StockSettings } from './stockroom.ts';
import { Tally } from './tally.ts';

export interface KeeperSettings extends StockSettings {
  /** No policy keeps a tenant's runtimes for longer once no code is loaded beside them. */
  readonly runtimeIdleMs: number;
  /** Nor the sandbox without runtimes. */
  readonly sandboxIdleMs: number;
}

export interface KeeperOptions {
  readonly clock: Clock;
  readonly policy: Policy;
  readonly settings: KeeperSettings;
  readonly lifecycle: Lifecycle;
  readonly functions: Functions;
  readonly costs: RuntimeCosts;
  readonly budget: Budget;
  readonly refillPerSecond: number | null;
  /** Loads one more instance of a function ahead; false when that is not possible now. */
  readonly preload: (state: FunctionState) => boolean;
}

/** What was needed for so long is what memory is wanted for: as long as `fixed` keeps everything. */
const LATELY_MS = 600_000;
/** Of the budget: nobody makes memory dear for others by what it needs alone, however much that is. */
const TENANT_PART_MAX = 0.5;
const COUNT_INTERVAL_MS = 5_000;
/** Plans are made anew when what was needed has moved by this share of it, or of all memory where it is less. */
const DEMAND_STEP = 0.05;
/** Loads ahead that are under way for one function: more would hold up its own invocations. */
const PRELOADS_MAX = 4;
/** And for all functions of a tenant: nobody pays for an initializer that spins until its time is up. */
const PRELOADS_PER_TENANT_MAX = 4;
const HOLD_OFF_MS = 1_000;
const HOLD_OFF_MAX_MS = 600_000;
/** Sums of times are off by fractions of a microsecond: what is due so soon is due now. */
const SLACK_MS = 0.01;
/** Whatever could not be made ready is tried again after so long. */
const RETRY_MS = 1_000;

/** What a plan wants of levels that are not needed, and when it wants something else. */
interface Wanted {
  kept: number;
  ahead: number;
  nextMs: number;
}

export class Keeper {
  readonly stockroom: Stockroom;
  readonly #options: KeeperOptions;
  readonly #clock: Clock;
  readonly #functions: Agenda<FunctionState>;
  readonly #sandboxes: Agenda<Sandbox>;
  /** Loads ahead that are under way, by tenant. */
  readonly #preloads = new Tally();
  /** The demand for memory by which plans are made now. */
  #demand = 0;
  #neededMb = 0;
  #countedMs = Number.NEGATIVE_INFINITY;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.stockroom = new Stockroom(options);
    this.#functions = new Agenda(options.clock, (state) => this.review(state));
    this.#sandboxes = new Agenda(options.clock, (sandbox) => this.#reviewSandbox(sandbox));
  }

  /** A function has stopped to need so many instances. Where that needs a new plan, no invocation waits for it. */
  gapBegan(state: FunctionState, level: number): void {
    const now = this.#clock.nowMs();
    const plan = this.#knownPlan(state.demand.profile(level));
    if (plan === null) {
      this.#functions.by(state, now);
      return;
    }
    const [first] = plan.windows;
    if (first === undefined || first.fromMs > 0) this.review(state);
    else this.#functions.by(state, now + heldMs(first, state));
  }

  /** Compares what a function has with what its plan wants, and acts. */
  review(state: FunctionState): void {
    const now = this.#clock.nowMs();
    const { placement, demand } = state;
    const wanted = this.#wanted(state, now);
    const least = state.deleted ? 0 : placement.minInstances;
    const has = this.#options.lifecycle.staying(placement.key);
    const target = Math.max(demand.needed + wanted.kept + wanted.ahead, least);
    // What only starts for it becomes a spare when nobody takes it: nothing that is loaded goes for that.
    if (state.slots.size > target) this.#giveUp(state, state.slots.size - target);
    const missing = Math.min(target - has, Math.max(wanted.ahead, least - has), placement.maxInstances - has);
    if (missing > 0) this.#makeReady(state, missing, now);
    if (wanted.nextMs !== Number.POSITIVE_INFINITY) this.#functions.by(state, wanted.nextMs);
  }

  /** An instance of a function ends: one that it is to have at least is replaced. */
  lost(state: FunctionState): void {
    if (state.placement.minInstances > 0 && !state.deleted) this.#functions.by(state, this.#clock.nowMs());
  }

  /**
   * A load ahead has ended.
   * @param tookMs the longer one that failed took, the longer it is until the next.
   */
  preloaded(state: FunctionState, worked: boolean, tookMs: number): void {
    state.preloading -= 1;
    this.#preloads.add(state.placement.tenant, -1);
    if (!worked) this.#holdOff(state, tookMs);
    // There may be more to make ready than were allowed at once.
    else if (state.placement.minInstances > 0 && !state.deleted)
      this.#functions.by(state, this.#clock.nowMs());
  }

  /** An instance that was loaded ahead died before anybody used it: to load it at once again could go on for ever. */
  wasted(state: FunctionState): void {
    // Several that die together are one failure.
    if (this.#clock.nowMs() >= state.heldOffUntilMs) this.#holdOff(state, 0);
  }

  /** Nothing is loaded in a tenant's sandbox that anybody uses: its lower layers stay as long as the policy says. */
  emptied(sandbox: Sandbox): void {
    if (!isEmpty(sandbox) || sandbox.state !== 'ready') return;
    const now = this.#clock.nowMs();
    const last = sandbox.lastOwner;
    if (last !== null && sandbox.plannedForMs !== sandbox.usedMs) {
      sandbox.plannedForMs = sandbox.usedMs;
      const { settings, policy, costs } = this.#options;
      const level = Math.max(1, last.demand.needed);
      // What could not stay at layer code, because it serves once or went wrong, is replaced by what is below it.
      const [first] = this.planOf(last, level).windows;
      const kept = first === undefined || first.fromMs > 0 ? 0 : heldMs(first, last);
      const unusedMs = now - sandbox.usedMs;
      const { runtimeMs, containerMs } = policy.demotion(last.demand.profile(level), costs.of(last.costs));
      const keptMs = Math.max(0, kept - unusedMs);
      sandbox.runtimeUntilMs = now + Math.min(settings.runtimeIdleMs, keptMs + runtimeMs);
      sandbox.untilMs = sandbox.runtimeUntilMs + Math.min(settings.sandboxIdleMs, containerMs);
    }
    this.#reviewSandbox(sandbox);
  }

  /** A plan for a level of a function: made anew when much has been learnt since. */
  planOf(state: FunctionState, level: number): WarmPlan {
    const profile = state.demand.profile(level);
    const known = this.#knownPlan(profile);
    if (known !== null) return known;
    const plan = this.#options.policy.warm(profile, this.#options.costs.of(state.costs));
    profile.plan = plan;
    profile.planTotal = profile.own.total;
    profile.planDemand = this.#demand;
    return plan;
  }

  #knownPlan(profile: Profile): WarmPlan | null {
    return isStale(profile) || profile.planDemand !== this.#demand ? null : profile.plan;
  }

  /** What memory costs may have changed, and what was planned by it: looked at once in a while. */
  sweep(): void {
    this.stockroom.sweep();
    this.#countNeeded();
    const { demand } = this.#options.budget;
    if (Math.abs(demand - this.#demand) < DEMAND_STEP * Math.max(1, this.#demand)) return;
    this.#demand = demand;
    for (const state of this.#options.functions.all()) if (state.slots.size > 0) this.review(state);
  }

  close(): void {
    this.#functions.close();
    this.#sandboxes.close();
    this.stockroom.close();
    this.#options.budget.needs(-this.#neededMb);
    this.#neededMb = 0;
  }

  /** Tells the budget what the instances take that were needed lately, each function's first with a carrier. */
  #countNeeded(): void {
    const now = this.#clock.nowMs();
    if (now - this.#countedMs < COUNT_INTERVAL_MS) return;
    this.#countedMs = now;
    const { functions, costs, budget } = this.#options;
    const byTenant = new Map<string, number>();
    for (const { demand, costs: own, placement, deleted } of functions.all()) {
      const mayStay = !placement.ephemeral && !deleted;
      const needed = mayStay ? demand.neededWithin(LATELY_MS, now) : demand.needed;
      const carriers = costs.capacity === 1 ? needed : Math.min(1, needed);
      if (needed === 0) continue;
      const moreMb = needed * costs.codeMb(own) + carriers * costs.containerMb;
      byTenant.set(placement.tenant, (byTenant.get(placement.tenant) ?? 0) + moreMb);
    }
    let neededMb = 0;
    for (const tenantMb of byTenant.values())
      neededMb += Math.min(tenantMb, budget.limitMb * TENANT_PART_MAX);
    budget.needs(neededMb - this.#neededMb);
    this.#neededMb = neededMb;
  }

  /** Until a use of the function ends well each failure doubles the time before the next load ahead. */
  #holdOff(state: FunctionState, tookMs: number): void {
    state.failures += 1;
    const holdOffMs = Math.max(HOLD_OFF_MS, tookMs) * 2 ** (state.failures - 1);
    state.heldOffUntilMs = this.#clock.nowMs() + Math.min(HOLD_OFF_MAX_MS, holdOffMs);
    this.#functions.by(state, state.heldOffUntilMs);
  }

  /** How many levels that are not needed are kept, how many are to be made ready, and when that changes. */
  #wanted(state: FunctionState, nowMs: number): Wanted {
    const { demand, placement } = state;
    const wanted: Wanted = { kept: 0, ahead: 0, nextMs: Number.POSITIVE_INFINITY };
    if (state.deleted || placement.ephemeral) return wanted;
    const { levels } = demand;
    for (let first = demand.needed + 1, last = 0; first <= levels; first = last + 1) {
      last = Math.min(levels, topOfGroup(first));
      this.#addWanted(wanted, state, first, last, nowMs);
    }
    return wanted;
  }

  /** The same of some levels that share a plan: the higher, the further their gaps are in its windows. */
  #addWanted(wanted: Wanted, state: FunctionState, first: number, last: number, nowMs: number): void {
    const { demand } = state;
    const dueAt = (level: number, edgeMs: number): void => {
      wanted.nextMs = Math.min(wanted.nextMs, nowMs + edgeMs - (demand.gapMs(level, nowMs) ?? 0));
    };
    const firstPast = (from: number, edgeMs: number): number =>
      demand.firstThatLasted(from, last, (gapMs) => gapMs + SLACK_MS >= edgeMs, nowMs);
    let from = first;
    for (const window of this.planOf(state, first).windows) {
      if (from > last) return;
      const untilMs = window.fromMs + heldMs(window, state);
      const within = firstPast(from, window.fromMs);
      const after = firstPast(within, untilMs);
      if (window.fromMs > 0) wanted.ahead += after - within;
      else wanted.kept += after - within;
      if (within > from) dueAt(within - 1, window.fromMs);
      if (after > within) dueAt(after - 1, untilMs);
      from = after;
    }
  }

  /** Gives up what has been idle for longest; its sandbox, if nothing else is in it, is told by `emptied`. */
  #giveUp(state: FunctionState, count: number): void {
    for (const slot of idleSlots(state).slice(0, count)) this.#options.lifecycle.drain(slot);
  }

  /** Looks at a tenant's sandbox in which no code is loaded. */
  #reviewSandbox(sandbox: Sandbox): void {
    const { lifecycle } = this.#options;
    if (sandbox.state !== 'ready' || sandbox.tenant === null || !isEmpty(sandbox)) return;
    const now = this.#clock.nowMs();
    if (now >= sandbox.untilMs) {
      lifecycle.end(sandbox, 'idle');
      return;
    }
    const runtimes = [...sandbox.slots].filter((slot) => slot.state === 'free' && slot.layer === 'runtime');
    if (now >= sandbox.runtimeUntilMs) {
      // Each that goes has the sandbox looked at anew, and may take the others with it.
      for (const slot of runtimes) if (slot.state === 'free') lifecycle.drain(slot);
      this.#sandboxes.by(sandbox, sandbox.untilMs);
      return;
    }
    if (runtimes.length === 0 && sandbox.slots.size < sandbox.capacity) this.stockroom.bootSpare(sandbox);
    this.#sandboxes.by(sandbox, sandbox.runtimeUntilMs);
  }

  #makeReady(state: FunctionState, count: number, nowMs: number): void {
    if (nowMs < state.heldOffUntilMs) {
      this.#functions.by(state, state.heldOffUntilMs);
      return;
    }
    const provisions = this.#options.lifecycle.staying(state.placement.key) < state.placement.minInstances;
    if (this.#options.budget.pressure.cpuHigh && !provisions) return;
    const { tenant } = state.placement;
    for (let made = 0; made < count && state.preloading < PRELOADS_MAX; made += 1) {
      if (this.#preloads.of(tenant) >= PRELOADS_PER_TENANT_MAX || !this.#options.preload(state)) {
        this.#functions.by(state, nowMs + RETRY_MS);
        return;
      }
      state.preloading += 1;
      this.#preloads.add(tenant, 1);
    }
  }
}

/** The free instances of a function, the one idle for longest first. */
export const idleSlots = (state: FunctionState): Slot[] =>
  [...state.slots].filter((slot) => slot.state === 'free').sort((one, other) => one.usedMs - other.usedMs);

/** How long an instance is held in a window: no function is kept for longer than its own idle timeout. */
const heldMs = ({ fromMs, untilMs }: { fromMs: number; untilMs: number }, state: FunctionState): number =>
  Math.min(untilMs - fromMs, state.placement.idleTimeoutMs);
