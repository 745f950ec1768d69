/**
 * `layered`: RainbowCake. Each layer is kept as long as what it saves outweighs what it holds, then given up layer by
 * layer.
 *
 *   T       −ln(1 − 0.8) × mean of the last six distances between arrivals: by then 80 % of Poisson arrivals have come.
 *   bound   α × saved / ((1 − α) × MB), α = 0.996: how long holding a layer costs less than installing it again.
 *   keep    max(60 s, min(T, bound)); T is 600 s until anything is known. Where floor and bound cross, as they do
 *           for cheap starts, the floor wins, as in its source.
 *   warm:   [0, keep), and [T, T + keep) when T is later: it makes ready ahead at T.
 *   demotion: code → runtime → container → gone, each by its own bound.
 *   stock:  what the configuration asks for; none where a trace is simulated. worth: −idleMs.
 *
 * Two differences. Its lower layers serve any function of the language after a cleaning; a used process may not serve
 * another tenant here, so they stay with theirs. And a layer's T is the function's own, not that of all sharers.
 *
 * Source: Yu et al., "RainbowCake: Mitigating Cold-starts in Serverless with Layer-wise Container Caching and Sharing",
 * ASPLOS 2024, and its implementation on OpenWhisk.
 */
import type { Demotion, GapProfile, LayerCosts, Policy, WarmPlan, Window } from './api.ts';
import { leastRecentlyUsed } from './fixed.ts';
import { configuredStock } from './greedy-dual.ts';

export interface LayeredSettings {
  /** The weight of latency (s) against memory (MB·s). The authors' choice. */
  readonly alpha: number;
  /** The share of arrivals that have come by T. The authors' choice. */
  readonly quantile: number;
  /** A layer stays at least so long. The authors' choice. */
  readonly floorMs: number;
  /** T before two invocations have been seen. The authors' choice. */
  readonly unknownMs: number;
}

const LAYERED_DEFAULTS: LayeredSettings = {
  ...{ alpha: 0.996, quantile: 0.8 },
  ...{ floorMs: 60_000, unknownMs: 600_000 },
};

export const layeredPolicy = (settings: Partial<LayeredSettings> = {}): Policy => {
  const { alpha, quantile, floorMs, unknownMs } = { ...LAYERED_DEFAULTS, ...settings };
  const perMean = -Math.log(1 - quantile);
  const secondsPerMb = alpha / (1 - alpha);

  const expectedMs = (gaps: GapProfile): number => {
    const iats = gaps.recentIatsMs;
    if (iats.length === 0) return unknownMs;
    let sum = 0;
    for (const iat of iats) sum += iat;
    return (perMean * sum) / iats.length;
  };
  /** Seconds of start-up saved by a megabyte-second, so milliseconds saved buy milliseconds held. */
  const keepMs = (expected: number, savedMs: number, memoryMb: number): number =>
    Math.max(floorMs, Math.min(expected, (secondsPerMb * savedMs) / Math.max(1, memoryMb)));

  const warm = (gaps: GapProfile, costs: LayerCosts): WarmPlan => {
    const expected = expectedMs(gaps);
    const keep = keepMs(expected, costs.startMs.runtime, costs.memoryMb.code - costs.memoryMb.runtime);
    const windows: Window[] = [{ fromMs: 0, untilMs: keep }];
    if (gaps.recentIatsMs.length > 0 && expected > keep) {
      windows.push({ fromMs: expected, untilMs: expected + keep });
    }
    return { windows, why: `kept ${seconds(keep)} s, made ready at T = ${seconds(expected)} s` };
  };
  const demotion = (gaps: GapProfile, costs: LayerCosts): Demotion => {
    const { startMs, memoryMb } = costs;
    const expected = expectedMs(gaps);
    return {
      runtimeMs: keepMs(expected, startMs.container - startMs.runtime, memoryMb.runtime),
      containerMs: keepMs(expected, startMs.none - startMs.container, memoryMb.container),
    };
  };
  return {
    name: 'layered',
    ...{ warm, demotion },
    stock: configuredStock,
    spares: () => 0,
    worth: leastRecentlyUsed,
  };
};

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
