/**
 * The routes of invocations: invoke, and read what one did.
 *
 * `POST …/invocations` is the hot path: the event goes through as bytes and so does the result; there is no hook,
 * no schema and no JSON on it, and the answer is written to the socket by one `writeHead` and one `end`.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type Failure, StrataError } from '../../core/errors.ts';
import { PHASES } from '../../core/receipt.ts';
import type { Executor, InvokeJsonAnswer, InvokeJsonRequest } from '../../invocation/api.ts';
import { whenClosed } from '../disconnects.ts';
import { refuseStrangers } from '../strangers.ts';
import { checkBody, identityOf } from './access.ts';
import { answerHeaders } from './headers.ts';
import {
  checkFunctionName,
  checkInvocationId,
  checkMaxWait,
  checkQualifier,
  checkStart,
  shown,
} from './names.ts';
import { type BodyLimit, INVOCATION_ID, problemHeaders, problemOf } from './problem.ts';
import {
  described,
  ID_PARAMS,
  IDEMPOTENCY_HEADER,
  INVOKE_CODES,
  INVOKE_HEADERS,
  INVOKE_QUERY,
  LOG_LINE,
  NAME_PARAMS,
  responses,
  TENANT_HEADERS,
} from './schemas.ts';
import { tenantOf } from './tenant.ts';

const EMPTY = Buffer.alloc(0);
const TEXT_MAX_BYTES = 16 * 1024;
const NOTHING = (): void => {};

export interface InvocationRoutesOptions {
  readonly executor: Executor;
  readonly eventMaxBytes: number;
}

interface InvokeRoute {
  Params: { name: string };
  Querystring: Record<string, string | string[]>;
  Body: Buffer | undefined;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export const invocationRoutes: FastifyPluginAsync<InvocationRoutesOptions> = async (
  app,
  { executor, eventMaxBytes },
) => {
  await app.register(invokeRoute, { executor, eventMaxBytes });

  app.get<{ Params: { id: string } }>(
    '/v1/invocations/:id',
    {
      schema: {
        summary: 'The receipt of an invocation, or where an asynchronous one stands',
        tags: ['invocations'],
        params: ID_PARAMS,
        headers: TENANT_HEADERS,
        response: responses(
          {
            200: described(
              'The receipt: start, phases, usage, limits, cost. `usage.cpuMs` includes `usage.initCpuMs`, the part of it that loading and the initializer used.',
            ),
          },
          ['invalid_request', 'forbidden', 'not_found'],
        ),
      },
    },
    async (request) => {
      const id = checkInvocationId(request.params.id);
      const tenant = tenantOf(request);
      // The attempts of an asynchronous one have the same id among the receipts.
      return (await executor.queue.get(id, tenant)) ?? executor.invocation(id, { tenant }).receipt;
    },
  );

  app.get<{ Params: { id: string } }>(
    '/v1/invocations/:id/logs',
    {
      schema: {
        summary: 'The log lines of an invocation',
        tags: ['invocations'],
        params: ID_PARAMS,
        headers: TENANT_HEADERS,
        response: responses({ 200: Type.Object({ logs: Type.Array(LOG_LINE), truncated: Type.Boolean() }) }, [
          'invalid_request',
          'forbidden',
          'not_found',
        ]),
      },
    },
    async (request) => {
      const id = checkInvocationId(request.params.id);
      const { logs, receipt } = executor.invocation(id, { tenant: tenantOf(request) });
      return { logs, truncated: receipt.logTruncated };
    },
  );
};

/** Encapsulated, because here alone a body of any content type is the event, as bytes. */
const invokeRoute: FastifyPluginAsync<InvocationRoutesOptions> = async (app, { executor, eventMaxBytes }) => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      checkBody(request, body as Buffer);
      done(null, body);
    } catch (refusal) {
      done(refusal as StrataError);
    }
  });
  const bodyLimit: BodyLimit = { kind: 'eventBytes', configured: eventMaxBytes };

  app.post<InvokeRoute>(
    INVOCATIONS_ROUTE,
    {
      bodyLimit: eventMaxBytes,
      config: {
        bodyLimit,
        beforeLargeBody(request) {
          const invocation = requestOf(request as FastifyRequest<InvokeRoute>);
          const { function: name, tenant, qualifier, credential } = invocation;
          refuseStrangers(executor, { tenant: tenant ?? '', function: name, qualifier, credential });
        },
      },
      // The schemas below only document this route; its handler checks what it reads.
      validatorCompiler: () => (value: unknown) => ({ value }),
      schema: {
        summary: 'Invoke a function; the body is the event',
        tags: ['invocations'],
        params: NAME_PARAMS,
        headers: Type.Object({ ...INVOKE_HEADERS.properties, ...IDEMPOTENCY_HEADER.properties }),
        querystring: INVOKE_QUERY,
        body: Type.Unknown({ description: 'The event: any JSON; an empty body means `{}`.' }),
        response: responses(
          {
            202: Type.Object(
              { invocationId: Type.String() },
              { description: 'With `mode=async`: the event is on the disk. `Location` says where to look.' },
            ),
            200: Type.Unknown({
              description: 'The result of the handler; of a dry run, `{ status, phasesMs }`.',
            }),
          },
          INVOKE_CODES,
        ),
      },
    },
    async (request, reply) => {
      const invocation = requestOf(request);
      const invocationId = executor.newInvocationId();
      if (invocation.mode === 'async') {
        await acceptAsync(executor, { ...invocation, invocationId }, request, reply);
        return;
      }
      const invoked = invocation as Mutable<InvokeJsonRequest>;
      invoked.invocationId = invocationId;
      let stopWatching = NOTHING;
      // Called only when it has to wait: for a warm invocation nothing is registered.
      invoked.onWait = (cancel) => {
        stopWatching = whenClosed(request.raw.socket, cancel);
      };
      let answer: InvokeJsonAnswer;
      try {
        answer = await executor.invokeJson(invoked);
      } catch (refusal) {
        if (!(refusal instanceof StrataError) || refusal.code === 'internal_error') {
          reply.header(INVOCATION_ID, invocationId);
          throw refusal;
        }
        reply.hijack();
        writeRefusal(reply, refusal, invocationId);
        return;
      } finally {
        stopWatching();
      }
      reply.hijack();
      if (answer.failure !== null) writeFailure(reply, answer);
      else if (invocation.mode === 'dry-run') writeJson(reply, answer, dryRunBody(answer));
      else writeJson(reply, answer, answer.resultJson ?? EMPTY);
    },
  );
};

/** What a request says first. */
export interface RequestLine {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

/** Whether a request asks for an invocation, as far as its first line says: it may be refused before it has a route. */
export const isInvocation = ({ method, url }: RequestLine): boolean =>
  method === 'POST' && INVOCATIONS_PATH.test(url ?? '');
export const INVOCATIONS_ROUTE = '/v1/functions/:name/invocations';
const INVOCATIONS_PATH = /^\/v1\/functions\/[^/?]*\/invocations(?:\?|$)/;

/** With the one mode that the queue takes and the executor's `invokeJson` does not. */
type Requested = Mutable<Omit<InvokeJsonRequest, 'mode'>> & {
  mode?: NonNullable<InvokeJsonRequest['mode']> | 'async';
};

/** Answers when the event is on the disk. */
const acceptAsync = async (
  executor: Executor,
  request: Requested & { invocationId: string },
  { headers }: FastifyRequest<InvokeRoute>,
  reply: FastifyReply,
): Promise<void> => {
  const { requireStart, maxWaitMs, sessionKey, credential, function: name, qualifier } = request;
  if (requireStart !== undefined || maxWaitMs !== undefined || sessionKey !== undefined)
    throw new StrataError(
      'invalid_request',
      'Strata-Require-Start, Strata-Max-Wait-Ms and Strata-Session-Key are for callers who wait; leave them out with mode=async.',
    );
  const { tenant = '' } = request;
  const key = headers[IDEMPOTENCY_KEY];
  try {
    refuseStrangers(executor, { tenant, function: name, qualifier, credential });
    const { invocationId } = await executor.queue.accept({
      ...{ tenant, function: name, qualifier },
      ...{ eventJson: request.eventJson, invocationId: request.invocationId },
      idempotencyKey: key === undefined ? undefined : String(key),
    });
    const body = `{"invocationId":"${invocationId}"}`;
    reply.hijack();
    reply.raw.writeHead(202, [
      ...['Content-Type', 'application/json', 'Content-Length', String(body.length)],
      ...[INVOCATION_ID, invocationId, 'Location', `/v1/invocations/${invocationId}`],
    ]);
    reply.raw.end(body);
  } catch (refusal) {
    if (!(refusal instanceof StrataError) || refusal.code === 'internal_error') throw refusal;
    reply.hijack();
    writeRefusal(reply, refusal, request.invocationId);
  }
};

const IDEMPOTENCY_KEY = 'strata-idempotency-key';

const requestOf = (request: FastifyRequest<InvokeRoute>): Requested => {
  const headers = request.headers;
  const { tenant, credential } = identityOf(request);
  const invocation: Requested = {
    function: checkFunctionName(request.params.name),
    tenant,
    eventJson: request.body ?? EMPTY,
  };
  if (credential !== 'open') invocation.credential = credential;
  const requireStart = headers['strata-require-start'];
  if (requireStart !== undefined) invocation.requireStart = checkStart(String(requireStart));
  const maxWait = headers['strata-max-wait-ms'];
  if (maxWait !== undefined) invocation.maxWaitMs = checkMaxWait(String(maxWait));
  const sessionKey = headers['strata-session-key'];
  if (sessionKey !== undefined) invocation.sessionKey = String(sessionKey);
  const query = request.query;
  for (const key in query) applyQuery(invocation, key, query[key]);
  if (headers[IDEMPOTENCY_KEY] !== undefined && invocation.mode !== 'async')
    throw new StrataError(
      'invalid_request',
      'Strata-Idempotency-Key is offered with mode=async alone; leave it out, or invoke so.',
    );
  return invocation;
};

/** @throws StrataError `invalid_request`. */
const applyQuery = (invocation: Requested, key: string, value: string | string[] | undefined): void => {
  if (typeof value !== 'string') {
    throw new StrataError(
      'invalid_request',
      `The query parameter ${shown(key)} is given twice; give it once.`,
    );
  }
  if (key === 'qualifier') {
    invocation.qualifier = checkQualifier(value);
    return;
  }
  if (key !== 'mode') {
    throw new StrataError(
      'invalid_request',
      `The query parameter ${shown(key)} is unknown; this call takes qualifier and mode.`,
    );
  }
  if (value === 'sync' || value === 'dry-run' || value === 'async') {
    invocation.mode = value;
    return;
  }
  throw new StrataError(
    'invalid_request',
    `The mode ${shown(value)} is unknown; use sync, async or dry-run.`,
  );
};

const writeJson = (reply: FastifyReply, answer: InvokeJsonAnswer, body: Uint8Array): void => {
  const headers = answerHeaders(answer);
  headers.push('Content-Type', 'application/json', 'Content-Length', String(body.byteLength));
  reply.raw.writeHead(200, headers);
  // A text goes out in one piece with the headers, bytes go out as a second one: that is dearer for small results.
  // Latin-1 both ways keeps every byte as it is.
  if (body.byteLength <= TEXT_MAX_BYTES) reply.raw.end(bytesAsText(body), 'latin1');
  else reply.raw.end(body);
};

const bytesAsText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

const writeFailure = (reply: FastifyReply, answer: InvokeJsonAnswer): void => {
  if (answer.failure !== null)
    writeProblem(reply, answer.failure, answer.invocationId, answerHeaders(answer));
};

/** What was refused has no receipt: the id is what the caller's log and a report about it have in common. */
const writeRefusal = (reply: FastifyReply, refusal: StrataError, invocationId: string): void =>
  writeProblem(reply, refusal, invocationId, [INVOCATION_ID, invocationId]);

/** As text, which goes out in one piece with the headers: under overload this is most of what the server does. */
const writeProblem = (
  reply: FastifyReply,
  source: StrataError | Failure,
  invocationId: string,
  headers: string[],
): void => {
  const problem = problemOf(source, invocationId);
  const body = JSON.stringify(problem);
  headers.push(...problemHeaders(source), 'Content-Length', String(Buffer.byteLength(body)));
  reply.raw.writeHead(problem.status, headers);
  reply.raw.end(body);
};

const dryRunBody = (answer: InvokeJsonAnswer): Uint8Array => {
  const phasesMs = Object.fromEntries(PHASES.map((phase, at) => [phase, answer.phases[at] ?? 0]));
  return Buffer.from(JSON.stringify({ status: 'ok', phasesMs }));
};
