/**
 * How long the functions of a runtime lie idle, all tenants together: what is believed of one that is hardly known.
 *
 * Owns what each tenant has added to the sums. Invariants: no tenant weighs more than `TENANT_FULL` gaps at any level,
 * however often it calls, so that a flood is one voice among those of all tenants; new gaps of a tenant push out its own
 * old ones and nobody else's; no more than `TENANTS_MAX` tenants are remembered.
 */
import { binOf, GROUP_TOPS } from './gaps.ts';
import { GAP_EDGES_MS, type GapCounts } from './policy/api.ts';

/** What a tenant has added is halved when it is so much. */
export const TENANT_FULL = 512;
/**
 * Those that have been heard of for longest are forgotten first. To forget one and to hear of it anew is slow, and loses
 * what was learnt, so there is room for as many as may be at work at once: 50 MB of counts at the very most.
 */
export const TENANTS_MAX = 2_048;
/** A gap that is shorter is none. */
const SHORTEST_MS = 0.1;

class Counts implements GapCounts {
  readonly bins = new Float64Array(GAP_EDGES_MS.length);
  total = 0;

  /** @param share of what the other has; negative to take it away. */
  add({ bins, total }: Counts, share: number): void {
    for (let bin = 0; bin < bins.length; bin += 1) {
      const sum = (this.bins[bin] ?? 0) + (bins[bin] ?? 0) * share;
      this.bins[bin] = Math.max(0, sum);
    }
    this.total += total * share;
  }
}

export class Population {
  /** By group of levels. */
  readonly #sums: readonly Counts[] = GROUP_TOPS.map(unknown);
  readonly #byTenant = new Map<string, (Counts | undefined)[]>();

  /** What is known of all at a group of levels. */
  of(group: number): GapCounts {
    const sums = this.#sums[group];
    if (sums === undefined) throw new Error(`there is no group ${group} of levels`);
    return sums;
  }

  get tenants(): number {
    return this.#byTenant.size;
  }

  add(tenant: string, group: number, gapMs: number): void {
    const sums = this.#sums[group];
    if (sums === undefined) return;
    const own = this.#ownOf(tenant, group);
    const bin = binOf(gapMs);
    for (const counts of [own, sums]) {
      counts.bins[bin] = (counts.bins[bin] ?? 0) + 1;
      counts.total += 1;
    }
    if (own.total < TENANT_FULL) return;
    sums.add(own, -0.5);
    own.add(own, -0.5);
  }

  #ownOf(tenant: string, group: number): Counts {
    let groups = this.#byTenant.get(tenant);
    if (groups === undefined) {
      groups = [];
      this.#byTenant.set(tenant, groups);
      if (this.#byTenant.size > TENANTS_MAX) this.#forgetOne();
    }
    let own = groups[group];
    if (own === undefined) {
      own = new Counts();
      groups[group] = own;
    }
    return own;
  }

  #forgetOne(): void {
    const [oldest] = this.#byTenant;
    if (oldest === undefined) return;
    const [tenant, groups] = oldest;
    this.#byTenant.delete(tenant);
    for (const [group, own] of groups.entries()) if (own !== undefined) this.#sums[group]?.add(own, -1);
  }
}

/**
 * One gap of which nothing is known, not even its order of magnitude: as much of it in each doubling of time. Without it
 * whoever comes first would be believed never to come again.
 */
const unknown = (): Counts => {
  const counts = new Counts();
  let lower = SHORTEST_MS;
  const weights = GAP_EDGES_MS.map((edge) => {
    const weight = edge === Number.POSITIVE_INFINITY ? Math.log(2) : Math.log(edge / lower);
    lower = edge;
    return weight;
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [bin, weight] of weights.entries()) counts.bins[bin] = weight / sum;
  counts.total = 1;
  return counts;
};
