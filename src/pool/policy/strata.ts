/**
 * `strata`: memory has a price, and every layer is kept exactly as long as it saves more waiting than it costs.
 *
 *   price  = max(0.0001, 0.00003 × demand^6.5), 0.007 at most: milliseconds of waiting that a megabyte held for a second must
 *            save. demand is what all instances take that were needed in the last ten minutes, over the memory there is:
 *            Denning's working set, which is what `fixed` would hold. No policy changes it, so nothing leads from the price
 *            through what is held back to the price.
 *   floor:   memory that nobody wants yet is not free: what lies idle is wasted whether or not it was scarce. 60 MB are worth
 *            holding for five minutes, and no longer, to save 1.9 ms: Gray's five-minute rule. It rules until the demand is
 *            1.2 times the memory; where three times the memory was needed, the same are worth holding for five seconds.
 *   saved  = startMs.runtime + take: what a start from code saves over the next best one, a pristine runtime.
 *   take   = scarcity × (startMs.none − startMs.runtime): what emptying the stock costs whoever comes next.
 *
 *   warm:  h_i is the share of gaps that end in bin i of those that last until it (`gap-belief.ts`), w_i its width.
 *            held:     H_i = max(h_i × saved − price × MB × w_i × (1 − h_i / 2) + (1 − h_i) × H_{i+1},  N_i)
 *            not held: N_i = max((1 − h_i) × N_{i+1},  the first term of H_i − take)
 *          from the last bin back. This finds the windows worth most: a timer's period is reached by holding on or by
 *          coming back shortly before, whichever is cheaper. MB has the carrier's part where the level needs its own.
 *   stock: a newsvendor's rule. The k-th is kept iff rate × q^(k−1) × saved ≥ price × MB: q^(k−1), q = μ / (1 + μ), μ = rate
 *          × refill, is the chance that k − 1 are taken while one is replaced, when no more than their mean is known
 *          (takes come in flocks, Poisson's tail is too thin). Never below the configured floor.
 *   spares: the same rule, for runtimes in the tenant's own sandbox.
 *   demotion: none. With a stock, what only one tenant may use saves next to nothing.
 *   worth: hazard × saved / MB: milliseconds that a megabyte saves a second, now.
 *
 * Source: ours. The price is what RainbowCake's α / (1 − α) is (ASPLOS 2024), the histogram comes from Serverless in the
 * Wild (ATC 2020), the working set from Denning (CACM 1968), the five-minute rule from Gray and Putzolu (SIGMOD 1987: a page
 * stays as long as holding it costs less than reading it again), and that a price rises with a high power of demand over
 * capacity from the travel times of roads (Bureau of Public Roads, 1964); choosing windows by dynamic programming from
 * none of them. How its settings were chosen is in the README.
 */
import type {
  Demotion,
  GapProfile,
  Idle,
  LayerCosts,
  Policy,
  Stock,
  StockDemand,
  StockFloor,
  WarmPlan,
  Window,
} from './api.ts';
import { BINS, endShares, hazardPerSecond, lowerEdgeMs, WIDTHS_MS } from './gap-belief.ts';

export interface StrataSettings {
  /** Milliseconds of waiting that a megabyte-second must save, however much memory is free. */
  readonly leastPriceMsPerMbSecond: number;
  /** What the demand alone would ask for where it is as large as the memory. */
  readonly priceMsPerMbSecond: number;
  /** The power of demand over memory with which that rises. */
  readonly exponent: number;
  readonly mostPriceMsPerMbSecond: number;
  /** How often one that was taken from stock is missed before it has been replaced: a few times in a thousand. */
  readonly scarcity: number;
  /** How many of a function's own gaps the population's distribution weighs: less than the first of its own. */
  readonly priorGaps: number;
}

const STRATA_DEFAULTS: StrataSettings = {
  ...{ leastPriceMsPerMbSecond: 0.0001, priceMsPerMbSecond: 0.00003 },
  ...{ exponent: 6.5, mostPriceMsPerMbSecond: 0.007 },
  ...{ scarcity: 0.003, priorGaps: 0.5 },
};

const priceOf = ({ memoryDemand = 0 }: LayerCosts, settings: StrataSettings): number => {
  const { leastPriceMsPerMbSecond: least, mostPriceMsPerMbSecond: most } = settings;
  return Math.min(most, Math.max(least, settings.priceMsPerMbSecond * memoryDemand ** settings.exponent));
};

const DROPPED: Demotion = { runtimeMs: 0, containerMs: 0 };

export const strataPolicy = (settings: Partial<StrataSettings> = {}): Policy => {
  const chosen = { ...STRATA_DEFAULTS, ...settings };
  return {
    name: 'strata',
    warm: (gaps, costs) => warm(gaps, costs, chosen),
    demotion: () => DROPPED,
    stock: (demand, costs, floor) => stock(demand, costs, floor, chosen),
    spares: (demand, costs, max) => spares(demand, costs, max, chosen),
    worth: (idle, costs) => worth(idle, costs, chosen),
  };
};

const takeMs = ({ startMs }: LayerCosts, scarcity: number): number =>
  scarcity * Math.max(0, startMs.none - startMs.runtime);

/** What an instance of this level holds: with it the carrier, where it is the first of one. */
const heldMb = ({ memoryMb, capacity }: LayerCosts, level: number): number =>
  memoryMb.code + (capacity === 1 || level === 1 ? memoryMb.container : 0);

const warm = (gaps: GapProfile, costs: LayerCosts, settings: StrataSettings): WarmPlan => {
  const take = takeMs(costs, settings.scarcity);
  const saved = costs.startMs.runtime + take;
  const rentPerMs = (priceOf(costs, settings) * heldMb(costs, gaps.level)) / 1_000;
  endShares(gaps, settings.priorGaps, ENDS);
  choose(saved, rentPerMs, take);
  return new Plan(windowsOf());
};

/** Used again by every plan, which is made without a pause: a placement waits for it. */
const ENDS = new Float64Array(BINS);
/** Per bin: whether to hold on in it, when held until then; and whether to come back in it, when not. */
const KEEP = new Uint8Array(BINS);
const BEGIN = new Uint8Array(BINS);

/** The last bin has no end: nothing is held in it, so every window ends. */
const choose = (saved: number, rentPerMs: number, take: number): void => {
  let held = 0;
  let free = 0;
  KEEP[BINS - 1] = 0;
  BEGIN[BINS - 1] = 0;
  for (let bin = BINS - 2; bin >= 0; bin -= 1) {
    const share = ENDS[bin] ?? 0;
    const stays = 1 - share;
    const holding = share * saved - rentPerMs * (WIDTHS_MS[bin] ?? 0) * (1 - share / 2) + stays * held;
    free *= stays;
    const comesBack = holding - take > free;
    BEGIN[bin] = comesBack ? 1 : 0;
    if (comesBack) free = holding - take;
    const holdsOn = holding > free;
    KEEP[bin] = holdsOn ? 1 : 0;
    held = holdsOn ? holding : free;
  }
};

/** The instance is there when its gap begins: the first bin is held on in, not come back to. */
const windowsOf = (): readonly Window[] => {
  const windows: Window[] = [];
  let fromMs = 0;
  let held = true;
  for (let bin = 0; bin < BINS; bin += 1) {
    const holds: boolean = (held ? KEEP : BEGIN)[bin] === 1;
    if (holds === held) continue;
    if (holds) fromMs = lowerEdgeMs(bin);
    else if (bin > 0) windows.push({ fromMs, untilMs: lowerEdgeMs(bin) });
    held = holds;
  }
  return windows;
};

/** Its words are made when somebody asks for them: few plans are ever looked at. */
class Plan implements WarmPlan {
  readonly windows: readonly Window[];

  constructor(windows: readonly Window[]) {
    this.windows = windows;
  }

  get why(): string {
    if (this.windows.length === 0) return 'its memory costs more than its starts';
    const parts = this.windows.map(({ fromMs, untilMs }) => `${fromMs / 1_000}–${untilMs / 1_000} s`);
    return `worth its memory during ${parts.join(', ')}`;
  }
}

/** A minute in which n were taken is believed to have had n + ½ to come: none seen is not never (Jeffreys' prior). */
const UNSEEN_PER_SECOND = 0.5 / 60;
const believedRate = (demand: StockDemand): number =>
  Math.max(demand.stablePerSecond + UNSEEN_PER_SECOND, demand.panicPerSecond);

/** How many units the newsvendor's rule keeps. */
const units = (demand: StockDemand, savedMs: number, rent: number, from: number, max: number): number => {
  const rate = believedRate(demand);
  const mean = (rate * demand.refillMs) / 1_000;
  const ratio = mean / (1 + mean);
  let count = 0;
  for (let tail = 1; count < max; tail *= ratio) {
    if (count >= from && rate * tail * savedMs < rent) break;
    count += 1;
  }
  return count;
};

const stock = (
  demand: StockDemand,
  costs: LayerCosts,
  floor: StockFloor,
  settings: StrataSettings,
): Stock => {
  const { startMs, memoryMb } = costs;
  const price = priceOf(costs, settings);
  const runtimesEach = Math.max(1, floor.runtimesEach);
  const warmRent = price * (memoryMb.container + runtimesEach * memoryMb.runtime);
  const warmWanted = units(demand, startMs.none - startMs.runtime, warmRent, floor.warm, floor.max);
  const coldRent = price * memoryMb.container;
  const all = units(demand, startMs.none - startMs.container, coldRent, warmWanted, floor.max);
  const cold = Math.max(0, Math.min(floor.max - warmWanted, Math.max(floor.cold, all - warmWanted)));
  const rate = believedRate(demand);
  return {
    ...{ warm: warmWanted, runtimesEach, cold },
    why: `${rate.toFixed(2)} taken a second, replaced in ${Math.round(demand.refillMs)} ms`,
  };
};

const spares = (demand: StockDemand, costs: LayerCosts, max: number, settings: StrataSettings): number => {
  const { startMs, memoryMb, capacity } = costs;
  if (capacity === 1) return 0;
  const rent = priceOf(costs, settings) * memoryMb.runtime;
  return units(demand, startMs.container - startMs.runtime, rent, 0, max);
};

/** Of what is nobody's, only how long it has lain idle is known: the longer, the less likely it is wanted next. */
const worth = (idle: Idle, costs: LayerCosts, settings: StrataSettings): number => {
  const { startMs } = costs;
  const size = Math.max(1, idle.memoryMb);
  if (idle.layer !== 'code' || idle.gaps === null) {
    const saved =
      idle.layer === 'container' ? startMs.none - startMs.container : startMs.none - startMs.runtime;
    return (saved * 1_000) / (Math.max(1, idle.idleMs) * size);
  }
  const saved = startMs.runtime + takeMs(costs, settings.scarcity);
  return (hazardPerSecond(idle.gaps, settings.priorGaps, idle.gapMs) * saved) / size;
};
