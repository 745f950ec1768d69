/**
 * The routes of asynchronous invocations beside their acceptance: list, cancel, dead letters, the key of webhooks.
 *
 * Maps requests to the queue and what it answers to JSON; never decides anything.
 */
import type { FastifyPluginAsync } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Executor } from '../../invocation/api.ts';
import { checkFunctionName, checkInvocationId } from './names.ts';
import {
  described,
  ID_PARAMS,
  NAME_PARAMS,
  PAGE_QUERY,
  QUEUE_LIST_QUERY,
  responses,
  TENANT_HEADERS,
} from './schemas.ts';
import { tenantOf } from './tenant.ts';

const SUMMARY = described('Its status, its attempts so far, when it was accepted, is due and ended.');
const PAGE = Type.Object({
  invocations: Type.Array(SUMMARY),
  nextCursor: Type.Union([Type.String(), Type.Null()]),
});
const NAME_AND_ID = Type.Object({ ...NAME_PARAMS.properties, ...ID_PARAMS.properties });

export interface QueueRoutesOptions {
  readonly executor: Executor;
}

interface NameRoute {
  Params: { name: string };
}

interface LetterRoute {
  Params: { name: string; id: string };
}

type App = Parameters<FastifyPluginAsync>[0];

export const queueRoutes: FastifyPluginAsync<QueueRoutesOptions> = async (app, { executor }) => {
  listRoutes(app, executor);
  cancelRoute(app, executor);
  redriveRoutes(app, executor);
  discardRoutes(app, executor);
  secretRoute(app, executor);
};

const listRoutes = (app: App, { queue }: Executor): void => {
  app.get<NameRoute & { Querystring: Static<typeof QUEUE_LIST_QUERY> }>(
    '/v1/functions/:name/invocations',
    {
      schema: {
        summary: 'The asynchronous invocations of a function, the newest first',
        tags: ['async'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: QUEUE_LIST_QUERY,
        response: responses({ 200: PAGE }, ['invalid_request', 'forbidden']),
      },
    },
    async (request) =>
      queue.list({
        tenant: tenantOf(request),
        function: checkFunctionName(request.params.name),
        ...request.query,
      }),
  );

  app.get<NameRoute & { Querystring: Static<typeof PAGE_QUERY> }>(
    '/v1/functions/:name/dead-letters',
    {
      schema: {
        summary: 'The dead letters of a function, the newest first',
        tags: ['async'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: PAGE_QUERY,
        response: responses({ 200: PAGE }, ['invalid_request', 'forbidden']),
      },
    },
    async (request) =>
      queue.deadLetters({
        tenant: tenantOf(request),
        function: checkFunctionName(request.params.name),
        ...request.query,
      }),
  );
};

const cancelRoute = (app: App, { queue }: Executor): void => {
  app.delete<{ Params: { id: string } }>(
    '/v1/invocations/:id',
    {
      schema: {
        summary: 'Cancel an asynchronous invocation',
        description:
          'A queued one never runs. One that runs goes on to its end and is billed; no other attempt follows, and it is ' +
          'cancelled unless it succeeds.',
        tags: ['async'],
        params: ID_PARAMS,
        headers: TENANT_HEADERS,
        response: responses({ 200: SUMMARY }, [
          ...(['invalid_request', 'forbidden', 'not_found', 'conflict', 'storage_full'] as const),
        ]),
      },
    },
    async (request) => queue.cancel(checkInvocationId(request.params.id), tenantOf(request)),
  );
};

const redriveRoutes = (app: App, { queue }: Executor): void => {
  const schema = (summary: string, params: typeof NAME_PARAMS | typeof NAME_AND_ID) => ({
    ...{ summary, params, tags: ['async'], headers: TENANT_HEADERS },
    response: responses({ 200: Type.Object({ redriven: Type.Integer() }) }, [
      ...(['invalid_request', 'forbidden', 'not_found', 'overloaded', 'draining', 'storage_full'] as const),
    ]),
  });
  app.post<NameRoute>(
    '/v1/functions/:name/dead-letters/redrive',
    { schema: schema('Queue the oldest 1,000 dead letters anew, as far as there is room', NAME_PARAMS) },
    async (request) => queue.redrive(tenantOf(request), checkFunctionName(request.params.name), null),
  );
  app.post<LetterRoute>(
    '/v1/functions/:name/dead-letters/:id/redrive',
    { schema: schema('Queue a dead letter anew, with all its retries', NAME_AND_ID) },
    async (request) => {
      const { name, id } = request.params;
      return queue.redrive(tenantOf(request), checkFunctionName(name), checkInvocationId(id));
    },
  );
};

const discardRoutes = (app: App, { queue }: Executor): void => {
  const schema = (summary: string, params: typeof NAME_PARAMS | typeof NAME_AND_ID) => ({
    ...{ summary, params, tags: ['async'], headers: TENANT_HEADERS },
    response: responses({ 200: Type.Object({ discarded: Type.Integer() }) }, [
      ...(['invalid_request', 'forbidden', 'not_found', 'storage_full'] as const),
    ]),
  });
  app.delete<NameRoute>(
    '/v1/functions/:name/dead-letters',
    { schema: schema('Discard the oldest 1,000 dead letters', NAME_PARAMS) },
    async (request) => queue.discard(tenantOf(request), checkFunctionName(request.params.name), null),
  );
  app.delete<LetterRoute>(
    '/v1/functions/:name/dead-letters/:id',
    { schema: schema('Discard a dead letter', NAME_AND_ID) },
    async (request) => {
      const { name, id } = request.params;
      return queue.discard(tenantOf(request), checkFunctionName(name), checkInvocationId(id));
    },
  );
};

const secretRoute = (app: App, { queue }: Executor): void => {
  app.get<NameRoute>(
    '/v1/functions/:name/webhook-secret',
    {
      schema: {
        summary: 'The key by which the webhooks of a function are signed',
        tags: ['async'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        response: responses({ 200: Type.Object({ secret: Type.String() }) }, [
          ...(['invalid_request', 'forbidden', 'not_found'] as const),
        ]),
      },
    },
    async (request) => ({
      secret: queue.webhookSecret(tenantOf(request), checkFunctionName(request.params.name)),
    }),
  );
};
