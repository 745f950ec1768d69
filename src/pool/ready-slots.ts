/**
 * Finds a slot that can serve, in constant time: stacks by function and by owner, the last used on top.
 *
 * Owns no truth: an entry is a hint that is checked when it is taken, and stale ones are dropped then.
 */
import { canTake, type Placement, type Sandbox, type Slot } from './slot.ts';

export class ReadySlots {
  readonly #code = new Map<string, Slot[]>();
  readonly #runtimes = new Map<string, Slot[]>();

  /** Notes a slot under what it can serve now. */
  add(slot: Slot): void {
    if (slot.layer === 'code') {
      if (slot.placement !== null) push(this.#code, slot.placement.key, slot);
    } else {
      push(this.#runtimes, runtimeKey(slot.sandbox, slot.memoryMb), slot);
    }
  }

  code(placement: Placement): Slot | null {
    return pop(this.#code, placement.key, (slot) => canTake(slot, placement));
  }

  /** A booted runtime for this function: in a sandbox of its own, else in a pristine one. */
  runtime(placement: Placement, alone: boolean): Slot | null {
    const own = alone ? `f:${placement.key}` : `t:${placement.tenant}`;
    for (const owner of [own, PRISTINE]) {
      const key = `${owner}|${placement.memoryMb}`;
      const slot = pop(this.#runtimes, key, (candidate) => isReadyRuntime(candidate, key));
      if (slot !== null) return slot;
    }
    return null;
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

const push = (stacks: Map<string, Slot[]>, key: string, slot: Slot): void => {
  const stack = stacks.get(key);
  if (slot.listed === key) return;
  slot.listed = key;
  if (stack === undefined) stacks.set(key, [slot]);
  else stack.push(slot);
};

const pop = (stacks: Map<string, Slot[]>, key: string, fits: (slot: Slot) => boolean): Slot | null => {
  const stack = stacks.get(key);
  if (stack === undefined) return null;
  for (let slot = stack.pop(); slot !== undefined; slot = stack.pop()) {
    // An entry that the slot no longer claims is the trace of a stack it has left.
    if (slot.listed !== key) continue;
    slot.listed = null;
    if (fits(slot)) return slot;
  }
  stacks.delete(key);
  return null;
};
