import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Heap, type HeapItem, NOT_IN_HEAP } from './heap.ts';

interface Item extends HeapItem {
  key: number;
  readonly serial: number;
}

let serial = 0;
const item = (key: number): Item => ({ key, serial: serial++, heapIndex: NOT_IN_HEAP });
const before = (one: Item, other: Item): boolean =>
  one.key < other.key || (one.key === other.key && one.serial < other.serial);
const drained = (heap: Heap<Item>): Item[] => {
  const items: Item[] = [];
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) items.push(next);
  return items;
};
const inOrder = (items: readonly Item[]): Item[] =>
  items.toSorted((one, other) => (before(one, other) ? -1 : 1));

describe('Heap', () => {
  it('is empty at first', () => {
    const heap = new Heap<Item>(before);
    expect([heap.size, heap.peek(), heap.pop()]).toEqual([0, undefined, undefined]);
  });

  it('shows the first without taking it', () => {
    const heap = new Heap<Item>(before);
    for (const key of [3, 1, 2]) heap.push(item(key));
    expect([heap.peek()?.key, heap.size]).toEqual([1, 3]);
  });

  it('refuses an item that is in a heap', () => {
    const [one, other] = [new Heap<Item>(before), new Heap<Item>(before)];
    const shared = item(1);
    one.push(shared);
    expect(() => one.push(shared)).toThrow(/in a heap already/);
    expect(() => other.push(shared)).toThrow(/in a heap already/);
    expect([one.has(shared), other.has(shared), other.remove(shared), other.update(shared)]).toEqual([
      ...[true, false, false, false],
    ]);
    one.pop();
    other.push(shared);
    expect(other.has(shared)).toBe(true);
  });

  it('removes an item once', () => {
    const heap = new Heap<Item>(before);
    const only = item(1);
    heap.push(only);
    expect([heap.remove(only), heap.remove(only), heap.size]).toEqual([true, false, 0]);
  });

  it('gives items in order, whatever was pushed, removed, moved and popped before', () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('push' as const), key: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ do: fc.constantFrom('remove', 'pop'), at: fc.nat() }),
      fc.record({ do: fc.constant('move' as const), at: fc.nat(), key: fc.integer({ min: 0, max: 20 }) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const heap = new Heap<Item>(before);
        const model = new Set<Item>();
        for (const step of actions) {
          const chosen = 'at' in step ? [...model][step.at % Math.max(1, model.size)] : undefined;
          if (step.do === 'push' && 'key' in step) {
            const added = item(step.key);
            heap.push(added);
            model.add(added);
          } else if (step.do === 'pop') {
            const popped = heap.pop();
            expect(popped).toBe(inOrder([...model])[0]);
            if (popped !== undefined) model.delete(popped);
          } else if (chosen !== undefined && step.do === 'remove') {
            expect(heap.remove(chosen)).toBe(true);
            model.delete(chosen);
          } else if (chosen !== undefined && 'key' in step) {
            chosen.key = step.key;
            expect(heap.update(chosen)).toBe(true);
          }
          expect(heap.size).toBe(model.size);
        }
        expect(drained(heap)).toEqual(inOrder([...model]));
        for (const left of model) expect(left.heapIndex).toBe(NOT_IN_HEAP);
      }),
    );
  });
});
