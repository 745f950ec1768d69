import { describe, expect, it } from 'vitest';
import { CONTAINER_COSTS, profile } from './fixture.ts';
import { layeredPolicy } from './layered.ts';

const COSTS = CONTAINER_COSTS;
const MINUTE = 60_000;
/** ln(5): the multiple of the mean by which 80 % of exponential distances have passed. */
const PER_MEAN = Math.log(5);
const DEAR = { ...COSTS, startMs: { none: 4_000_000, container: 3_000_000, runtime: 2_000_000 } };

describe('layered', () => {
  it('keeps the floor where starts are cheap, and comes back at T', () => {
    const gaps = profile([], { iats: [300_000, 300_000] });
    const { windows } = layeredPolicy().warm(gaps, COSTS);
    expect(windows[0]).toEqual({ fromMs: 0, untilMs: MINUTE });
    expect(windows[1]?.fromMs).toBeCloseTo(PER_MEAN * 300_000);
    expect(windows[1]?.untilMs).toBeCloseTo(PER_MEAN * 300_000 + MINUTE);
  });

  it('keeps until T where starts are dear, and need not come back', () => {
    const { windows } = layeredPolicy().warm(profile([], { iats: [300_000] }), DEAR);
    expect(windows.map(({ fromMs }) => fromMs)).toEqual([0]);
    expect(windows[0]?.untilMs).toBeCloseTo(PER_MEAN * 300_000);
  });

  it('never keeps longer than the bound α × saved / ((1 − α) × MB)', () => {
    const { windows } = layeredPolicy({ floorMs: 0 }).warm(profile([], { iats: [1e9] }), COSTS);
    expect(windows[0]?.untilMs).toBeCloseTo((249 * 1.5) / (60 - 16));
  });

  it('believes in ten minutes until it knows more', () => {
    expect(layeredPolicy().warm(profile([]), DEAR).windows).toEqual([{ fromMs: 0, untilMs: 600_000 }]);
  });

  it('gives up layer by layer', () => {
    const gaps = profile([], { iats: [1_000] });
    expect(layeredPolicy().demotion(gaps, COSTS)).toEqual({ runtimeMs: MINUTE, containerMs: MINUTE });
    const free = layeredPolicy({ floorMs: 0 }).demotion(profile([], { iats: [1e9] }), COSTS);
    expect(free.runtimeMs).toBeCloseTo((249 * (52 - 1.5)) / 16);
    expect(free.containerMs).toBeCloseTo((249 * (132 - 52)) / 3.2);
  });
});
