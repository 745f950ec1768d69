/**
 * What callers ask of one function over time: how many instances it needs, and how long it does without.
 *
 * Owns the levels and their gaps. Knows nothing of instances that exist: what is learnt here is the same under every
 * policy. Invariants: `inFlight` counts each invocation from its arrival until it has ended or was refused, once; of two
 * levels that are not needed, the higher one has not been for as long or longer.
 */
import { groupOfLevel, LONGEST_MS, Profile } from './gaps.ts';
import type { WarmPlan } from './policy/api.ts';
import type { Population } from './population.ts';

/** A level whose gap has not begun: it is needed, or never was. */
const NO_GAP = -1;
/** Arrivals of which RainbowCake takes the mean: six distances need seven. */
const ARRIVALS_KEPT = 7;
/** A plan is made anew when the gaps that it rests on have become a sixteenth more, or one more. */
const PLAN_GROWTH = 16;

export class Demand {
  inFlight = 0;
  /** Invocations since the function was last without any instance: FaasCache's frequency. */
  uses = 0;
  readonly #population: Population;
  readonly #tenant: string;
  readonly #profiles: (Profile | undefined)[] = [];
  /** When each level's gap began, monotonic milliseconds; without the highest once theirs are longer than all that is told apart. */
  readonly #gapSinceMs: number[] = [];
  readonly #arrivedMs: number[] = [];
  #next = 0;
  #needed = 0;
  /** The highest level that was ever needed. */
  #top = 0;

  /** @param tenant whose function it is. */
  constructor(population: Population, tenant: string) {
    this.#population = population;
    this.#tenant = tenant;
  }

  /** Instances that what is in flight needs. */
  get needed(): number {
    return this.#needed;
  }

  /** The highest level that is needed, or has been not too long ago. */
  get levels(): number {
    return this.#gapSinceMs.length;
  }

  arrived(nowMs: number, concurrency: number): void {
    this.#arrivedMs[this.#next] = nowMs;
    this.#next = (this.#next + 1) % ARRIVALS_KEPT;
    this.inFlight += 1;
    this.uses += 1;
    if (this.inFlight <= this.#needed * concurrency) return;
    this.#needed += 1;
    const isForgotten = this.#needed > this.#gapSinceMs.length && this.#needed <= this.#top;
    const gapMs = isForgotten ? LONGEST_MS : this.gapMs(this.#needed, nowMs);
    this.#gapSinceMs[this.#needed - 1] = NO_GAP;
    this.#top = Math.max(this.#top, this.#needed);
    if (gapMs === null) return;
    this.profile(this.#needed).own.add(gapMs);
    this.#population.add(this.#tenant, groupOfLevel(this.#needed), gapMs);
  }

  /** @returns the level whose gap begins with this; 0 when none does. */
  left(nowMs: number, concurrency: number): number {
    this.inFlight -= 1;
    if (this.inFlight > (this.#needed - 1) * concurrency) return 0;
    const level = this.#needed;
    this.#needed -= 1;
    this.#gapSinceMs[level - 1] = nowMs;
    // A burst of long ago costs nothing any longer.
    while ((this.gapMs(this.levels, nowMs) ?? 0) > LONGEST_MS) this.#gapSinceMs.pop();
    return level;
  }

  /** Milliseconds since a level's gap began; null when it has none. */
  gapMs(level: number, nowMs: number): number | null {
    const since = this.#gapSinceMs[level - 1] ?? NO_GAP;
    return since === NO_GAP ? null : nowMs - since;
  }

  /**
   * The lowest level from `first` to `last`, of those that are not needed, whose gap has lasted so long; the one after
   * `last` when none has. It takes few steps, however many levels a burst has left behind.
   */
  firstThatLasted(first: number, last: number, hasLasted: (gapMs: number) => boolean, nowMs: number): number {
    let low = first;
    let high = last + 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (hasLasted(this.gapMs(middle, nowMs) ?? 0)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The plan for a level as it was last made; null when none was. */
  planOf(level: number): WarmPlan | null {
    return this.#profiles[groupOfLevel(level)]?.plan ?? null;
  }

  /** The most instances that were needed at once in the last `windowMs`. */
  neededWithin(windowMs: number, nowMs: number): number {
    const hasLasted = (gapMs: number): boolean => gapMs >= windowMs;
    return this.firstThatLasted(this.#needed + 1, this.levels, hasLasted, nowMs) - 1;
  }

  profile(level: number): Profile {
    const group = groupOfLevel(level);
    let profile = this.#profiles[group];
    if (profile === undefined) {
      profile = new Profile(level, this.#population.of(group), () => this.#iats());
      this.#profiles[group] = profile;
    }
    return profile;
  }

  #iats(): readonly number[] {
    const iats: number[] = [];
    for (let index = 1; index < ARRIVALS_KEPT; index += 1) {
      const at = (this.#next + index) % ARRIVALS_KEPT;
      const before = this.#arrivedMs[(at + ARRIVALS_KEPT - 1) % ARRIVALS_KEPT];
      const after = this.#arrivedMs[at];
      if (before !== undefined && after !== undefined && after >= before) iats.push(after - before);
    }
    return iats;
  }
}

/** Whether a plan rests on much less than is known by now. */
export const isStale = (profile: Profile): boolean =>
  profile.plan === null ||
  Math.abs(profile.own.total - profile.planTotal) * PLAN_GROWTH >= Math.max(PLAN_GROWTH, profile.planTotal);
