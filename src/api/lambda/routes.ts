/**
 * The routes of this API, made from the table of operations.
 *
 * Owns what all of them share: whose request it is, how a body is read, and how answers and errors look on the wire.
 * Encapsulated, so that nothing of it is met by the native API. Invariant: every answer has a request id, and an error
 * its name, in a header.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Identity, Scope } from '../../core/identity.ts';
import { whenClosed } from '../disconnects.ts';
import { asStrataError } from '../native/problem.ts';
import { parseStrictJson } from '../strict-json.ts';
import { noteChange } from './audit.ts';
import { functionOf, type LambdaCall, type LambdaParts } from './call.ts';
import { type Arrival, arrive, refuseUnlessAllowed } from './callers.ts';
import { asLambdaError, invalidContent, LambdaError, notOffered } from './errors.ts';
import { invokedOf } from './invoke.ts';
import { functionArnOf } from './names.ts';
import { type Body, OPERATIONS, type OperationRow } from './operations.ts';
import { missingSignature } from './sigv4.ts';
import { urlRoutes } from './url-routes.ts';
import { REQUEST_ID, send, sendError } from './wire.ts';

export interface LambdaRoutesOptions {
  readonly parts: LambdaParts;
  readonly logger: Logger;
  readonly eventMaxBytes: number;
}

const JSON_MAX_BYTES = 256 * 1024;
/** What JSON adds to an archive, besides the third that base64 adds. */
const ARCHIVE_SLACK_BYTES = 64 * 1024;
const NOTHING = (): void => {};
const EMPTY = Buffer.alloc(0);

export const lambdaRoutes: FastifyPluginAsync<LambdaRoutesOptions> = async (app, options) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  // The checks are in the operations; there is no schema to compile.
  app.setValidatorCompiler(() => () => true);
  for (const row of OPERATIONS) addRoute(app, row, options);
  // Paths that begin with a date are of this API, also those that no operation has.
  app.route({
    method: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'],
    url: String.raw`/:date(^20\d\d-\d\d-\d\d$)/*`,
    schema: { hide: true },
    config: { demand: 'open' },
    handler: () => {
      throw new LambdaError('UnknownOperationException', 404, { message: 'There is no such operation.' });
    },
  });
  await app.register(urlRoutes, options);
};

const addRoute = (app: FastifyInstance, row: OperationRow, options: LambdaRoutesOptions): void => {
  app.route<{ Params: Record<string, string>; Querystring: Record<string, string | string[]> }>({
    method: row.method,
    url: row.path,
    bodyLimit: bodyLimitOf(row.body, options),
    schema: { hide: true },
    onRequest: async (request) => {
      const arrival = await arriveAt(options, request);
      // Whoever is known already is refused before the body has come.
      if (arrival.known !== null) refuseUnlessAllowed(arrival.known, scopeOf(row), row.names[0] ?? '');
      ARRIVALS.set(request, arrival);
    },
    config: {
      // Who calls is found here, because a signature may be over a body that has yet to come.
      demand: 'open',
      // A function that does not exist is told so before its event has come.
      beforeLargeBody: (request) => {
        const known = ARRIVALS.get(request)?.known ?? null;
        if (row.body !== 'event' || known === null) return;
        const call = callOf(request as LambdaRequest, row, known, undefined);
        invokedOf(options.parts, functionOf({ ...call, requestId: '', onWait: NOTHING }, options.parts));
      },
    },
    handler: async (request, reply) => {
      const requestId = options.parts.executor.newInvocationId();
      void reply.header(REQUEST_ID, requestId);
      const body = Buffer.isBuffer(request.body) ? request.body : EMPTY;
      const caller = callerOf(request, body);
      refuseUnlessAllowed(caller, scopeOf(row), row.names[0] ?? '');
      const noted = (status: number): void => {
        if (scopeOf(row) === 'deploy') noteChange(options, row, request, { caller, body, status });
      };
      let stopWatching = NOTHING;
      const onWait = (cancel: () => void): void => {
        stopWatching = whenClosed(request.raw.socket, cancel);
      };
      try {
        const call = { ...callOf(request, row, caller, body), requestId, onWait };
        const answer = await served(row, call, options.parts);
        noted(answer.status);
        return send(reply, requestId, answer);
      } catch (thrown) {
        noted(asLambdaError(asKnown(thrown), null).status);
        throw thrown;
      } finally {
        stopWatching();
      }
    },
  });
};

const served = ({ serve, names }: OperationRow, call: LambdaCall, parts: LambdaParts) => {
  if (serve === null) throw notOffered(`The operation ${names[0]}`);
  return serve(call, parts);
};

/** What was thrown, as one of the two kinds of error that there are here. */
const asKnown = (thrown: unknown): Error => (thrown instanceof LambdaError ? thrown : asStrataError(thrown));

/** Between a request's head and its body. */
const ARRIVALS = new WeakMap<FastifyRequest, Arrival>();

const arriveAt = ({ parts }: LambdaRoutesOptions, { raw }: FastifyRequest): Promise<Arrival> => {
  const { method = 'GET', url = '/', headers } = raw;
  return arrive(parts.executor.accounts, { method, url, headers }, parts.clock.wallMs());
};

const callerOf = (request: FastifyRequest, body: Uint8Array): Identity => {
  const arrival = ARRIVALS.get(request);
  if (arrival === undefined) throw missingSignature();
  const known = arrival.confirm(body);
  ARRIVALS.set(request, { ...arrival, known });
  return known;
};

const scopeOf = ({ method, body }: OperationRow): Scope => {
  if (body === 'event') return 'invoke';
  return method === 'GET' ? 'read' : 'deploy';
};

type LambdaRequest = FastifyRequest<{
  Params: Record<string, string>;
  Querystring: Record<string, string | string[]>;
}>;

const bodyLimitOf = (body: Body, { parts, eventMaxBytes }: LambdaRoutesOptions): number => {
  if (body === 'event') return eventMaxBytes;
  return body === 'archive' ? Math.ceil((parts.codeMaxBytes * 4) / 3) + ARCHIVE_SLACK_BYTES : JSON_MAX_BYTES;
};

const callOf = (
  request: LambdaRequest,
  row: OperationRow,
  caller: Identity,
  body: Uint8Array | undefined,
): Omit<LambdaCall, 'requestId' | 'onWait'> => ({
  ...{ caller, tenant: caller.tenant },
  params: request.params,
  query: queryOf(request.query),
  headers: request.headers,
  body: row.body === 'event' ? body : jsonOf(body),
  origin: `http://${request.headers.host ?? 'localhost'}`,
});

/** A parameter that comes more than once is a list; its values hold no line's end. */
const queryOf = (query: Readonly<Record<string, string | string[]>>): Record<string, string> =>
  Object.fromEntries(Object.entries(query).map(([name, value]) => [name, [value].flat().join('\n')]));

const jsonOf = (body: Uint8Array | undefined): unknown => {
  if (body === undefined || body.length === 0) return undefined;
  try {
    return parseStrictJson(body);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : 'unreadable';
    throw invalidContent(`Could not parse request body into json: ${reason}`);
  }
};

const answerError = (
  { parts, logger }: LambdaRoutesOptions,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  const params = request.params as { readonly FunctionName?: string } | undefined;
  const error = asLambdaError(asKnown(thrown), nameOf(parts, request, params?.FunctionName));
  if (error.status === 500) logger.error({ err: error.cause ?? error }, 'request failed inside the server');
  const requestId = String(reply.getHeader(REQUEST_ID) ?? parts.executor.newInvocationId());
  return sendError(request, reply, requestId, error);
};

/** The ARN that was asked for, as far as the request says it. */
const nameOf = (parts: LambdaParts, request: FastifyRequest, given: string | undefined): string | null => {
  if (given === undefined) return null;
  try {
    const { Qualifier: qualifier } = request.query as { readonly Qualifier?: string };
    const tenant = ARRIVALS.get(request)?.known?.tenant;
    if (tenant === undefined) return null;
    const place = { tenant, region: parts.region };
    return functionArnOf(place, given, typeof qualifier === 'string' ? qualifier : undefined);
  } catch {
    return null;
  }
};
