/**
 * Who may be inside the server at all, before the scheduler of a runtime places it: one for all of them.
 *
 * Owns the limits on invocations inside, which run or wait for an instance, and the line of those who wait for a place.
 * Knows neither pools nor sandboxes. Who comes while there is room and nobody waits gets in at once, synchronously.
 * Invariants: a place is taken with a ticket and given back by it, once; who waits is settled once; a function finds the
 * room that is reserved for it however many others there are; a free place that nobody holds back never stays free
 * while somebody waits.
 */
import type { StrataError } from '../core/errors.ts';
import type { Placement } from '../pool/slot.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { AdmissionLine, type LineEntry } from './admission-line.ts';
import { LeavingRate } from './leaving-rate.ts';
import { type PlaceLimits, Places, type Reservation, type TenantPlaces } from './places.ts';
import { admissionFull, cancelled, notAdmitted, tenantFull } from './refusals.ts';
import type { Priority } from './turns.ts';

export interface AdmissionSettings extends PlaceLimits {
  /** How many may wait in the line. */
  readonly maxLength: number;
  /** The longest wait. */
  readonly timeoutMs: number;
}

export interface EnterOptions {
  /** The caller waits no longer than this. */
  readonly maxWaitMs?: number | undefined;
  /** Called when the invocation has to wait, with a function that takes it out of the line. */
  readonly onWait?: ((cancel: () => void) => void) | undefined;
  /** 1 unless told: somebody waits for the answer. */
  readonly priority?: Priority | undefined;
}

export interface AdmissionView {
  readonly inFlight: number;
  readonly maxInFlight: number;
  /** Those in the line. */
  readonly waiting: number;
  /** The sum of what functions have reserved, and what of it is held back because they do not use it. */
  readonly reserved: number;
  readonly heldBack: number;
}

type Who = Pick<Placement, 'tenant' | 'group'>;

/** The right to be inside; it has one owner, who gives it back by `leave`. */
export class Ticket {
  readonly #admission: Inside;
  readonly #tenant: TenantPlaces;
  readonly #reservation: Reservation | undefined;
  #left = false;

  constructor(admission: Inside, tenant: TenantPlaces, reservation: Reservation | undefined) {
    this.#admission = admission;
    this.#tenant = tenant;
    this.#reservation = reservation;
  }

  /** Idempotent. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#admission.left(this.#tenant, this.#reservation);
  }
}

/** What a ticket needs of the admission. */
interface Inside {
  left(tenant: TenantPlaces, reservation: Reservation | undefined): void;
}

interface Waiter extends LineEntry {
  readonly places: TenantPlaces;
  readonly reservation: Reservation | undefined;
  readonly timer: Timer;
  readonly resolve: (ticket: Ticket) => void;
  readonly reject: (error: StrataError) => void;
}

const AT_ONCE: EnterOptions = {};

export class Admission {
  readonly #clock: Clock;
  readonly #settings: AdmissionSettings;
  readonly #places: Places;
  readonly #leaving = new LeavingRate();
  readonly #line: AdmissionLine<Waiter>;
  /** Those of the line whose function has a reservation, by function and priority; the oldest first. */
  readonly #reserving = new Map<Reservation, Readonly<Record<Priority, Set<Waiter>>>>();
  /** Of these the functions that have reserved room left. */
  readonly #owed = new Set<Reservation>();
  readonly #inside: Inside = { left: (tenant, reservation) => this.#left(tenant, reservation) };

  constructor({ clock, settings }: { readonly clock: Clock; readonly settings: AdmissionSettings }) {
    this.#clock = clock;
    this.#settings = settings;
    this.#places = new Places(settings);
    this.#line = new AdmissionLine(() => this.#serve());
  }

  /** Invocations inside the server. */
  get inFlight(): number {
    return this.#places.inFlight;
  }

  /** Invocations in the line before it. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Names that are remembered. */
  get known(): number {
    return this.#places.known + this.#reserving.size + this.#owed.size;
  }

  view(): AdmissionView {
    const { inFlight, reserved, heldBack, limits } = this.#places;
    return { inFlight, maxInFlight: limits.maxInFlight, waiting: this.#line.size, reserved, heldBack };
  }

  /**
   * A place, at once when there is one.
   * @throws StrataError `concurrency_limit` at the tenant's limit, `overloaded`, `queue_timeout`, `cancelled`.
   */
  enter(who: Who, options: EnterOptions = AT_ONCE): Ticket | Promise<Ticket> {
    const places = this.#places;
    const reservation = places.reservation(who.group);
    const tenant = places.tenant(who.tenant);
    if (tenant !== undefined && !places.isAllowed(tenant, reservation)) throw this.#tenantFull(tenant);
    const isRoom = hasOwnRoom(reservation) ? places.isAnyLeft : this.#line.size === 0 && places.isFreeLeft;
    if (!isRoom) return this.#wait(who, reservation, options);
    const came = places.came(who.tenant, reservation);
    places.entered(reservation);
    return new Ticket(this.#inside, came, reservation);
  }

  /** Whether one of this tenant could go in at once and leave a place for the next: for those who can wait. */
  isRoomBeyondOne(tenant: string): boolean {
    const { inFlight, heldBack, limits } = this.#places;
    const own = this.#places.tenant(tenant);
    const limit = this.#places.limitOf(tenant);
    const spare = (most: number): number => (most > 1 ? 1 : 0);
    return (
      this.#line.size === 0 &&
      inFlight + heldBack + spare(limits.maxInFlight) < limits.maxInFlight &&
      (own === undefined || own.count + own.heldBack + spare(limit) < limit)
    );
  }

  /**
   * Reserves so many places for a function: 0 when it is deleted. What is not used of them is held back from all others.
   * @throws StrataError `conflict` when it would be more than before and more than may be reserved; nothing is changed.
   */
  reserve(group: string, tenant: string, reservedConcurrency: number): void {
    const reservation = this.#places.reserve(group, tenant, reservedConcurrency);
    if (reservation !== undefined) this.#reviewOwed(reservation);
    this.#serve();
  }

  /** What is reserved for a function. */
  reserved(group: string): number {
    return this.#places.reservation(group)?.amount ?? 0;
  }

  /** Refuses everyone who waits. */
  refuseAll(error: StrataError): void {
    for (const waiter of [...this.#line.entries]) this.#refuse(waiter, error);
  }

  #left(tenant: TenantPlaces, reservation: Reservation | undefined): void {
    const nowMs = this.#clock.nowMs();
    this.#leaving.note(nowMs);
    tenant.leaving.note(nowMs);
    this.#places.left(reservation);
    this.#places.went(tenant, reservation);
    if (this.#line.size === 0) return;
    if (reservation !== undefined) this.#reviewOwed(reservation);
    this.#serve();
  }

  #wait(who: Who, reservation: Reservation | undefined, options: EnterOptions): Promise<Ticket> {
    const { maxWaitMs = Number.POSITIVE_INFINITY, onWait, priority = 1 } = options;
    const { timeoutMs } = this.#settings;
    const limitMs = Math.min(timeoutMs, maxWaitMs);
    const source = maxWaitMs <= timeoutMs ? 'maxWaitMs' : 'queue.timeoutMs';
    if (limitMs <= 0) throw notAdmitted(limitMs, source, this.#retryAfterMs());
    this.#makeWay(who.tenant, priority);
    const { promise, resolve, reject } = Promise.withResolvers<Ticket>();
    const waiter: Waiter = {
      ...{ tenant: who.tenant, priority, row: null, before: null, after: null, queued: null },
      ...{ leaves: new AbortController(), resolve, reject, reservation },
      places: this.#places.came(who.tenant, reservation),
      timer: this.#clock.setTimer(limitMs, () =>
        this.#refuse(waiter, notAdmitted(limitMs, source, this.#retryAfterMs())),
      ),
    };
    if (reservation !== undefined) this.#joinReserving(reservation, waiter);
    this.#line.join(waiter);
    onWait?.(() => this.#refuse(waiter, cancelled()));
    return promise;
  }

  /** When the line is full, whoever floods it gives way to others: its newest is refused in place of who comes. */
  #makeWay(tenant: string, priority: Priority): void {
    const { maxLength } = this.#settings;
    const { size } = this.#line;
    if (size < maxLength) return;
    const refusal = admissionFull(size, maxLength, this.#retryAfterMs());
    const weakest = this.#line.weakest(tenant, priority);
    if (weakest === null) throw refusal;
    this.#refuse(weakest, refusal);
  }

  /** Gives out the places that there are: first to those they are held back for, then to the head of the line. */
  #serve(): void {
    while (this.#places.isAnyLeft) {
      const waiter = this.#nextOwed();
      if (waiter === null) break;
      this.#admit(waiter);
    }
    const { head } = this.#line;
    if (head !== null && this.#places.isFreeLeft) this.#admit(head);
  }

  #nextOwed(): Waiter | null {
    for (const reservation of this.#owed) {
      const waiters = this.#reserving.get(reservation);
      for (const waiter of waiters?.[1] ?? []) return waiter;
      for (const waiter of waiters?.[0] ?? []) return waiter;
    }
    return null;
  }

  #admit(waiter: Waiter): void {
    if (!this.#leaveLine(waiter)) return;
    const { places, reservation } = waiter;
    this.#places.entered(reservation);
    if (reservation !== undefined) this.#reviewOwed(reservation);
    waiter.resolve(new Ticket(this.#inside, places, reservation));
  }

  #refuse(waiter: Waiter, error: StrataError): void {
    if (!this.#leaveLine(waiter)) return;
    this.#places.went(waiter.places, waiter.reservation);
    waiter.reject(error);
  }

  /** @returns false when the waiter had left before. */
  #leaveLine(waiter: Waiter): boolean {
    if (!this.#line.leave(waiter)) return false;
    waiter.timer.cancel();
    const { reservation } = waiter;
    if (reservation === undefined) return true;
    const waiters = this.#reserving.get(reservation);
    waiters?.[waiter.priority].delete(waiter);
    if (waiters?.[0].size === 0 && waiters[1].size === 0) this.#reserving.delete(reservation);
    this.#reviewOwed(reservation);
    return true;
  }

  #joinReserving(reservation: Reservation, waiter: Waiter): void {
    const waiters = this.#reserving.get(reservation) ?? { 0: new Set<Waiter>(), 1: new Set<Waiter>() };
    waiters[waiter.priority].add(waiter);
    this.#reserving.set(reservation, waiters);
    this.#reviewOwed(reservation);
  }

  #reviewOwed(reservation: Reservation): void {
    if (hasOwnRoom(reservation) && this.#reserving.has(reservation)) this.#owed.add(reservation);
    else this.#owed.delete(reservation);
  }

  #tenantFull(tenant: TenantPlaces): StrataError {
    const allowed = this.#places.limitOf(tenant.tenant);
    return tenantFull(tenant.count, allowed, tenant.leaving.untilMs(1, this.#clock.nowMs()));
  }

  /** Until all who wait, and one more, have found a place. */
  #retryAfterMs(): number {
    return this.#leaving.untilMs(this.#line.size + 1, this.#clock.nowMs());
  }
}

const hasOwnRoom = (reservation: Reservation | undefined): boolean =>
  reservation !== undefined && reservation.inFlight < reservation.amount;
