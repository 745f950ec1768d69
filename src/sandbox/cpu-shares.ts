/**
 * Divides CPU time between tenants: a control group for each, into which its processes are moved when they become its.
 *
 * Owns who is in which group, and the account of what each tenant has used. All tenants' groups have one weight, so that
 * many busy processes of one tenant count as one; what is nobody's yet is together in one more. Never stands in the way of a call: everything is done behind it,
 * in order, and what fails is reported and leaves the process where it is. Invariant: a group is there while a process
 * of its tenant is. Without groups, a tenant's processes are made nicer than the server, and nothing is divided.
 */
import type { Clock } from '../ports/clock.ts';
import { type CpuGroups, STARTING } from '../ports/cpu-groups.ts';

export interface CpuSharesOptions {
  readonly clock: Clock;
  /** Null where none can be made. */
  readonly groups: CpuGroups | null;
  /** What is done to a process instead, where there are no groups. */
  readonly makeNice: (pid: number) => void;
  /** CPU time of a process since it started; null when it has ended. */
  readonly cpuTimeMs: (pid: number) => number | null;
  readonly childProcesses: (pid: number) => Promise<readonly number[]>;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** What has a control group of its own that is not this server's: a container. */
export interface CpuMember {
  /** CPU time since it started, milliseconds; null when it cannot be read. */
  cpuMs(): number | null;
  /** Gives it so much of the weight of one process, up to all of it, or lets it give way. */
  weigh(part: number, gives: boolean): void;
}

interface Membership {
  /** At the last look; null before the first. */
  usedMs: number | null;
  part: number;
  gives: boolean;
}

interface Tenant {
  readonly name: string;
  /** Each with the CPU time that it had used at the last look; null for one that was not looked at. */
  readonly pids: Map<number, number | null>;
  readonly members: Map<CpuMember, Membership>;
  /** Members that were busy at the last look. */
  busy: number;
  gives: boolean;
  /** What is to be done to the group, one after the other. */
  orders: Promise<void>;
}

/** A process takes a moment to be gone, and its group with it. */
const REMOVALS = 20;
const REMOVAL_MS = 50;
/** A member that used more since the last look is one of those that share the tenant's weight. */
const BUSY_MS = 2;

export class CpuShares {
  readonly #options: CpuSharesOptions;
  readonly #tenants = new Map<string, Tenant>();
  /** Moves of processes that are nobody's, which are under way. */
  readonly #collecting = new Set<Promise<void>>();
  #failed = false;
  #closed = false;

  constructor(options: CpuSharesOptions) {
    this.#options = options;
  }

  /** A process that is nobody's yet: those that start are not to keep those that serve from doing so. */
  started(pid: number): void {
    if (this.#closed) return;
    // It may have ended already, and is moved again when it becomes a tenant's.
    const collected = this.#collect(pid)
      .catch(() => undefined)
      .finally(() => this.#collecting.delete(collected));
    this.#collecting.add(collected);
  }

  /** CPU time of each tenant's processes since the call before, milliseconds. */
  usedMs(): ReadonlyMap<string, number> {
    const used = new Map<string, number>();
    for (const [tenant, shared] of this.#tenants) {
      const { pids } = shared;
      let sumMs = this.#membersMs(shared);
      for (const [pid, beforeMs] of pids) {
        const nowMs = this.#options.cpuTimeMs(pid);
        if (nowMs === null) continue;
        // What a process used before it was looked at first was used for its start.
        if (beforeMs !== null) sumMs += Math.max(0, nowMs - beforeMs);
        pids.set(pid, nowMs);
      }
      used.set(tenant, sumMs);
    }
    return used;
  }

  /** Whether the tenant's processes run only where no other's want to. */
  giveWay(tenant: string, gives: boolean): void {
    const { groups } = this.#options;
    const shared = this.#tenants.get(tenant);
    if (shared === undefined || shared.gives === gives) return;
    shared.gives = gives;
    for (const [member, { part }] of shared.members) weigh(shared, member, part);
    if (groups === null) return;
    this.#order(shared, async () => {
      // The group is made with the first process, and with that it comes to stand as it should.
      if (shared.pids.size > 0 && shared.gives === gives) await groups.giveWay(shared.name, gives);
    });
  }

  /** A process becomes a tenant's. Returns at once. */
  join(tenant: string, pid: number): void {
    const { groups, makeNice } = this.#options;
    if (this.#closed) return;
    const shared = this.#tenants.get(tenant) ?? this.#open(tenant);
    shared.pids.set(pid, null);
    if (groups === null) {
      makeNice(pid);
      return;
    }
    this.#order(shared, async () => {
      // Its number may be another's by now.
      if (!shared.pids.has(pid)) return;
      await groups.make(shared.name);
      // The group may have been removed meanwhile, and be a new one.
      if (shared.gives) await groups.giveWay(shared.name, true);
      await groups.add(shared.name, pid);
      this.#failed = false;
    });
  }

  /** It has ended. */
  leave(tenant: string, pid: number): void {
    const shared = this.#tenants.get(tenant);
    if (shared?.pids.delete(pid) === true && isEmpty(shared)) this.#remove(tenant, shared, REMOVALS);
  }

  /** A container becomes a tenant's. */
  include(tenant: string, member: CpuMember): void {
    if (this.#closed) return;
    const shared = this.#tenants.get(tenant) ?? this.#open(tenant);
    shared.members.set(member, { usedMs: null, part: 1, gives: false });
    // Whoever starts many would otherwise have the weight of as many until the next look.
    weigh(shared, member, 1 / (shared.busy + 1));
  }

  /** It has ended. */
  exclude(tenant: string, member: CpuMember): void {
    const shared = this.#tenants.get(tenant);
    if (shared?.members.delete(member) === true && isEmpty(shared)) this.#remove(tenant, shared, REMOVALS);
  }

  /** After all processes have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    // Whatever came after it would make a group anew that nobody removes.
    await Promise.all([...this.#collecting, ...[...this.#tenants.values()].map(({ orders }) => orders)]);
    await this.#options.groups?.close();
  }

  /** What it starts from here on follows by itself; what it has started before is moved after it. */
  async #collect(pid: number): Promise<void> {
    const { groups, childProcesses } = this.#options;
    if (groups === null || this.#closed) return;
    await groups.add(STARTING, pid);
    for (const child of await childProcesses(pid)) if (!this.#isClaimed(child)) await this.#collect(child);
  }

  #isClaimed(pid: number): boolean {
    for (const { pids } of this.#tenants.values()) if (pids.has(pid)) return true;
    return false;
  }

  /** What its containers used; those that are busy share the weight that one process has. */
  #membersMs(shared: Tenant): number {
    let sumMs = 0;
    let busy = 0;
    for (const [member, membership] of shared.members) {
      const nowMs = member.cpuMs();
      if (nowMs === null) continue;
      const usedMs = membership.usedMs === null ? 0 : Math.max(0, nowMs - membership.usedMs);
      membership.usedMs = nowMs;
      sumMs += usedMs;
      if (usedMs > BUSY_MS) busy += 1;
    }
    shared.busy = busy;
    for (const member of shared.members.keys()) weigh(shared, member, 1 / Math.max(1, busy));
    return sumMs;
  }

  #open(tenant: string): Tenant {
    const shared: Tenant = {
      name: `tenant-${tenant}`,
      pids: new Map(),
      members: new Map(),
      busy: 0,
      gives: false,
      orders: Promise.resolve(),
    };
    this.#tenants.set(tenant, shared);
    return shared;
  }

  #order(shared: Tenant, act: () => Promise<void>): void {
    shared.orders = shared.orders.then(act).catch((thrown: unknown) => {
      // A process that ended meanwhile cannot be moved.
      const ended = (thrown as NodeJS.ErrnoException).code === 'ESRCH' || shared.pids.size === 0;
      // One report is enough until a move has worked again: the next fails for the same reason.
      if (this.#failed || this.#closed || ended) return;
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
      if (!isEmpty(shared)) return;
      const gone = groups === null || (await groups.remove(shared.name));
      if (!isEmpty(shared) || this.#tenants.get(tenant) !== shared) return;
      if (gone || attempts === 0 || this.#closed) this.#tenants.delete(tenant);
      else clock.setTimer(REMOVAL_MS, () => this.#remove(tenant, shared, attempts - 1));
    });
  }
}

const isEmpty = ({ pids, members }: Tenant): boolean => pids.size === 0 && members.size === 0;

/** Says nothing that the member was told before. */
const weigh = ({ members, gives }: Tenant, member: CpuMember, part: number): void => {
  const membership = members.get(member);
  if (membership === undefined || (membership.part === part && membership.gives === gives)) return;
  membership.part = part;
  membership.gives = gives;
  member.weigh(part, gives);
};
