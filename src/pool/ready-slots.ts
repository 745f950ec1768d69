/**
 * Finds a slot that can serve, in constant time: stacks by function and by owner, the last used on top.
 *
 * Owns no truth: an entry is a hint that is checked when it is taken. Invariant: a slot is in one stack at most, and
 * one that ends is taken out, so that nothing is kept alive from here.
 */
import { canTake, type Placement, type Sandbox, type Slot } from './slot.ts';

/** Slots under one key; it goes from its map when it is empty. */
export interface Stack {
  readonly key: string;
  readonly home: Map<string, Stack>;
  readonly slots: Slot[];
}

export class ReadySlots {
  readonly #code = new Map<string, Stack>();
  readonly #runtimes = new Map<string, Stack>();
  readonly #bootMb: (memoryMb: number) => number;

  /** @param bootMb the memory size with which an instance boots that can serve a function of the given one. */
  constructor(bootMb: (memoryMb: number) => number) {
    this.#bootMb = bootMb;
  }

  /** Notes a slot under what it can serve now. */
  add(slot: Slot): void {
    if (slot.layer === 'code') {
      if (slot.placement !== null) push(this.#code, slot.placement.key, slot);
    } else {
      push(this.#runtimes, runtimeKey(slot.sandbox, slot.memoryMb), slot);
    }
  }

  remove(slot: Slot): void {
    const stack = slot.listed;
    if (stack === null) return;
    slot.listed = null;
    stack.slots.splice(stack.slots.indexOf(slot), 1);
    if (stack.slots.length === 0) stack.home.delete(stack.key);
  }

  code(placement: Placement): Slot | null {
    return pop(this.#code.get(placement.key), (slot) => canTake(slot, placement));
  }

  /** A booted runtime in a sandbox of the function's tenant, or of its own when it has to be alone. */
  ownRuntime(placement: Placement, alone: boolean): Slot | null {
    const owner = alone ? `f:${placement.key}` : `t:${placement.tenant}`;
    return this.#runtime(`${owner}|${this.#bootMb(placement.memoryMb)}`);
  }

  /** A booted runtime in a sandbox that is nobody's yet. */
  pristineRuntime(placement: Placement): Slot | null {
    return this.#runtime(`${PRISTINE}|${this.#bootMb(placement.memoryMb)}`);
  }

  #runtime(key: string): Slot | null {
    return pop(this.#runtimes.get(key), (candidate) => isReadyRuntime(candidate, key));
  }

  /** How many keys have entries: for the tests that hold it against growth. */
  get size(): number {
    return this.#code.size + this.#runtimes.size;
  }
}

const PRISTINE = 'p';

const runtimeKey = (sandbox: Sandbox, memoryMb: number): string => {
  if (sandbox.quarantinedFor !== null) return `f:${sandbox.quarantinedFor.key}|${memoryMb}`;
  return sandbox.tenant === null ? `${PRISTINE}|${memoryMb}` : `t:${sandbox.tenant}|${memoryMb}`;
};

const isReadyRuntime = (slot: Slot, key: string): boolean =>
  slot.state === 'free' &&
  slot.layer === 'runtime' &&
  !slot.retired &&
  slot.sandbox.state === 'ready' &&
  slot.sandbox.doubtful === 0 &&
  slot.instance !== null &&
  !slot.instance.ended &&
  runtimeKey(slot.sandbox, slot.memoryMb) === key;

const push = (home: Map<string, Stack>, key: string, slot: Slot): void => {
  const listed = slot.listed;
  if (listed !== null) {
    if (listed.home === home && listed.key === key) return;
    listed.slots.splice(listed.slots.indexOf(slot), 1);
    if (listed.slots.length === 0) listed.home.delete(listed.key);
  }
  let stack = home.get(key);
  if (stack === undefined) {
    stack = { key, home, slots: [] };
    home.set(key, stack);
  }
  stack.slots.push(slot);
  slot.listed = stack;
};

const pop = (stack: Stack | undefined, fits: (slot: Slot) => boolean): Slot | null => {
  if (stack === undefined) return null;
  for (let slot = stack.slots.pop(); slot !== undefined; slot = stack.slots.pop()) {
    slot.listed = null;
    if (fits(slot)) {
      if (stack.slots.length === 0) stack.home.delete(stack.key);
      return slot;
    }
  }
  stack.home.delete(stack.key);
  return null;
};
