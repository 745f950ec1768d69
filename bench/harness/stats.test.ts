import { expect, it } from 'vitest';
import { divide, round, summarise } from './stats.ts';

it('gives percentiles that were really measured, with the number of samples', () => {
  const samples = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect(summarise(samples)).toEqual({ n: 200, p50: 100, p95: 190, p99: 198, min: 1, max: 200 });
  expect(summarise([7])).toEqual({ n: 1, p50: 7, p95: 7, p99: 7, min: 7, max: 7 });
});

it('has no figure where nothing was measured', () => {
  expect(summarise([])).toBeNull();
  expect(divide(null, 2)).toBeNull();
  expect(divide(2, undefined)).toBeNull();
  expect(divide(2, 0)).toBeNull();
  expect(round(null)).toBeNull();
});

it('rounds to four significant digits', () => {
  expect(round(21_345.6)).toBe(21_350);
  expect(round(0.123_456)).toBe(0.1235);
});
