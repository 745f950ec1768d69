/**
 * The route of a function's statistics.
 *
 * Maps the request to the executor; never adds anything up.
 */
import type { FastifyPluginAsync } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { STARTS } from '../../core/receipt.ts';
import type { Executor } from '../../invocation/api.ts';
import { checkFunctionName, checkQualifier } from './names.ts';
import { NAME_PARAMS, QUALIFIER_QUERY, responses, TENANT_HEADERS } from './schemas.ts';
import { tenantOf } from './tenant.ts';

const COUNT = Type.Integer({ minimum: 0 });

const orNull = <Schema extends TSchema>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description });

const PERCENTILES = Type.Object({
  ...{ p50: Type.Number(), p90: Type.Number(), p95: Type.Number(), p99: Type.Number(), max: Type.Number() },
});

const STATS_ANSWER = Type.Object({
  windowMs: Type.Integer({ description: 'How long the window is; what is older is not in the figures.' }),
  invocations: Type.Integer({
    minimum: 0,
    description: 'Finished ones, each attempt of an asynchronous one; what was refused is not among them.',
  }),
  failed: COUNT,
  errors: Type.Record(Type.String(), COUNT, { description: 'The failed ones by error code.' }),
  starts: Type.Object(Object.fromEntries(STARTS.map((start) => [start, COUNT])), {
    description: 'By the layer that they started from.',
  }),
  handlerMs: orNull(PERCENTILES, 'Wall time of the handler; null when none was called.'),
  startMs: orNull(PERCENTILES, 'Everything before the handler: queue, provision, boot, load and init.'),
  cpuMs: orNull(
    Type.Object({ mean: Type.Number(), max: Type.Number() }),
    'CPU time of load, initializer and handler.',
  ),
  maxMemoryMb: orNull(Type.Number(), 'The most that one invocation was seen to use.'),
});

interface StatsRequest {
  Params: { name: string };
  Querystring: { qualifier?: string };
}

export const statsRoutes: FastifyPluginAsync<{ readonly executor: Executor }> = async (app, { executor }) => {
  app.get<StatsRequest>(
    '/v1/functions/:name/stats',
    {
      schema: {
        summary: 'Counts and percentiles of a function',
        description:
          'Of the last `stats.windowMinutes` and of this start of the server; all versions together, or the one that the ' +
          'qualifier names. Percentiles are within 2 % of the exact ones; the rest is exact.',
        tags: ['functions'],
        params: NAME_PARAMS,
        headers: TENANT_HEADERS,
        querystring: QUALIFIER_QUERY,
        response: responses({ 200: STATS_ANSWER }, ['invalid_request', 'forbidden', 'not_found']),
      },
    },
    async (request) => {
      const { qualifier } = request.query;
      return executor.stats.of(checkFunctionName(request.params.name), {
        tenant: tenantOf(request),
        ...(qualifier === undefined ? {} : { qualifier: checkQualifier(qualifier) }),
      });
    },
  );
};
