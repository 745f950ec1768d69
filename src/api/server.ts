/**
 * The HTTP server: Fastify with the native API, and every way a request can go wrong mapped to the catalogue.
 *
 * Owns the wiring: parsers, error handlers, the socket's own errors, and the gate of `loopback.ts` that every
 * request passes. Never decides anything about functions: the executor does.
 */
import http from 'node:http';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Logger } from 'pino';
import { StrataError } from '../core/errors.ts';
import type { Executor } from '../invocation/api.ts';
import { BodyBudget, isLargeBody } from './body-budget.ts';
import { answerAhead, isEnding } from './discard-body.ts';
import { addLambdaApi } from './lambda/lambda-api.ts';
import { createHostGate } from './loopback.ts';
import { checkBody, digestOf, registerAccess } from './native/access.ts';
import { accountRoutes } from './native/accounts.ts';
import { aliasRoutes } from './native/aliases.ts';
import { documentationRoutes, registerOpenApi } from './native/documentation.ts';
import { functionRoutes } from './native/functions.ts';
import { INVOCATIONS_ROUTE, invocationRoutes, isInvocation, type RequestLine } from './native/invocations.ts';
import { operationRoutes } from './native/operations.ts';
import { poolRoutes } from './native/pools.ts';
import {
  asStrataError,
  type BodyLimit,
  INVOCATION_ID,
  problemHeaders,
  problemOf,
  sendProblem,
} from './native/problem.ts';
import { queueRoutes } from './native/queue.ts';
import { PROBLEM_SCHEMA, queryValidator } from './native/schemas.ts';
import { statsRoutes } from './native/stats.ts';
import { usageRoutes } from './native/usage.ts';
import { versionRoutes } from './native/versions.ts';
import { refusalOfForm } from './request-form.ts';
import { createRouteIndex } from './route-index.ts';
import type { ServerSettings } from './settings.ts';
import { answerClientError } from './socket-errors.ts';
import { parseStrictJson } from './strict-json.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    bodyLimit?: BodyLimit;
    /** Refuses a request of which only the headers are known, when its body is large, by throwing a StrataError. */
    beforeLargeBody?: (request: FastifyRequest) => void;
  }
}

export interface ServerOptions {
  readonly executor: Executor;
  readonly config: ServerSettings;
  readonly logger: Logger;
}

/** Bodies of routes that expect none or a small one. */
const DEFAULT_BODY_LIMIT = 1024 * 1024;
/** Longer than a request line can be, so that a long name reaches the check that names the rule. */
const MAX_PARAM_LENGTH = 1024 * 1024;
/** How often slow requests are looked for; their timeouts are late by as much. */
const SLOW_CHECK_INTERVAL_MS = 500;

/** A server that is not listening yet. */
export const createServer = ({ executor, config, logger }: ServerOptions): FastifyInstance => {
  const idOf: InvocationIds = (request, route) =>
    (route === INVOCATIONS_ROUTE && request.method === 'POST') || isInvocation(request)
      ? executor.newInvocationId()
      : undefined;
  const refused = { logger, idOf };
  const app = Fastify({
    logger: false,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => '',
    bodyLimit: DEFAULT_BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // While draining the executor refuses with a problem; Fastify's own refusal has another shape.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    serverFactory: (handler) => gatedServer(handler, config.server, idOf, () => executor.accounts.isOpen),
    frameworkErrors: (error, request, reply) => void answerError(refused, error, request, reply),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, config.server.requestTimeoutMs),
  });

  const routes = createRouteIndex(app);
  registerAccess(app, { accounts: executor.accounts, logger });
  const budget = new BodyBudget(config.server.maxBodyBytesInFlight);
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (!isLargeBody(request)) {
      done();
      return;
    }
    request.routeOptions.config.beforeLargeBody?.(request);
    done(null, budget.admit(request, reply, payload));
  });
  app.setErrorHandler((error, request, reply) => answerError(refused, error, request, reply));
  app.setNotFoundHandler((request, reply) => answerNotFound(routes.methodsAt(request.url), request, reply));
  app.setValidatorCompiler(queryValidator);
  // Answers are whole records; a serialiser built from the documentation's schemas would drop their fields.
  app.setSerializerCompiler(() => JSON.stringify);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      const bytes = body as Buffer;
      checkBody(request, bytes);
      const ignored = request.is404 || bytes.length === 0;
      if (!ignored) request.bodySha256 = digestOf(bytes);
      done(null, ignored ? undefined : parseStrictJson(bytes));
    } catch (error) {
      done(error as StrataError);
    }
  });

  const codeMaxBytes = largestCode(executor, config.limits);
  app.addSchema(PROBLEM_SCHEMA);
  registerOpenApi(app);
  void app.register(functionRoutes, { executor, codeMaxBytes });
  void app.register(versionRoutes, { executor });
  void app.register(aliasRoutes, { executor });
  void app.register(invocationRoutes, { executor, eventMaxBytes: config.limits.eventMaxBytes });
  void app.register(queueRoutes, { executor });
  void app.register(poolRoutes, { executor });
  void app.register(statsRoutes, { executor });
  void app.register(usageRoutes, { executor });
  void app.register(accountRoutes, { accounts: executor.accounts });
  void app.register(operationRoutes, { executor });
  void app.register(documentationRoutes);
  const { lambda, dataDir, limits } = config;
  if (lambda?.mode === 'on' && dataDir !== undefined)
    addLambdaApi(app, {
      ...{
        executor,
        logger,
        dataDir,
        region: lambda.region,
        eventMaxBytes: limits.eventMaxBytes,
        codeMaxBytes,
      },
    });
  return app;
};

/** The id of an invocation that is refused before its route has given it one; undefined of any other request. */
type InvocationIds = (request: RequestLine, route?: string) => string | undefined;

/** What a deployment may hold at most: which limit is its own is known only when its runtime has been read. */
const largestCode = (executor: Executor, limits: ServerSettings['limits']): number => {
  const containers = executor.runtimes().some(({ tier, available }) => available && tier === 'container');
  return containers ? Math.max(limits.codeMaxBytes, limits.containerCodeMaxBytes) : limits.codeMaxBytes;
};

/** Node's server, with the gate before Fastify: no route, known or not, is reached around it. */
const gatedServer = (
  handler: http.RequestListener,
  settings: ServerSettings['server'],
  idOf: InvocationIds,
  isOpen: () => boolean,
): http.Server => {
  const refusalOf = createHostGate({ isOpen, hostNames: settings.hostNames ?? '' });
  const server = http.createServer(
    {
      requestTimeout: settings.requestTimeoutMs,
      headersTimeout: Math.min(settings.headersTimeoutMs, settings.requestTimeoutMs),
      connectionsCheckingInterval: SLOW_CHECK_INTERVAL_MS,
      keepAliveTimeout: 72_000,
      noDelay: true,
      // The gate answers a missing Host with a problem; Node would answer without one.
      requireHostHeader: false,
      // Of two Host headers Node would show the first alone; joined they are no name that the gate takes.
      joinDuplicateHeaders: true,
    },
    (request, response) => {
      // Nobody would see its answer, and where the first of them was refused it may be what another reader took for a body.
      if (isEnding(request.socket)) return;
      const refusal = refusalOf(request.headers) ?? refusalOfForm(request);
      if (refusal === null) handler(request, response);
      else refuse(request, response, refusal, idOf(request));
    },
  );
  server.maxConnections = settings.maxConnections;
  // Node would say at once that the body may come; behind an answer that is still open that would land inside of this
  // one, between its head and its body.
  server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
    const goOn = (): void => {
      if (!response.headersSent) response.writeContinue();
    };
    if (response.socket === null) response.once('socket', goOn);
    else goOn();
    server.emit('request', request, response);
  });
  server.on('checkExpectation', (request: http.IncomingMessage, response: http.ServerResponse) => {
    refuse(
      request,
      response,
      new StrataError(
        'invalid_request',
        'The Expect header asks for something else than 100-continue; drop it.',
      ),
      idOf(request),
    );
  });
  return server;
};

/** Who sends what is refused here may mean another reader of the same bytes: nothing more is read of it. */
const refuse = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  error: StrataError,
  invocationId: string | undefined,
): void => {
  const answer = problemAnswer(error, invocationId);
  answer.headers.push('Connection', 'close');
  answerAhead(request, response, answer);
};

const problemAnswer = (
  error: StrataError,
  invocationId: string | undefined,
): { readonly status: number; readonly headers: string[]; readonly body: Uint8Array } => {
  const body = Buffer.from(JSON.stringify(problemOf(error, invocationId)));
  const headers = [...problemHeaders(error, invocationId), 'Content-Length', String(body.length)];
  return { status: error.status, headers, body };
};

const answerError = (
  { logger, idOf }: { readonly logger: Logger; readonly idOf: InvocationIds },
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  const { url, config } = request.routeOptions ?? {};
  const { bodyLimit } = config ?? {};
  const strataError = asStrataError(error, {
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    contentLength: request.headers['content-length'],
  });
  if (strataError.code === 'internal_error') {
    logger.error(
      { err: strataError.cause ?? strataError, method: request.method },
      'request failed inside the server',
    );
  }
  // Complete is unknown outside a real server; there nothing of a body is left but where it was too large to read.
  const unread = strataError.code === 'payload_too_large' || request.raw.complete === false;
  const given = reply.getHeader(INVOCATION_ID);
  const invocationId = given === undefined ? idOf(request, url) : String(given);
  if (!unread) return sendProblem(reply, strataError, invocationId);
  reply.hijack();
  const answer = problemAnswer(strataError, invocationId);
  // Fastify means to close behind a body that it did not take.
  if (reply.hasHeader('Connection') && !answer.headers.includes('Connection'))
    answer.headers.push('Connection', 'close');
  answerAhead(request.raw, reply.raw, answer);
  return reply;
};

const answerNotFound = (
  offered: readonly string[],
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply => {
  const path = request.url.split('?', 1)[0]?.slice(0, 200) ?? '';
  if (offered.length === 0) {
    const detail = `There is nothing at ${path}; GET /openapi.json lists every call.`;
    return sendProblem(reply, new StrataError('not_found', detail));
  }
  reply.header('Allow', offered.join(', '));
  const detail = `There is no ${request.method} at ${path}; it takes ${offered.join(', ')}.`;
  return sendProblem(reply, new StrataError('not_found', detail));
};
