import { pino } from 'pino';
import { Compile } from 'typebox/compile';
import { afterEach, describe, expect, it } from 'vitest';
import type { Executor } from '../../invocation/api.ts';
import { scriptedExecutor } from '../executor-fixture.ts';
import { createServer } from '../server.ts';

type PoolsView = ReturnType<Executor['poolsOf']>;

const sandbox = (
  id: string,
  tenant: string | null,
  label: string | null,
): PoolsView['tiers'][string]['sandboxes'][number] => ({
  ...{
    id,
    tier: 'isolate',
    runtime: 'isolate',
    layer: label === null ? 'runtime' : 'code',
    state: 'ready',
    tenant,
  },
  ...{ quarantinedFor: label, residentMb: 60 },
  instances: [
    {
      layer: label === null ? 'runtime' : 'code',
      state: 'free',
      memoryMb: 128,
      function: label,
      inFlight: 0,
    },
  ],
});

type Plan = NonNullable<PoolsView['tiers'][string]['plans']>[number];

const plan = (tenant: string | null, label: string | null, inMs: number | null): Plan => ({
  ...{ tenant, function: label, inMs, layer: 'code', action: 'keep' },
  why: `${label ?? 'nobody'} may come back`,
});

/** What the tenant `mine` is shown. */
const VIEW: PoolsView = {
  tiers: {
    isolate: {
      ...{ tier: 'isolate', runtime: 'isolate', confinement: 'bubblewrap' },
      slots: { free: 4, busy: 0, starting: 0, draining: 0, total: 4 },
      ready: { container: 4, runtime: 1, code: 3 },
      policy: 'strata',
      plans: [plan('mine', 'my-function@$LATEST', 30), plan(null, null, null)],
      stock: { warm: 2, cold: 1, runtimesEach: 4, why: 'two are taken a second' },
      costs: { startMs: { none: 110, container: 5, runtime: 2 }, memoryMb: { container: 21, runtime: 1.7 } },
      provisioned: 1,
      unmet: [
        { function: 'f@$LATEST', tenant: 'mine', minInstances: 2, ready: 1, why: 'one is being loaded' },
      ],
      memoryMb: { used: 90.5, idle: 40 },
      sandboxes: [sandbox('h1', null, null), sandbox('h2', 'mine', 'my-function@$LATEST')],
      unlistedSandboxes: 0,
      otherSandboxes: 2,
    },
  },
  queued: 2,
  limits: { memoryMb: { budget: 4_096, used: 90.5 }, inFlight: 3, maxInFlight: 10_000 },
};

const SERVER = {
  config: {
    server: {
      ...{ requestTimeoutMs: 1_000, headersTimeoutMs: 1_000 },
      ...{ maxConnections: 10, maxBodyBytesInFlight: 65_536 },
    },
    limits: { eventMaxBytes: 1_000, codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
  },
  logger: pino({ level: 'silent' }),
};

const executor = scriptedExecutor({
  poolsOf: (tenant) => {
    expect(tenant).toBe('mine');
    return VIEW;
  },
});
const app = createServer({ ...SERVER, executor });
afterEach(() => app.close());

describe('GET /v1/pools', () => {
  it('answers with what the tenant that asks may see, and is what OpenAPI says', async () => {
    const response = await app.inject({ url: '/v1/pools', headers: { 'strata-tenant': 'mine' } });
    expect(response.json()).toEqual(VIEW);

    const document = (await app.inject({ url: '/openapi.json' })).json();
    const operation = document.paths['/v1/pools'].get;
    const schema = operation.responses['200'].content['application/json'].schema;
    expect(Compile(schema).Check(response.json())).toBe(true);
    expect(Compile(schema).Check({ ...VIEW, queued: 'many' })).toBe(false);
    expect(operation.parameters).toMatchObject([{ in: 'header', name: 'Strata-Tenant' }]);
  });

  it('leaves out what the pools do not say', async () => {
    const { plans: _, policy: __, stock: ___, ...isolate } = VIEW.tiers.isolate as PoolsView['tiers'][string];
    const other = createServer({
      ...SERVER,
      executor: scriptedExecutor({ poolsOf: () => ({ tiers: { isolate }, queued: 0 }) }),
    });
    const view = (await other.inject({ url: '/v1/pools' })).json<PoolsView>();
    expect(view).not.toHaveProperty('limits');
    for (const member of ['plans', 'policy', 'stock']) expect(view.tiers.isolate).not.toHaveProperty(member);
    await other.close();
  });
});
