/**
 * The sandboxes of a pool, found by owner: which one has room for a function, and which one could go.
 *
 * Owns the lists. Invariant: every sandbox is in one list by owner, its tenant's or that of the pristine ones, from its
 * start to its end; one that is ending is in none, because it takes nothing.
 */
import { HoldersTally } from './holders.ts';
import { isAtRest, type Placement, type Sandbox, taint } from './slot.ts';

const NONE: ReadonlySet<Sandbox> = new Set();

export class Sandboxes {
  /** All, also those that are ending. */
  readonly all = new Set<Sandbox>();
  readonly #pristine = new Set<Sandbox>();
  readonly #byTenant = new Map<string, Set<Sandbox>>();
  readonly #held = new HoldersTally();
  #live = 0;

  /** Those that are up or starting. */
  get live(): number {
    return this.#live;
  }

  get pristine(): ReadonlySet<Sandbox> {
    return this.#pristine;
  }

  of(tenant: string): ReadonlySet<Sandbox> {
    return this.#byTenant.get(tenant) ?? NONE;
  }

  tenants(): Iterable<string> {
    return this.#byTenant.keys();
  }

  /** Adds one that is nobody's yet. */
  add(sandbox: Sandbox): void {
    this.all.add(sandbox);
    this.#pristine.add(sandbox);
    this.#live += 1;
  }

  /** @throws Error when it is another's. */
  claim(sandbox: Sandbox, tenant: string): void {
    const owned = sandbox.tenant !== null;
    taint(sandbox, tenant);
    if (owned) return;
    this.#pristine.delete(sandbox);
    let own = this.#byTenant.get(tenant);
    if (own === undefined) {
      own = new Set();
      this.#byTenant.set(tenant, own);
    }
    own.add(sandbox);
    this.#held.add(tenant, 1);
  }

  /** It takes nothing more; `remove` follows when it has ended. Idempotent. */
  retire(sandbox: Sandbox): void {
    if (sandbox.tenant === null) {
      if (this.#pristine.delete(sandbox)) this.#live -= 1;
      return;
    }
    const own = this.#byTenant.get(sandbox.tenant);
    if (own?.delete(sandbox) !== true) return;
    this.#live -= 1;
    this.#held.add(sandbox.tenant, -1);
    if (own.size === 0) this.#byTenant.delete(sandbox.tenant);
  }

  remove(sandbox: Sandbox): void {
    this.retire(sandbox);
    this.all.delete(sandbox);
  }

  /**
   * Whether a tenant may have one more of at most `max`: the last of them, `reserve`, are for tenants that hold less
   * than their fair share.
   */
  isShareLeft(tenant: string, max: number, reserve: number): boolean {
    if (this.#live < max - reserve) return true;
    return this.#live < max && this.isPoor(tenant, max);
  }

  /** With one more it would still hold no more than its fair share of all that there may be. */
  isPoor(tenant: string, max: number): boolean {
    return this.#held.of(tenant) < this.#shareOf(tenant, max);
  }

  /**
   * One that is up and may hold one more instance of this function: one of its own first, the last used of them, then
   * a pristine one, rather without runtimes; null when there is none.
   * @param alone the function may share a sandbox with nobody.
   */
  roomFor(placement: Placement, alone: boolean): Sandbox | null {
    let best: Sandbox | null = null;
    for (const sandbox of this.of(placement.tenant)) {
      if (!hasRoom(sandbox) || !isFor(sandbox, placement, alone)) continue;
      if (best === null || sandbox.usedMs > best.usedMs) best = sandbox;
    }
    if (best !== null) return best;
    for (const sandbox of this.#pristine) {
      if (!hasRoom(sandbox)) continue;
      if (sandbox.slots.size === 0) return sandbox;
      best ??= sandbox;
    }
    return best;
  }

  /** One that is being started for this function's tenant and will have room for one more; null when none is. */
  comingRoomFor(placement: Placement, alone: boolean): Sandbox | null {
    for (const sandbox of this.of(placement.tenant)) {
      if (sandbox.state !== 'starting' || sandbox.awaited.length >= sandbox.capacity) continue;
      if (isFor(sandbox, placement, alone)) return sandbox;
    }
    return null;
  }

  /**
   * The one to end so that another may start: at rest, rather without instances that are to be there in any case, of the
   * tenant that holds the most of them, and of those the one unused for longest; null when all are at work.
   * @param tenant whose it has to be; null for anybody's.
   */
  dispensable(tenant: string | null): Sandbox | null {
    let chosen: Sandbox | null = null;
    for (const sandbox of tenant === null ? this.all : this.of(tenant)) {
      if (sandbox.state !== 'ready' || !isAtRest(sandbox) || isDraining(sandbox)) continue;
      if (chosen === null || this.#goesBefore(sandbox, chosen)) chosen = sandbox;
    }
    return chosen;
  }

  /** Of those whose tenants hold more than their fair share, the one with the least to do; null when there is none. */
  nearestToRest(max: number): Sandbox | null {
    let chosen: Sandbox | null = null;
    for (const sandbox of this.all) {
      if (sandbox.state !== 'ready' || sandbox.tenant === null || sandbox.doubtful > 0) continue;
      if (this.#held.of(sandbox.tenant) <= this.#shareOf(sandbox.tenant, max)) continue;
      if (chosen === null || sandbox.busy < chosen.busy) chosen = sandbox;
    }
    return chosen;
  }

  #shareOf(tenant: string, max: number): number {
    return Math.max(1, Math.floor(max / this.#held.sharers(tenant)));
  }

  #goesBefore(one: Sandbox, other: Sandbox): boolean {
    const provisioned = isProvisioned(other);
    if (isProvisioned(one) !== provisioned) return provisioned;
    const more = this.#held.of(one.tenant) - this.#held.of(other.tenant);
    return more > 0 || (more === 0 && one.usedMs < other.usedMs);
  }
}

const hasRoom = (sandbox: Sandbox): boolean =>
  sandbox.state === 'ready' && sandbox.doubtful === 0 && sandbox.slots.size < sandbox.capacity;

const isFor = (sandbox: Sandbox, placement: Placement, alone: boolean): boolean =>
  alone ? sandbox.quarantinedFor?.key === placement.key : sandbox.quarantinedFor === null;

const isDraining = (sandbox: Sandbox): boolean => {
  for (const { state } of sandbox.slots) if (state === 'draining') return true;
  return false;
};

/** A function is loaded in it that is to have instances in any case. */
const isProvisioned = ({ slots }: Sandbox): boolean => {
  for (const { owner } of slots)
    if (owner !== null && !owner.deleted && owner.placement.minInstances > 0) return true;
  return false;
};
