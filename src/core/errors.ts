/**
 * The error catalogue: every error that Strata reports, in one table.
 *
 * Owns the codes, who caused each, its HTTP status and whether a retry can help. Never maps errors to a
 * transport; `docs/errors.md` is generated from this table and a test keeps the two equal.
 * Invariant: a code that is not in the table cannot be constructed.
 */

/** Who has to act: the caller of the API, the author of the function, or the operator of the platform. */
export type ErrorAudience = 'caller' | 'function' | 'platform';

export interface ErrorRow {
  readonly audience: ErrorAudience;
  readonly status: number;
  readonly retryable: boolean;
  /** What happened, one sentence. */
  readonly meaning: string;
  /** What the audience does about it, one sentence. */
  readonly remedy: string;
}

const row = (
  audience: ErrorAudience,
  status: number,
  retryable: boolean,
  meaning: string,
  remedy: string,
): ErrorRow => ({ audience, status, retryable, meaning, remedy });

export const ERROR_CATALOGUE = {
  invalid_request: row(
    'caller',
    400,
    false,
    'The request is malformed: bad JSON, an unknown field, or a value out of bounds.',
    'Correct the field that the detail names.',
  ),
  code_invalid: row(
    'caller',
    400,
    false,
    'The code of a function cannot be stored: a bad path, a bad archive, or no file for the handler.',
    'Correct the code that the detail names and deploy again.',
  ),
  unauthorized: row('caller', 401, false, 'The request carries no valid credentials.', 'Send a valid key.'),
  forbidden: row(
    'caller',
    403,
    false,
    'The credentials do not allow this call.',
    'Use a key with the right role.',
  ),
  not_found: row(
    'caller',
    404,
    false,
    'There is no such function, version or invocation for this tenant.',
    'Check the name; list what exists.',
  ),
  conflict: row(
    'caller',
    409,
    false,
    'The request contradicts the present state.',
    'Read the state again, then decide.',
  ),
  function_disabled: row(
    'caller',
    409,
    false,
    'The function is disabled and takes no invocations.',
    'Deploy it with enabled set to true.',
  ),
  revision_mismatch: row(
    'caller',
    412,
    false,
    'What is to be changed is not at the revision that the request expects: somebody else has changed it.',
    'Read it again, then decide whether the change is still wanted, and send it with the revision that was read.',
  ),
  start_unavailable: row(
    'caller',
    412,
    true,
    'The layer that Strata-Require-Start names is not ready.',
    'Wait until GET /v1/pools shows that layer, or drop the header.',
  ),
  payload_too_large: row(
    'caller',
    413,
    false,
    'The body or the code is larger than its limit.',
    'Send less, or raise the limit in the configuration.',
  ),
  rate_limit: row(
    'caller',
    429,
    true,
    'The tenant sends more requests than it may.',
    'Retry after the Retry-After time, or ask the operator for a higher rate.',
  ),
  quota_exceeded: row(
    'caller',
    429,
    false,
    'The tenant has as much as it may have: functions, code or keys.',
    'Delete what is not needed, or ask the operator to raise the quota that the detail names.',
  ),
  concurrency_limit: row(
    'caller',
    429,
    true,
    'The function already runs on as many instances as it may, or its tenant has as many invocations as it may.',
    'Retry after the Retry-After time, or raise the limit that the detail names.',
  ),
  overloaded: row(
    'platform',
    429,
    true,
    'The queue, or the line before the server, is full: no more invocations may wait.',
    'Retry after the Retry-After time.',
  ),
  queue_timeout: row(
    'platform',
    429,
    true,
    'The invocation waited for an instance longer than the queue, or its caller, allows.',
    'Retry after the Retry-After time.',
  ),
  cancelled: row(
    'caller',
    // No standard status fits, because nobody is there to read it; proxies log this case under this number.
    499,
    true,
    'The caller went away while the invocation waited for an instance; it left the queue and nothing ran.',
    'Nothing: over HTTP nobody reads this. Invoke again if the result is wanted.',
  ),
  interrupted: row(
    'platform',
    503,
    false,
    'The server ended while it ran this asynchronous invocation, which may not run again.',
    'Find out what the attempt did, then redrive the dead letter if it should run once more.',
  ),
  event_expired: row(
    'platform',
    504,
    false,
    'The asynchronous event grew older than async.maxEventAgeMs before it had ended.',
    'Look at what held it up, raise maxEventAgeMs, or redrive the dead letter.',
  ),
  function_error: row(
    'function',
    502,
    false,
    'The handler threw, or its promise was rejected.',
    'Read error.type, error.message and error.stack, then correct the function.',
  ),
  init_error: row(
    'function',
    502,
    false,
    'The code could not be loaded, or its initializer failed.',
    'Read error.message and error.stack, then correct the function.',
  ),
  result_invalid: row(
    'function',
    502,
    false,
    'The handler returned something that is not JSON.',
    'Return plain data: no functions, symbols, BigInts or cycles.',
  ),
  result_too_large: row(
    'function',
    502,
    false,
    'The result is larger than its limit.',
    'Return less, or store the data elsewhere and return where.',
  ),
  memory_limit: row(
    'function',
    502,
    false,
    'The function used more memory than memoryMb allows and was stopped.',
    'Use less memory or raise memoryMb.',
  ),
  sandbox_exited: row(
    'function',
    502,
    false,
    'The sandbox ended while it ran this invocation alone, without a result.',
    'Look for what ends or crashes the process; the same input will probably do it again.',
  ),
  protocol_error: row(
    'platform',
    502,
    false,
    'The sandbox broke the framed protocol and was killed.',
    'In a container a function causes it by writing to descriptor 3; otherwise report it with the invocation id.',
  ),
  function_timeout: row(
    'function',
    504,
    false,
    'The handler did not finish within timeoutMs and was stopped.',
    'Make it faster or raise timeoutMs.',
  ),
  init_timeout: row(
    'function',
    504,
    false,
    'Loading and initialising the code took longer than initTimeoutMs.',
    'Do less at start or raise initTimeoutMs.',
  ),
  cpu_limit: row(
    'function',
    504,
    false,
    'The invocation used more CPU time than cpuMs, or loading and initialising more than limits.initCpuMs.',
    'Compute less, or raise the limit that the detail names.',
  ),
  network_denied: row(
    'function',
    502,
    false,
    'The function asked for a host that its network.allow does not list, or for an address that is refused to all.',
    'List host and port in network.allow; for a private address the operator has to list its range as well.',
  ),
  network_limit: row(
    'function',
    502,
    false,
    'A request of the function reached a limit of the network: bytes, time, headers, redirects or requests.',
    'Ask for less, or raise the setting of `egress` that the detail names.',
  ),
  network_unavailable: row(
    'platform',
    503,
    true,
    'The egress broker ended during the request, or could not be started.',
    'Send the request again; if it stays, read the log of the server.',
  ),
  sandbox_lost: row(
    'platform',
    503,
    true,
    'The process around the invocation died for a reason that is not proven to be its own.',
    'Retry: nothing was charged beyond what ran.',
  ),
  draining: row(
    'platform',
    503,
    true,
    'The server is shutting down and takes no new work.',
    'Send the request to another server, or wait for the restart.',
  ),
  runtime_unavailable: row(
    'platform',
    503,
    false,
    'This machine cannot run the requested runtime.',
    'Run `strata doctor`: it names what is missing and the command that mends it.',
  ),
  auth_unavailable: row(
    'platform',
    503,
    true,
    "The keys of the tokens' issuer cannot be read, so the token cannot be checked.",
    'Retry; if it stays, the operator looks at auth.jwtJwks and the log of the server.',
  ),
  start_failed: row(
    'platform',
    503,
    true,
    'A sandbox could not be started.',
    'Retry; if it stays, run `strata doctor` on the server.',
  ),
  storage_full: row(
    'platform',
    507,
    true,
    'The disk under the data folder is full, so the change was not made; what is stored is served.',
    'Free space in the folder that the detail names, then send the request again.',
  ),
  ledger_unavailable: row(
    'platform',
    503,
    true,
    'Receipts cannot be written, and as many wait as may: what would run now could not be billed, so nothing ran.',
    'Retry after the Retry-After time; the operator frees space for the data folder, or mends its ledger.db.',
  ),
  internal_error: row(
    'platform',
    500,
    false,
    'A fault inside Strata.',
    'Report it with the invocation id and the server log.',
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** Which bound was reached, what it was set to, and what was seen. Units are in the kind's name. */
export interface LimitReport {
  readonly kind: LimitKind;
  readonly configured: number;
  readonly observed: number | null;
}

export type LimitKind =
  | 'timeoutMs'
  | 'cpuMs'
  | 'initTimeoutMs'
  | 'initCpuMs'
  | 'memoryMb'
  | 'processMemoryMb'
  | 'resultBytes'
  | 'eventBytes'
  | 'codeBytes'
  | 'bodyBytesInFlight'
  | 'queueLength'
  | 'queueTimeoutMs'
  | 'maxWaitMs'
  | 'maxInstances'
  | 'maxInFlightPerTenant'
  | AsyncLimitKind
  | 'maxVersions'
  | 'maxAliases'
  | 'requestsPerSecond'
  | 'maxFunctions'
  | 'maxCodeBytes'
  | 'maxKeys'
  | 'maxNonces'
  | NetworkLimitKind;

export type AsyncLimitKind =
  | 'asyncQueued'
  | 'asyncQueuedPerTenant'
  | 'asyncQueuedBytes'
  | 'asyncQueuedBytesPerTenant'
  | 'asyncHops';

export type NetworkLimitKind =
  | 'networkRequests'
  | 'networkRequestsAtOnce'
  | 'networkSentBytes'
  | 'networkReceivedBytes'
  | 'networkHeaderBytes'
  | 'networkTimeMs'
  | 'networkRedirects';

/** An error as guest code threw it, already reduced to strings inside the sandbox. */
export interface GuestError {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
}

/** A failed invocation as data: the result of a user's failure, never thrown. */
export interface Failure {
  readonly code: ErrorCode;
  /** What happened, the value seen, and what to do. */
  readonly detail: string;
  readonly limit: LimitReport | null;
  readonly error: GuestError | null;
}

export const failure = (
  code: ErrorCode,
  detail: string,
  extra: { limit?: LimitReport; error?: GuestError } = {},
): Failure => ({ code, detail, limit: extra.limit ?? null, error: extra.error ?? null });

const FAULTS_FROM_STATUS = 500;

/** A refusal of the caller's request or a fault of the platform; thrown, and mapped to a problem by the API. */
export class StrataError extends Error {
  override readonly name = 'StrataError';
  readonly code: ErrorCode;
  readonly limit: LimitReport | null;
  /** Milliseconds after which a retry may succeed, for codes with status 429 and 503. */
  readonly retryAfterMs: number | null;

  constructor(
    code: ErrorCode,
    detail: string,
    extra: { limit?: LimitReport; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    const { stackTraceLimit } = Error;
    // Where a caller's request was refused tells nobody anything, and to find out costs more than the refusal itself.
    if (ERROR_CATALOGUE[code].status < FAULTS_FROM_STATUS) Error.stackTraceLimit = 0;
    super(detail, extra.cause === undefined ? undefined : { cause: extra.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.limit = extra.limit ?? null;
    this.retryAfterMs = extra.retryAfterMs ?? null;
  }

  get status(): number {
    return ERROR_CATALOGUE[this.code].status;
  }

  get retryable(): boolean {
    return ERROR_CATALOGUE[this.code].retryable;
  }
}
