/**
 * The fields of a handler's context that are plain values: which function this is, and how it was called.
 *
 * The same in every tier. Owns how the text is read that `core/caller.ts` writes.
 */
import { JSONParse, StringIndexOf, StringSlice } from './primordials.ts';

export interface FunctionIdentity {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly memoryMb: number;
}

/** Of a function that was not called by an ARN. */
const OWN_ARN = 'arn:aws:lambda:strata:000000000000:function:';

/** @param called the invocation's id, and behind it how the function was called; see `Caller`. */
export const callFields = (identity: FunctionIdentity, called: string): object => {
  const { functionName, functionVersion } = identity;
  const idEnd = StringIndexOf(called, '\n');
  const arnEnd = idEnd < 0 ? -1 : StringIndexOf(called, '\n', idEnd + 1);
  const invocationId = idEnd < 0 ? called : StringSlice(called, 0, idEnd);
  const client = arnEnd < 0 ? '' : StringSlice(called, arnEnd + 1);
  return {
    invocationId,
    awsRequestId: invocationId,
    functionName,
    functionVersion,
    invokedFunctionArn: arnEnd < 0 ? OWN_ARN + functionName : StringSlice(called, idEnd + 1, arnEnd),
    memoryLimitInMB: identity.memoryMb,
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: `[${functionVersion}]`,
    identity: undefined,
    clientContext: client === '' ? undefined : JSONParse(client),
  };
};
