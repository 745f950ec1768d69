import { expect, it } from 'vitest';
import { DEFAULT_COSTS } from '../../src/pool/costs.ts';
import { CostsOverTime, costsOf } from './replay-costs.ts';

const reading = (atMs: number, bootMs: number) => ({ atMs, costs: { ...DEFAULT_COSTS.isolate, bootMs } });

it('tells what a layer takes beyond the one above it', () => {
  const view = {
    startMs: { none: 130, container: 50, runtime: 2 },
    memoryMb: { container: 3, runtime: 16 },
  };
  expect(costsOf('nodejs24', view)).toEqual({
    ...{ provisionMs: 80, bootMs: 48, loadMs: 2, containerMb: 3, runtimeMb: 16 },
  });
});

it('takes the first reading after a time, and the last one for all later', () => {
  const costs = new CostsOverTime([reading(100, 1), reading(200, 2), reading(300, 3)]);
  const times = [0, 100, 101, 200, 250, 300, 9_999];
  expect(times.map((nowMs) => costs.at(nowMs).bootMs)).toEqual([1, 1, 2, 2, 3, 3, 3]);
});

it('says so when there is no reading', () => {
  expect(() => new CostsOverTime([]).at(0)).toThrow('never said');
});
