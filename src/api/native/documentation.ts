/**
 * The OpenAPI document, generated from the schemas of the routes, and the page that shows it.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { STRATA_VERSION } from '../../core/version.ts';
import { described } from './schemas.ts';

/** Registers the generator; routes registered later are in the document. */
export const registerOpenApi = (app: FastifyInstance): void => {
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Strata',
        version: STRATA_VERSION,
        description: 'Runs untrusted functions from warm layers: container, runtime, code.',
      },
      tags: [{ name: 'functions' }, { name: 'invocations' }, { name: 'operations' }, { name: 'accounts' }],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, at) => String(json.$id ?? `schema-${at}`),
    },
  });
};

export const documentationRoutes: FastifyPluginAsync = async (app) => {
  app.addHook('onSend', async (_request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff');
  });
  app.get(
    '/openapi.json',
    {
      schema: {
        summary: 'This document',
        tags: ['operations'],
        response: { 200: described('OpenAPI 3.1.') },
      },
    },
    async () => app.swagger(),
  );
  await app.register(swaggerUi, { routePrefix: '/docs' });
};
