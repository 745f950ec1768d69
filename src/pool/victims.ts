/**
 * What a pool would give up first when memory is wanted elsewhere.
 *
 * Owns a list of what is idle, ordered by what the policy says it is worth. While memory is short the pool's sweep makes it
 * anew, and placements use it up in between, so that making room costs them next to nothing. Invariant: only what is idle
 * at that very moment is offered.
 */
import type { Clock } from '../ports/clock.ts';
import { type Budget, type Evictable, goesBefore, type Victim } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import type { FunctionState } from './functions.ts';
import type { Holder } from './holders.ts';
import { idleSlots } from './keeper.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Idle, LayerCosts, Policy } from './policy/api.ts';
import { isAtRest, isEmpty, type Sandbox, type Slot } from './slot.ts';

export interface VictimsOptions {
  readonly clock: Clock;
  readonly policy: Policy;
  readonly lifecycle: Lifecycle;
  readonly costs: RuntimeCosts;
  readonly budget: Budget;
}

interface Candidate {
  readonly worth: number;
  /** One of those that its function is to have at least: it goes when nothing else is left. */
  readonly provisioned: boolean;
  readonly holder: Holder;
  /** Null for a whole sandbox. */
  readonly slot: Slot | null;
  readonly sandbox: Sandbox;
  readonly usedMs: number;
}

/** Older than this nobody trusts it: the sweep comes seldom, or memory has not been short for a while. */
const OLD_MS = 2_000;

export class Victims implements Evictable {
  readonly #options: VictimsOptions;
  /** The one worth least is the last. */
  #candidates: Candidate[] = [];
  #madeMs = Number.NEGATIVE_INFINITY;
  #freedThen = -1;
  #used = false;

  constructor(options: VictimsOptions) {
    this.#options = options;
  }

  cheapest(mayEnd: (holder: Holder) => boolean): Victim | null {
    this.#used = true;
    if (this.#isOld()) this.#make();
    const found = this.#last(mayEnd);
    if (found !== null || this.#freedThen === this.#options.lifecycle.slots.freed) return found;
    this.#make();
    return this.#last(mayEnd);
  }

  /** Called once in a while, when no placement waits for it. */
  sweep(): void {
    if (this.#used) this.#make();
    this.#used = false;
  }

  #isOld(): boolean {
    const { clock, lifecycle } = this.#options;
    return clock.nowMs() - this.#madeMs >= OLD_MS && this.#freedThen !== lifecycle.slots.freed;
  }

  #last(mayEnd: (holder: Holder) => boolean): Victim | null {
    while (this.#candidates.length > 0) {
      const last = this.#candidates.at(-1);
      if (last !== undefined && isThere(last)) break;
      this.#candidates.pop();
    }
    for (let index = this.#candidates.length - 1; index >= 0; index -= 1) {
      const candidate = this.#candidates[index];
      if (candidate === undefined || !mayEnd(candidate.holder) || !isThere(candidate)) continue;
      return this.#victim(candidate);
    }
    return null;
  }

  #victim({ worth, provisioned, slot, sandbox }: Candidate): Victim {
    const { lifecycle } = this.#options;
    const isLast = slot === null || (sandbox.slots.size === 1 && isAtRest(sandbox));
    const memoryMb =
      (slot?.chargedMb ?? chargedIn(sandbox)) + (slot !== null && isLast ? sandbox.chargedMb : 0);
    return {
      ...{ worth, provisioned, memoryMb },
      end() {
        if (isLast) lifecycle.end(sandbox, 'evicted');
        else if (slot !== null) lifecycle.drain(slot);
      },
    };
  }

  #make(): void {
    const { clock, lifecycle } = this.#options;
    this.#madeMs = clock.nowMs();
    this.#freedThen = lifecycle.slots.freed;
    const candidates: Candidate[] = [];
    for (const state of loadedIn(lifecycle.sandboxes.all)) {
      const costs = this.#options.costs.of(state.costs);
      // The one used last waits for the lowest level that is not needed.
      let level = state.demand.needed;
      const idle = idleSlots(state).reverse();
      const least = state.deleted ? 0 : state.placement.minInstances;
      let provisioned = least - (state.slots.size - idle.length);
      for (const slot of idle) {
        level += 1;
        provisioned -= 1;
        const gaps = state.demand.profile(level);
        const gapMs = state.demand.gapMs(level, this.#madeMs);
        const known = { gaps, gapMs, uses: state.demand.uses, provisioned: provisioned >= 0 };
        candidates.push(this.#code(slot, costs, known));
      }
    }
    const costs = this.#options.costs.of(null);
    for (const sandbox of lifecycle.sandboxes.all) {
      if (sandbox.state !== 'ready' || !isEmpty(sandbox)) continue;
      candidates.push(this.#sandbox(sandbox, costs));
    }
    this.#candidates = candidates.sort((one, other) =>
      goesBefore(one, other) ? 1 : goesBefore(other, one) ? -1 : 0,
    );
  }

  #code(
    slot: Slot,
    costs: LayerCosts,
    known: Pick<Idle, 'gaps' | 'uses'> & { gapMs: number | null; provisioned: boolean },
  ): Candidate {
    const idleMs = this.#madeMs - slot.usedMs;
    const { pressureAtUse, sandbox, usedMs, chargedMb: memoryMb } = slot;
    const { gaps, uses, gapMs, provisioned } = known;
    const idle: Idle = { layer: 'code', memoryMb, idleMs, gaps, gapMs: gapMs ?? idleMs, uses, pressureAtUse };
    const worth = this.#options.policy.worth(idle, costs);
    return { worth, provisioned, holder: sandbox.tenant, slot, sandbox, usedMs };
  }

  #sandbox(sandbox: Sandbox, costs: LayerCosts): Candidate {
    const idleMs = this.#madeMs - sandbox.usedMs;
    const layer = sandbox.slots.size > 0 ? 'runtime' : 'container';
    const memoryMb = chargedIn(sandbox);
    const idle: Idle = { layer, memoryMb, idleMs, gaps: null, gapMs: idleMs, uses: 1, pressureAtUse: 0 };
    const worth = this.#options.policy.worth(idle, costs);
    return { worth, provisioned: false, holder: sandbox.tenant, slot: null, sandbox, usedMs: sandbox.usedMs };
  }
}

/** The functions that have an instance: few, however many are known. */
const loadedIn = (sandboxes: Iterable<Sandbox>): Set<FunctionState> => {
  const states = new Set<FunctionState>();
  for (const { slots } of sandboxes)
    for (const { owner } of slots) if (owner !== null && owner.slots.size > 0) states.add(owner);
  return states;
};

/** It is idle, as it was when the list was made. */
const isThere = ({ slot, sandbox, usedMs }: Candidate): boolean => {
  if (sandbox.state !== 'ready' || sandbox.awaited.length > 0) return false;
  if (slot === null) return sandbox.usedMs === usedMs && isEmpty(sandbox) && areListed(sandbox);
  // A slot that is in no stack has just been taken out of it by whoever will lease it.
  return slot.state === 'free' && slot.usedMs === usedMs && slot.listed !== null;
};

const areListed = (sandbox: Sandbox): boolean => {
  for (const slot of sandbox.slots) if (slot.state === 'free' && slot.listed === null) return false;
  return true;
};

const chargedIn = (sandbox: Sandbox): number => {
  let memoryMb = sandbox.chargedMb;
  for (const slot of sandbox.slots) memoryMb += slot.chargedMb;
  return memoryMb;
};
