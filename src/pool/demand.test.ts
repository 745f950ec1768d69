import { afterEach, describe, expect, it, vi } from 'vitest';
import { seededRandom } from '../ports/random.ts';
import { Demand } from './demand.ts';
import { createBench, patient, place } from './fixture.ts';
import { LONGEST_MS } from './gaps.ts';
import { Population } from './population.ts';

const MINUTE = 60_000;

afterEach(() => vi.restoreAllMocks());

/** So many at once, and all of them gone. */
const burst = (demand: Demand, count: number, nowMs: number): void => {
  for (let index = 0; index < count; index += 1) demand.arrived(nowMs, 1);
  for (let index = 0; index < count; index += 1) demand.left(nowMs + index / count, 1);
};

describe('demand', () => {
  it('finds the levels whose gaps have lasted long as one that looks at each of them does', () => {
    const random = seededRandom(3);
    const demand = new Demand(new Population(), 'a');
    for (let nowMs = 0; nowMs < 3_000; nowMs += 1) {
      const isMore = random.nonce() % 2 === 0;
      if (isMore) demand.arrived(nowMs, 1);
      else if (demand.inFlight > 0) demand.left(nowMs, 1);
      const [first, last] = [demand.needed + 1, demand.levels];
      const longMs = random.nonce() % 200;
      let slow = first;
      while (slow <= last && (demand.gapMs(slow, nowMs) ?? 0) < longMs) slow += 1;
      expect(demand.firstThatLasted(first, last, (gapMs) => gapMs >= longMs, nowMs)).toBe(slow);
    }
  });

  it('forgets levels whose gaps are longer than all that is told apart, and still counts those gaps', () => {
    const demand = new Demand(new Population(), 'a');
    burst(demand, 500, 0);
    expect(demand.levels).toBe(500);
    burst(demand, 1, LONGEST_MS + 2);
    expect(demand.levels).toBe(1);
    burst(demand, 40, 2 * LONGEST_MS);
    const { own } = demand.profile(40);
    expect(own.bins.at(-1)).toBe(8);
    expect(demand.levels).toBe(40);
  });
});

describe('a burst of long before', () => {
  const stepsAfter = async (count: number): Promise<number> => {
    // Each call has its function looked at: nothing is kept from the beginning of a gap.
    const warm = () => ({ windows: [{ fromMs: 60_000, untilMs: 90_000 }], why: 'the test says so' });
    const { pool, clock } = await createBench({ policy: { ...patient, warm } });
    const placement = place('f');
    for (let index = 0; index < count; index += 1) pool.arrived(placement);
    for (let index = 0; index < count; index += 1) pool.left(placement);
    await clock.advance(10);
    const looks = vi.spyOn(Demand.prototype, 'gapMs');
    pool.arrived(placement);
    pool.left(placement);
    const steps = looks.mock.calls.length;
    looks.mockRestore();
    return steps;
  };

  it('does not make each call cost as many steps as it had invocations', async () => {
    const [few, many] = [await stepsAfter(50), await stepsAfter(2_000)];
    expect(few).toBeLessThan(150);
    // Each doubling of the burst is one step more for each edge of a window.
    expect(many - few).toBeLessThan(50);
  });
});

describe('what a function needed lately', () => {
  it('is the most that it needed at once, for as long as the window', () => {
    const demand = new Demand(new Population(), 'a');
    for (let count = 0; count < 3; count += 1) demand.arrived(0, 1);
    demand.left(1_000, 1);
    demand.left(2_000, 1);
    const at = (nowMs: number): number => demand.neededWithin(10 * MINUTE, nowMs);
    expect([at(2_000), at(10 * MINUTE)]).toEqual([3, 3]);
    expect(at(10 * MINUTE + 1_000)).toBe(2);
    expect(at(10 * MINUTE + 2_000)).toBe(1);
    demand.left(20 * MINUTE, 1);
    expect([at(25 * MINUTE), at(30 * MINUTE)]).toEqual([1, 0]);
  });

  it('counts instances, not invocations, where one serves several', () => {
    const demand = new Demand(new Population(), 'a');
    for (let count = 0; count < 5; count += 1) demand.arrived(0, 4);
    expect(demand.neededWithin(MINUTE, 0)).toBe(2);
  });
});
