/**
 * A binary heap whose items know their place in it, so that any of them can be removed or moved without a search.
 *
 * Owns `heapIndex` of the items in it. Never compares items that are equal in order: who needs a stable order puts a
 * serial number into `before`. Insert, pop, remove and update take logarithmic time and allocate nothing.
 */

/** What an item carries for the heap; the heap alone writes it. */
export interface HeapItem {
  /** The item's place; negative while it is in no heap. */
  heapIndex: number;
}

export const NOT_IN_HEAP = -1;

export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #before: (one: T, other: T) => boolean;

  /** `before` says that one item leaves the heap earlier than another; it must be a strict order. */
  constructor(before: (one: T, other: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#items[item.heapIndex] === item;
  }

  /** An item can be in one heap only, and once. */
  push(item: T): void {
    if (item.heapIndex !== NOT_IN_HEAP) throw new Error('the item is in a heap already; remove it first');
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Answers whether the item was there. */
  remove(item: T): boolean {
    const items = this.#items;
    const index = item.heapIndex;
    if (items[index] !== item) return false;
    const last = items.pop();
    item.heapIndex = NOT_IN_HEAP;
    if (last === undefined || last === item) return true;
    this.#place(last, index);
    return true;
  }

  /** To be called after what `before` reads of the item has changed; answers whether the item was there. */
  update(item: T): boolean {
    if (!this.has(item)) return false;
    this.#place(item, item.heapIndex);
    return true;
  }

  #place(item: T, index: number): void {
    this.#up(item, index);
    if (item.heapIndex === index) this.#down(item, index);
  }

  #up(item: T, from: number): void {
    const items = this.#items;
    const before = this.#before;
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex] as T;
      if (!before(item, parent)) break;
      items[index] = parent;
      parent.heapIndex = index;
      index = parentIndex;
    }
    items[index] = item;
    item.heapIndex = index;
  }

  #down(item: T, from: number): void {
    const items = this.#items;
    const before = this.#before;
    const inner = items.length >> 1;
    let index = from;
    while (index < inner) {
      let childIndex = 2 * index + 1;
      let child = items[childIndex] as T;
      const right = items[childIndex + 1];
      if (right !== undefined && before(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (!before(child, item)) break;
      items[index] = child;
      child.heapIndex = index;
      index = childIndex;
    }
    items[index] = item;
    item.heapIndex = index;
  }
}
