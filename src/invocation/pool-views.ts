/**
 * What tenants and metrics are shown of the pools: made at most once in a quarter of a second, for all who ask.
 *
 * Owns the moment that is shown. Decides nothing about who may see what: `src/pool/view.ts` does. Invariants: however
 * many poll, the sandboxes are walked once for all of them, and each tenant's own once for that tenant; names that
 * nobody has used before leave nothing behind for longer than that.
 */
import type { Census, TenantPoolsView, TenantTierView, TierSnapshot } from '../pool/api.ts';
import type { Clock } from '../ports/clock.ts';

/** People do not see the difference, and whoever polls does not take the time of those who invoke. */
const SHOWN_FOR_MS = 250;
/** Views of so many tenants are kept; those of more are made each time, from the same moment. */
const TENANTS_MAX = 1_000;

export interface PoolViewsOptions {
  readonly clock: Clock;
  /** One of each pool. */
  readonly take: () => readonly TierSnapshot[];
  /** What is the same for everybody, and costs nothing to read. */
  readonly shared: () => Omit<TenantPoolsView, 'tiers'>;
}

export class PoolViews {
  readonly #options: PoolViewsOptions;
  #snapshots: readonly TierSnapshot[] = [];
  #untilMs = Number.NEGATIVE_INFINITY;
  readonly #byTenant = new Map<string, TenantPoolsView['tiers']>();

  constructor(options: PoolViewsOptions) {
    this.#options = options;
  }

  census(): readonly Census[] {
    return this.#current().map(({ census }) => census);
  }

  of(tenant: string): TenantPoolsView {
    const snapshots = this.#current();
    let tiers = this.#byTenant.get(tenant);
    if (tiers === undefined) {
      tiers = Object.fromEntries(
        snapshots.map((snapshot): [string, TenantTierView] => [snapshot.runtime, snapshot.of(tenant)]),
      );
      if (this.#byTenant.size < TENANTS_MAX) this.#byTenant.set(tenant, tiers);
    }
    return { tiers, ...this.#options.shared() };
  }

  #current(): readonly TierSnapshot[] {
    const now = this.#options.clock.nowMs();
    if (now < this.#untilMs) return this.#snapshots;
    this.#byTenant.clear();
    this.#snapshots = this.#options.take();
    this.#untilMs = now + SHOWN_FOR_MS;
    return this.#snapshots;
  }
}
