/**
 * The memory of the machine as all pools share it: who holds how much, and who makes room for whom.
 *
 * Owns the sums and the rules of fairness. Never ends anything itself: a pool gives up what is worth least when it is
 * asked to. Invariants: whoever holds less than its fair share finds the reserve untouched by those that hold more; and
 * nobody who holds more makes one that holds less give anything up.
 */
import type { Clock } from '../ports/clock.ts';
import { type Holder, HoldersTally } from './holders.ts';

export interface BudgetOptions {
  readonly clock: Clock;
  /** What sandboxes may take in all, as the costs of their layers are known. */
  readonly memoryMb: number;
  /** The last part of it, percent, is for those that hold less than their fair share. */
  readonly reservePercent: number;
}

/** Something idle, as far as the rules of fairness go by it. */
export interface Held {
  /** Null for what is nobody's yet. */
  readonly holder: Holder;
  /** Asked to be there in any case. */
  readonly provisioned: boolean;
}

/** Something that a pool would give up. */
export interface Victim {
  /** The lower, the sooner it goes; comparable over pools. */
  readonly worth: number;
  /** It goes when nothing else is left, whatever it is worth. */
  readonly provisioned: boolean;
  readonly memoryMb: number;
  end(): void;
}

/** The order in which things are given up. */
export const goesBefore = (
  one: Pick<Victim, 'worth' | 'provisioned'>,
  other: Pick<Victim, 'worth' | 'provisioned'>,
): boolean => (one.provisioned === other.provisioned ? one.worth < other.worth : other.provisioned);

/** A pool, as far as it can make room. */
export interface Evictable {
  /** What is worth least of those whom the rules allow; null when there is nothing. */
  cheapest(mayEnd: (one: Held) => boolean): Victim | null;
}

/** The state of the machine beyond what this server counts. */
export interface Pressure {
  /** Memory is above its watermark: nothing grows unless something ends for it. */
  readonly memoryHigh: boolean;
  /** The processors are above theirs: nothing is started ahead but what the configuration asks for in any case. */
  readonly cpuHigh: boolean;
}

/** What was needed lately is believed to be no more than so many times what is in use. */
const DEMAND_PER_USED = 8;

/** Of what those may take that hold more than their fair share. */
const TIGHT_SHARE = 0.9;
/** Sums of fractions do not come back to zero exactly. */
const NOTHING_MB = 0.01;

export const NO_PRESSURE: Pressure = { memoryHigh: false, cpuHigh: false };

export class Budget {
  readonly #clock: Clock;
  readonly #limitMb: number;
  readonly #reserve: number;
  readonly #pools = new Set<Evictable>();
  readonly #held = new HoldersTally();
  #usedMb = 0;
  #servingMb = 0;
  #peakMb = 0;
  #sinceMs: number;
  #idleMbMs = 0;
  #servingMbMs = 0;
  #neededMb = 0;
  #evictions = 0;
  /** The worth of what was ended last for want of room: GreedyDual's clock. */
  #worthOfLast = 0;
  pressure: Pressure = NO_PRESSURE;

  constructor({ clock, memoryMb, reservePercent }: BudgetOptions) {
    this.#clock = clock;
    this.#limitMb = memoryMb;
    this.#reserve = reservePercent / 100;
    this.#sinceMs = clock.nowMs();
  }

  join(pool: Evictable): void {
    this.#pools.add(pool);
  }

  get limitMb(): number {
    return this.#limitMb;
  }

  get usedMb(): number {
    return this.#usedMb;
  }

  /** How much of it serves. */
  get servingMb(): number {
    return this.#servingMb;
  }

  /** What one holder takes. */
  heldBy(holder: Holder): number {
    return this.#held.of(holder);
  }

  /** How many tenants take something. */
  get holders(): number {
    return this.#held.countWith(null);
  }

  get peakMb(): number {
    return this.#peakMb;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get worthOfLast(): number {
    return this.#worthOfLast;
  }

  /** So much is in use that the next who wants more may find no room for it. */
  get isTight(): boolean {
    return this.#usedMb >= this.#limitMb * (1 - this.#reserve) * TIGHT_SHARE;
  }

  /**
   * What was needed lately, of what there is; it may be more than that. Bounded by what is in use, so that who calls many
   * at once every few minutes does not make memory dear while most of it is free.
   */
  get demand(): number {
    return Math.min(this.#neededMb, DEMAND_PER_USED * this.#usedMb) / this.#limitMb;
  }

  /** A pool's instances that were needed lately take so much more than it said before, or less. */
  needs(moreMb: number): void {
    this.#neededMb += moreMb;
  }

  /** Megabyte-seconds so far: of what served, and of what was only kept. */
  spent(): { readonly idleMbSeconds: number; readonly servingMbSeconds: number } {
    this.#advance();
    return { idleMbSeconds: this.#idleMbMs / 1000, servingMbSeconds: this.#servingMbMs / 1000 };
  }

  /** Notes what a holder takes, or gives back with a negative figure. */
  charge(holder: Holder, memoryMb: number): void {
    this.#advance();
    this.#usedMb += memoryMb;
    this.#peakMb = Math.max(this.#peakMb, this.#usedMb);
    this.#held.add(holder, memoryMb);
  }

  /** Notes how much of what is held begins to serve, or ends to with a negative figure. */
  serve(memoryMb: number): void {
    this.#advance();
    this.#servingMb += memoryMb;
  }

  /**
   * Whether so much more may be taken, after idle things have ended for it where that is allowed.
   * @param ahead nobody waits for it: nothing ends for it, and pressure refuses it.
   */
  makeRoom(holder: Holder, memoryMb: number, ahead: boolean): boolean {
    if (memoryMb <= 0) return true;
    const { memoryHigh } = this.pressure;
    if (ahead && memoryHigh) return false;
    const limitMb = this.#limitFor(holder, memoryMb);
    // Not even if all that is idle were ended for it: then nothing is.
    if (this.#servingMb + memoryMb > limitMb) return false;
    let freedMb = 0;
    const fits = (): boolean => this.#usedMb + memoryMb <= limitMb && (!memoryHigh || freedMb >= memoryMb);
    while (!fits()) {
      if (ahead) return false;
      const freed = this.evict(holder);
      // One may run in any case: else whoever fills the machine beside this server would stop it for good.
      if (freed === null) return memoryHigh && this.#usedMb < NOTHING_MB && memoryMb <= limitMb;
      freedMb += freed;
    }
    return true;
  }

  /**
   * Ends what is worth least, for a tenant or, without one, for the machine.
   * @returns the megabytes that it held, or null when there is nothing to end.
   */
  evict(wantedBy: Holder): number | null {
    const poor = this.#isPoor(wantedBy, 0);
    // Asked of very many while one invocation waits: whoever has something to give up is among the sharers.
    const fairMb = this.#limitMb / this.#held.sharers(null);
    const isRich = (holder: Holder): boolean => this.#held.of(holder) > fairMb;
    // What is nobody's is kept for all: whoever has more than its share makes room by what it has.
    const mayEnd = ({ holder }: Held): boolean =>
      poor || (holder !== null && (holder === wantedBy || isRich(holder)));
    // What is asked to be there goes last, and that of tenants within their share after that of the others.
    const isGuarded = ({ holder, provisioned }: Held): boolean => provisioned && !isRich(holder);
    const isExcess = ({ holder, provisioned }: Held): boolean => !provisioned && isRich(holder);
    // For the machine itself: whoever has more than its share may be why its memory is short.
    const excess = wantedBy === null ? this.#cheapest(isExcess) : null;
    const victim =
      excess ?? this.#cheapest((one) => mayEnd(one) && !isGuarded(one)) ?? this.#cheapest(mayEnd);
    if (victim === null) return null;
    this.#evictions += 1;
    this.#worthOfLast = Math.max(0, victim.worth);
    victim.end();
    return victim.memoryMb;
  }

  #cheapest(mayEnd: (one: Held) => boolean): Victim | null {
    let victim: Victim | null = null;
    for (const pool of this.#pools) {
      const offered = pool.cheapest(mayEnd);
      if (offered !== null && (victim === null || goesBefore(offered, victim))) victim = offered;
    }
    return victim;
  }

  #limitFor(holder: Holder, memoryMb: number): number {
    return this.#isPoor(holder, memoryMb) ? this.#limitMb : this.#limitMb * (1 - this.#reserve);
  }

  /** It would still hold no more than its fair share of the limit. */
  #isPoor(holder: Holder, moreMb: number): boolean {
    return this.#held.of(holder) + moreMb <= this.#limitMb / this.#held.sharers(holder);
  }

  #advance(): void {
    const now = this.#clock.nowMs();
    const elapsedMs = now - this.#sinceMs;
    if (elapsedMs <= 0) return;
    this.#sinceMs = now;
    this.#servingMbMs += this.#servingMb * elapsedMs;
    this.#idleMbMs += (this.#usedMb - this.#servingMb) * elapsedMs;
  }
}
