import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairLine, type Lined } from './fair-line.ts';

interface Item extends Lined {
  readonly number: number;
}

const item = (tenant: string, name: string, number: number): Item => ({
  ...{ tenant, function: name, number, row: null, before: null, after: null },
});

const ANY = { tenant: () => true, function: () => true };

const drain = (line: FairLine<Item>): string[] => {
  const taken: string[] = [];
  for (let next = line.take(ANY); next !== null; next = line.take(ANY))
    taken.push(`${next.tenant}${next.function}${next.number}`);
  return taken;
};

describe('the line', () => {
  it('lets tenants take turns, then functions, and the oldest go first', () => {
    const line = new FairLine<Item>();
    for (const [tenant, name, number] of [
      ['a', 'f', 1],
      ['a', 'f', 2],
      ['a', 'g', 3],
      ['b', 'f', 4],
      ['a', 'f', 5],
    ] as const)
      line.add(item(tenant, name, number));
    expect(drain(line)).toEqual(['af1', 'bf4', 'ag3', 'af2', 'af5']);
  });

  it('passes over who may not have one more', () => {
    const line = new FairLine<Item>();
    for (const tenant of ['a', 'b']) for (const name of ['f', 'g']) line.add(item(tenant, name, 1));
    const allowance = {
      tenant: (tenant: string) => tenant === 'b',
      function: (_tenant: string, name: string) => name === 'g',
    };
    expect(line.take(allowance)).toMatchObject({ tenant: 'b', function: 'g' });
    expect(line.take(allowance)).toBeNull();
    expect(line.size).toBe(3);
  });

  it('gives out each item that was not removed once', () => {
    const step = fc.record({
      ...{ tenant: fc.constantFrom('a', 'b', 'c'), name: fc.constantFrom('f', 'g') },
      act: fc.constantFrom('add', 'add', 'take', 'remove'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const line = new FairLine<Item>();
        const listed: Item[] = [];
        let number = 0;
        for (const { tenant, name, act } of steps) {
          if (act === 'add') {
            number += 1;
            const added = item(tenant, name, number);
            line.add(added);
            listed.push(added);
          } else if (act === 'take') {
            const taken = line.take(ANY);
            if (taken === null) expect(listed).toEqual([]);
            else expect(listed.splice(listed.indexOf(taken), 1)).toEqual([taken]);
          } else {
            const [removed] = listed.splice(0, 1);
            if (removed !== undefined) {
              expect(line.remove(removed)).toBe(true);
              expect(line.remove(removed)).toBe(false);
            }
          }
          expect(line.size).toBe(listed.length);
        }
        expect(drain(line)).toHaveLength(listed.length);
      }),
    );
  });
});
