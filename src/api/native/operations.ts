/**
 * The routes of operators: alive, ready, and the metrics.
 */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { StrataError } from '../../core/errors.ts';
import type { Executor } from '../../invocation/api.ts';
import { responses } from './schemas.ts';

export interface OperationRoutesOptions {
  readonly executor: Executor;
}

const STATUS = Type.Object({ status: Type.String() });

export const operationRoutes: FastifyPluginAsync<OperationRoutesOptions> = async (app, { executor }) => {
  const tags = ['operations'];

  app.get(
    '/healthz',
    { schema: { summary: 'Whether the process is alive', tags, response: responses({ 200: STATUS }, []) } },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Whether new work is taken',
        description: '503 with `{ "status": "starting" }` until the first sandbox is ready.',
        tags,
        response: responses({ 200: STATUS }, ['draining']),
      },
    },
    async (_request, reply) => {
      const status = executor.state();
      if (status === 'draining') {
        throw new StrataError('draining', 'The server is draining and takes no new work; use another one.');
      }
      if (status === 'starting') return reply.code(503).header('Retry-After', '1').send({ status });
      return { status };
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics in the Prometheus text format',
        tags,
        response: {
          200: { description: 'Prometheus text.', content: { 'text/plain': { schema: Type.String() } } },
        },
      },
    },
    async (_request, reply) => {
      const metrics = await executor.metrics();
      return reply.header('Content-Type', metrics.contentType).send(metrics.body);
    },
  );
};
