/**
 * The places inside the server as numbers: who has how many, who may have one more, what is held back for whom.
 *
 * Owns the counts of the server, of tenants and of functions with reserved concurrency. Never waits and never refuses
 * an invocation: it answers whether there is room. Invariants: `inFlight` never exceeds `maxInFlight`; `heldBack` is
 * the sum of the reserved room that is not in use, kept as a running sum; a tenant, or a function's reservation, is
 * known only while it has something, so that invented names leave nothing behind.
 */
import { StrataError } from '../core/errors.ts';
import { LeavingRate } from './leaving-rate.ts';

export interface PlaceLimits {
  readonly maxInFlight: number;
  readonly maxInFlightPerTenant: number;
  /** What a tenant of its own may have, where that is less. */
  readonly inFlightOf?: (tenant: string) => number | undefined;
}

/** Written by `Places` alone. */
export interface TenantPlaces {
  readonly tenant: string;
  /** Invocations inside the server or in the line before it. */
  count: number;
  /** Sum of its functions' reservations, and what of it is not in use. */
  reserved: number;
  heldBack: number;
  readonly leaving: LeavingRate;
}

/** The reserved concurrency of one function; written by `Places` alone. */
export interface Reservation {
  readonly group: string;
  readonly tenant: TenantPlaces;
  amount: number;
  inFlight: number;
  /** Those in flight, and those of it that wait in the line. */
  count: number;
}

/** Reservations leave room for everybody else: this share of the places at the least. */
const RESERVABLE = 0.9;

export class Places {
  readonly limits: PlaceLimits;
  readonly #tenants = new Map<string, TenantPlaces>();
  readonly #reservations = new Map<string, Reservation>();
  #inFlight = 0;
  #heldBack = 0;
  #reserved = 0;

  constructor(limits: PlaceLimits) {
    this.limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get heldBack(): number {
    return this.#heldBack;
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** Tenants and reservations that are known. */
  get known(): number {
    return this.#tenants.size + this.#reservations.size;
  }

  tenant(name: string): TenantPlaces | undefined {
    return this.#tenants.get(name);
  }

  reservation(group: string): Reservation | undefined {
    return this.#reservations.size === 0 ? undefined : this.#reservations.get(group);
  }

  /** Whether there is a place at all, for who has reserved it. */
  get isAnyLeft(): boolean {
    return this.#inFlight < this.limits.maxInFlight;
  }

  /** Whether there is a place that nobody has reserved. */
  get isFreeLeft(): boolean {
    return this.#inFlight + this.#heldBack < this.limits.maxInFlight;
  }

  /** Whether the tenant's limit allows one more of it, running or waiting. */
  isAllowed(tenant: TenantPlaces, reservation: Reservation | undefined): boolean {
    const heldBack =
      reservation !== undefined && reservation.count < reservation.amount ? 0 : tenant.heldBack;
    return tenant.count + heldBack < this.limitOf(tenant.tenant);
  }

  /** Invocations that a tenant may have, running or waiting. */
  limitOf(tenant: string): number {
    const { maxInFlightPerTenant, inFlightOf } = this.limits;
    return Math.min(maxInFlightPerTenant, inFlightOf?.(tenant) ?? maxInFlightPerTenant);
  }

  /** One more of the tenant has come, and waits or goes in. */
  came(name: string, reservation: Reservation | undefined): TenantPlaces {
    const tenant = this.#known(name);
    tenant.count += 1;
    if (reservation !== undefined) {
      if (reservation.count < reservation.amount) tenant.heldBack -= 1;
      reservation.count += 1;
    }
    return tenant;
  }

  /** Who came goes in. */
  entered(reservation: Reservation | undefined): void {
    this.#inFlight += 1;
    if (reservation === undefined) return;
    if (reservation.inFlight < reservation.amount) this.#heldBack -= 1;
    reservation.inFlight += 1;
  }

  /** Who had gone in goes out; `went` follows. */
  left(reservation: Reservation | undefined): void {
    this.#inFlight -= 1;
    if (reservation === undefined) return;
    reservation.inFlight -= 1;
    if (reservation.inFlight < reservation.amount) this.#heldBack += 1;
  }

  /** Who came has gone, whether it ever went in or not. */
  went(tenant: TenantPlaces, reservation: Reservation | undefined): void {
    tenant.count -= 1;
    if (reservation !== undefined) {
      reservation.count -= 1;
      if (reservation.count < reservation.amount) tenant.heldBack += 1;
      this.#forgetReservation(reservation);
    }
    if (tenant.count === 0) this.#forgetTenant(tenant);
  }

  /**
   * Sets what is reserved for a function.
   * @throws StrataError `conflict` when it would be more than before, and more than may be reserved.
   */
  reserve(group: string, name: string, amount: number): Reservation | undefined {
    const former = this.#reservations.get(group);
    if (amount === (former?.amount ?? 0)) return former;
    const by = amount - (former?.amount ?? 0);
    if (by > 0) this.#refuseBeyond(name, amount, by);
    const tenant = former?.tenant ?? this.#known(name);
    const reservation = former ?? { group, tenant, amount: 0, inFlight: 0, count: 0 };
    this.#reservations.set(group, reservation);
    this.#heldBack += unused(amount, reservation.inFlight) - unused(reservation.amount, reservation.inFlight);
    tenant.heldBack += unused(amount, reservation.count) - unused(reservation.amount, reservation.count);
    tenant.reserved += by;
    this.#reserved += by;
    reservation.amount = amount;
    this.#forgetReservation(reservation);
    this.#forgetTenant(tenant);
    return reservation;
  }

  #refuseBeyond(name: string, amount: number, by: number): void {
    const { maxInFlight } = this.limits;
    const allowed = this.limitOf(name);
    const ofTenant = (this.#tenants.get(name)?.reserved ?? 0) + by;
    if (ofTenant > allowed) {
      throw new StrataError(
        'conflict',
        `A reservedConcurrency of ${amount} would bring what the tenant's functions reserve to ${ofTenant}; ` +
          `admission.maxInFlightPerTenant allows ${allowed}. Reserve less, here or for another function.`,
      );
    }
    const reservable = Math.floor(maxInFlight * RESERVABLE);
    if (this.#reserved + by <= reservable) return;
    // How much the other tenants have reserved is theirs to know.
    throw new StrataError(
      'conflict',
      `A reservedConcurrency of ${amount} is more than there is left to reserve: all functions together may reserve ` +
        `${reservable}, 90 % of admission.maxInFlight, which is ${maxInFlight}. Reserve less, or raise it.`,
    );
  }

  #known(name: string): TenantPlaces {
    let tenant = this.#tenants.get(name);
    if (tenant === undefined) {
      tenant = { tenant: name, count: 0, reserved: 0, heldBack: 0, leaving: new LeavingRate() };
      this.#tenants.set(name, tenant);
    }
    return tenant;
  }

  #forgetTenant(tenant: TenantPlaces): void {
    if (tenant.count === 0 && tenant.reserved === 0) this.#tenants.delete(tenant.tenant);
  }

  #forgetReservation({ group, amount, count }: Reservation): void {
    if (amount === 0 && count === 0) this.#reservations.delete(group);
  }
}

const unused = (amount: number, used: number): number => Math.max(0, amount - used);
