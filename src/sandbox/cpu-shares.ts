/**
 * Divides CPU time between tenants: a control group for each, into which its processes are moved when they become its.
 *
 * Owns who is in which group. All tenants' groups have one weight, and all of them together no more than the server, so
 * that many busy processes of one tenant count as one. Never stands in the way of a call: everything is done behind it,
 * in order, and what fails is reported and leaves the process where it is. Invariant: a group is there while a process
 * of its tenant is. Without groups, a tenant's processes are made nicer than the server, and nothing is divided.
 */
import type { Clock } from '../ports/clock.ts';
import type { CpuGroups } from '../ports/cpu-groups.ts';

export interface CpuSharesOptions {
  readonly clock: Clock;
  /** Null where none can be made. */
  readonly groups: CpuGroups | null;
  /** What is done to a process instead, where there are no groups. */
  readonly makeNice: (pid: number) => void;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

interface Tenant {
  readonly name: string;
  readonly pids: Set<number>;
  /** What is to be done to the group, one after the other. */
  orders: Promise<void>;
}

/** A process takes a moment to be gone, and its group with it. */
const REMOVALS = 20;
const REMOVAL_MS = 50;

export class CpuShares {
  readonly #options: CpuSharesOptions;
  readonly #tenants = new Map<string, Tenant>();
  #failed = false;
  #closed = false;

  constructor(options: CpuSharesOptions) {
    this.#options = options;
  }

  /** A process becomes a tenant's. Returns at once. */
  join(tenant: string, pid: number): void {
    const { groups, makeNice } = this.#options;
    if (this.#closed) return;
    if (groups === null) {
      makeNice(pid);
      return;
    }
    const shared = this.#tenants.get(tenant) ?? this.#open(tenant);
    shared.pids.add(pid);
    this.#order(shared, async () => {
      // Its number may be another's by now.
      if (!shared.pids.has(pid)) return;
      await groups.make(shared.name);
      await groups.add(shared.name, pid);
    });
  }

  /** It has ended. */
  leave(tenant: string, pid: number): void {
    const shared = this.#tenants.get(tenant);
    if (shared?.pids.delete(pid) === true && shared.pids.size === 0) this.#remove(tenant, shared, REMOVALS);
  }

  /** After all processes have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#tenants.values()].map(({ orders }) => orders));
    await this.#options.groups?.close();
  }

  #open(tenant: string): Tenant {
    const shared: Tenant = { name: `tenant-${tenant}`, pids: new Set(), orders: Promise.resolve() };
    this.#tenants.set(tenant, shared);
    return shared;
  }

  #order(shared: Tenant, act: () => Promise<void>): void {
    shared.orders = shared.orders.then(act).catch((thrown: unknown) => {
      // A process that ended meanwhile cannot be moved. One report is enough: the next fails for the same reason.
      if (this.#failed || this.#closed || shared.pids.size === 0) return;
      this.#failed = true;
      const detail = String(thrown);
      this.#options.onFault('a process could not be given its share of the CPU', {
        group: shared.name,
        detail,
      });
    });
  }

  #remove(tenant: string, shared: Tenant, attempts: number): void {
    const { groups, clock } = this.#options;
    this.#order(shared, async () => {
      if (groups === null || shared.pids.size > 0) return;
      const gone = await groups.remove(shared.name);
      if (shared.pids.size > 0 || this.#tenants.get(tenant) !== shared) return;
      if (gone || attempts === 0 || this.#closed) this.#tenants.delete(tenant);
      else clock.setTimer(REMOVAL_MS, () => this.#remove(tenant, shared, attempts - 1));
    });
  }
}
