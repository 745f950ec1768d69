/**
 * setTimeout, setInterval, setImmediate and what clears them.
 *
 * Owns the timers of each owner and runs those that are due when the host says so. Never wakes up by itself: the
 * host learns the delay of an owner's next timer from a record. Invariants: a timer belongs to the owner that set
 * it; equal due times run in the order they were set; there are never more than `timersMax`.
 */
import { now } from './clock.ts';
import { uncaught } from './errors.ts';
import { brief } from './inspect.ts';
import {
  defineValue,
  MapDelete,
  MapForEach,
  MapGet,
  MapSet,
  MapSize,
  MathCeil,
  NumberOf,
  RangeErrorOf,
  ReflectApply,
  SafeMap,
  TypeErrorOf,
} from './primordials.ts';
import { limits, liveOwner, type Owner, onTimerQuestion, resumeOwner, timersById } from './records.ts';

export interface TimerState {
  readonly id: number;
  readonly owner: Owner;
  readonly callback: (...args: unknown[]) => unknown;
  readonly args: unknown[];
  readonly delayMs: number;
  readonly repeats: boolean;
  dueMs: number;
}

const DELAY_MAX_MS = 2 ** 31 - 1;

let nextId = 1;

/** What the functions that set timers return: a number for whoever wants one, and the methods that Node offers. */
class Timeout {
  readonly #state: TimerState;

  constructor(state: TimerState) {
    this.#state = state;
  }

  /** Whose timer a value is: a Timeout's, or the one with that number. */
  static find(value: unknown): TimerState | undefined {
    if (typeof value === 'object' && value !== null && #state in value) return value.#state;
    if (typeof value === 'number' || typeof value === 'string') return MapGet(timersById, NumberOf(value));
    return undefined;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return MapGet(timersById, this.#state.id) !== undefined;
  }

  refresh(): this {
    const state = this.#state;
    if (MapGet(timersById, state.id) === state) {
      state.dueMs = now() + state.delayMs;
      state.owner.timersChanged = true;
    }
    return this;
  }

  close(): this {
    remove(this.#state);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.#state.id;
  }

  [Symbol.dispose](): void {
    remove(this.#state);
  }
}

/** Sets a timer for the current owner. Shared with AbortSignal.timeout. */
export const startTimer = (
  callback: (...args: unknown[]) => unknown,
  delayMs: number,
  repeats: boolean,
  args: unknown[],
): TimerState => {
  const owner = liveOwner();
  const state = {
    id: nextId,
    owner: owner as Owner,
    callback,
    args,
    delayMs,
    repeats,
    dueMs: now() + delayMs,
  };
  nextId += 1;
  // Code that runs after its owner's end gets a timer that never fires.
  if (owner === null) return state;
  if (MapSize(timersById) >= limits.timersMax) {
    throw new RangeErrorOf(
      `Too many timers: the limit is ${limits.timersMax} for one instance at a time. Clear those no longer needed.`,
    );
  }
  if (owner.timers === null) owner.timers = new SafeMap();
  MapSet(owner.timers, state.id, state);
  MapSet(timersById, state.id, state);
  owner.timersChanged = true;
  return state;
};

/** Runs the timers of an owner that are due, in due order; those set meanwhile wait for the next time. */
export const runDueTimers = (number: number): void => {
  const owner = resumeOwner(number);
  if (owner === null) return;
  // The host's own timer for this owner is used up, so it has to hear the next delay even if that is the same.
  owner.timersChanged = true;
  const untilMs = now();
  const untilId = nextId;
  for (;;) {
    const timer = earliest(owner, untilMs, untilId);
    if (timer === null) return;
    if (timer.repeats) timer.dueMs = untilMs + timer.delayMs;
    else remove(timer);
    try {
      ReflectApply(timer.callback, undefined, timer.args);
    } catch (thrown) {
      uncaught(owner, thrown, 'A timer threw');
    }
  }
};

export const installTimers = (scope: object): void => {
  onTimerQuestion(nextDelayMs);
  // Without it the guest could make a Timeout of a state of its own.
  defineValue(Timeout.prototype, 'constructor', undefined);
  const setter = (name: string, repeats: boolean) => {
    const set = (callback: unknown, delay?: unknown, ...args: unknown[]): Timeout =>
      new Timeout(startTimer(checked(name, callback), clamp(delay), repeats, args));
    defineValue(set, 'name', name);
    return set;
  };
  defineValue(scope, 'setTimeout', setter('setTimeout', false));
  defineValue(scope, 'setInterval', setter('setInterval', true));
  const setImmediate = (callback: unknown, ...args: unknown[]): Timeout =>
    new Timeout(startTimer(checked('setImmediate', callback), 0, false, args));
  defineValue(scope, 'setImmediate', setImmediate);
  const clearTimer = (timer?: unknown): void => {
    const state = Timeout.find(timer);
    if (state !== undefined) remove(state);
  };
  defineValue(scope, 'clearTimeout', clearTimer);
  defineValue(scope, 'clearInterval', clearTimer);
  defineValue(scope, 'clearImmediate', clearTimer);
};

/** Ends a timer; does nothing for one that has ended. */
const remove = (timer: TimerState): void => {
  if (!MapDelete(timersById, timer.id)) return;
  const { owner } = timer;
  if (owner.timers !== null) MapDelete(owner.timers, timer.id);
  owner.timersChanged = true;
};

const nextDelayMs = (owner: Owner): number => {
  const timer = earliest(owner, Number.POSITIVE_INFINITY, nextId);
  if (timer === null) return -1;
  const nowMs = now();
  return nowMs < timer.dueMs ? MathCeil(timer.dueMs - nowMs) : 0;
};

const earliest = (owner: Owner, untilMs: number, untilId: number): TimerState | null => {
  let found: TimerState | null = null;
  if (owner.timers === null) return null;
  // A Map keeps the order in which timers were set, so the first of equals is the one that was set first.
  MapForEach(owner.timers, (timer) => {
    if (timer.dueMs > untilMs || timer.id >= untilId) return;
    if (found === null || timer.dueMs < found.dueMs) found = timer;
  });
  return found;
};

const checked = (name: string, callback: unknown): TimerState['callback'] => {
  if (typeof callback === 'function') return callback as TimerState['callback'];
  throw new TypeErrorOf(`${name} needs a function as its first argument, not ${brief(callback)}`);
};

/** Milliseconds as Node takes them: what is not between 1 and 2^31−1 becomes 1. */
const clamp = (delay: unknown): number => {
  const delayMs = NumberOf(delay);
  return delayMs >= 1 && delayMs <= DELAY_MAX_MS ? delayMs : delayMs > DELAY_MAX_MS ? DELAY_MAX_MS : 1;
};
