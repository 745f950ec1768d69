/**
 * Errors as the Lambda API has them: a name, a status, and a body whose members differ by name.
 *
 * Owns the names and the mapping from the catalogue. Never shows the inside of a fault. Invariant: nothing of a
 * caller's or a function's own text gets into a header.
 */
import { StrataError } from '../../core/errors.ts';
import { shown } from '../native/names.ts';

/** A refusal in the API's own words. */
export class LambdaError extends Error {
  override readonly name = 'LambdaError';
  readonly type: string;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | null;

  constructor(
    type: string,
    status: number,
    body: Readonly<Record<string, unknown>>,
    options: { readonly retryAfterMs?: number | null; readonly cause?: unknown } = {},
  ) {
    const { stackTraceLimit } = Error;
    if (status < 500) Error.stackTraceLimit = 0;
    super(String(body.message ?? body.Message ?? type), { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.type = type;
    this.status = status;
    this.body = body;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** Characters of a value that a message shows. */
const SHOWN_MAX = 64;
const USER = { Type: 'User' } as const;

/** This one alone has `Message` with a capital. */
export const notFound = (message: string): LambdaError =>
  new LambdaError('ResourceNotFoundException', 404, { ...USER, Message: message });

export const invalidParameter = (message: string): LambdaError =>
  new LambdaError('InvalidParameterValueException', 400, { ...USER, message });

export const invalidContent = (message: string): LambdaError =>
  new LambdaError('InvalidRequestContentException', 400, { ...USER, message });

export const resourceConflict = (message: string): LambdaError =>
  new LambdaError('ResourceConflictException', 409, { ...USER, message });

export const wrongRevision = (call: string): LambdaError =>
  new LambdaError('PreconditionFailedException', 412, {
    ...USER,
    message: `The Revision Id provided does not match the latest Revision Id. Call the ${call} API to retrieve the latest Revision Id`,
  });

export const noProvisionedConcurrency = (): LambdaError =>
  new LambdaError('ProvisionedConcurrencyConfigNotFoundException', 404, {
    ...USER,
    message: 'No Provisioned Concurrency Config found for this function',
  });

export const accessDenied = (message: string | null): LambdaError =>
  new LambdaError('AccessDeniedException', 403, { Message: message });

/** One constraint that one value broke. */
export const violated = (value: unknown, member: string, constraint: string): LambdaError => {
  const text = typeof value === 'string' ? value : String(JSON.stringify(value));
  const cut = `${JSON.stringify(text.slice(0, SHOWN_MAX)).slice(1, -1)}${text.length > SHOWN_MAX ? '…' : ''}`;
  const seen = value === null || value === undefined ? 'null' : `'${cut}'`;
  return new LambdaError('ValidationException', 400, {
    message: `1 validation error detected: Value ${seen} at '${member}' failed to satisfy constraint: ${constraint}`,
  });
};

/** What is of another type than the member's. */
export const unreadable = (member: string, expected: string): LambdaError =>
  new LambdaError('SerializationException', 400, {
    message: `The member ${shown(member)} cannot be converted to ${expected}`,
  });

/** What this server does not offer: said, and never done in part. */
export const notOffered = (what: string): LambdaError =>
  invalidParameter(`${what} is not offered by this server.`);

export const throttled = (reason: string, retryAfterMs: number | null = null): LambdaError =>
  new LambdaError(
    'TooManyRequestsException',
    429,
    { ...USER, message: 'Rate Exceeded.', Reason: reason },
    { retryAfterMs: retryAfterMs ?? 1_000 },
  );

export const RESERVED_REACHED = 'ReservedFunctionConcurrentInvocationLimitExceeded';
const ACCOUNT_REACHED = 'ConcurrentInvocationLimitExceeded';

/**
 * Any error as this API answers it.
 * @param what the ARN of the function that was asked for, where one was.
 */
export const asLambdaError = (thrown: unknown, what: string | null): LambdaError => {
  if (thrown instanceof LambdaError) return thrown;
  if (!(thrown instanceof StrataError)) return ofServer(thrown);
  const { message, retryAfterMs } = thrown;
  const retry = { retryAfterMs, cause: thrown };
  switch (thrown.code) {
    case 'not_found':
      return notFound(what === null ? message : `Function not found: ${what}`);
    case 'invalid_request':
    case 'code_invalid':
      return invalidParameter(message);
    case 'conflict':
      return resourceConflict(message);
    case 'payload_too_large':
      return new LambdaError('RequestTooLargeException', 413, { ...USER, message });
    case 'revision_mismatch':
      return wrongRevision('GetFunction');
    case 'function_disabled':
      return throttled(RESERVED_REACHED, retryAfterMs);
    case 'concurrency_limit':
      return throttled(
        thrown.limit?.kind === 'maxInstances' ? RESERVED_REACHED : ACCOUNT_REACHED,
        retryAfterMs,
      );
    case 'rate_limit':
      return throttled('CallerRateLimitExceeded', retryAfterMs);
    case 'quota_exceeded':
      return new LambdaError('CodeStorageExceededException', 400, { ...USER, message });
    case 'overloaded':
    case 'queue_timeout':
      return throttled(ACCOUNT_REACHED, retryAfterMs);
    case 'unauthorized':
      return new LambdaError('UnrecognizedClientException', 403, { message });
    case 'forbidden':
      return accessDenied(message);
    case 'runtime_unavailable':
      return new LambdaError('InvalidRuntimeException', 502, { ...USER, Message: message });
    case 'internal_error':
      return ofServer(thrown);
    default:
      return new LambdaError(
        'ServiceException',
        Math.max(thrown.status, 500),
        { Type: 'Service', Message: message },
        retry,
      );
  }
};

const ofServer = (cause: unknown): LambdaError =>
  new LambdaError(
    'ServiceException',
    500,
    { Type: 'Service', Message: 'A fault inside the server; its log has the details.' },
    { cause },
  );
