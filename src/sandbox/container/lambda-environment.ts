/**
 * The environment of a `provided` function, as the Lambda Runtime API's clients expect it.
 *
 * Owns the names. Where a name of the function's own collides with one of these, the platform's wins, because a
 * runtime finds its code and its handler by them.
 */
import type { LoadRequest } from '../api.ts';

const FUNCTION_MAX_CHARS = 64;

export const lambdaEnvironment = (request: LoadRequest): Readonly<Record<string, string>> => {
  const { functionName, functionVersion, memoryMb, handler, env, codeDigest, region = 'strata' } = request;
  return {
    ...env,
    _HANDLER: handler,
    LAMBDA_TASK_ROOT: codePath(codeDigest),
    LAMBDA_RUNTIME_DIR: '/opt/strata',
    AWS_LAMBDA_FUNCTION_NAME: functionName.slice(0, FUNCTION_MAX_CHARS),
    AWS_LAMBDA_FUNCTION_VERSION: functionVersion,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `[${functionVersion}]`,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
  };
};

export const codePath = (codeDigest: string): string => `/code/${codeDigest}`;

/** The payload of a load frame: the digest and each variable, every one ended by NUL. */
export const loadPayload = (codeDigest: string, env: Readonly<Record<string, string>>): Buffer =>
  Buffer.from([codeDigest, ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ''].join('\0'));
