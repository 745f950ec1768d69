/**
 * `strata`: memory has a price, and every layer is kept exactly as long as it saves more waiting than it costs.
 *
 *   price  = low × (high / low)^x, milliseconds of waiting that a megabyte held for a second must save; x rises from 0 to 1
 *            while memory in use rises from 38 to 46 % of the budget. Plenty has a low price, and half the memory is left
 *            to bursts. At the low one 60 MB are worth holding for four minutes to save 1.9 ms; at the high one, three s.
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
 * Wild (ATC 2020); choosing windows by dynamic programming, and a price that follows the load, from neither.
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
import { BINS, endShares, hazardPerSecond, lowerEdgeMs, upperEdgeMs } from './gap-belief.ts';

export interface StrataSettings {
  /** Milliseconds of waiting that a megabyte-second must save while memory is plentiful. */
  readonly priceMsPerMbSecond: number;
  /** The same when it is scarce; between the two the price rises by equal factors. */
  readonly scarcePriceMsPerMbSecond: number;
  /** Shares of the memory budget in use. */
  readonly plentyUntil: number;
  readonly scarceFrom: number;
  /** How often one that was taken from stock is missed before it has been replaced: a few times in a thousand. */
  readonly scarcity: number;
  /** How many of a function's own gaps the population's distribution weighs: less than the first of its own. */
  readonly priorGaps: number;
}

const STRATA_DEFAULTS: StrataSettings = {
  ...{ priceMsPerMbSecond: 0.00012, scarcePriceMsPerMbSecond: 0.01, plentyUntil: 0.38, scarceFrom: 0.46 },
  ...{ scarcity: 0.003, priorGaps: 0.5 },
};

const priceOf = (costs: LayerCosts, settings: StrataSettings): number => {
  const { priceMsPerMbSecond: low, scarcePriceMsPerMbSecond: high, plentyUntil, scarceFrom } = settings;
  const scarcity = ((costs.memoryLoad ?? 0) - plentyUntil) / (scarceFrom - plentyUntil);
  return low * (high / low) ** Math.min(1, Math.max(0, scarcity));
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
  const choice = choose(gaps, settings.priorGaps, saved, rentPerMs, take);
  const windows = windowsOf(choice);
  return { windows, why: explain(windows) };
};

interface Choice {
  /** Per bin: whether to hold on in it, when held until then; and whether to come back in it, when not. */
  readonly keep: Uint8Array;
  readonly begin: Uint8Array;
}

/** The instance is there when its gap begins: the first bin is held on in, not come back to. */
const windowsOf = ({ keep, begin }: Choice): readonly Window[] => {
  const windows: Window[] = [];
  let fromMs = 0;
  let held = true;
  for (let bin = 0; bin < BINS; bin += 1) {
    const holds: boolean = (held ? keep : begin)[bin] === 1;
    if (holds === held) continue;
    if (holds) fromMs = lowerEdgeMs(bin);
    else if (bin > 0) windows.push({ fromMs, untilMs: lowerEdgeMs(bin) });
    held = holds;
  }
  return windows;
};

/** The last bin has no end: nothing is held in it, so every window ends. */
const choose = (
  gaps: GapProfile,
  priorGaps: number,
  saved: number,
  rentPerMs: number,
  take: number,
): Choice => {
  const keep = new Uint8Array(BINS);
  const begin = new Uint8Array(BINS);
  const ends = endShares(gaps, priorGaps);
  let held = 0;
  let free = 0;
  for (let bin = BINS - 2; bin >= 0; bin -= 1) {
    const share = ends[bin] ?? 0;
    const widthMs = upperEdgeMs(bin) - lowerEdgeMs(bin);
    const holding = share * saved - rentPerMs * widthMs * (1 - share / 2) + (1 - share) * held;
    free *= 1 - share;
    if (holding - take > free) {
      free = holding - take;
      begin[bin] = 1;
    }
    held = free;
    if (holding > held) {
      held = holding;
      keep[bin] = 1;
    }
  }
  return { keep, begin };
};

const explain = (windows: readonly Window[]): string => {
  if (windows.length === 0) return 'its memory costs more than its starts';
  const parts = windows.map(({ fromMs, untilMs }) => `${fromMs / 1_000}–${untilMs / 1_000} s`);
  return `worth its memory during ${parts.join(', ')}`;
};

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
