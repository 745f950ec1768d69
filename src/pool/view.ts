/**
 * The pool as people see it: what `GET /v1/pools` returns for a tier.
 */
import type { Layer } from '../core/receipt.ts';
import type { Runtime } from '../core/spec.ts';
import type { SandboxTier } from '../sandbox/api.ts';
import type { InstanceView, SandboxView, TierView } from './api.ts';
import type { RuntimeCosts } from './costs.ts';
import type { Functions } from './functions.ts';
import type { Keeper } from './keeper.ts';
import type { Lifecycle } from './lifecycle.ts';
import { viewPlans } from './plans.ts';
import type { Policy } from './policy/api.ts';
import type { Sandbox, Slot } from './slot.ts';

const MB = 1024 * 1024;

export interface TierViewParts {
  readonly tier: SandboxTier;
  readonly runtime: Runtime;
  readonly policy: Policy;
  readonly lifecycle: Lifecycle;
  readonly functions: Functions;
  readonly keeper: Keeper;
  readonly costs: RuntimeCosts;
  readonly nowMs: number;
}

export const viewTier = (parts: TierViewParts): TierView => {
  const { tier, runtime, lifecycle, policy, keeper, functions } = parts;
  const ready: Record<Layer, number> = { container: 0, runtime: 0, code: 0 };
  const views: SandboxView[] = [];
  for (const sandbox of lifecycle.sandboxes.all) {
    if (sandbox.state === 'ready' && sandbox.slots.size < sandbox.capacity) ready.container += 1;
    for (const slot of sandbox.slots) if (slot.state === 'free') ready[slot.layer] += 1;
    views.push(viewSandbox(tier, runtime, sandbox));
  }
  const { startMs, memoryMb } = parts.costs.of(null);
  const { slots } = lifecycle;
  return {
    ...{ tier: tier.tier, runtime, confinement: tier.confinement.kind, slots: slots.counts(), ready },
    ...{ sandboxes: views, policy: policy.name, stock: keeper.stockroom.wanted },
    provisioned: provisionedIn(functions, lifecycle),
    costs: {
      startMs: {
        none: tenths(startMs.none),
        container: tenths(startMs.container),
        runtime: tenths(startMs.runtime),
      },
      memoryMb: { container: memoryMb.container, runtime: memoryMb.runtime },
    },
    memoryMb: { used: tenths(slots.chargedMb), idle: tenths(slots.chargedMb - slots.servingMb) },
    // Made when somebody reads it: there may be thousands, and metrics look at the rest of the view only.
    get plans() {
      return viewPlans(parts);
    },
  };
};

const tenths = (value: number): number => Math.round(value * 10) / 10;

const provisionedIn = (functions: Functions, lifecycle: Lifecycle): number => {
  let count = 0;
  for (const { placement, deleted } of functions.all()) {
    if (placement.minInstances === 0 || deleted) continue;
    count += Math.min(placement.minInstances, lifecycle.staying(placement.key));
  }
  return count;
};

const viewSandbox = (tier: SandboxTier, runtime: Runtime, sandbox: Sandbox): SandboxView => {
  const resident = sandbox.carrier?.residentBytes() ?? null;
  return {
    id: sandbox.carrier?.id ?? `starting-${sandbox.number}`,
    tier: tier.tier,
    runtime,
    layer: highestLayer(sandbox),
    state: sandbox.state,
    tenant: sandbox.tenant,
    quarantinedFor: sandbox.quarantinedFor?.label ?? null,
    residentMb: resident === null ? null : Math.round((resident / MB) * 10) / 10,
    instances: [...sandbox.slots].map(viewSlot),
  };
};

const highestLayer = (sandbox: Sandbox): Layer => {
  let highest: Layer = 'container';
  for (const slot of sandbox.slots) {
    if (slot.state === 'starting') continue;
    if (slot.layer === 'code') return 'code';
    highest = 'runtime';
  }
  return highest;
};

const viewSlot = (slot: Slot): InstanceView => ({
  layer: slot.layer,
  state: slot.state,
  memoryMb: slot.placement?.memoryMb ?? slot.memoryMb,
  function: slot.placement?.label ?? null,
  inFlight: slot.inFlight,
});
