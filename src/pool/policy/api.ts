/**
 * What a keep-warm policy decides, and all that it may know for it.
 *
 * A policy is five pure functions of plain data: the pool and the simulator call the same ones, carry out what they say,
 * and keep every count and timer themselves. A policy never sees a clock, a sandbox or the future.
 *
 * The words: an invocation that runs keeps a *level* of its function busy: with n instances needed, levels 1 to n are.
 * A *gap* of level k begins when the function stops to need k instances, and ends when it needs k again. Gaps come from
 * the callers alone, and are the same under every policy.
 */

export const POLICY_NAMES = ['fixed', 'histogram', 'greedy-dual', 'layered', 'strata'] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

/** A part of a gap, milliseconds after it began: from inclusive, until exclusive; `Infinity` is allowed. */
export interface Window {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Gaps by length, in the bins of `GAP_EDGES_MS`; a bin's count may have been decayed and need not be whole. */
export interface GapCounts {
  readonly total: number;
  readonly bins: ArrayLike<number>;
}

/** What has been seen of one function's gaps at one level. */
export interface GapProfile {
  /** 1 for the first instance. High levels share a profile with their neighbours. */
  readonly level: number;
  /** Of this function at this level. */
  readonly own: GapCounts;
  /** Of all functions of the runtime at this level: what to believe of a function that has hardly been seen. */
  readonly all: GapCounts;
  /** Milliseconds between this function's last arrivals, the newest last: six at most. */
  readonly recentIatsMs: readonly number[];
}

/** What layers cost a function, measured by the running system; defaults until something has been. */
export interface LayerCosts {
  /** Milliseconds by which a start from a layer takes longer than one from `code`. */
  readonly startMs: { readonly none: number; readonly container: number; readonly runtime: number };
  readonly memoryMb: {
    /** A carrier with nothing in it. */
    readonly container: number;
    /** What one booted runtime adds to it. */
    readonly runtime: number;
    /** What one loaded instance of this function adds to it, its runtime included. */
    readonly code: number;
  };
  /** Instances that one carrier can hold. */
  readonly capacity: number;
  /**
   * What all instances that were needed in the last ten minutes take, over the memory budget: Denning's working set. It
   * comes from the callers alone, so it is the same under every policy. Undefined until it is known.
   */
  readonly memoryDemand?: number;
}

/** When an idle instance is kept or made ready at layer `code`, in order and without overlap. */
export interface WarmPlan {
  readonly windows: readonly Window[];
  /** For people: `GET /v1/pools` and `strata pools` show it. */
  readonly why: string;
}

/** How long the lower layers stay with their tenant after code has been given up; 0 for not at all. */
export interface Demotion {
  readonly runtimeMs: number;
  /** From the end of the runtime's time. */
  readonly containerMs: number;
}

/** How often something was taken that is kept in stock, and what it takes to replace it. */
export interface StockDemand {
  /** Taken a second, over the last minute and over the last six seconds. */
  readonly stablePerSecond: number;
  readonly panicPerSecond: number;
  /** From the decision until a replacement is ready. */
  readonly refillMs: number;
}

/** Pristine sandboxes to keep. */
export interface Stock {
  /** So many with booted runtimes. */
  readonly warm: number;
  /** Runtimes booted in each of those. */
  readonly runtimesEach: number;
  /** So many more at layer `container`. */
  readonly cold: number;
  readonly why: string;
}

/** What the operator's configuration asks to be there whatever the demand: a reserve for bursts. */
export interface StockFloor {
  readonly warm: number;
  readonly runtimesEach: number;
  readonly cold: number;
  /** No more than so many pristine sandboxes, however high the demand. */
  readonly max: number;
}

/** Something idle that could make room. */
export interface Idle {
  readonly layer: 'container' | 'runtime' | 'code';
  /** What ending it frees. */
  readonly memoryMb: number;
  /** Since it was last used. */
  readonly idleMs: number;
  /** Null for what is not a function's, such as a spare runtime. */
  readonly gaps: GapProfile | null;
  /** How long the gap has lasted that this instance waits out; `idleMs` where there is none. */
  readonly gapMs: number;
  /** Invocations that the function's instances have served since it was last without any. */
  readonly uses: number;
  /** What the pressure was when it was last used: see `worth`. */
  readonly pressureAtUse: number;
}

export interface Policy {
  readonly name: PolicyName;
  /** When during a gap an instance is kept at layer `code`, or made ready by then. */
  warm(gaps: GapProfile, costs: LayerCosts): WarmPlan;
  demotion(gaps: GapProfile, costs: LayerCosts): Demotion;
  /** The pristine sandboxes of a runtime. */
  stock(demand: StockDemand, costs: LayerCosts, floor: StockFloor): Stock;
  /** Booted runtimes to keep for a tenant in its own sandbox; `max` is what the configuration allows. */
  spares(demand: StockDemand, costs: LayerCosts, max: number): number;
  /**
   * What something idle is worth to keep: what is worth least makes room first. Any unit, comparable over functions and
   * runtimes. The *pressure* is the worth of what was ended last for want of room: GreedyDual's clock.
   */
  worth(idle: Idle, costs: LayerCosts): number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const MINUTES = 240;

/**
 * Upper edges of the bins of gap lengths: fine below a minute, then a bin a minute up to four hours; one last bin has
 * all longer ones. Whole minutes are what Serverless in the Wild uses, and what a timer's period is made of.
 */
export const GAP_EDGES_MS: readonly number[] = [
  ...[1, 3, 10, 30, 100, 300],
  ...[1, 2, 4, 8, 15, 30, 45].map((seconds) => seconds * SECOND_MS),
  ...Array.from({ length: MINUTES }, (_, index) => (index + 1) * MINUTE_MS),
  Number.POSITIVE_INFINITY,
];
