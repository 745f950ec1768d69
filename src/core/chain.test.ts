import { describe, expect, it } from 'vitest';
import { Chain, type Link } from './chain.ts';

interface Item extends Link {
  readonly name: string;
}

const chainOf = (names: string): { chain: Chain<Item>; items: Item[] } => {
  const chain = new Chain<Item>();
  const items = [...names].map((name): Item => ({ name, before: null, after: null }));
  for (const item of items) chain.push(item);
  return { chain, items };
};

const namesOf = (chain: Chain<Item>): { forwards: string; backwards: string } => {
  let forwards = '';
  for (let item = chain.first; item !== null; item = item.after) forwards += item.name;
  let backwards = '';
  for (let item = chain.last; item !== null; item = item.before) backwards += item.name;
  return { forwards, backwards };
};

describe('Chain', () => {
  it('lets the first, the last and one between leave, and links what is left', () => {
    for (const [leaves, left] of [
      [0, 'bc'],
      [1, 'ac'],
      [2, 'ab'],
    ] as const) {
      const { chain, items } = chainOf('abc');
      const item = items[leaves];
      if (item !== undefined) chain.remove(item);
      expect(namesOf(chain)).toEqual({ forwards: left, backwards: [...left].reverse().join('') });
      expect([chain.size, item?.before, item?.after]).toEqual([2, null, null]);
    }
  });

  it('sends the first to the end', () => {
    const { chain } = chainOf('abc');
    chain.rotate();
    expect(namesOf(chain)).toEqual({ forwards: 'bca', backwards: 'acb' });
    expect(chain.size).toBe(3);
  });

  it('turns nothing when there is one or none', () => {
    for (const names of ['', 'a']) {
      const { chain } = chainOf(names);
      chain.rotate();
      expect(namesOf(chain)).toEqual({ forwards: names, backwards: names });
    }
  });
});
