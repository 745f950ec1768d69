import { describe, expect, it } from 'vitest';
import { halves, scaled } from './slices.ts';
import { functionOf, smallTrace } from './testing.ts';

const many = smallTrace(
  Array.from({ length: 200 }, (_, index) =>
    functionOf(`f${index}`, [index, 10, 0, 1], { owner: `owner-${Math.floor(index / 4)}` }),
  ),
);

describe('halves', () => {
  it('puts every function into one part, and all of an owner into the same', () => {
    const [first, second] = halves(many, 1);
    const ids = [first, second].map(({ functions }) => functions.map(({ id }) => id));
    expect(new Set(ids.flat()).size).toBe(200);
    expect(ids.flat()).toHaveLength(200);
    const owners = [first, second].map(({ functions }) => new Set(functions.map(({ owner }) => owner)));
    expect([...(owners[0] ?? [])].filter((owner) => owners[1]?.has(owner))).toEqual([]);
    expect(first.functions.length).toBeGreaterThan(60);
    expect(second.functions.length).toBeGreaterThan(60);
    expect(first.invocations + second.invocations).toBe(many.invocations);
  });

  it('is decided by the seed alone', () => {
    const ids = (seed: number): string[] => halves(many, seed)[0].functions.map(({ id }) => id);
    expect(ids(1)).toEqual(ids(1));
    expect(ids(1)).not.toEqual(ids(2));
  });

  it('refuses to make an empty part', () => {
    expect(() => halves(smallTrace([functionOf('only', [1])]), 1)).toThrow(/has no functions/);
  });
});

describe('scaled', () => {
  it('takes minutes as the trace numbers them, and drops what is not invoked in them', () => {
    const trace = smallTrace([functionOf('early', [5, 0, 0]), functionOf('late', [1, 2, 3])]);
    const slice = scaled(trace, { minutes: [481, 483], rateFactor: 1, seed: 1 });
    expect(slice).toMatchObject({ startMinute: 481, minutes: 2, minuteMs: 60_000, invocations: 5 });
    expect(slice.functions.map(({ id, counts }) => [id, ...counts])).toEqual([['late', 2, 3]]);
    expect(trace.functions[0]?.counts).toEqual(Uint16Array.of(5, 0, 0));
  });

  it('multiplies the rate in the mean, small counts too', () => {
    const trace = smallTrace(
      Array.from({ length: 500 }, (_, index) => functionOf(`f${index}`, [1, 3, 0, 40])),
    );
    for (const rateFactor of [0.05, 0.5, 2.5]) {
      const { invocations } = scaled(trace, { minutes: [480, 484], rateFactor, seed: 1 });
      expect(Math.abs(invocations / (trace.invocations * rateFactor) - 1)).toBeLessThan(0.1);
    }
  });

  it('keeps so many functions, the same ones for the same seed, in their order', () => {
    const kept = (seed: number): string[] =>
      scaled(many, { minutes: [480, 484], rateFactor: 1, keepFunctions: 20, seed }).functions.map(
        ({ id }) => id,
      );
    expect(kept(1)).toHaveLength(20);
    expect(kept(1)).toEqual(kept(1));
    expect(kept(1)).not.toEqual(kept(2));
    const places = kept(1).map((id) => many.functions.findIndex((each) => each.id === id));
    expect(places).toEqual(places.toSorted((one, other) => one - other));
  });

  it.each([
    [{ minutes: [479, 482] }, /minutes 479 to 482 are not a part of 480 to 484/],
    [{ minutes: [480, 485] }, /not a part/],
    [{ minutes: [482, 482] }, /not a part/],
    [{ minutes: [480.5, 482] }, /not a part/],
    [{ minutes: [Number.NaN, 482] }, /not a part/],
    [{ rateFactor: 0 }, /rateFactor is 0/],
    [{ rateFactor: Number.NaN }, /rateFactor is NaN/],
    [{ rateFactor: 1_001 }, /rateFactor is 1001/],
    [{ timeFactor: -1 }, /timeFactor is -1/],
    [{ keepFunctions: 0 }, /keepFunctions is 0/],
    [{ rateFactor: 1e-9 }, /has no functions/],
  ])('refuses %j', (wrong, expected) => {
    const options = { minutes: [480, 484] as [number, number], rateFactor: 1, seed: 1 };
    expect(() => scaled(many, { ...options, ...(wrong as object) })).toThrow(expected);
  });
});
