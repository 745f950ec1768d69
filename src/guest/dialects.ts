/**
 * Calls a function and tells how the call ended: the dialects of handlers, the same in every tier.
 *
 * Owns value, promise and callback. Never lets a thrown value pass. Invariants: what a promise or a callback brings
 * a second time is ignored; `then` of a result is read once, inside try. `await` is used on guest values because,
 * unlike `Promise.prototype.then`, it cannot be patched.
 */
import type { GuestFunction } from './exported.ts';
import { ReflectApply } from './primordials.ts';

/** How a call ends: what to do with its value, and with what it threw. Either may come after the owner's end. */
export interface Outcome<Owner> {
  readonly returned: (owner: Owner, value: unknown) => void;
  readonly threw: (owner: Owner, thrown: unknown) => void;
}

/**
 * Calls a function of the guest's with a Node-style callback behind its arguments.
 *
 * @param callbackAt a function with more parameters than this is answered by its callback, unless it returns a
 * promise.
 */
export const callGuest = <Owner>(
  owner: Owner,
  called: GuestFunction,
  first: unknown,
  second: unknown,
  callbackAt: 1 | 2,
  outcome: Outcome<Owner>,
): void => {
  try {
    const usesCallback = parameterCount(called) > callbackAt;
    if (!usesCallback) {
      const value = callbackAt === 2 ? called(first, second) : called(first);
      if (isObject(value)) void settleLater(owner, value, outcome);
      else outcome.returned(owner, value);
      return;
    }
    const answer = callbackFor(owner, outcome);
    const value = callbackAt === 2 ? called(first, second, answer.callback) : called(first, answer.callback);
    const then: unknown = isObject(value) ? value.then : undefined;
    if (typeof then === 'function') {
      answer.ignore();
      void settleLater(owner, thenableOf(value, then as GuestFunction), outcome);
    } else {
      answer.open();
    }
  } catch (thrown) {
    outcome.threw(owner, thrown);
  }
};

const settleLater = async <Owner>(owner: Owner, promise: unknown, outcome: Outcome<Owner>): Promise<void> => {
  try {
    outcome.returned(owner, await promise);
  } catch (thrown) {
    outcome.threw(owner, thrown);
  }
};

/** Stands for a thenable whose `then` was read already. */
const thenableOf = (value: unknown, then: GuestFunction): object =>
  ({
    __proto__: null,
    // biome-ignore lint/suspicious/noThenProperty: it is a thenable on purpose, so that `then` is read only once.
    then: (resolve: unknown, reject: unknown) => ReflectApply(then, value, [resolve, reject]),
  }) as object;

interface CallbackAnswer {
  readonly callback: (error?: unknown, value?: unknown) => void;
  /** A promise came back: the callback is of no account. */
  ignore(): void;
  /** No promise came back: the first call so far, or the next one, is the answer. */
  open(): void;
}

const callbackFor = <Owner>(owner: Owner, outcome: Outcome<Owner>): CallbackAnswer => {
  let state: 'held' | 'open' | 'done' = 'held';
  let called = false;
  let error: unknown;
  let value: unknown;
  const answer = (): void => {
    state = 'done';
    if (error !== undefined && error !== null) outcome.threw(owner, error);
    else outcome.returned(owner, value);
  };
  return {
    callback: (thrown, returned) => {
      if (called) return;
      called = true;
      error = thrown;
      value = returned;
      if (state === 'open') answer();
    },
    ignore: () => {
      state = 'done';
    },
    open: () => {
      if (called) answer();
      else state = 'open';
    },
  };
};

const parameterCount = (called: GuestFunction): number => {
  const { length } = called;
  return typeof length === 'number' ? length : 0;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';
