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

export const viewTier = ({ tier, runtime, lifecycle }: TierViewParts): TierView => {
  const ready: Record<Layer, number> = { container: 0, runtime: 0, code: 0 };
  const views: SandboxView[] = [];
  for (const sandbox of lifecycle.sandboxes.all) {
    if (sandbox.state === 'ready' && sandbox.slots.size < sandbox.capacity) ready.container += 1;
    for (const slot of sandbox.slots) if (slot.state === 'free') ready[slot.layer] += 1;
    views.push(viewSandbox(tier, runtime, sandbox));
  }
  const slots = lifecycle.slots.counts();
  return { tier: tier.tier, runtime, confinement: tier.confinement.kind, slots, ready, sandboxes: views };
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
