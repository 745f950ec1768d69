/**
 * The pool as people see it: all of it for the operator, and of it what `GET /v1/pools` may show to one tenant.
 *
 * Owns what a tenant may see of others: that they take slots, and nothing that tells who they are or what they run.
 * Invariants: what a tenant asks for costs as much as it has itself, however much others have; each list that it gets
 * is bounded.
 */
import { SANDBOXES_SHOWN_MAX, UNMET_SHOWN_MAX } from '../core/limits.ts';
import type { Layer } from '../core/receipt.ts';
import type { Runtime } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { SandboxTier } from '../sandbox/api.ts';
import type {
  Census,
  CostsView,
  InstanceView,
  SandboxView,
  TenantTierView,
  TierSnapshot,
  TierView,
} from './api.ts';
import type { Budget } from './budget.ts';
import type { RuntimeCosts } from './costs.ts';
import type { Functions } from './functions.ts';
import type { Keeper } from './keeper.ts';
import type { Lifecycle } from './lifecycle.ts';
import { viewPlans, viewPlansOf } from './plans.ts';
import type { Policy } from './policy/api.ts';
import type { Shares } from './shares.ts';
import type { Sandbox, Slot } from './slot.ts';
import { viewUnmet } from './unmet.ts';

const MB = 1024 * 1024;

export interface TierViewParts {
  readonly tier: SandboxTier;
  readonly runtime: Runtime;
  readonly policy: Policy;
  readonly lifecycle: Lifecycle;
  readonly functions: Functions;
  readonly keeper: Keeper;
  readonly costs: RuntimeCosts;
  readonly budget: Budget;
  readonly shares: Shares;
  readonly clock: Clock;
}

/** All of it. */
export const viewTier = (parts: TierViewParts): TierView => {
  const all = [...parts.lifecycle.sandboxes.all];
  return {
    ...viewShared(parts, readyIn(all)),
    sandboxes: all.map((sandbox) => viewSandbox(parts, sandbox)),
    unmet: viewUnmet(parts, parts.functions.provisioned(), Number.POSITIVE_INFINITY),
    // Made when somebody reads it: most want the rest of the view only.
    get plans() {
      return viewPlans(parts);
    },
  };
};

/** What can be shown of one moment: one pass over the sandboxes, and of each tenant's own no more than it asks for. */
export class Snapshot implements TierSnapshot {
  readonly runtime: Runtime;
  readonly census: Census;
  readonly #parts: TierViewParts;
  readonly #byTenant = new Map<string | null, Sandbox[]>();
  readonly #count: number;
  readonly #shared: ReturnType<typeof viewShared>;
  #pristine: { readonly count: number; readonly views: readonly SandboxView[] } | null = null;

  constructor(parts: TierViewParts) {
    this.runtime = parts.runtime;
    this.#parts = parts;
    const all = [...parts.lifecycle.sandboxes.all];
    this.#count = all.length;
    for (const sandbox of all) {
      const own = this.#byTenant.get(sandbox.tenant);
      if (own === undefined) this.#byTenant.set(sandbox.tenant, [sandbox]);
      else own.push(sandbox);
    }
    this.census = censusOf(parts, all);
    this.#shared = viewShared(parts, readyIn(all));
  }

  /** What one tenant may see. Of the sandboxes that there are too many of, those used last are shown. */
  of(tenant: string): TenantTierView {
    const own = this.#byTenant.get(tenant) ?? [];
    // Read once for all tenants, because each look at a process costs a system call.
    this.#pristine ??= this.#viewPristine();
    const { count, views } = this.#pristine;
    const shown = usedLast(own, SANDBOXES_SHOWN_MAX).map((sandbox) => viewSandbox(this.#parts, sandbox));
    const sandboxes = [...shown, ...views].slice(0, SANDBOXES_SHOWN_MAX);
    return {
      ...this.#shared,
      sandboxes,
      unlistedSandboxes: own.length + count - sandboxes.length,
      otherSandboxes: this.#count - own.length - count,
      unmet: viewUnmet(this.#parts, this.#parts.functions.ofTenant(tenant), UNMET_SHOWN_MAX),
      plans: viewPlansOf(this.#parts, tenant, own),
    };
  }

  /** Of those that were nobody's: who has claimed one since is not for others to see. */
  #viewPristine(): { readonly count: number; readonly views: readonly SandboxView[] } {
    const pristine = (this.#byTenant.get(null) ?? []).filter(({ tenant }) => tenant === null);
    const shown = usedLast(pristine, SANDBOXES_SHOWN_MAX);
    return { count: pristine.length, views: shown.map((one) => viewSandbox(this.#parts, one)) };
  }
}

const usedLast = (sandboxes: readonly Sandbox[], most: number): readonly Sandbox[] =>
  sandboxes.length <= most
    ? sandboxes
    : [...sandboxes].sort((one, other) => other.usedMs - one.usedMs).slice(0, most);

/** What is the same for everybody. */
const viewShared = (parts: TierViewParts, ready: TierView['ready']) => {
  const { tier, runtime, lifecycle, policy, keeper } = parts;
  const { slots } = lifecycle;
  return {
    ...{ tier: tier.tier, runtime, confinement: tier.confinement.kind, slots: slots.counts(), ready },
    ...{ policy: policy.name, stock: keeper.stockroom.wanted, costs: viewCosts(parts.costs) },
    provisioned: provisionedIn(parts),
    memoryMb: { used: tenths(slots.chargedMb), idle: tenths(slots.chargedMb - slots.servingMb) },
  };
};

const readyIn = (sandboxes: Iterable<Sandbox>): TierView['ready'] => {
  const ready: Record<Layer, number> = { container: 0, runtime: 0, code: 0 };
  for (const sandbox of sandboxes) {
    if (sandbox.state === 'ready' && sandbox.slots.size < sandbox.capacity) ready.container += 1;
    for (const slot of sandbox.slots) if (slot.state === 'free') ready[slot.layer] += 1;
  }
  return ready;
};

const viewCosts = (costs: RuntimeCosts): CostsView => {
  const { startMs, memoryMb } = costs.of(null);
  return {
    startMs: {
      none: tenths(startMs.none),
      container: tenths(startMs.container),
      runtime: tenths(startMs.runtime),
    },
    memoryMb: { container: memoryMb.container, runtime: memoryMb.runtime },
  };
};

const censusOf = ({ tier: { tier }, runtime }: TierViewParts, sandboxes: readonly Sandbox[]): Census => {
  const slots = new Counts<Counted<Census['slots'][number]>>();
  const counts = new Counts<Counted<Census['sandboxes'][number]>>();
  for (const sandbox of sandboxes) {
    const { state } = sandbox;
    const taint = sandbox.tenant === null ? 'pristine' : 'tenant';
    const layer = highestLayer(sandbox);
    counts.add(`${layer} ${state} ${taint}`, () => ({ layer, state, taint, count: 0 }));
    for (const slot of sandbox.slots)
      slots.add(`${slot.layer} ${slot.state}`, () => ({ layer: slot.layer, state: slot.state, count: 0 }));
  }
  return { tier, runtime, slots: slots.all, sandboxes: counts.all, idle: idleIn(sandboxes) };
};

/** By the rule of `Slots`: a carrier serves as long as anything in it does. */
const idleIn = (sandboxes: readonly Sandbox[]): Census['idle'] => {
  const memoryMb = { container: 0, runtime: 0, code: 0, ahead: 0 };
  for (const sandbox of sandboxes) {
    if (sandbox.busy === 0) memoryMb.container += sandbox.chargedMb;
    for (const { state, layer, unused, chargedMb } of sandbox.slots)
      if (state !== 'busy') memoryMb[unused ? 'ahead' : layer] += chargedMb;
  }
  return [
    { layer: 'container', use: 'kept', memoryMb: memoryMb.container },
    { layer: 'runtime', use: 'kept', memoryMb: memoryMb.runtime },
    { layer: 'code', use: 'kept', memoryMb: memoryMb.code },
    { layer: 'code', use: 'ahead', memoryMb: memoryMb.ahead },
  ];
};

type Counted<Row> = Row & { count: number };

/** How many there are of each kind: few kinds. */
class Counts<Row extends { count: number }> {
  readonly #rows = new Map<string, Row>();

  /** @param row of a kind that is new. */
  add(key: string, row: () => Row): void {
    let known = this.#rows.get(key);
    if (known === undefined) {
      known = row();
      this.#rows.set(key, known);
    }
    known.count += 1;
  }

  get all(): readonly Row[] {
    return [...this.#rows.values()];
  }
}

const tenths = (value: number): number => Math.round(value * 10) / 10;

const provisionedIn = ({ functions, lifecycle }: TierViewParts): number => {
  let count = 0;
  for (const { placement } of functions.provisioned())
    count += Math.min(placement.minInstances, lifecycle.staying(placement.key));
  return count;
};

const viewSandbox = ({ tier, runtime }: TierViewParts, sandbox: Sandbox): SandboxView => {
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
