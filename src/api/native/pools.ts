/**
 * The route that shows the pool: sandboxes by tier, layer, state and tenant.
 */
import type { FastifyPluginAsync } from 'fastify';
import type { Executor } from '../../invocation/api.ts';
import { described, responses } from './schemas.ts';

export interface PoolRoutesOptions {
  readonly executor: Executor;
}

export const poolRoutes: FastifyPluginAsync<PoolRoutesOptions> = async (app, { executor }) => {
  app.get(
    '/v1/pools',
    {
      schema: {
        summary: 'Sandboxes by tier, layer, state and tenant',
        tags: ['operations'],
        response: responses({ 200: described('Slots, what is ready by layer, and every sandbox.') }, [
          'forbidden',
        ]),
      },
    },
    async () => executor.pools(),
  );
};
