/**
 * The pools as text for a terminal: the layers over all runtimes, then each runtime with its sandboxes and its plan.
 *
 * Owns the wording. Shows a part only when the server sends it. Invariant: what others wrote is harmless on a terminal.
 */
import type {
  CostsView,
  PlanView,
  SandboxView,
  StockView,
  TenantPoolsView,
  TenantTierView,
  UnmetView,
} from '../pool/api.ts';
import { oneLine, table } from './text.ts';

export const poolsText = ({ tiers, queued, limits }: TenantPoolsView): string => {
  const pools = Object.values(tiers);
  const inFlight = limits === undefined ? '' : `, ${limits.inFlight} of ${limits.maxInFlight} in flight`;
  return [
    layersText(pools.flatMap(({ sandboxes }) => sandboxes)),
    ...pools.map(tierText),
    ...(limits === undefined
      ? []
      : [
          `${mb(limits.memoryMb.used)} of ${mb(limits.memoryMb.budget)} in use by the sandboxes of all runtimes, as their layers are known to take`,
        ]),
    `${queued} queued${inFlight}`,
  ].join('\n\n');
};

/** How many there are of each kind; a sandbox in which nothing is booted counts at layer container. */
const layersText = (sandboxes: readonly SandboxView[]): string => {
  const counts = new Map<string, { readonly cells: readonly string[]; count: number }>();
  for (const { tier, runtime, tenant, state, instances } of sandboxes) {
    const layers = instances.length === 0 ? [{ layer: 'container', state }] : instances;
    for (const each of layers) {
      const cells = [tier, runtime, each.layer, tenantText(tenant), each.state];
      const key = JSON.stringify(cells);
      const known = counts.get(key);
      if (known === undefined) counts.set(key, { cells, count: 1 });
      else known.count += 1;
    }
  }
  const rows = [...counts.values()].map(({ cells, count }) => [...cells, String(count)]);
  return table([['TIER', 'RUNTIME', 'LAYER', 'TENANT', 'STATE', 'COUNT'], ...rows]);
};

const tierText = (pool: TenantTierView): string => {
  const { runtime, confinement, slots, ready, policy, provisioned, memoryMb, unmet = [], plans = [] } = pool;
  const counts = `${slots.free} free, ${slots.busy} busy, ${slots.starting} starting, ${slots.draining} draining`;
  return [
    `${runtime} (${confinement}): ${counts}, ${slots.total} in all`,
    `ready: ${ready.container} container, ${ready.runtime} runtime, ${ready.code} code` +
      (provisioned === undefined ? '' : `; ${provisioned} provisioned`),
    ...(memoryMb === undefined
      ? []
      : [
          `memory: ${mb(memoryMb.used)} in use, ${mb(memoryMb.idle)} of it idle, as its layers are known to take ` +
            '(RESIDENT MB below is what each process takes now)',
        ]),
    ...(pool.costs === undefined ? [] : [costsText(pool.costs)]),
    ...(policy === undefined ? [] : [`policy: ${oneLine(policy)}`]),
    ...(pool.stock === undefined ? [] : [stockText(pool.stock)]),
    ...unmet.map(unmetText),
    sandboxesText(pool),
    ...(plans.length === 0 ? [] : [plansText(plans)]),
  ].join('\n');
};

const unmetText = ({ function: name, ready, minInstances, why }: UnmetView): string =>
  `${oneLine(name)} has ${ready} of its ${minInstances} minInstances ready: ${oneLine(why)}`;

const costsText = ({ startMs, memoryMb }: CostsView): string => {
  const starts = (['none', 'container', 'runtime'] as const).map(
    (layer) => `${layer} ${wait(startMs[layer])}`,
  );
  return `costs: from ${starts.join(', ')}; ${mb(memoryMb.container)} a container, ${mb(memoryMb.runtime)} a runtime`;
};

const stockText = ({ warm, runtimesEach, cold, why }: StockView): string =>
  `stock: ${warm} with ${runtimesEach} ${runtimesEach === 1 ? 'runtime' : 'runtimes'} each, ${cold} without; ${oneLine(why)}`;

const sandboxesText = ({ sandboxes, unlistedSandboxes, otherSandboxes }: TenantTierView): string => {
  const rows = sandboxes.map((sandbox) => [
    sandbox.id,
    sandbox.layer,
    sandbox.state,
    tenantText(sandbox.tenant),
    sandbox.residentMb === null ? '?' : sandbox.residentMb.toFixed(1),
    sandbox.instances.map(({ function: loaded, layer }) => loaded ?? layer).join(' ') || '-',
  ]);
  return [
    table([['SANDBOX', 'LAYER', 'STATE', 'TENANT', 'RESIDENT MB', 'INSTANCES'], ...rows]),
    ...(!(unlistedSandboxes > 0) ? [] : [`and ${unlistedSandboxes} more that you may see`]),
    ...(otherSandboxes === 0 ? [] : [`and ${otherSandboxes} of other tenants`]),
  ].join('\n');
};

const plansText = (plans: readonly PlanView[]): string =>
  table([
    ['FUNCTION', 'TENANT', 'LAYER', 'WHAT HAPPENS UNLESS SOMEBODY CALLS', 'WHY'],
    ...plans.map((plan) => [
      plan.function === null ? '-' : oneLine(plan.function),
      tenantText(plan.tenant),
      plan.layer,
      nextText(plan),
      oneLine(plan.why),
    ]),
  ]);

/** What is decided for one instance, with the time until then. */
const nextText = ({ action, layer, inMs }: PlanView): string => {
  const time = inMs === null ? 'some time' : wait(inMs);
  if (action === 'refill') return 'more are started as soon as there is room';
  if (action === 'warm') return `loaded ahead of a call in ${time}`;
  if (action === 'keep') return `kept; looked at again in ${time}`;
  return layer === 'code' ? `kept for ${time}, then given up` : `stays for ${time}, then ends`;
};

const tenantText = (tenant: string | null): string => (tenant === null ? '-' : oneLine(tenant));

const mb = (amount: number): string => `${amount.toFixed(1)} MB`;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** Three digits are enough to see what comes first. */
const wait = (ms: number): string => {
  if (ms < SECOND_MS) return `${Math.round(ms * 10) / 10} ms`;
  return ms < 2 * MINUTE_MS ? `${(ms / SECOND_MS).toFixed(1)} s` : `${(ms / MINUTE_MS).toFixed(1)} min`;
};
