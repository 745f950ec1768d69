/**
 * Who may have one more of the sandboxes that there may be.
 *
 * Owns the rules of fairness about sandboxes, as `budget.ts` does those about memory. Invariants: the reserve goes only to
 * tenants that hold less than their fair share; a tenant beyond its share makes room by its own means alone.
 */
import type { Budget } from './budget.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Placement } from './slot.ts';
import { Yielding } from './yielding.ts';

export interface ShareSettings {
  readonly maxSandboxes: number;
  /** Sandboxes that may be starting at once for those who wait. */
  readonly startParallelism: number;
  /** The last of `maxSandboxes`, percent, are for tenants that hold less than their fair share. */
  readonly reservePercent: number;
}

export interface SharesOptions {
  readonly lifecycle: Lifecycle;
  readonly budget: Budget;
  readonly settings: ShareSettings;
}

export class Shares {
  readonly #options: SharesOptions;
  readonly #reserve: number;
  readonly #yielding: Yielding;

  constructor(options: SharesOptions) {
    this.#options = options;
    this.#yielding = new Yielding(options.lifecycle);
    const { maxSandboxes, reservePercent } = options.settings;
    this.#reserve = Math.min(maxSandboxes - 1, Math.ceil((maxSandboxes * reservePercent) / 100));
  }

  /** Whether a tenant may make a pristine sandbox, which is one of them already, its own. */
  mayClaim({ tenant }: Placement): boolean {
    const { lifecycle, settings } = this.#options;
    if (this.#reserve === 0) return true;
    return lifecycle.sandboxes.isShareLeft(tenant, settings.maxSandboxes + 1, this.#reserve);
  }

  /** Whether one more may start for a function, once an idle one has been ended for it if need be. */
  mayProvision({ tenant, key }: Placement, { insists, ahead }: ProvisionWish): boolean {
    const { lifecycle, budget, settings } = this.#options;
    const { sandboxes } = lifecycle;
    // The next one is started when one of these is up, for whoever still waits then.
    if (lifecycle.awaitedSandboxes >= settings.startParallelism) return false;
    const isPoor = sandboxes.isPoor(tenant, settings.maxSandboxes);
    // More instances would not compute any faster: what a tenant has is used better.
    if (budget.pressure.cpuHigh && lifecycle.instances.of(key) > 0 && !isPoor) return false;
    if (sandboxes.isShareLeft(tenant, settings.maxSandboxes, this.#reserve))
      // One that is ending counts until it is gone: whoever waits is told then.
      return sandboxes.all.size < settings.maxSandboxes;
    if (ahead) return false;
    const ownOnly = insists || (this.#reserve > 0 && !isPoor);
    const idle = sandboxes.dispensable(ownOnly ? tenant : null);
    if (idle !== null) lifecycle.end(idle, 'evicted');
    else if (isPoor && !insists) this.#yielding.ask(settings.maxSandboxes);
    // Whoever insists cannot wait; for a moment there is one more than there may be then, of its own tenant.
    return idle !== null && insists;
  }

  /** Why none may start for a function without anything ending for it; null when one may. */
  refusalOf({ tenant, key }: Placement): ShareRefusal | null {
    const { lifecycle, budget, settings } = this.#options;
    const { sandboxes, instances } = lifecycle;
    const { maxSandboxes } = settings;
    if (sandboxes.live >= maxSandboxes) return { kind: 'all-taken', maxSandboxes };
    if (!sandboxes.isShareLeft(tenant, maxSandboxes, this.#reserve)) return { kind: 'reserve', maxSandboxes };
    const isBusy =
      budget.pressure.cpuHigh && instances.of(key) > 0 && !sandboxes.isPoor(tenant, maxSandboxes);
    return isBusy ? { kind: 'cpu-high', maxSandboxes } : null;
  }

  /** Called once in a while: a sandbox that was to come to rest for another tenant, and has not, takes again. */
  sweep(): void {
    this.#yielding.release();
  }
}

export interface ShareRefusal {
  /** All are taken; the rest is for tenants that hold less; the processors are short, and its tenant has its share. */
  readonly kind: 'all-taken' | 'reserve' | 'cpu-high';
  readonly maxSandboxes: number;
}

export interface ProvisionWish {
  /** Who insists on a new sandbox may have one at its own tenant's cost, and at nobody else's. */
  readonly insists: boolean;
  /** Nobody waits for it: nothing ends for it. */
  readonly ahead: boolean;
}
