/**
 * Errors as HTTP answers: everything that goes wrong becomes one `application/problem+json` shape (RFC 9457).
 *
 * Owns the mapping from the catalogue to a status, a body and `Retry-After`, and from Fastify's own errors to
 * the catalogue. Never decides what is an error, and never shows the inside of a fault: the message and stack of
 * an unknown error go to the log.
 */
import type { FastifyReply } from 'fastify';
import {
  ERROR_CATALOGUE,
  type ErrorCode,
  type Failure,
  type GuestError,
  type LimitReport,
  StrataError,
} from '../../core/errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';
export const INVOCATION_ID = 'Strata-Invocation-Id';

/** The wait that is named when the error itself knows none. */
const DEFAULT_RETRY_AFTER_MS = 1_000;
/** The longest that is named, whatever was measured. */
const MAX_RETRY_AFTER_MS = 3_600_000;
const MS_PER_SECOND = 1_000;

export interface Problem {
  readonly type: string;
  readonly code: ErrorCode;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly retryable: boolean;
  /** What `Retry-After` says, in milliseconds; where that header is. */
  readonly retryAfterMs?: number;
  readonly invocationId?: string;
  readonly limit?: LimitReport;
  readonly error?: GuestError;
}

/** The problem of an error or of a failed invocation; fields that have no value are left out. */
export const problemOf = (source: StrataError | Failure, invocationId?: string): Problem => {
  const row = ERROR_CATALOGUE[source.code];
  const detail = source instanceof StrataError ? source.message : source.detail;
  const error = source instanceof StrataError ? null : source.error;
  const retryAfterMs = retryAfterMsOf(source);
  return {
    type: `urn:strata:error:${source.code}`,
    code: source.code,
    title: row.meaning,
    status: row.status,
    detail,
    retryable: row.retryable,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
    ...(invocationId === undefined ? {} : { invocationId }),
    ...(source.limit === null ? {} : { limit: source.limit }),
    ...(error === null ? {} : { error }),
  };
};

/** The headers that go with a problem, flat: name, value, name, value. */
export const problemHeaders = (source: StrataError | Failure, invocationId?: string): string[] => {
  const headers = ['Content-Type', PROBLEM_TYPE];
  if (invocationId !== undefined) headers.push(INVOCATION_ID, invocationId);
  const retryAfterMs = retryAfterMsOf(source);
  if (source.code === 'unauthorized') headers.push('WWW-Authenticate', 'Bearer realm="strata"');
  if (retryAfterMs !== null) headers.push('Retry-After', String(Math.ceil(retryAfterMs / MS_PER_SECOND)));
  // The caller takes its next request to another server, or comes back later; meanwhile its connection is of no use.
  const elsewhere = source.code === 'draining' || source.limit?.kind === 'bodyBytesInFlight';
  if (elsewhere) headers.push('Connection', 'close');
  return headers;
};

/** At least a millisecond, so that the header's whole seconds are at least one; null where a retry is no help. */
const retryAfterMsOf = (source: StrataError | Failure): number | null => {
  const { retryable, status } = ERROR_CATALOGUE[source.code];
  if (!retryable || (status !== 429 && status !== 503)) return null;
  const knownMs = source instanceof StrataError ? source.retryAfterMs : null;
  const waitMs = knownMs !== null && Number.isFinite(knownMs) ? knownMs : DEFAULT_RETRY_AFTER_MS;
  return Math.min(Math.max(1, Math.ceil(waitMs)), MAX_RETRY_AFTER_MS);
};

/** @param invocationId where an invocation was asked for, which has an id also when it is refused. */
export const sendProblem = (
  reply: FastifyReply,
  source: StrataError,
  invocationId?: string,
): FastifyReply => {
  const headers = problemHeaders(source, invocationId);
  for (let at = 0; at < headers.length; at += 2) reply.header(headers[at] ?? '', headers[at + 1]);
  // As bytes: Fastify adds a charset to text, which this media type does not have.
  return reply.code(source.status).send(Buffer.from(JSON.stringify(problemOf(source, invocationId))));
};

/** Where a body limit comes from, so that its problem can name it; routes carry it in their config. */
export interface BodyLimit {
  readonly kind: 'eventBytes' | 'codeBytes';
  readonly configured: number;
}

/**
 * Any error that reached the HTTP layer as an error of the catalogue.
 * @param contentLength what the caller announced, if it did.
 */
export const asStrataError = (
  error: unknown,
  context: { bodyLimit?: BodyLimit; contentLength?: string | undefined } = {},
): StrataError => {
  if (error instanceof StrataError) return error;
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (!(error instanceof Error) || typeof status !== 'number' || status >= 500) {
    const detail = 'A fault inside the server; its log has the details. Report it if it happens again.';
    return new StrataError('internal_error', detail, { cause: error });
  }
  if (status === 413) return tooLarge(context.bodyLimit, context.contentLength, error);
  if (status === 404) return new StrataError('not_found', error.message, { cause: error });
  return new StrataError('invalid_request', `The request cannot be read: ${error.message}`, { cause: error });
};

const tooLarge = (
  bodyLimit: BodyLimit | undefined,
  contentLength: string | undefined,
  cause: Error,
): StrataError => {
  const announced = Number(contentLength);
  const observed = contentLength === undefined || Number.isNaN(announced) ? null : announced;
  const seen = observed === null ? 'The body' : `The body of ${observed} bytes`;
  if (bodyLimit === undefined) {
    return new StrataError('payload_too_large', `${seen} is larger than this call takes; send less.`, {
      cause,
    });
  }
  const limit: LimitReport = { ...bodyLimit, observed };
  const detail = `${seen} is over the limit ${limit.kind} of ${limit.configured}; send less, or raise the limit.`;
  return new StrataError('payload_too_large', detail, { limit, cause });
};
