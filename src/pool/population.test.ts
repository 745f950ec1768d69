import { describe, expect, it } from 'vitest';
import { endShares } from './policy/gap-belief.ts';
import { Population, TENANT_FULL, TENANTS_MAX } from './population.ts';

const EMPTY = { total: 0, bins: [] };
const MINUTE_MS = 60_000;

const beliefOf = (population: Population): Float64Array =>
  endShares({ level: 1, own: EMPTY, all: population.of(0), recentIatsMs: [] }, 1);

/** Ten tenants whose functions are called every ten minutes. */
const honest = (population: Population): void => {
  for (let round = 0; round < 2 * TENANT_FULL; round += 1)
    for (let tenant = 0; tenant < 10; tenant += 1) population.add(`t${tenant}`, 0, 10.5 * MINUTE_MS);
};

describe('what is believed of a function that is hardly known', () => {
  it('is moved by a tenant that floods by no more than one tenant among all', () => {
    const population = new Population();
    honest(population);
    const before = beliefOf(population);
    for (let gap = 0; gap < 200_000; gap += 1) population.add('flood', 0, 5);
    const after = beliefOf(population);
    const moved = after.map((share, bin) => Math.abs(share - (before[bin] ?? 0)));
    expect(Math.max(...moved)).toBeLessThanOrEqual(1 / 6);
    expect(population.of(0).total).toBeLessThanOrEqual(11 * TENANT_FULL + 1);
  });

  it('follows what a tenant that is alone does now, not what it did before', () => {
    const population = new Population();
    for (let gap = 0; gap < 10_000; gap += 1) population.add('a', 0, 5);
    for (let gap = 0; gap < 10 * TENANT_FULL; gap += 1) population.add('a', 0, 10.5 * MINUTE_MS);
    const { bins, total } = population.of(0);
    expect(Math.max(...Array.from(bins)) / total).toBeGreaterThan(0.98);
  });

  it('forgets tenants beyond those that are kept, and leaves nothing of them behind', () => {
    const population = new Population();
    for (let tenant = 0; tenant < 5_000; tenant += 1) population.add(`t${tenant}`, tenant % 13, 5);
    expect(population.tenants).toBe(TENANTS_MAX);
    let total = 0;
    for (let group = 0; group < 13; group += 1) total += population.of(group).total;
    expect(total).toBeCloseTo(13 + TENANTS_MAX, 6);
    for (let group = 0; group < 13; group += 1)
      for (const count of Array.from(population.of(group).bins)) expect(count).toBeGreaterThanOrEqual(0);
  });
});
