/**
 * What a pool would give up first when memory is wanted elsewhere.
 *
 * Owns a list of what is idle, ordered by what the policy says it is worth. While memory is short the pool's sweep makes it
 * anew, and placements use it up in between, so that making room costs them next to nothing. Invariants: only what is idle
 * at that very moment is offered; what is listed stays so until it is used or gone.
 */
import type { Clock } from '../ports/clock.ts';
import { type Budget, type Evictable, goesBefore, type Held, type Victim } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import type { FunctionState } from './functions.ts';
import { idleSlots } from './keeper.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Idle, LayerCosts, Policy } from './policy/api.ts';
import { isAtRest, isEmpty, type Sandbox, type Slot } from './slot.ts';

export interface VictimsOptions {
  readonly clock: Clock;
  readonly policy: Policy;
  readonly lifecycle: Pick<Lifecycle, 'sandboxes' | 'end' | 'drain'>;
  readonly costs: RuntimeCosts;
  readonly budget: Budget;
}

interface Candidate extends Held {
  readonly worth: number;
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
  /** What has become idle since, as far as it was asked for: few, in the same order. */
  #added: Candidate[] = [];
  /** What has become idle since the list was made; filled only while there is a list. */
  readonly #fresh = new Set<Slot | Sandbox>();
  #madeMs: number | null = null;
  #used = false;

  constructor(options: VictimsOptions) {
    this.#options = options;
  }

  cheapest(mayEnd: (one: Held) => boolean): Victim | null {
    this.#used = true;
    const isOld = this.#madeMs === null || this.#options.clock.nowMs() - this.#madeMs >= OLD_MS;
    if (isOld) this.#make();
    const found = this.#last(mayEnd);
    if (found !== null || this.#fresh.size === 0) return found;
    this.#addFresh();
    return this.#last(mayEnd);
  }

  /** A slot or sandbox is idle now, or what was beside it has gone. */
  freed(what: Slot | Sandbox): void {
    if (this.#madeMs !== null) this.#fresh.add(what);
  }

  /** Called once in a while, when no placement waits for it: the next that finds no room is not to wait for the list. */
  sweep(): void {
    if (this.#used || this.#options.budget.isTight) this.#make();
    else this.#forget();
    this.#used = false;
  }

  #last(mayEnd: (one: Held) => boolean): Victim | null {
    const made = lastOf(this.#candidates, mayEnd);
    const added = lastOf(this.#added, mayEnd);
    const last = made === null || (added !== null && !goesBefore(made, added)) ? added : made;
    return last === null ? null : this.#victim(last);
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
    this.#fresh.clear();
    this.#added = [];
    const candidates: Candidate[] = [];
    for (const state of loadedIn(lifecycle.sandboxes.all)) this.#addIdle(candidates, state, null);
    for (const sandbox of lifecycle.sandboxes.all) this.#addEmpty(candidates, sandbox);
    this.#candidates = candidates.sort(worthMoreFirst);
  }

  /** What has become idle since comes into a list of its own: to look at all that is idle for it would take too long. */
  #addFresh(): void {
    const owners = new Set<FunctionState>();
    const sandboxes = new Set<Sandbox>();
    for (const what of this.#fresh) {
      const { owner, sandbox } = 'sandbox' in what ? what : { owner: null, sandbox: what };
      if (owner !== null) owners.add(owner);
      sandboxes.add(sandbox);
    }
    const added = this.#added.filter((candidate) => !isOver(candidate));
    for (const owner of owners) this.#addIdle(added, owner, this.#fresh);
    for (const sandbox of sandboxes) this.#addEmpty(added, sandbox);
    this.#fresh.clear();
    this.#added = added.sort(worthMoreFirst);
  }

  #forget(): void {
    this.#madeMs = null;
    this.#candidates = [];
    this.#added = [];
    this.#fresh.clear();
  }

  /** The idle instances of a function; of these alone, where that is given. */
  #addIdle(into: Candidate[], state: FunctionState, among: ReadonlySet<Slot | Sandbox> | null): void {
    const costs = this.#options.costs.of(state.costs);
    const nowMs = this.#options.clock.nowMs();
    // The one used last waits for the lowest level that is not needed.
    let level = state.demand.needed;
    const idle = idleSlots(state).reverse();
    const least = state.deleted ? 0 : state.placement.minInstances;
    let provisioned = least - (state.slots.size - idle.length);
    for (const slot of idle) {
      level += 1;
      provisioned -= 1;
      if (among !== null && !among.has(slot)) continue;
      const gaps = state.demand.profile(level);
      const gapMs = state.demand.gapMs(level, nowMs);
      const known = { gaps, gapMs, uses: state.demand.uses, provisioned: provisioned >= 0 };
      into.push(this.#code(slot, costs, nowMs, known));
    }
  }

  #addEmpty(into: Candidate[], sandbox: Sandbox): void {
    if (sandbox.state === 'ready' && isEmpty(sandbox)) into.push(this.#sandbox(sandbox));
  }

  #code(
    slot: Slot,
    costs: LayerCosts,
    nowMs: number,
    known: Pick<Idle, 'gaps' | 'uses'> & { gapMs: number | null; provisioned: boolean },
  ): Candidate {
    const idleMs = nowMs - slot.usedMs;
    const { pressureAtUse, sandbox, usedMs, chargedMb: memoryMb } = slot;
    const { gaps, uses, gapMs, provisioned } = known;
    const idle: Idle = { layer: 'code', memoryMb, idleMs, gaps, gapMs: gapMs ?? idleMs, uses, pressureAtUse };
    const worth = this.#options.policy.worth(idle, costs);
    return { worth, provisioned, holder: sandbox.tenant, slot, sandbox, usedMs };
  }

  #sandbox(sandbox: Sandbox): Candidate {
    const costs = this.#options.costs.of(null);
    const idleMs = this.#options.clock.nowMs() - sandbox.usedMs;
    const layer = sandbox.slots.size > 0 ? 'runtime' : 'container';
    const memoryMb = chargedIn(sandbox);
    const idle: Idle = { layer, memoryMb, idleMs, gaps: null, gapMs: idleMs, uses: 1, pressureAtUse: 0 };
    const worth = this.#options.policy.worth(idle, costs);
    return { worth, provisioned: false, holder: sandbox.tenant, slot: null, sandbox, usedMs: sandbox.usedMs };
  }
}

/** The last that may end; those at the end that will not be there again leave the list. */
const lastOf = (candidates: Candidate[], mayEnd: (one: Held) => boolean): Candidate | null => {
  for (let last = candidates.at(-1); last !== undefined && isOver(last); last = candidates.at(-1))
    candidates.pop();
  for (let index = candidates.length - 1; index >= 0; index -= 1) {
    const candidate = candidates[index];
    if (candidate !== undefined && mayEnd(candidate) && isThere(candidate)) return candidate;
  }
  return null;
};

const worthMoreFirst = (one: Candidate, other: Candidate): number =>
  goesBefore(one, other) ? 1 : goesBefore(other, one) ? -1 : 0;

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

/**
 * It has gone or was used. What is only not there for the moment stays in its list: a placement that takes it, finds no
 * room to load its code and gives it back tells nobody.
 */
const isOver = ({ slot, sandbox, usedMs }: Candidate): boolean => {
  if (sandbox.state !== 'ready') return true;
  return slot === null ? sandbox.usedMs !== usedMs : slot.state !== 'free' || slot.usedMs !== usedMs;
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
