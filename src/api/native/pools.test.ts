import { pino } from 'pino';
import { Compile } from 'typebox/compile';
import { afterEach, describe, expect, it } from 'vitest';
import type { Executor } from '../../invocation/api.ts';
import { scriptedExecutor } from '../executor-fixture.ts';
import { createServer } from '../server.ts';

type PoolsView = ReturnType<Executor['pools']>;

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

const VIEW: PoolsView = {
  tiers: {
    isolate: {
      ...{ tier: 'isolate', runtime: 'isolate', confinement: 'bubblewrap' },
      slots: { free: 4, busy: 0, starting: 0, draining: 0, total: 4 },
      ready: { container: 4, runtime: 1, code: 3 },
      sandboxes: [
        sandbox('h1', null, null),
        sandbox('h2', 'mine', 'my-function@$LATEST'),
        sandbox('h3', 'victim', 'secret-name@$LATEST'),
        sandbox('h4', 'other', 'another-secret@$LATEST'),
      ],
    },
  },
  queued: 2,
};

const app = createServer({
  executor: scriptedExecutor({ pools: () => VIEW }),
  config: {
    server: {
      ...{ requestTimeoutMs: 1_000, headersTimeoutMs: 1_000 },
      ...{ maxConnections: 10, maxBodyBytesInFlight: 65_536 },
    },
    limits: { eventMaxBytes: 1_000, codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
  },
  logger: pino({ level: 'silent' }),
});
afterEach(() => app.close());

describe('GET /v1/pools', () => {
  it('lists to a tenant its own sandboxes and nobody’s, counts those of others, and is what OpenAPI says', async () => {
    const { body, ...response } = await app.inject({
      url: '/v1/pools',
      headers: { 'strata-tenant': 'mine' },
    });
    expect(response.json()).toEqual({
      tiers: {
        isolate: {
          ...VIEW.tiers.isolate,
          sandboxes: VIEW.tiers.isolate?.sandboxes.slice(0, 2),
          otherSandboxes: 2,
        },
      },
      queued: 2,
    });
    for (const secret of ['victim', 'secret', 'other"', 'h3']) expect(body).not.toContain(secret);

    const document = (await app.inject({ url: '/openapi.json' })).json();
    const operation = document.paths['/v1/pools'].get;
    const schema = operation.responses['200'].content['application/json'].schema;
    expect(Compile(schema).Check(response.json())).toBe(true);
    expect(Compile(schema).Check(VIEW)).toBe(false);
    expect(operation.parameters).toMatchObject([{ in: 'header', name: 'Strata-Tenant' }]);
  });
});
