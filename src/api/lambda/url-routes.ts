/**
 * The routes of function URLs: `/lambda-url/{id}/…`, any method.
 *
 * Owns who may call one, and what a failed call looks like from outside: nothing of why it failed. Refused is told
 * alike whether the URL is unknown, its function is gone, or the caller may not.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { StrataError } from '../../core/errors.ts';
import type { Credential } from '../../core/identity.ts';
import { whenClosed } from '../disconnects.ts';
import type { LambdaParts } from './call.ts';
import { arrive, refuseUnlessAllowed } from './callers.ts';
import { accessDenied, LambdaError } from './errors.ts';
import type { Setting } from './settings.ts';
import { answerOf, eventOf, failureAnswer, type UrlAnswer, type UrlRequest } from './url-requests.ts';
import { URL_PREFIX, type UrlConfig } from './urls.ts';

export interface UrlRoutesOptions {
  readonly parts: LambdaParts;
  readonly logger: Logger;
  readonly eventMaxBytes: number;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const NOTHING = Buffer.alloc(0);
const FORBIDDEN = failureAnswer(403, '{"Message":null}', 'application/json');
const FAILED = failureAnswer(502, 'Internal Server Error');
const THROTTLED = failureAnswer(
  429,
  '{"Reason":"ConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}',
  'application/json',
);
const THROTTLES: ReadonlySet<string> = new Set([
  ...['concurrency_limit', 'overloaded', 'queue_timeout', 'rate_limit'],
]);
const FORBIDS: ReadonlySet<string> = new Set(['not_found', 'unauthorized', 'forbidden']);

export const urlRoutes: FastifyPluginAsync<UrlRoutesOptions> = async (
  app,
  { parts, logger, eventMaxBytes },
) => {
  for (const url of [`${URL_PREFIX}:UrlId`, `${URL_PREFIX}:UrlId/*`])
    app.route<{ Params: { UrlId: string } }>({
      method: METHODS,
      url,
      bodyLimit: eventMaxBytes,
      schema: { hide: true },
      config: {
        // The URL's configuration says who may call.
        demand: 'open',
        beforeLargeBody: (request) => {
          const { UrlId: id } = request.params as { UrlId: string };
          if (openUrl(parts, id) === null) throw accessDenied(null);
        },
      },
      handler: async (request, reply) => {
        const requestId = parts.executor.newInvocationId();
        let answer: UrlAnswer;
        try {
          answer = await serve(parts, request, request.params.UrlId, requestId);
        } catch (thrown) {
          answer = refusalOf(thrown);
          if (answer === FAILED)
            logger.error({ err: thrown }, 'request to a function URL failed inside the server');
        }
        return send(reply, requestId, answer);
      },
    });
};

/** Null for one that is unknown, and for one that asks who calls where nobody could say so. */
const openUrl = (parts: LambdaParts, id: string) => {
  const setting = parts.settings.url(id);
  if (setting === null) return null;
  return (setting.value as UrlConfig).authType === 'NONE' || !parts.executor.accounts.isOpen ? setting : null;
};

/**
 * By what the caller is known, where the URL asks for it; null where it asks nobody. Either counts as a request of the
 * tenant, which has to be an active one.
 * @throws LambdaError, StrataError for a caller who may not.
 */
const credentialOf = async (
  { executor, clock }: LambdaParts,
  request: FastifyRequest,
  { owner, value }: Setting,
): Promise<Credential | null> => {
  const { method = 'GET', url = '/', headers } = request.raw;
  if ((value as UrlConfig).authType === 'NONE') {
    // Whatever credentials the request has are for the function: here it comes from a stranger.
    await executor.accounts.identify({ method, url, headers: { 'strata-tenant': owner.tenant } });
    return null;
  }
  const body = Buffer.isBuffer(request.body) ? request.body : NOTHING;
  const arrival = await arrive(executor.accounts, { method, url, headers }, clock.wallMs());
  const identity = arrival.confirm(body);
  refuseUnlessAllowed(identity, 'invoke', 'InvokeFunctionUrl');
  if (identity.tenant !== owner.tenant) throw accessDenied(null);
  return identity.credential;
};

const serve = async (
  parts: LambdaParts,
  request: FastifyRequest,
  id: string,
  requestId: string,
): Promise<UrlAnswer> => {
  const setting = openUrl(parts, id);
  // An id in another spelling would leave a part of itself in the path that the function sees.
  if (setting === null || request.raw.url?.startsWith(URL_PREFIX + id) !== true) return FORBIDDEN;
  const credential = await credentialOf(parts, request, setting);
  const { owner, qualifier } = setting;
  const { tenant, name } = owner;
  // A later function of the same name is another one.
  if (parts.executor.get(name, { tenant }).id !== owner.id) return FORBIDDEN;
  const { headers } = request;
  // What this server was shown is none of the function's business: it could call by it.
  const shown = credential === null ? headers : { ...headers, authorization: undefined };
  const asked = { ...urlRequestOf(request, id, requestId), headers: shown };
  const event = eventOf(asked, setting.value as UrlConfig, tenant, parts);
  let stopWatching = (): void => {};
  try {
    const answer = await parts.executor.invokeJson({
      ...{ function: name, tenant, eventJson: event, invocationId: requestId },
      ...(qualifier === '' ? {} : { qualifier }),
      ...(credential === null ? {} : { credential }),
      onWait: (cancel) => {
        stopWatching = whenClosed(request.raw.socket, cancel);
      },
    });
    return answer.resultJson === null
      ? FAILED_BY_FUNCTION
      : (answerOf(answer.resultJson, `${URL_PREFIX}${id}/`) ?? FAILED_BY_FUNCTION);
  } finally {
    stopWatching();
  }
};

/** The same on the wire as `FAILED`, and no fault of the server's. */
const FAILED_BY_FUNCTION: UrlAnswer = { ...FAILED };

const refusalOf = (thrown: unknown): UrlAnswer => {
  if (thrown instanceof LambdaError) return FORBIDDEN;
  if (!(thrown instanceof StrataError)) return FAILED;
  if (THROTTLES.has(thrown.code)) return THROTTLED;
  if (FORBIDS.has(thrown.code)) return FORBIDDEN;
  if (thrown.code === 'payload_too_large') return failureAnswer(413, 'Request Too Long');
  return thrown.code === 'internal_error' ? FAILED : FAILED_BY_FUNCTION;
};

const urlRequestOf = (request: FastifyRequest, id: string, requestId: string): UrlRequest => {
  const { raw, body } = request;
  const url = raw.url ?? '';
  const mark = url.indexOf('?');
  const path = (mark < 0 ? url : url.slice(0, mark)).slice(URL_PREFIX.length + id.length);
  return {
    method: raw.method ?? 'GET',
    path: path === '' ? '/' : path,
    query: mark < 0 ? '' : url.slice(mark + 1),
    httpVersion: raw.httpVersion,
    headers: request.headers,
    remoteAddress: raw.socket.remoteAddress ?? '',
    body: Buffer.isBuffer(body) ? body : NOTHING,
    requestId,
  };
};

const send = (reply: FastifyReply, requestId: string, { status, headers, body }: UrlAnswer): FastifyReply => {
  reply.hijack();
  reply.raw.writeHead(status, [...headers, 'x-amzn-RequestId', requestId]);
  reply.raw.end(body);
  return reply;
};
