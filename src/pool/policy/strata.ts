/**
 * `strata`: one price for memory, and every layer kept exactly as long as it pays.
 *
 * `price` is what holding one megabyte for one second must save: milliseconds that callers do not wait. A start from code
 * saves over the next best one, which with a stock is a pristine runtime,
 *
 *   saved = startMs.runtime + take,   take = scarcity × (startMs.none − startMs.runtime)
 *
 * where `take` is what taking one from stock costs those who come before it is replaced.
 *
 *   warm:  m_i gaps end in bin i (own + prior), S_i are alive at its begin, w_i is its width. Holding code in bin i gains
 *            g_i = m_i × saved − price × MB × w_i × (S_i − m_i / 2)
 *          and making it ready again at its begin costs S_i × take. The windows are those of the greatest sum, found from
 *          the last bin back: H_i = max(g_i + H_{i+1}, N_i) while held, N_i = max(N_{i+1}, g_i + H_{i+1} − S_i × take)
 *          while not. So a hump of the histogram, such as a timer's period, is reached by holding on or by coming back,
 *          whichever costs less.
 *   stock: the k-th sandbox is kept iff rate × P(Poisson(rate × refill) ≥ k − 1) × saved ≥ price × MB: a newsvendor's rule,
 *          rate = max(stable, panic); never below the configured floor.
 *   spares: the same rule for runtimes of the tenant's own sandbox.
 *   demotion: none: with a stock, what only one tenant may use saves nothing.
 *   worth: hazard(gap) × saved / MB: milliseconds that a megabyte-second saves now.
 *
 * Source: our own. The price is RainbowCake's α/(1−α) (ASPLOS 2024), the histogram Serverless in the Wild's (ATC 2020).
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
  /** Milliseconds of waiting that a megabyte-second must save when all memory serves. */
  readonly fullPriceMsPerMbSecond: number;
  /** How steeply the price falls with the load. */
  readonly steepness: number;
  /** How often one that was taken from stock is missed before it has been replaced. */
  readonly scarcity: number;
  /** How many of a function's own gaps the population's distribution weighs. */
  readonly priorGaps: number;
}

export const STRATA_DEFAULTS: StrataSettings = {
  ...{ fullPriceMsPerMbSecond: 0.3, steepness: 3 },
  ...{ scarcity: 0.003, priorGaps: 0.5 },
};

/** The load that is believed until it is known: a server a quarter full. */
const UNKNOWN_LOAD = 0.25;
/** A server without load still pays something for memory, and an overloaded one not more than a full one. */
const LEAST_LOAD = 0.01;

const priceOf = (costs: LayerCosts, settings: StrataSettings): number => {
  const load = Math.min(1, Math.max(LEAST_LOAD, costs.memoryLoad ?? UNKNOWN_LOAD));
  return settings.fullPriceMsPerMbSecond * load ** settings.steepness;
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
  const windows: Window[] = [];
  let fromMs = -1;
  for (let bin = 0; bin < BINS; bin += 1) {
    const hold =
      fromMs >= 0 ? (choice.keep[bin] ?? 0) : bin === 0 ? (choice.keep[0] ?? 0) : (choice.begin[bin] ?? 0);
    if (hold !== 0 && fromMs < 0) fromMs = lowerEdgeMs(bin);
    if (hold === 0 && fromMs >= 0) {
      windows.push({ fromMs, untilMs: lowerEdgeMs(bin) });
      fromMs = -1;
    }
  }
  if (fromMs >= 0) windows.push({ fromMs, untilMs: upperEdgeMs(BINS - 1) });
  return { windows, why: explain(windows) };
};

const choose = (gaps: GapProfile, priorGaps: number, saved: number, rentPerMs: number, take: number) => {
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
    held = free;
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
  const cold = Math.min(floor.max - warmWanted, Math.max(floor.cold, all - warmWanted));
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
