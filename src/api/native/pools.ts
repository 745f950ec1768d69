/**
 * The route that shows the pool to a tenant: what is ready in all, and the sandboxes that are the tenant's or nobody's.
 *
 * Owns what a tenant may see of others: that they take slots, and nothing that tells who they are or what they run.
 * The library's `pools()` shows everything; it is the operator's.
 */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { RUNTIMES } from '../../core/spec.ts';
import type { Executor } from '../../invocation/api.ts';
import { responses, TENANT_HEADERS } from './schemas.ts';
import { tenantOf } from './tenant.ts';

export interface PoolRoutesOptions {
  readonly executor: Executor;
}

const COUNT = Type.Integer({ minimum: 0 });
const LAYER = Type.Enum(['container', 'runtime', 'code']);
const TIER_NAME = Type.Enum(['isolate', 'container']);
const RUNTIME = Type.Enum([...RUNTIMES], { description: 'What runs the code.' });
const text = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

const INSTANCE = Type.Object({
  layer: LAYER,
  state: Type.String(),
  memoryMb: Type.Number(),
  function: text('`name@version` at layer code.'),
  inFlight: COUNT,
});

const SANDBOX = Type.Object({
  id: Type.String(),
  tier: TIER_NAME,
  runtime: RUNTIME,
  layer: LAYER,
  state: Type.String(),
  tenant: text('Yours, or null while no code has touched it.'),
  quarantinedFor: text('The function that is alone in it, after it killed a sandbox.'),
  residentMb: Type.Union([Type.Number(), Type.Null()]),
  instances: Type.Array(INSTANCE),
});

const TIER = Type.Object({
  tier: TIER_NAME,
  runtime: RUNTIME,
  confinement: Type.String(),
  slots: Type.Object(
    { free: COUNT, busy: COUNT, starting: COUNT, draining: COUNT, total: COUNT },
    { description: 'Of all tenants.' },
  ),
  ready: Type.Object(
    { container: COUNT, runtime: COUNT, code: COUNT },
    { description: 'Ready and idle by layer, of all tenants.' },
  ),
  sandboxes: Type.Array(SANDBOX, { description: "Those of this tenant, and those that are nobody's yet." }),
  otherSandboxes: Type.Integer({ minimum: 0, description: 'Those of other tenants, which are not listed.' }),
});

const POOLS = Type.Object({
  tiers: Type.Record(Type.String(), TIER, {
    description: 'The pools by runtime: those that this server has.',
  }),
  queued: Type.Integer({ minimum: 0, description: 'Invocations of all tenants that wait for an instance.' }),
});

export const poolRoutes: FastifyPluginAsync<PoolRoutesOptions> = async (app, { executor }) => {
  app.get(
    '/v1/pools',
    {
      schema: {
        summary: 'What is ready, and the sandboxes of this tenant by runtime, layer and state',
        tags: ['operations'],
        headers: TENANT_HEADERS,
        response: responses({ 200: POOLS }, ['invalid_request', 'forbidden']),
      },
    },
    async (request) => viewFor(tenantOf(request.headers), executor.pools()),
  );
};

type PoolsView = ReturnType<Executor['pools']>;

const viewFor = (tenant: string, { tiers, queued }: PoolsView) => ({
  tiers: Object.fromEntries(
    Object.entries(tiers).map(([name, tier]) => {
      const sandboxes = tier.sandboxes.filter((shown) => shown.tenant === null || shown.tenant === tenant);
      return [name, { ...tier, sandboxes, otherSandboxes: tier.sandboxes.length - sandboxes.length }];
    }),
  ),
  queued,
});
