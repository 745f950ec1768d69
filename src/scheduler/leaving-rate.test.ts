import { describe, expect, it } from 'vitest';
import { LeavingRate } from './leaving-rate.ts';

const leave = (rate: LeavingRate, fromMs: number, untilMs: number, everyMs: number): void => {
  for (let nowMs = fromMs; nowMs < untilMs; nowMs += everyMs) rate.note(nowMs);
};

describe('when to come again', () => {
  it('is a second while nobody has left yet', () => {
    expect(new LeavingRate().untilMs(5, 10_000)).toBe(1_000);
  });

  it('follows how fast they leave, over the last seconds', () => {
    const rate = new LeavingRate();
    leave(rate, 0, 10_000, 20);
    expect(rate.untilMs(10, 10_000)).toBe(200);
    leave(rate, 10_000, 14_000, 100);
    // At the very beginning of a window it is the former one that counts.
    leave(rate, 14_000, 14_100, 100);
    expect(rate.untilMs(10, 14_100)).toBeGreaterThan(900);
    expect(rate.untilMs(10, 14_100)).toBeLessThan(1_100);
  });

  it('grows while nobody leaves, and has a bound', () => {
    const rate = new LeavingRate();
    leave(rate, 0, 1_000, 100);
    expect(rate.untilMs(1, 5_000)).toBe(500);
    expect(rate.untilMs(1, 3_600_000)).toBe(60_000);
  });

  it('forgets what was before a pause', () => {
    const rate = new LeavingRate();
    leave(rate, 0, 1_000, 1);
    leave(rate, 60_000, 61_000, 100);
    expect(rate.untilMs(1, 61_000)).toBe(100);
  });

  it('is never at once', () => {
    const rate = new LeavingRate();
    for (let count = 0; count < 100; count += 1) rate.note(5);
    expect(rate.untilMs(1, 5)).toBe(1);
  });
});
