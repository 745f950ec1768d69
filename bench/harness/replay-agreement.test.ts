import { expect, it } from 'vitest';
import { differenceOf, NOT_FROM_CODE, sharesOf, totalOf } from './replay-agreement.ts';

const LIVE = { code: 900, runtime: 60, container: 30, none: 10 };
const SIMULATED = { code: 880, runtime: 90, container: 20, none: 10 };

it('takes the layer that differs most', () => {
  expect(differenceOf(LIVE, SIMULATED)).toBeCloseTo(3);
  expect(differenceOf(SIMULATED, LIVE)).toBeCloseTo(3);
});

it('divides starts that are not from code among their own layers', () => {
  expect(totalOf(LIVE, NOT_FROM_CODE)).toBe(100);
  expect(sharesOf(LIVE, NOT_FROM_CODE)).toEqual({ runtime: 60, container: 30, none: 10 });
  // 60 of 100 against 90 of 120.
  expect(differenceOf(LIVE, SIMULATED, NOT_FROM_CODE)).toBeCloseTo(15);
});

it('compares shares, so that one side may have served more', () => {
  const twice = { code: 1_800, runtime: 120, container: 60, none: 20 };
  expect(differenceOf(LIVE, twice)).toBeCloseTo(0);
});

it('agrees where nothing began on either side, and says nothing where one side alone is empty', () => {
  const warm = { code: 5, runtime: 0, container: 0, none: 0 };
  expect(differenceOf(warm, warm, NOT_FROM_CODE)).toBe(0);
  expect(differenceOf(LIVE, warm, NOT_FROM_CODE)).toBeNull();
  expect(sharesOf(warm, NOT_FROM_CODE).none).toBeNull();
});
