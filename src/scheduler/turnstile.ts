/**
 * Lets so many invocations of a tenant run at once as its limit says, and the others of it wait in the order they came.
 *
 * Owns who runs and who waits, by tenant. Never decides on a limit: `cpu-fairness.ts` does, while the processors are
 * short. Invariants: no tenant waits for another; a tenant without a limit never waits; who waits is settled once; a pass
 * is given back once; as many run as may, whenever somebody waits; a tenant is known only while it has something here.
 */
import type { StrataError } from '../core/errors.ts';
import type { Placement } from '../pool/slot.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { LeavingRate } from './leaving-rate.ts';
import { cancelled, heldBackTooLong, tooManyHeldBack } from './refusals.ts';

export interface TurnstileSettings {
  /** How many may wait for one function. */
  readonly maxLengthPerFunction: number;
  /** The longest wait. */
  readonly timeoutMs: number;
}

export interface PassOptions {
  /** The caller waits no longer than this. */
  readonly maxWaitMs?: number | undefined;
  /** When the invocation came, if it has waited before: that counts towards how long it may wait. */
  readonly arrivedMs?: number | undefined;
  /** Called when the invocation has to wait, with a function that takes it out of the line. */
  readonly onWait?: ((cancel: () => void) => void) | undefined;
}

type Who = Pick<Placement, 'tenant' | 'key'>;

interface Waiter {
  readonly key: string;
  readonly timer: Timer;
  readonly resolve: (pass: Pass) => void;
  readonly reject: (error: StrataError) => void;
}

interface Tenant {
  readonly name: string;
  running: number;
  /** Null for none. */
  limit: number | null;
  readonly waiters: Set<Waiter>;
  readonly waitersByKey: Map<string, number>;
  readonly leaving: LeavingRate;
}

export interface TenantLoad {
  readonly running: number;
  readonly waiting: number;
  readonly limit: number | null;
}

const NONE: TenantLoad = { running: 0, waiting: 0, limit: null };
const AT_ONCE: PassOptions = {};

/** The right to run; it has one owner, who gives it back by `leave`. */
export class Pass {
  readonly #left: () => void;
  #isLeft = false;

  constructor(left: () => void) {
    this.#left = left;
  }

  /** Idempotent. */
  leave(): void {
    if (this.#isLeft) return;
    this.#isLeft = true;
    this.#left();
  }
}

export class Turnstile {
  readonly #clock: Clock;
  readonly #settings: TurnstileSettings;
  readonly #tenants = new Map<string, Tenant>();
  #waiting = 0;

  constructor(clock: Clock, settings: TurnstileSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Invocations that wait here. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Tenants that are remembered. */
  get known(): number {
    return this.#tenants.size;
  }

  load(tenant: string): TenantLoad {
    const known = this.#tenants.get(tenant);
    if (known === undefined) return NONE;
    return { running: known.running, waiting: known.waiters.size, limit: known.limit };
  }

  /**
   * A pass, at once where the tenant's limit allows one more.
   * @throws StrataError `overloaded`, `queue_timeout`, `cancelled`.
   */
  enter(who: Who, options: PassOptions = AT_ONCE): Pass | Promise<Pass> {
    const tenant = this.#known(who.tenant);
    // Who raises a limit lets in all it allows, so nobody waits where there is room.
    if (tenant.limit === null || tenant.running < tenant.limit) return this.#pass(tenant);
    return this.#wait(tenant, who.key, options);
  }

  /** At most so many of the tenant at once, at least one; null lifts it. Who runs already is not stopped. */
  limit(name: string, limit: number | null): void {
    const tenant = limit === null ? this.#tenants.get(name) : this.#known(name);
    if (tenant === undefined) return;
    tenant.limit = limit === null ? null : Math.max(1, Math.floor(limit));
    this.#serve(tenant);
    this.#forget(tenant);
  }

  /** Refuses everyone who waits. */
  refuseAll(error: StrataError): void {
    for (const tenant of [...this.#tenants.values()])
      for (const waiter of [...tenant.waiters]) this.#refuse(tenant, waiter, error);
  }

  #pass(tenant: Tenant): Pass {
    tenant.running += 1;
    return new Pass(() => {
      tenant.running -= 1;
      tenant.leaving.note(this.#clock.nowMs());
      this.#serve(tenant);
      this.#forget(tenant);
    });
  }

  #wait(tenant: Tenant, key: string, options: PassOptions): Promise<Pass> {
    const { timeoutMs, maxLengthPerFunction } = this.#settings;
    const limitMs = Math.min(timeoutMs, options.maxWaitMs ?? Number.POSITIVE_INFINITY);
    const source = limitMs === options.maxWaitMs ? 'maxWaitMs' : 'queue.timeoutMs';
    const waitedMs = options.arrivedMs === undefined ? 0 : this.#clock.nowMs() - options.arrivedMs;
    const ofFunction = tenant.waitersByKey.get(key) ?? 0;
    if (ofFunction >= maxLengthPerFunction)
      throw tooManyHeldBack(ofFunction, maxLengthPerFunction, this.#retryAfterMs(tenant));
    if (limitMs <= waitedMs) throw heldBackTooLong(limitMs, source, this.#retryAfterMs(tenant));
    const { promise, resolve, reject } = Promise.withResolvers<Pass>();
    const timer = this.#clock.setTimer(limitMs - waitedMs, () =>
      this.#refuse(tenant, waiter, heldBackTooLong(limitMs, source, this.#retryAfterMs(tenant))),
    );
    const waiter: Waiter = { key, timer, resolve, reject };
    tenant.waiters.add(waiter);
    tenant.waitersByKey.set(key, ofFunction + 1);
    this.#waiting += 1;
    options.onWait?.(() => this.#refuse(tenant, waiter, cancelled()));
    return promise;
  }

  #serve(tenant: Tenant): void {
    for (const waiter of tenant.waiters) {
      if (tenant.limit !== null && tenant.running >= tenant.limit) return;
      this.#leaveLine(tenant, waiter);
      waiter.resolve(this.#pass(tenant));
    }
  }

  #refuse(tenant: Tenant, waiter: Waiter, error: StrataError): void {
    if (!this.#leaveLine(tenant, waiter)) return;
    waiter.reject(error);
    this.#forget(tenant);
  }

  /** @returns false when the waiter had left before. */
  #leaveLine(tenant: Tenant, waiter: Waiter): boolean {
    if (!tenant.waiters.delete(waiter)) return false;
    waiter.timer.cancel();
    this.#waiting -= 1;
    const left = (tenant.waitersByKey.get(waiter.key) ?? 1) - 1;
    if (left === 0) tenant.waitersByKey.delete(waiter.key);
    else tenant.waitersByKey.set(waiter.key, left);
    return true;
  }

  #known(name: string): Tenant {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = {
        ...{ name, running: 0, limit: null, leaving: new LeavingRate() },
        ...{ waiters: new Set<Waiter>(), waitersByKey: new Map<string, number>() },
      };
      this.#tenants.set(name, tenant);
    }
    return tenant;
  }

  #forget({ name, running, limit, waiters }: Tenant): void {
    if (running === 0 && limit === null && waiters.size === 0) this.#tenants.delete(name);
  }

  /** Until all who wait, and one more, have had their turn. */
  #retryAfterMs(tenant: Tenant): number {
    return tenant.leaving.untilMs(tenant.waiters.size + 1, this.#clock.nowMs());
  }
}
