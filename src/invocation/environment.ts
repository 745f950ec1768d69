/**
 * The environment of a function, with the variables of Lambda where it came by the Lambda API.
 *
 * Owns which functions have them. Where a name of the function's own collides with one of these, the platform's wins.
 */
import { LAMBDA_ANNOTATION, REGION_ANNOTATION } from '../core/limits.ts';
import type { FunctionRecord } from '../core/spec.ts';

export const environmentOf = (record: FunctionRecord): Readonly<Record<string, string>> => {
  const { annotations, env, name, version, memoryMb, handler } = record;
  if (!Object.hasOwn(annotations, LAMBDA_ANNOTATION)) return env;
  const region = regionOf(record);
  return {
    ...env,
    _HANDLER: handler,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `[${version}]`,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    ...(region === undefined ? {} : { AWS_REGION: region, AWS_DEFAULT_REGION: region }),
  };
};

/** Where a function that came by the Lambda API runs, as that says it. */
export const regionOf = ({ annotations }: FunctionRecord): string | undefined => {
  const region = Object.hasOwn(annotations, REGION_ANNOTATION) ? annotations[REGION_ANNOTATION] : undefined;
  // In the environment of a process nothing comes behind a NUL.
  return region?.includes('\0') === true ? undefined : region;
};
