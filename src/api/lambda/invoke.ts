/**
 * The operations that invoke: `Invoke`, `InvokeWithResponseStream`, and the old `InvokeAsync`.
 *
 * Owns headers and payloads. What a function does wrong is an answer with status 200 that says so; everything else is
 * an error of the API. Invariant: nothing that a function chose stands in a header, but for its log in base64.
 */
import { StrataError } from '../../core/errors.ts';
import { isJson } from '../../core/json-check.ts';
import type { FunctionRecord } from '../../core/spec.ts';
import type { InvokeJsonAnswer } from '../../invocation/api.ts';
import { enqueue } from './async-invocations.ts';
import { functionOf, type LambdaAnswer, type LambdaCall, type LambdaParts, type Operation } from './call.ts';
import { invalidContent, RESERVED_REACHED, throttled, violated } from './errors.ts';
import { streamOf } from './event-stream.ts';
import { logTail } from './log-tail.ts';
import { type FunctionReference, LATEST } from './names.ts';
import { isOfPlatform, payloadOf } from './payloads.ts';

const EMPTY = Buffer.alloc(0);
const CONTEXT_MAX_CHARS = 3_583;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const TYPES = ['RequestResponse', 'Event', 'DryRun'] as const;
const [LOAD, INIT, HANDLER] = [3, 4, 5];

/** What an invocation came to. */
export interface Ran {
  readonly answer: InvokeJsonAnswer;
  readonly payload: Uint8Array;
  readonly failed: boolean;
  readonly logResult: string | null;
}

export const invoke: Operation = async (call, parts) => {
  const reference = functionOf(call, parts);
  const type = call.headers['x-amz-invocation-type'] ?? 'RequestResponse';
  if (!TYPES.some((known) => known === type))
    throw violated(
      String(type),
      'invocationType',
      `Member must satisfy enum value set: [${TYPES.join(', ')}]`,
    );
  const event = eventOf(call);
  const record = invokedOf(parts, reference);
  if (type === 'DryRun') return { status: 204, body: null, headers: executed(record.version) };
  if (type === 'Event') {
    await enqueue(call, parts, reference, record, event);
    return { status: 202, body: null };
  }
  const { answer, payload, failed, logResult } = await run(call, parts, reference, record, event);
  return {
    status: 200,
    headers: {
      ...executed(answer.version),
      'Content-Type': 'application/json',
      ...(failed ? { 'X-Amz-Function-Error': 'Unhandled' } : {}),
      ...(logResult === null ? {} : { 'X-Amz-Log-Result': logResult }),
    },
    body: payload,
  };
};

export const invokeWithResponseStream: Operation = async (call, parts): Promise<LambdaAnswer> => {
  const reference = functionOf(call, parts);
  const record = invokedOf(parts, reference);
  if (call.headers['x-amz-invocation-type'] === 'DryRun') return { status: 204, body: null };
  const { answer, payload, failed, logResult } = await run(call, parts, reference, record, eventOf(call));
  const log = logResult === null ? {} : { LogResult: logResult };
  const body = failed
    ? streamOf(EMPTY, { ErrorCode: 'Unhandled', ErrorDetails: Buffer.from(payload).toString(), ...log })
    : streamOf(payload, log);
  const type = 'application/vnd.amazon.eventstream';
  return {
    status: 200,
    headers: {
      ...executed(answer.version),
      'Content-Type': type,
      'X-Amzn-Remapped-Content-Type': 'application/json',
    },
    body,
  };
};

export const invokeAsync: Operation = async (call, parts) => {
  const reference = functionOf(call, parts);
  await enqueue(call, parts, reference, invokedOf(parts, reference), eventOf(call));
  return { status: 202, body: { Status: 202 } };
};

/** The state that an invocation would run, which may be refused here already. */
export const invokedOf = (parts: LambdaParts, reference: FunctionReference): FunctionRecord => {
  const { tenant, name, qualifier } = reference;
  const record = parts.executor.get(name, { tenant, ...(qualifier === null ? {} : { qualifier }) });
  const reserved = parts.settings.get(record.id, 'concurrency') as ReservedConcurrency | undefined;
  if (reserved?.ReservedConcurrentExecutions === 0) throw throttled(RESERVED_REACHED);
  return record;
};

interface ReservedConcurrency {
  readonly ReservedConcurrentExecutions: number;
}

/** Invokes and waits for what comes of it. */
const run = async (
  call: LambdaCall,
  parts: LambdaParts,
  { tenant, name, qualifier, arn }: FunctionReference,
  record: FunctionRecord,
  event: Uint8Array,
): Promise<Ran> => {
  if (record.runtime === 'provided') refuseNoJson(event);
  const clientContext = contextOf(call);
  const answer = await parts.executor.invokeJson({
    ...{ function: name, tenant, eventJson: event, invocationId: call.requestId, onWait: call.onWait },
    ...(qualifier === null ? {} : { qualifier }),
    caller: { functionArn: arn, clientContext },
    credential: call.caller.credential,
  });
  const { failure } = answer;
  if (failure?.code === 'invalid_request')
    throw invalidContent(`Could not parse request body into json: ${failure.detail}`);
  if (failure !== null && isOfPlatform(failure)) throw new StrataError(failure.code, failure.detail);
  const ranRecord = answer.version === record.version ? record : recordOf(parts, record, answer.version);
  const payload =
    failure === null
      ? (answer.resultJson ?? EMPTY)
      : Buffer.from(JSON.stringify(payloadOf(failure, ranRecord, answer.invocationId)));
  const wantsLog = call.headers['x-amz-log-type'] === 'Tail';
  const logResult = wantsLog ? tailOf(parts, answer, ranRecord) : null;
  return { answer, payload, failed: failure !== null, logResult };
};

/** Of another version of the same function, which may have been deleted meanwhile. */
const recordOf = (parts: LambdaParts, known: FunctionRecord, version: string): FunctionRecord => {
  try {
    return parts.executor.get(known.name, { tenant: known.tenant, qualifier: version });
  } catch {
    return known;
  }
};

const tailOf = (parts: LambdaParts, answer: InvokeJsonAnswer, record: FunctionRecord): string => {
  const { invocationId, version, phases, failure } = answer;
  const kept = keptOf(parts, invocationId, record.tenant);
  return logTail({
    ...{ requestId: invocationId, version, record, failure },
    lines: kept?.logs ?? [],
    handlerMs: phases[HANDLER] ?? 0,
    initMs: (phases[LOAD] ?? 0) + (phases[INIT] ?? 0),
    maxMemoryMb: kept?.receipt.usage.maxMemoryMb ?? null,
  });
};

/** A server may be set to remember no invocations. */
const keptOf = (parts: LambdaParts, invocationId: string, tenant: string) => {
  try {
    return parts.executor.invocation(invocationId, { tenant });
  } catch {
    return null;
  }
};

const eventOf = ({ body }: LambdaCall): Uint8Array => (Buffer.isBuffer(body) ? body : EMPTY);

/** The other runtimes read the event themselves, and say so when it is none. */
const refuseNoJson = (event: Uint8Array): void => {
  if (event.length === 0 || isJson(event)) return;
  throw invalidContent('Could not parse request body into json: it is no JSON text in UTF-8');
};

/** The client's context as JSON text, null without one. @throws LambdaError for what is none. */
const contextOf = ({ headers }: LambdaCall): string | null => {
  const given = headers['x-amz-client-context'];
  if (given === undefined || given === '') return null;
  const text = String(given);
  const refusal = invalidContent('Client context must be a valid Base64-encoded JSON object.');
  if (text.length > CONTEXT_MAX_CHARS || !BASE64.test(text)) throw refusal;
  const json = Buffer.from(text, 'base64').toString();
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal;
    return asciiJson(value);
  } catch {
    throw refusal;
  }
};

/** It may have to stand in a header. */
const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Versions are numbers or `$LATEST`: nothing else gets into the header. */
const executed = (version: string): Record<string, string> => ({
  'X-Amz-Executed-Version': /^\d+$/.test(version) ? version : LATEST,
});
