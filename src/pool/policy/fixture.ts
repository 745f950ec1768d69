/** Profiles and costs for the policies' tests. */
import { GAP_EDGES_MS, type GapCounts, type GapProfile, type LayerCosts } from './api.ts';

export const CONTAINER_COSTS: LayerCosts = {
  startMs: { none: 132, container: 52, runtime: 1.5 },
  memoryMb: { container: 3.2, runtime: 16, code: 60 },
  capacity: 1,
  memoryDemand: 3,
};

export const ISOLATE_COSTS: LayerCosts = {
  startMs: { none: 112, container: 4.4, runtime: 1.6 },
  memoryMb: { container: 21, runtime: 1.2, code: 40 },
  capacity: 100,
  memoryDemand: 3,
};

const counts = (gapsMs: readonly number[]): GapCounts => {
  const bins = new Float64Array(GAP_EDGES_MS.length);
  for (const gap of gapsMs) {
    const bin = GAP_EDGES_MS.findIndex((edge) => gap < edge);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  return { total: gapsMs.length, bins };
};

export const profile = (
  own: readonly number[],
  {
    all = own,
    iats = [],
    level = 1,
  }: { all?: readonly number[]; iats?: readonly number[]; level?: number } = {},
): GapProfile => ({ level, own: counts(own), all: counts(all), recentIatsMs: iats });

export const repeated = (gapMs: number, times: number): readonly number[] =>
  Array.from({ length: times }, () => gapMs);
