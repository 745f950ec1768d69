/**
 * The second argument of a handler.
 *
 * Owns its fields. Never carries anything of the host: plain values and one function over the guest's own clock.
 */
import { now } from './clock.ts';
import { MathFloor } from './primordials.ts';

interface FunctionIdentity {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly memoryMb: number;
}

/** @param timeoutMs wall time from now after which the invocation is stopped. */
export const createContext = (
  identity: FunctionIdentity,
  invocationId: string,
  timeoutMs: number,
): object => {
  const deadlineMs = now() + timeoutMs;
  return {
    invocationId,
    awsRequestId: invocationId,
    functionName: identity.functionName,
    functionVersion: identity.functionVersion,
    memoryLimitInMB: identity.memoryMb,
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
