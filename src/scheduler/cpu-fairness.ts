/**
 * While the processors are short: who uses more of them than its part gives way, and runs no more at once than it takes
 * to keep them busy.
 *
 * Owns the readings by tenant and what follows from them. Holds back nobody itself: the turnstile does, and the kernel.
 * The limit of a tenant is found, not computed: it falls for as long as the tenant keeps the processors busy, down to a
 * few a processor, and rises as soon as they are not, so that what mostly waits is not held back for long. What is used
 * is the kernel's account; how long a call takes says nothing on busy processors. Invariants: without a shortage there
 * is no limit; nobody is told to give way while it uses less than half of its part.
 */
import type { Clock, Timer } from '../ports/clock.ts';
import type { Machine } from '../ports/machine.ts';
import type { Turnstile } from './turnstile.ts';

/** CPU time by tenant, as the sandboxes' side knows it. */
export interface CpuAccount {
  /** CPU time of each tenant's processes since the call before, milliseconds; what is new since then counts in full. */
  usedMs(): ReadonlyMap<string, number>;
  /** Whether the tenant's processes run only where no other's want to. */
  giveWay(tenant: string, gives: boolean): void;
}

export interface CpuFairnessSettings {
  /** From here on they are short. */
  readonly cpuHighPercent: number;
  /** A tenant is never held to fewer invocations at once than so many for each processor. */
  readonly computingPerCpu: number;
}

export interface CpuFairnessOptions {
  readonly clock: Clock;
  /** Its own: a reading counts from the one before. */
  readonly machine: Pick<Machine, 'cpu'>;
  readonly cpus: number;
  readonly account: CpuAccount;
  readonly turnstile: Turnstile;
  readonly settings: CpuFairnessSettings;
}

interface Tenant {
  gives: boolean;
  limit: number | null;
  /** Readings since it was last seen to compute. */
  quiet: number;
}

const INTERVAL_MS = 200;
const PERCENT = 100;
/** The processors are short no longer when so much less is in use. */
const EASED_PERCENT = 5;
/** Of its part: who uses so much has what it can get, and who gives way and uses less than the last may stop to. */
const NEAR = 0.7;
const OVER = 1.1;
const UNDER = 0.5;
/** Tenants must use this share of the processors together, or it is not they who keep them busy. */
const OURS = 0.25;
const FALL = 0.75;
const RISE = 1.5;
/** Readings, after which a tenant that computes no more takes no part, and a limit that holds nobody back is lifted. */
const FORGET = 50;
const LIFT = 10;
/** Of a processor: less is the noise of an idle process. */
const COMPUTES = 0.005;

export class CpuFairness {
  readonly #options: CpuFairnessOptions;
  readonly #tenants = new Map<string, Tenant>();
  readonly #floor: number;
  #timer: Timer | null = null;
  /** When the account was asked last, if it was at the last reading. */
  #askedMs: number | null = null;
  #isShort = false;
  #eased = 0;
  #closed = false;

  constructor(options: CpuFairnessOptions) {
    this.#options = options;
    this.#floor = Math.max(1, Math.ceil(options.cpus * options.settings.computingPerCpu));
    options.machine.cpu();
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#options.clock.setTimer(INTERVAL_MS, () => {
      this.#look();
      if (!this.#closed) this.#schedule();
    });
  }

  #look(): void {
    const { machine, clock, account, settings } = this.#options;
    const percent = (machine.cpu() ?? 0) * PERCENT;
    this.#isShort = percent > settings.cpuHighPercent;
    const isEased = percent < settings.cpuHighPercent - EASED_PERCENT;
    this.#eased = isEased ? this.#eased + 1 : 0;
    // To ask for everybody's account costs something; without a shortage nothing follows from it.
    const follows = this.#isShort || this.#tenants.size > 0;
    const sinceMs = this.#askedMs;
    this.#askedMs = follows ? clock.nowMs() : null;
    if (!follows) return;
    const usedMs = account.usedMs();
    // What was used before the shortage began says nothing of it.
    if (sinceMs === null) return;
    const tookMs = Math.max(1, clock.nowMs() - sinceMs);
    this.#note(usedMs, tookMs);
    this.#judge(usedMs, tookMs, isEased);
  }

  /** Who takes part: whoever has computed lately. */
  #note(usedMs: ReadonlyMap<string, number>, tookMs: number): void {
    for (const [name, ms] of usedMs) {
      if (ms < COMPUTES * tookMs) continue;
      const tenant = this.#tenants.get(name);
      if (tenant === undefined) this.#tenants.set(name, { gives: false, limit: null, quiet: 0 });
      else tenant.quiet = 0;
    }
  }

  #judge(usedMs: ReadonlyMap<string, number>, tookMs: number, isEased: boolean): void {
    let totalMs = 0;
    for (const ms of usedMs.values()) totalMs += ms;
    const partMs = totalMs / Math.max(1, this.#tenants.size);
    // Where others than tenants keep the processors busy, nothing that a tenant leaves is a tenant's gain.
    const isOurs = totalMs >= OURS * tookMs * this.#options.cpus;
    for (const [name, tenant] of this.#tenants) {
      const used = usedMs.get(name) ?? 0;
      const isFull = this.#isShort && isOurs && used >= NEAR * partMs;
      this.#giveWay(name, tenant, isOurs && this.#shouldGive(tenant, used / partMs));
      this.#bound(name, tenant, isFull, isEased || used < UNDER * partMs);
      tenant.quiet += 1;
      if (tenant.quiet <= FORGET || tenant.limit !== null) continue;
      this.#giveWay(name, tenant, false);
      this.#tenants.delete(name);
    }
  }

  #shouldGive({ gives }: Tenant, parts: number): boolean {
    if (this.#tenants.size < 2 || this.#eased >= LIFT) return false;
    return gives ? parts > UNDER : this.#isShort && parts > OVER;
  }

  #giveWay(name: string, tenant: Tenant, gives: boolean): void {
    // Said again while it lasts: the tenant may have got its first host meanwhile.
    if (gives || tenant.gives) this.#options.account.giveWay(name, gives);
    tenant.gives = gives;
  }

  #bound(name: string, tenant: Tenant, isFull: boolean, mayRise: boolean): void {
    const { turnstile } = this.#options;
    const { running, waiting } = turnstile.load(name);
    if (isFull) {
      const present = Math.min(tenant.limit ?? running, Math.max(running, this.#floor));
      const limit = Math.max(this.#floor, Math.floor(present * FALL));
      if (tenant.limit === null && running <= this.#floor) return;
      tenant.limit = limit;
    } else if (tenant.limit !== null && mayRise) {
      if (waiting > 0) tenant.limit = Math.ceil(tenant.limit * RISE);
      else if (this.#eased >= LIFT) tenant.limit = null;
    } else return;
    turnstile.limit(name, tenant.limit);
  }
}
