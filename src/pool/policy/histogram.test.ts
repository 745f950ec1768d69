import { describe, expect, it } from 'vitest';
import { CONTAINER_COSTS, profile, repeated } from './fixture.ts';
import { histogramPolicy } from './histogram.ts';

const COSTS = CONTAINER_COSTS;
const MINUTE = 60_000;
const FOUR_HOURS = 240 * MINUTE;
const windows = (own: readonly number[], iats: readonly number[] = []) =>
  histogramPolicy().warm(profile(own, { iats }), COSTS).windows;

describe('histogram', () => {
  it('keeps four hours while little is known', () => {
    expect(windows(repeated(10 * MINUTE, 4))).toEqual([{ fromMs: 0, untilMs: FOUR_HOURS }]);
  });

  it('makes ready at 0.9 × p5 and keeps until 1.1 × p99, on whole minutes', () => {
    const [window] = windows(repeated(10.5 * MINUTE, 50));
    expect(window?.fromMs).toBeCloseTo(0.9 * 10 * MINUTE);
    expect(window?.untilMs).toBeCloseTo(1.1 * 11 * MINUTE);
  });

  it('does not let go when the head is in the first minute', () => {
    const [window] = windows([...repeated(5_000, 50), ...repeated(30.5 * MINUTE, 50)]);
    expect(window?.fromMs).toBe(0);
    expect(window?.untilMs).toBeCloseTo(1.1 * 31 * MINUTE);
  });

  it('ignores the rare outlier', () => {
    const [window] = windows([...repeated(10.5 * MINUTE, 990), ...repeated(100 * MINUTE, 5)]);
    expect(window?.untilMs).toBeCloseTo(1.1 * 11 * MINUTE);
  });

  it('keeps four hours when the counts show no pattern', () => {
    const even = Array.from({ length: 240 }, (_, minute) => (minute + 0.5) * MINUTE);
    expect(windows(even)).toEqual([{ fromMs: 0, untilMs: FOUR_HOURS }]);
  });

  it('forecasts what is longer than four hours', () => {
    const day = 24 * 60 * MINUTE;
    const [window] = windows(repeated(day, 6), repeated(day, 6));
    expect(window?.fromMs).toBeCloseTo(0.85 * day);
    expect(window?.untilMs).toBeCloseTo(1.15 * day);
  });
});
