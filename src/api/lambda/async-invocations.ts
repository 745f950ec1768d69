/**
 * Hands an event to the queue of asynchronous invocations.
 */
import type { FunctionRecord } from '../../core/spec.ts';
import { refuseStrangers } from '../strangers.ts';
import type { AsyncPolicy, LambdaCall, LambdaParts } from './call.ts';
import { LambdaError } from './errors.ts';
import { type EventInvokeConfig, eventInvokeOf } from './event-invoke.ts';
import { type FunctionReference, functionInArn } from './names.ts';

/** The service takes no larger ones. */
const EVENT_MAX_BYTES = 1024 * 1024;

/** Resolves when the event will not be lost any more. */
export const enqueue = async (
  call: LambdaCall,
  parts: LambdaParts,
  { tenant, name, qualifier }: FunctionReference,
  record: FunctionRecord,
  event: Uint8Array,
): Promise<void> => {
  if (event.length > EVENT_MAX_BYTES)
    throw new LambdaError('RequestTooLargeException', 413, {
      Type: 'User',
      message: `${event.length} byte payload is too large for the Event invocation type (limit ${EVENT_MAX_BYTES} bytes)`,
    });
  const { credential } = call.caller;
  refuseStrangers(parts.executor, { tenant, function: name, qualifier: qualifier ?? undefined, credential });
  await parts.enqueue({
    ...{ tenant, function: name, eventJson: event, invocationId: call.requestId },
    policy: policyOf(eventInvokeOf(parts, record.id, qualifier)),
    ...(qualifier === null ? {} : { qualifier }),
  });
};

const policyOf = (config: EventInvokeConfig | null): AsyncPolicy => {
  if (config === null) return {};
  const { maxRetries, maxAgeS, onSuccess, onFailure } = config;
  return {
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(maxAgeS === undefined ? {} : { maxEventAgeMs: maxAgeS * 1_000 }),
    ...(onSuccess === undefined ? {} : { onSuccess: { function: functionInArn(onSuccess) } }),
    ...(onFailure === undefined ? {} : { onFailure: { function: functionInArn(onFailure) } }),
  };
};
