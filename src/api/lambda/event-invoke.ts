/**
 * The operations of event-invoke configurations: how asynchronous invocations are retried, and where they end.
 *
 * Owns what each takes and answers, and which configuration an invocation has.
 */
import {
  functionOf,
  type LambdaCall,
  type LambdaParts,
  NO_CONTENT,
  type Operation,
  ok,
  placeOf,
} from './call.ts';
import { invalidParameter, notFound, notOffered } from './errors.ts';
import { Fields } from './fields.ts';
import { arnOf, type FunctionReference, LATEST, referenceOf } from './names.ts';
import { slice } from './pages.ts';

export interface EventInvokeConfig {
  readonly modifiedMs: number;
  readonly maxRetries?: number;
  readonly maxAgeS?: number;
  /** ARNs of functions. */
  readonly onSuccess?: string;
  readonly onFailure?: string;
}

const RETRIES_MAX = 2;
const AGE_S = { min: 60, max: 21_600 };
const DESTINATION_MAX_CHARS = 350;

export const putEventInvoke: Operation = (call, parts) => write(call, parts, false);

export const updateEventInvoke: Operation = (call, parts) => write(call, parts, true);

export const getEventInvoke: Operation = (call, parts) => {
  const { owner, reference, config } = configOf(call, parts);
  if (config === null) throw missing(reference);
  return ok(viewOf(call, parts, owner.name, qualifierOf(reference), config));
};

export const deleteEventInvoke: Operation = (call, parts) => {
  const { owner, reference } = configOf(call, parts);
  if (!parts.settings.remove(owner.id, 'event-invoke', qualifierOf(reference))) throw missing(reference);
  return NO_CONTENT;
};

export const listEventInvoke: Operation = (call, parts) => {
  const { tenant, name } = functionOf(call, parts);
  const owner = parts.executor.get(name, { tenant });
  const all = parts.settings.list(owner.id, 'event-invoke');
  const { items, next } = slice(call, 50, all, ({ qualifier }) => qualifier);
  const views = items.map(({ qualifier, value }) =>
    viewOf(call, parts, name, qualifier, value as EventInvokeConfig),
  );
  return ok({ FunctionEventInvokeConfigs: views, ...next });
};

/** What was configured for a function as it is invoked; null for the defaults. */
export const eventInvokeOf = (
  parts: LambdaParts,
  functionId: string,
  qualifier: string | null,
): EventInvokeConfig | null =>
  (parts.settings.get(functionId, 'event-invoke', qualifier ?? LATEST) as EventInvokeConfig | undefined) ??
  null;

const write = (call: LambdaCall, parts: LambdaParts, merges: boolean): ReturnType<Operation> => {
  const { owner, reference, config } = configOf(call, parts);
  if (merges && config === null) throw missing(reference);
  const fields = new Fields(call.body);
  const retries = fields.whole('MaximumRetryAttempts', 0, RETRIES_MAX);
  const ageS = fields.whole('MaximumEventAgeInSeconds', AGE_S.min, AGE_S.max);
  const destinations = fields.object('DestinationConfig');
  if (retries === undefined && ageS === undefined && destinations === undefined)
    throw invalidParameter('You must specify at least one of error handling or destination setting.');
  const { modifiedMs: _, ...former } = merges && config !== null ? config : { modifiedMs: 0 };
  const value: EventInvokeConfig = {
    ...former,
    modifiedMs: parts.clock.wallMs(),
    ...(retries === undefined ? {} : { maxRetries: retries }),
    ...(ageS === undefined ? {} : { maxAgeS: ageS }),
    ...destinationOf(call, parts, destinations, 'OnSuccess', 'onSuccess'),
    ...destinationOf(call, parts, destinations, 'OnFailure', 'onFailure'),
  };
  parts.settings.put(owner, 'event-invoke', qualifierOf(reference), value);
  return ok(viewOf(call, parts, owner.name, qualifierOf(reference), value));
};

const destinationOf = (
  call: LambdaCall,
  parts: LambdaParts,
  fields: Fields | undefined,
  member: string,
  key: 'onSuccess' | 'onFailure',
): Partial<EventInvokeConfig> => {
  const arn = fields?.object(member)?.text('Destination', { max: DESTINATION_MAX_CHARS });
  if (arn === undefined || arn === '') return {};
  if (!arn.startsWith('arn:') || arn.split(':')[2] !== 'lambda')
    throw notOffered(`A destination that is no function, such as ${arn.split(':')[2] ?? 'this'},`);
  const { tenant, name, qualifier } = referenceOf(placeOf(call, parts), arn);
  const options = { tenant, ...(qualifier === null ? {} : { qualifier }) };
  try {
    parts.executor.get(name, options);
  } catch {
    throw invalidParameter(`The destination ARN ${arn} is invalid.`);
  }
  return { [key]: arn };
};

const configOf = (call: LambdaCall, parts: LambdaParts) => {
  const reference = functionOf(call, parts);
  const { tenant, name, qualifier } = reference;
  const owner = parts.executor.get(name, { tenant });
  if (qualifier !== null) parts.executor.get(name, { tenant, qualifier });
  return { owner, reference, config: eventInvokeOf(parts, owner.id, qualifier) };
};

const qualifierOf = ({ qualifier }: FunctionReference): string => qualifier ?? LATEST;

const missing = ({ arn, qualifier }: FunctionReference) =>
  notFound(`The function ${qualifier === null ? `${arn}:${LATEST}` : arn} doesn't have an EventInvokeConfig`);

const viewOf = (
  call: LambdaCall,
  parts: LambdaParts,
  name: string,
  qualifier: string,
  config: EventInvokeConfig,
): object => ({
  LastModified: config.modifiedMs / 1_000,
  FunctionArn: arnOf(placeOf(call, parts), name, qualifier),
  ...(config.maxRetries === undefined ? {} : { MaximumRetryAttempts: config.maxRetries }),
  ...(config.maxAgeS === undefined ? {} : { MaximumEventAgeInSeconds: config.maxAgeS }),
  DestinationConfig: {
    OnSuccess: config.onSuccess === undefined ? {} : { Destination: config.onSuccess },
    OnFailure: config.onFailure === undefined ? {} : { Destination: config.onFailure },
  },
});
