import { expect, it } from 'vitest';
import { generateTrace } from '../../src/simulator/generator.ts';
import { summaryOf } from '../../src/simulator/trace.ts';
import { beginningOf, shareFor, sliceOf, splitByOwner, thinnedOut } from './replay-slice.ts';

const trace = generateTrace({ functions: 60, minutes: 60, invocations: 60_000, seed: 3 });
const BOUNDS = { functions: 20, minutes: 5, perSecond: 2, inFlight: 3, durationMaxMs: 5_000 };

it('keeps a slice within all of its bounds', () => {
  const slice = sliceOf(trace, BOUNDS);
  const { busySeconds } = summaryOf(slice);
  expect(slice.minutes).toBe(5);
  expect(slice.functions.length).toBeLessThanOrEqual(20);
  expect(slice.invocations).toBeLessThanOrEqual(2 * 300 * 1.2);
  expect(busySeconds).toBeLessThanOrEqual(3 * 300 * 1.3);
  expect(Math.max(...slice.functions.flatMap(({ durationsMs }) => durationsMs))).toBeLessThanOrEqual(5_000);
});

it('splits by owner and loses nothing', () => {
  const [first, second] = splitByOwner(trace, 0.4);
  expect(first.invocations + second.invocations).toBe(trace.invocations);
  const owners = new Set(first.functions.map(({ owner }) => owner));
  expect(second.functions.some(({ owner }) => owners.has(owner))).toBe(false);
});

it('keeps the first minutes whole, and no more than there are', () => {
  const slice = sliceOf(trace, { ...BOUNDS, perSecond: 1e9, inFlight: 1e9 });
  const beginning = beginningOf(slice, 2);
  const counted = slice.functions.reduce((sum, { counts }) => sum + (counts[0] ?? 0) + (counts[1] ?? 0), 0);
  expect(beginning.minutes).toBe(2);
  expect(beginning.startMinute).toBe(slice.startMinute);
  expect(beginning.invocations).toBe(counted);
  expect(beginningOf(slice, 60).invocations).toBe(slice.invocations);
});

it('leaves the share that it was told of a slice, whoever it belongs to', () => {
  const slice = sliceOf(trace, { ...BOUNDS, perSecond: 1e9, inFlight: 1e9 });
  const thin = thinnedOut(slice, 0.4);
  expect(thin.invocations / slice.invocations).toBeGreaterThan(0.36);
  expect(thin.invocations / slice.invocations).toBeLessThan(0.44);
  expect(thin.minutes).toBe(slice.minutes);
  expect(thinnedOut(slice, 1)).toBe(slice);
});

it('finds the share with which all replays together stay within their part of the processors', () => {
  const five = { count: 5, atMostPercent: 50 };
  expect(shareFor({ ...five, onePercent: 20 })).toBeCloseTo(0.5);
  expect(shareFor({ ...five, onePercent: 10 })).toBe(1);
  expect(shareFor({ ...five, onePercent: 4 })).toBe(1);
  // In steps, always downwards.
  expect(shareFor({ ...five, onePercent: 12 })).toBeCloseTo(0.8);
  for (const onePercent of [11, 13, 17, 23, 40, 90])
    expect(5 * onePercent * shareFor({ ...five, onePercent })).toBeLessThanOrEqual(50);
});

it('plays something on a machine that is full', () => {
  expect(shareFor({ onePercent: 1_000, count: 5, atMostPercent: 50 })).toBeCloseTo(0.05);
  expect(shareFor({ onePercent: 0, count: 5, atMostPercent: 50 })).toBe(1);
});
