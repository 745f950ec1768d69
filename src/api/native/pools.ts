/**
 * The route that shows the pool to a tenant: what is ready in all, and the sandboxes that are the tenant's or nobody's.
 *
 * Owns the shape on the wire. What a tenant may see of others is `src/pool/view.ts`'s; the library's `pools()` shows
 * everything, and is the operator's.
 */
import type { FastifyPluginAsync } from 'fastify';
import { Type } from 'typebox';
import { PLANS_SHOWN_MAX, SANDBOXES_SHOWN_MAX, UNMET_SHOWN_MAX } from '../../core/limits.ts';
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

const MB = Type.Number({ minimum: 0, description: 'Megabytes.' });
const MS = Type.Number({ minimum: 0, description: 'Milliseconds.' });

const PLAN = Type.Object({
  function: text('`name@version`; null for what is not of a function.'),
  tenant: text("Yours, or null for what is nobody's yet."),
  layer: LAYER,
  action: Type.Enum(['keep', 'warm', 'drop', 'refill']),
  inMs: Type.Union([Type.Number(), Type.Null()], { description: 'From now; null for what has no time.' }),
  why: Type.String(),
});

const UNMET = Type.Object({
  function: Type.String({ description: '`name@version`.' }),
  tenant: Type.String({ description: 'You.' }),
  minInstances: COUNT,
  ready: COUNT,
  why: Type.String(),
});

const STOCK = Type.Object(
  { warm: COUNT, cold: COUNT, runtimesEach: COUNT, why: Type.String() },
  { description: "Sandboxes to keep that are nobody's: with so many booted runtimes each, and without." },
);

const COSTS = Type.Object(
  {
    startMs: Type.Object({ none: MS, container: MS, runtime: MS }),
    memoryMb: Type.Object({ container: MB, runtime: MB }),
  },
  {
    description:
      'As measured: what a start from a layer takes longer than one from `code`, and what it adds.',
  },
);

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
  sandboxes: Type.Array(SANDBOX, {
    maxItems: SANDBOXES_SHOWN_MAX,
    description: "Those of this tenant, and those that are nobody's yet; the ones used last.",
  }),
  unlistedSandboxes: Type.Integer({
    minimum: 0,
    description: 'Of this tenant and of nobody, beyond those listed.',
  }),
  otherSandboxes: Type.Integer({ minimum: 0, description: 'Those of other tenants, which are not listed.' }),
  policy: Type.Optional(Type.String({ description: 'What decides what is kept ready.' })),
  plans: Type.Optional(
    Type.Array(PLAN, {
      maxItems: PLANS_SHOWN_MAX,
      description: 'What the policy does next, the soonest first: for this tenant, and for nobody yet.',
    }),
  ),
  stock: Type.Optional(STOCK),
  costs: Type.Optional(COSTS),
  provisioned: Type.Optional(
    Type.Integer({ minimum: 0, description: 'Instances kept for `minInstances`, of all tenants.' }),
  ),
  unmet: Type.Optional(
    Type.Array(UNMET, {
      maxItems: UNMET_SHOWN_MAX,
      description: 'Your functions that have fewer instances ready than their `minInstances`.',
    }),
  ),
  memoryMb: Type.Optional(
    Type.Object(
      { used: MB, idle: MB },
      { description: 'Of all tenants; `idle` is the part that nobody uses now.' },
    ),
  ),
});

const LIMITS = Type.Object(
  {
    memoryMb: Type.Object({ budget: MB, used: MB }),
    inFlight: COUNT,
    maxInFlight: COUNT,
  },
  { description: 'Over all runtimes and tenants.' },
);

const POOLS = Type.Object({
  tiers: Type.Record(Type.String(), TIER, {
    description: 'The pools by runtime: those that this server has.',
  }),
  queued: Type.Integer({ minimum: 0, description: 'Invocations of all tenants that wait for an instance.' }),
  limits: Type.Optional(LIMITS),
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
    async (request) => executor.poolsOf(tenantOf(request)),
  );
};
