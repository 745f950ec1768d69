import { describe, expect, it } from 'vitest';
import { hashOf, seedFrom, shareOf } from './seeds.ts';
import { functionOf, smallTrace } from './testing.ts';
import { countsOf, FUNCTIONS_MAX, MINUTES_MAX, meanOf, summaryOf, traceOf } from './trace.ts';

describe('traceOf', () => {
  const parts = { ...smallTrace([functionOf('f', [1, 2])]) };

  it('sums the invocations up', () => {
    expect(traceOf(parts).invocations).toBe(3);
  });

  it.each([
    [{ functions: [] }, /has no functions/],
    [{ functions: [functionOf('f', [0, 0])] }, /has no invocations/],
    [
      { functions: Array.from({ length: FUNCTIONS_MAX + 1 }, () => functionOf('f', [])) },
      /100001 functions; 100000/,
    ],
    [{ minutes: MINUTES_MAX + 1 }, /20161 minutes; 20160/],
    [
      { functions: [functionOf('f', [1, 5_000_001])] },
      /^Minute 481 has 5000001 invocations; 5000000 are allowed/,
    ],
  ])('refuses what breaks a bound', (wrong, expected) => {
    expect(() => traceOf({ ...parts, ...wrong })).toThrow(expected);
  });
});

describe('countsOf', () => {
  it('takes the narrowest form that holds the counts, and a copy', () => {
    const source = Uint32Array.of(1, 65_535);
    const narrow = countsOf(source);
    source[0] = 9;
    expect(narrow).toEqual({ counts: Uint16Array.of(1, 65_535), invocations: 65_536 });
    expect(countsOf([65_536])).toEqual({ counts: Uint32Array.of(65_536), invocations: 65_536 });
  });
});

describe('summaryOf', () => {
  it('has the figures of each function counted once', () => {
    const even = { durationsMs: [10, 10, 10, 10, 10, 10, 10], memoryMb: 10 };
    const trace = smallTrace([
      functionOf('a', [1, 0], { ...even, trigger: 'timer', owner: 'x' }),
      functionOf('b', [5, 5], { ...even, owner: 'x', memoryMb: 30 }),
      functionOf('c', [100, 0], {
        ...even,
        durationsMs: even.durationsMs.map((each) => each * 100),
        memoryMb: 30,
      }),
    ]);
    expect(summaryOf(trace)).toEqual({
      ...{
        functions: 3,
        owners: 2,
        startMinute: 480,
        minutes: 2,
        minuteMs: 60_000,
        invocations: 111,
        notes: [],
      },
      perFunction: { p50: 10, p95: 10, max: 100 },
      triggers: { http: 2, timer: 1, queue: 0, event: 0, storage: 0, orchestration: 0, others: 0 },
      meanDurationMs: { p50: 10, p95: 10 },
      memoryMb: { p50: 30, p95: 30 },
      busySeconds: expect.closeTo(100.11, 6),
    });
    expect(meanOf([0, 1, 25, 50, 75, 99, 100])).toBeCloseTo(50, 9);
  });
});

describe('seeds', () => {
  it('differ in half of their bits when one part differs a little', () => {
    const bits = (value: number): number => value.toString(2).replaceAll('0', '').length;
    const distances = Array.from({ length: 2_000 }, (_, at) => [
      bits((hashOf(`f${at}`) ^ hashOf(`f${at + 1}`)) >>> 0),
      bits((seedFrom(7, at, 1) ^ seedFrom(7, at + 1, 1)) >>> 0),
      bits((seedFrom(7, 1, at) ^ seedFrom(7, 1, at + 1)) >>> 0),
    ]);
    for (const kind of [0, 1, 2]) {
      const mean = distances.reduce((sum, each) => sum + (each[kind] ?? 0), 0) / distances.length;
      expect(Math.abs(mean - 16)).toBeLessThan(0.5);
    }
    expect(seedFrom(7, 1, 2)).not.toBe(seedFrom(7, 2, 1));
  });

  it('make shares from 0 inclusive to 1 exclusive', () => {
    expect([shareOf(1), shareOf(0x80000000)]).toEqual([0, expect.closeTo(1, 8)]);
    expect(shareOf(0x80000000)).toBeLessThan(1);
  });
});
