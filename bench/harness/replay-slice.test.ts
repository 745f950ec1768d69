import { expect, it } from 'vitest';
import { generateTrace } from '../../src/simulator/generator.ts';
import { summaryOf } from '../../src/simulator/trace.ts';
import { sliceOf, splitByOwner } from './replay-slice.ts';

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
