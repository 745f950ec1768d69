/**
 * Divides CPU time between tenants: a control group for each, into which its processes are moved when they become its.
 *
 * Owns who is in which group, and which tenants run in the background: those that lately took more than their share of
 * the processors. The others go before them whenever they have something to do, which weights alone do not give: by
 * weight, whoever wakes up waits for slices of some milliseconds, several times in one call. Never stands in the way of
 * a call: everything is done behind it, in order, and what fails is reported and leaves the process where it is.
 * Invariants: a group is there while a process is in it; tenants in the foreground take no more than `HEAVY` of the
 * processors together, so that nobody in the background starves; without groups, hosts are made nicer than the server.
 */
import { setPriority } from 'node:os';
import type { Clock, Timer } from '../ports/clock.ts';
import type { CpuGroups } from '../ports/cpu-groups.ts';

/** A process of a tenant. */
export interface CpuMember {
  readonly pid: number;
  /** CPU time of all its threads since it started; null when it has ended. */
  usedNs(): number | null;
}

export interface CpuSharesOptions {
  readonly clock: Clock;
  readonly cores: number;
  /** Null where none can be made. */
  readonly groups: CpuGroups | null;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** How often the use is looked at. */
const LOOK_MS = 100;
/** The use is averaged over about so long. */
const WINDOW_MS = 1_000;
/** Parts of a fair share: from the one on a tenant runs in the background, below the other no more. */
const HEAVY = 0.75;
const LIGHT = 0.5;
/** Of one core: a tenant that uses less shares nothing with anybody. */
const ACTIVE = 0.02;

interface Shared {
  readonly name: string;
  readonly members: Map<number, { readonly member: CpuMember; usedNs: number }>;
  /** Processors in use, averaged. */
  load: number;
  background: boolean;
  /** What is to be done to the group, one after the other. */
  orders: Promise<void>;
}

export class CpuShares {
  readonly #options: CpuSharesOptions;
  readonly #tenants = new Map<string, Shared>();
  #timer: Timer | null = null;
  #lookedMs = 0;
  #failed = false;
  #closed = false;

  constructor(options: CpuSharesOptions) {
    this.#options = options;
  }

  /** A process becomes a tenant's. */
  join(tenant: string, member: CpuMember): void {
    const { groups } = this.#options;
    if (this.#closed) return;
    if (groups === null) {
      makeNice(member.pid);
      return;
    }
    const shared = this.#tenants.get(tenant) ?? this.#open(tenant);
    shared.members.set(member.pid, { member, usedNs: member.usedNs() ?? 0 });
    this.#order(shared, async () => {
      if (!shared.members.has(member.pid)) return;
      await groups.make(shared.name);
      await groups.add(shared.name, member.pid);
      if (shared.background) await groups.background(shared.name, true);
    });
    this.#schedule();
  }

  /** It has ended. */
  leave(tenant: string, pid: number): void {
    const shared = this.#tenants.get(tenant);
    if (shared?.members.delete(pid) !== true || shared.members.size > 0) return;
    this.#remove(tenant, shared, REMOVALS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await Promise.all([...this.#tenants.values()].map(({ orders }) => orders));
    await this.#options.groups?.close();
  }

  #open(tenant: string): Shared {
    const shared: Shared = {
      ...{ name: `tenant-${tenant}`, members: new Map(), load: 0, background: false },
      orders: Promise.resolve(),
    };
    this.#tenants.set(tenant, shared);
    return shared;
  }

  #order(shared: Shared, act: () => Promise<void>): void {
    shared.orders = shared.orders.then(act).catch((thrown: unknown) => {
      if (this.#failed || this.#closed) return;
      this.#failed = true;
      this.#options.onFault('CPU time cannot be divided between tenants as it should be', {
        group: shared.name,
        detail: String(thrown),
      });
    });
  }

  /** A process takes a moment to be gone, and the group with it. */
  #remove(tenant: string, shared: Shared, attempts: number): void {
    const { groups, clock } = this.#options;
    this.#order(shared, async () => {
      if (groups === null || shared.members.size > 0) return;
      if (await groups.remove(shared.name)) {
        if (shared.members.size === 0) this.#tenants.delete(tenant);
      } else if (attempts > 0 && !this.#closed)
        clock.setTimer(REMOVAL_MS, () => this.#remove(tenant, shared, attempts - 1));
      else this.#tenants.delete(tenant);
    });
  }

  #schedule(): void {
    if (this.#timer !== null || this.#closed) return;
    this.#lookedMs = this.#options.clock.nowMs();
    this.#timer = this.#options.clock.setTimer(LOOK_MS, () => {
      this.#timer = null;
      this.#look();
      if (this.#tenants.size > 0) this.#schedule();
    });
  }

  #look(): void {
    const { clock, cores } = this.#options;
    const tookMs = Math.max(1, clock.nowMs() - this.#lookedMs);
    const weight = 1 - Math.exp(-tookMs / WINDOW_MS);
    let active = 0;
    for (const shared of this.#tenants.values()) {
      const used = usedNs(shared) / (tookMs * NS_PER_MS);
      shared.load += weight * (used - shared.load);
      if (shared.load >= ACTIVE) active += 1;
    }
    // One alone is measured as if there were another: it is in the background before that one comes.
    const fair = cores / Math.max(2, active);
    for (const shared of this.#tenants.values()) {
      const background = shared.load >= fair * (shared.background ? LIGHT : HEAVY);
      if (background !== shared.background) this.#setBackground(shared, background);
    }
  }

  #setBackground(shared: Shared, background: boolean): void {
    shared.background = background;
    if (process.env.XNOIDLE) return;
    if (process.env.XLOG) console.error(shared.name, background, shared.load);
    this.#order(shared, async () => {
      if (shared.members.size > 0) await this.#options.groups?.background(shared.name, background);
    });
  }
}

const NS_PER_MS = 1e6;
const REMOVALS = 10;
const REMOVAL_MS = 50;
const NICER = 10;

/** What its processes used since the last look. */
const usedNs = ({ members }: Shared): number => {
  let sumNs = 0;
  for (const entry of members.values()) {
    const nowNs = entry.member.usedNs();
    if (nowNs === null) continue;
    sumNs += Math.max(0, nowNs - entry.usedNs);
    entry.usedNs = nowNs;
  }
  return sumNs;
};

const makeNice = (pid: number): void => {
  try {
    setPriority(pid, NICER);
  } catch {
    // It has ended, or is another user's.
  }
};
