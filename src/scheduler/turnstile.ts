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

/** The queue of a tenant that has, or had, a limit: a warm call of any other makes none of it. */
interface Line {
  readonly waiters: Set<Waiter>;
  readonly waitersByKey: Map<string, number>;
  readonly leaving: LeavingRate;
}

interface Tenant {
  readonly name: string;
  running: number;
  /** Null for none. */
  limit: number | null;
  line: Line | null;
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
    return { running: known.running, waiting: known.line?.waiters.size ?? 0, limit: known.limit };
  }

  /**
   * A pass, at once where the tenant's limit allows one more.
   * @throws StrataError `overloaded`, `queue_timeout`, `cancelled`.
   */
  enter(who: Who, options: PassOptions = AT_ONCE): Pass | Promise<Pass> {
    const tenant = this.#known(who.tenant);
    // Who raises a limit lets in all it allows, so nobody waits where there is room.
    if (tenant.limit === null || tenant.running < tenant.limit) return this.#pass(tenant);
    return this.#wait(tenant, lineOf(tenant), who.key, options);
  }

  /** At most so many of the tenant at once, at least one; null lifts it. Who runs already is not stopped. */
  limit(name: string, limit: number | null): void {
    const tenant = limit === null ? this.#tenants.get(name) : this.#known(name);
    if (tenant === undefined) return;
    tenant.limit = limit === null ? null : Math.max(1, Math.floor(limit));
    // From here on it is noted how soon invocations leave, so that the first refusal can say when to come back.
    if (limit !== null) lineOf(tenant);
    this.#serve(tenant);
    this.#forget(tenant);
  }

  /** Refuses everyone who waits. */
  refuseAll(error: StrataError): void {
    for (const tenant of [...this.#tenants.values()])
      for (const waiter of [...(tenant.line?.waiters ?? [])]) this.#refuse(tenant, waiter, error);
  }

  #pass(tenant: Tenant): Pass {
    tenant.running += 1;
    return new Pass(() => {
      tenant.running -= 1;
      if (tenant.line !== null) {
        tenant.line.leaving.note(this.#clock.nowMs());
        this.#serve(tenant);
      }
      this.#forget(tenant);
    });
  }

  #wait(tenant: Tenant, line: Line, key: string, options: PassOptions): Promise<Pass> {
    const { timeoutMs, maxLengthPerFunction } = this.#settings;
    const limitMs = Math.min(timeoutMs, options.maxWaitMs ?? Number.POSITIVE_INFINITY);
    const source = limitMs === options.maxWaitMs ? 'maxWaitMs' : 'queue.timeoutMs';
    const waitedMs = options.arrivedMs === undefined ? 0 : this.#clock.nowMs() - options.arrivedMs;
    const ofFunction = line.waitersByKey.get(key) ?? 0;
    if (ofFunction >= maxLengthPerFunction)
      throw tooManyHeldBack(ofFunction, maxLengthPerFunction, this.#retryAfterMs(line));
    if (limitMs <= waitedMs) throw heldBackTooLong(limitMs, source, this.#retryAfterMs(line));
    const { promise, resolve, reject } = Promise.withResolvers<Pass>();
    const timer = this.#clock.setTimer(limitMs - waitedMs, () =>
      this.#refuse(tenant, waiter, heldBackTooLong(limitMs, source, this.#retryAfterMs(line))),
    );
    const waiter: Waiter = { key, timer, resolve, reject };
    line.waiters.add(waiter);
    line.waitersByKey.set(key, ofFunction + 1);
    this.#waiting += 1;
    options.onWait?.(() => this.#refuse(tenant, waiter, cancelled()));
    return promise;
  }

  #serve(tenant: Tenant): void {
    const { line } = tenant;
    if (line === null) return;
    for (const waiter of line.waiters) {
      if (tenant.limit !== null && tenant.running >= tenant.limit) return;
      this.#leaveLine(line, waiter);
      waiter.resolve(this.#pass(tenant));
    }
  }

  #refuse(tenant: Tenant, waiter: Waiter, error: StrataError): void {
    if (tenant.line === null || !this.#leaveLine(tenant.line, waiter)) return;
    waiter.reject(error);
    this.#forget(tenant);
  }

  /** @returns false when the waiter had left before. */
  #leaveLine({ waiters, waitersByKey }: Line, waiter: Waiter): boolean {
    if (!waiters.delete(waiter)) return false;
    waiter.timer.cancel();
    this.#waiting -= 1;
    const left = (waitersByKey.get(waiter.key) ?? 1) - 1;
    if (left === 0) waitersByKey.delete(waiter.key);
    else waitersByKey.set(waiter.key, left);
    return true;
  }

  #known(name: string): Tenant {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = { name, running: 0, limit: null, line: null };
      this.#tenants.set(name, tenant);
    }
    return tenant;
  }

  #forget({ name, running, limit, line }: Tenant): void {
    if (running === 0 && limit === null && (line === null || line.waiters.size === 0))
      this.#tenants.delete(name);
  }

  /** Until all who wait, and one more, have had their turn. */
  #retryAfterMs({ leaving, waiters }: Line): number {
    return leaving.untilMs(waiters.size + 1, this.#clock.nowMs());
  }
}

const lineOf = (tenant: Tenant): Line => {
  tenant.line ??= { waiters: new Set(), waitersByKey: new Map(), leaving: new LeavingRate() };
  return tenant.line;
};
