/**
 * The second argument of a handler.
 *
 * Owns its fields. Never carries anything of the host: plain values and one function over the guest's own clock.
 */
import { callFields, type FunctionIdentity } from './called.ts';
import { now } from './clock.ts';
import { MathFloor } from './primordials.ts';

/**
 * @param called the invocation's id, and behind it how the function was called; see `Caller`.
 * @param timeoutMs wall time from now after which the invocation is stopped.
 */
export const createContext = (identity: FunctionIdentity, called: string, timeoutMs: number): object => {
  const deadlineMs = now() + timeoutMs;
  return {
    ...callFields(identity, called),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: (): number => {
      const nowMs = now();
      return nowMs < deadlineMs ? MathFloor(deadlineMs - nowMs) : 0;
    },
  };
};

/** What an initializer gets: the same identity, without an invocation. */
export const createInitContext = (identity: FunctionIdentity): object => ({
  functionName: identity.functionName,
  functionVersion: identity.functionVersion,
  memoryLimitInMB: identity.memoryMb,
});
