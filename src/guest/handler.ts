/**
 * Calls the guest's functions and turns what comes of it into the owner's one final record.
 *
 * Owns the dialects: value, promise, callback. Never lets a thrown value pass. Invariants: what a promise or a
 * callback brings after the owner's end is ignored; `then` of a result is read once, inside try. `await` is used on
 * guest values because, unlike `Promise.prototype.then`, it cannot be patched.
 */

import { describeError, failThrown } from './errors.ts';
import type { GuestFunction } from './exported.ts';
import { ArrayIsArray, cut, JSONParse, JSONStringify, ReflectApply } from './primordials.ts';
import { limits, type Owner, settle, settleFailure } from './records.ts';

/** How a call ends: what to do with its value, and with what it threw. */
interface Outcome {
  readonly returned: (owner: Owner, value: unknown) => void;
  readonly threw: (owner: Owner, thrown: unknown) => void;
}

/** The handler's outcome: `R` with the JSON text of what it returned, or `X`. */
export const HANDLER_OUTCOME: Outcome = {
  returned: (owner, value) => settleResult(owner, value),
  threw: (owner, thrown) => failThrown(owner, 'function_error', 'The handler failed with', thrown),
};

export const INITIALIZER_OUTCOME: Outcome = {
  returned: (owner) => settle(owner, 'I', ''),
  threw: (owner, thrown) => failThrown(owner, 'init_error', 'The initializer failed with', thrown),
};

/** Parses the event. A failure is settled, and the answer is `undefined`, which no JSON text means. */
export const parseEvent = (owner: Owner, eventJson: string): unknown => {
  try {
    return JSONParse(eventJson);
  } catch (thrown) {
    settleFailure(owner, 'event_invalid', `The event is not JSON: ${describeError(thrown).message}`);
    return undefined;
  }
};

/**
 * Calls a function of the guest's with a Node-style callback behind its arguments.
 *
 * @param callbackAt a function with more parameters than this is answered by its callback, unless it returns a
 * promise.
 */
export const callGuest = (
  owner: Owner,
  called: GuestFunction,
  first: unknown,
  second: unknown,
  callbackAt: 1 | 2,
  outcome: Outcome,
): void => {
  try {
    const usesCallback = parameterCount(called) > callbackAt;
    if (!usesCallback) {
      const value = callbackAt === 2 ? called(first, second) : called();
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

const settleLater = async (owner: Owner, promise: unknown, outcome: Outcome): Promise<void> => {
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

const callbackFor = (owner: Owner, outcome: Outcome): CallbackAnswer => {
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

const settleResult = (owner: Owner, value: unknown): void => {
  if (owner.ended) return;
  let text: string | undefined;
  try {
    text = value === undefined ? 'null' : JSONStringify(value);
  } catch (thrown) {
    const { message } = describeError(thrown);
    settleFailure(
      owner,
      'result_invalid',
      cut(`The handler returned ${kindOf(value)} that is not JSON: ${message}`, 1_000),
    );
    return;
  }
  if (text === undefined) {
    settleFailure(
      owner,
      'result_invalid',
      `The handler returned ${kindOf(value)}, which is not JSON; return plain data.`,
    );
  } else if (text.length > limits.resultMaxChars) {
    const detail = `The result has ${text.length} characters of JSON; the limit is ${limits.resultMaxChars}.`;
    settleFailure(owner, 'result_too_large', detail, null, text.length);
  } else {
    settle(owner, 'R', text);
  }
};

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value === 'bigint' ? 'a BigInt' : `a ${typeof value}`;
  try {
    return ArrayIsArray(value) ? 'an array' : 'an object';
  } catch {
    return 'a revoked Proxy';
  }
};

const parameterCount = (called: GuestFunction): number => {
  const { length } = called;
  return typeof length === 'number' ? length : 0;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';
