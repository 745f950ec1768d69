import { describe, expect, it } from 'vitest';
import type { TenantTierView } from '../pool/api.ts';
import { poolsText } from './pools-text.ts';

const sandbox = (
  id: string,
  tenant: string | null,
  instances: TenantTierView['sandboxes'][number]['instances'],
): TenantTierView['sandboxes'][number] => ({
  ...{ id, tenant, tier: 'isolate', runtime: 'isolate', layer: instances[0]?.layer ?? 'container' },
  ...{ state: 'ready', quarantinedFor: null, residentMb: 60, instances },
});

const runtime = { layer: 'runtime', state: 'free', memoryMb: 128, function: null, inFlight: 0 } as const;
const code = { layer: 'code', state: 'busy', memoryMb: 128, function: 'hello@$LATEST', inFlight: 1 } as const;

const TIER: TenantTierView = {
  ...{
    tier: 'isolate',
    runtime: 'isolate',
    confinement: 'bubblewrap',
    unlistedSandboxes: 0,
    otherSandboxes: 0,
  },
  slots: { free: 3, busy: 1, starting: 0, draining: 0, total: 4 },
  ready: { container: 1, runtime: 3, code: 0 },
  sandboxes: [
    sandbox('h1', null, [runtime, runtime, runtime]),
    sandbox('h2', 'a', [code]),
    sandbox('h3', null, []),
  ],
};

const FULL: TenantTierView = {
  ...TIER,
  policy: 'strata',
  plans: [
    {
      ...{ function: 'hello@$LATEST', tenant: 'a', layer: 'code', action: 'keep', inMs: 250.04 },
      why: 'half of its gaps are shorter\n\u001b[2J',
    },
    {
      ...{ function: null, tenant: null, layer: 'runtime', action: 'refill', inMs: null },
      why: 'taken often',
    },
    { ...{ function: null, tenant: 'a', layer: 'container', action: 'drop', inMs: 300_000 }, why: 'empty' },
  ],
  stock: { warm: 2, cold: 1, runtimesEach: 1, why: 'two are taken a second' },
  costs: {
    startMs: { none: 1_240, container: 4.4, runtime: 1.7 },
    memoryMb: { container: 20.8, runtime: 1.7 },
  },
  provisioned: 1,
  unmet: [
    { function: 'kept@$LATEST', tenant: 'a', minInstances: 3, ready: 1, why: 'memory is short\u001b[2J' },
  ],
  memoryMb: { used: 90.5, idle: 40 },
};

describe('the text of the pools', () => {
  it('counts the layers by tier, runtime, tenant and state', () => {
    const text = poolsText({ tiers: { isolate: TIER }, queued: 2 });
    expect(text).toMatch(/^TIER +RUNTIME +LAYER +TENANT +STATE +COUNT$/m);
    expect(text).toMatch(/^isolate +isolate +runtime +- +free +3$/m);
    expect(text).toMatch(/^isolate +isolate +code +a +busy +1$/m);
    expect(text).toMatch(/^isolate +isolate +container +- +ready +1$/m);
    expect(text).toMatch(/^2 queued$/m);
  });

  it('shows policy, memory, costs, stock and plan where the server sends them', () => {
    const limits = { memoryMb: { budget: 4_096, used: 90.5 }, inFlight: 3, maxInFlight: 10_000 };
    const text = poolsText({ tiers: { isolate: FULL }, queued: 0, limits });
    expect(text).toMatch(/^ready: 1 container, 3 runtime, 0 code; 1 provisioned$/m);
    expect(text).toMatch(
      /^memory: 90\.5 MB in use, 40\.0 MB of it idle, as its layers are known to take \(RESIDENT MB below/m,
    );
    expect(text).toMatch(
      /^costs: from none 1\.2 s, container 4\.4 ms, runtime 1\.7 ms; 20\.8 MB a container/m,
    );
    expect(text).toMatch(/^kept@\$LATEST has 1 of its 3 minInstances ready: memory is short\\u001b\[2J$/m);
    expect(text).toMatch(/^policy: strata$/m);
    expect(text).toMatch(/^stock: 2 with 1 runtime each, 1 without; two are taken a second$/m);
    expect(text).toMatch(/^FUNCTION +TENANT +LAYER +WHAT HAPPENS UNLESS SOMEBODY CALLS +WHY$/m);
    expect(text).toMatch(
      /^hello@\$LATEST +a +code +kept; looked at again in 250 ms +half of its gaps are shorter\\n\\u001b\[2J$/m,
    );
    expect(text).toMatch(/^- +- +runtime +more are started as soon as there is room +taken often$/m);
    expect(text).toMatch(/^- +a +container +stays for 5\.0 min, then ends +empty$/m);
    expect(text).toMatch(/^90\.5 MB of 4096\.0 MB in use by the sandboxes of all runtimes/m);
    expect(text).toMatch(/^0 queued, 3 of 10000 in flight$/m);
  });

  it('says until when code is kept, and when it is loaded ahead', () => {
    const plan = { function: 'f@1', tenant: 'a', layer: 'code', inMs: 90_000, why: 'seldom called' } as const;
    const plans = [
      { ...plan, action: 'drop' },
      { ...plan, action: 'warm' },
    ] as const;
    const text = poolsText({ tiers: { isolate: { ...TIER, plans } }, queued: 0 });
    expect(text).toMatch(/kept for 90\.0 s, then given up +seldom called$/m);
    expect(text).toMatch(/loaded ahead of a call in 90\.0 s +seldom called$/m);
  });

  it('says nothing of what the server leaves out', () => {
    const text = poolsText({ tiers: { isolate: TIER }, queued: 0 });
    expect(text).not.toMatch(/WHAT HAPPENS|policy|stock|costs|memory|provisioned|undefined|NaN/);
  });
});
