/**
 * Who may call what: every request has an identity before its body is read, and the scope that its route asks for.
 *
 * Owns the two hooks of each route. Never decides who somebody is: the accounts do. On the path of an invocation this
 * is one synchronous call. Invariants: a route that the table does not name asks for `admin`; a stranger gets as far as
 * invocations only; a body that was signed is the one that was read; a control call is in the audit log before its
 * answer is sent.
 */
import { hash } from 'node:crypto';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  RouteOptions,
} from 'fastify';
import type { Logger } from 'pino';
import type { Accounts, RequestHead } from '../../accounts/api.ts';
import { StrataError } from '../../core/errors.ts';
import { type Identity, unauthorized } from '../../core/identity.ts';
import { type Demand, demandOf, isControl } from './scopes.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on open routes only. */
    identity: Identity | null;
    /** SHA-256 of the body of a control call that was read, lower-case hex. */
    bodySha256: string | null;
    isAudited: boolean;
  }
  interface FastifyContextConfig {
    /** What the route asks for, where another table than `scopes.ts` says so. */
    demand?: Demand;
    /** Who sends a request, where it is signed by another scheme than the accounts know. */
    identify?: (request: FastifyRequest) => Identity | Promise<Identity>;
  }
}

export interface AccessOptions {
  readonly accounts: Accounts;
  readonly logger: Logger;
}

/** Must be called before the routes are registered. */
export const registerAccess = (app: FastifyInstance, options: AccessOptions): void => {
  app.decorateRequest('identity', null);
  app.decorateRequest('bodySha256', null);
  app.decorateRequest('isAudited', false);
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) guard(route, `${method} ${route.url}`, method, options);
  });
};

/** Who sends the request. @throws StrataError on a route that never asked. */
export const identityOf = (request: FastifyRequest): Identity => {
  if (request.identity === null) throw unauthorized();
  return request.identity;
};

/** For readers of bodies. @throws StrataError `unauthorized` when it is not the body that was signed. */
export const checkBody = ({ identity }: FastifyRequest, body: Uint8Array): void => {
  const signed = identity?.bodySha256 ?? null;
  if (signed !== null && digestOf(body) !== signed) throw otherBody();
};

export const digestOf = (body: Uint8Array): string => hash('sha256', body, 'hex');

const EMPTY_SHA256 = digestOf(new Uint8Array());

const guard = (
  route: RouteOptions,
  name: string,
  method: string,
  { accounts, logger }: AccessOptions,
): void => {
  const demand = route.config?.demand ?? demandOf(name);
  if (demand === 'open') return;
  const identify = route.config?.identify ?? ((request) => accounts.identify(headOf(request)));
  route.onRequest = [identifying(identify, demand), ...[route.onRequest ?? []].flat()];
  if (!isControl(method, demand)) return;
  const note = (request: FastifyRequest, reply: FastifyReply): void =>
    noteControl({ accounts, logger }, name, request, reply);
  route.onSend = [
    (request, reply, _payload, done) => {
      note(request, reply);
      done();
    },
    ...[route.onSend ?? []].flat(),
  ];
  // For answers that are written past Fastify, which calls no hook before them.
  route.onResponse = [
    (request, reply, done) => {
      note(request, reply);
      done();
    },
    ...[route.onResponse ?? []].flat(),
  ];
};

/** Node's request has all that is asked for, under the same names. */
const headOf = ({ raw }: FastifyRequest): RequestHead => raw as RequestHead;

const identifying = (
  identify: (request: FastifyRequest) => Identity | Promise<Identity>,
  demand: Exclude<Demand, 'open'>,
): onRequestHookHandler => {
  const take = (request: FastifyRequest, identity: Identity): void => {
    if (!identity.scopes.has(demand) && !identity.scopes.has('admin')) {
      if (identity.credential === 'none') throw unauthorized();
      // Noted in the audit log as who it was.
      request.identity = identity;
      throw new StrataError(
        'forbidden',
        `The credentials do not have the scope ${demand}, which this call asks for; use others.`,
      );
    }
    request.identity = identity;
    if (identity.bodySha256 !== null && identity.bodySha256 !== EMPTY_SHA256 && hasNoBody(request))
      throw otherBody();
  };
  return (request, _reply, done) => {
    let found: Identity | Promise<Identity>;
    try {
      found = identify(request);
      if (!(found instanceof Promise)) take(request, found);
    } catch (refusal) {
      done(refusal as Error);
      return;
    }
    if (!(found instanceof Promise)) {
      done();
      return;
    }
    found
      .then((identity) => take(request, identity))
      .then(
        () => done(),
        (refusal: Error) => done(refusal),
      );
  };
};

const hasNoBody = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';

const otherBody = (): StrataError =>
  new StrataError('unauthorized', 'The body is not the one that Strata-Content-Sha256 says was signed.');

const noteControl = (
  { accounts, logger }: AccessOptions,
  action: string,
  request: FastifyRequest,
  reply: FastifyReply,
): void => {
  const { identity } = request;
  // Strangers are not noted: whoever reaches the port could fill the log.
  if (request.isAudited || identity === null || identity.credential === 'none') return;
  request.isAudited = true;
  const status = reply.raw.headersSent ? reply.raw.statusCode : reply.statusCode;
  try {
    accounts.addAudit({
      ...{ principal: identity.principal, tenant: identity.tenant, action, status },
      target: request.url.split('?', 1)[0] ?? '',
      from: request.raw.socket.remoteAddress ?? '',
      outcome: status < 400 ? 'succeeded' : status < 500 ? 'refused' : 'failed',
      digest: request.bodySha256,
    });
  } catch (error) {
    logger.error({ err: error, action, principal: identity.principal }, 'a control call could not be noted');
  }
};
