/**
 * Hands an event to the queue of asynchronous invocations.
 */
import type { FunctionRecord } from '../../core/spec.ts';
import type { LambdaCall, LambdaParts } from './call.ts';
import { LambdaError, notOffered } from './errors.ts';
import type { FunctionReference } from './names.ts';

/** The service takes no larger ones. */
const EVENT_MAX_BYTES = 1024 * 1024;

/** Resolves when the event will not be lost any more. */
export const enqueue = async (
  call: LambdaCall,
  parts: LambdaParts,
  { tenant, name, qualifier }: FunctionReference,
  _record: FunctionRecord,
  event: Uint8Array,
): Promise<void> => {
  if (event.length > EVENT_MAX_BYTES)
    throw new LambdaError('RequestTooLargeException', 413, {
      Type: 'User',
      message: `${event.length} byte payload is too large for the Event invocation type (limit ${EVENT_MAX_BYTES} bytes)`,
    });
  if (parts.enqueue === null) throw notOffered('The invocation type Event');
  await parts.enqueue({
    ...{ tenant, function: name, eventJson: event, invocationId: call.requestId },
    ...(qualifier === null ? {} : { qualifier }),
  });
};
