/**
 * A failed invocation as the payload that callers of this API expect.
 *
 * Owns the shapes: what was thrown, as each language tells it, and what the platform says when it ends a function.
 */
import type { Failure } from '../../core/errors.ts';
import type { FunctionRecord, Runtime } from '../../core/spec.ts';

/** Failures that are not the function's: the API answers them as its own. */
const OF_PLATFORM: ReadonlySet<string> = new Set([
  'sandbox_lost',
  'protocol_error',
  'internal_error',
  'start_failed',
]);

export const isOfPlatform = ({ code }: Failure): boolean => OF_PLATFORM.has(code);

export const payloadOf = (
  failure: Failure,
  record: Pick<FunctionRecord, 'runtime' | 'timeoutMs' | 'initTimeoutMs'>,
  requestId: string,
): object => {
  const told = (errorType: string, text: string): object => ({
    errorType,
    errorMessage: `RequestId: ${requestId} Error: ${text}`,
  });
  switch (failure.code) {
    case 'function_timeout':
      return told('Sandbox.Timedout', timedOut(record.timeoutMs));
    case 'init_timeout':
      return told('Sandbox.Timedout', timedOut(record.initTimeoutMs));
    case 'sandbox_exited':
      return told('Runtime.ExitError', 'Runtime exited without providing a reason');
    case 'memory_limit':
      return told('Runtime.ExitError', 'Runtime exited with error: signal: killed');
    case 'cpu_limit':
      return told('Sandbox.CpuLimit', failure.detail);
    case 'result_too_large':
      return {
        errorType: 'Function.ResponseSizeTooLarge',
        errorMessage: `Response payload size exceeded maximum allowed payload size (${failure.limit?.configured ?? 0} bytes).`,
      };
    case 'result_invalid':
      return thrown('Runtime.MarshalError', failure.detail, [], record.runtime, requestId);
    default:
      return ofCode(failure, record.runtime, requestId);
  }
};

export const timedOut = (ms: number): string => `Task timed out after ${(ms / 1_000).toFixed(2)} seconds`;

/** What the function's own code threw, or why it could not be loaded. */
const ofCode = (failure: Failure, runtime: Runtime, requestId: string): object => {
  const { error } = failure;
  if (error === null) {
    const type = failure.code === 'init_error' ? 'Runtime.HandlerNotFound' : `Strata.${failure.code}`;
    return thrown(type, failure.detail, [], runtime, requestId);
  }
  const lines = error.stack === '' ? [] : error.stack.split('\n');
  return thrown(typeOf(error.type, failure.code), error.message, lines, runtime, requestId);
};

const typeOf = (type: string, code: Failure['code']): string => {
  if (code !== 'init_error') return type;
  return type === 'SyntaxError' ? 'Runtime.UserCodeSyntaxError' : type;
};

const thrown = (
  errorType: string,
  errorMessage: string,
  lines: readonly string[],
  runtime: Runtime,
  requestId: string,
): object => {
  if (runtime === 'python3') return { errorMessage, errorType, requestId, stackTrace: lines };
  if (runtime === 'provided') return { errorMessage, errorType, stackTrace: lines };
  return { errorType, errorMessage, trace: lines };
};
