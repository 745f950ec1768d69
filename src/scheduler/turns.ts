/**
 * An order that is fair by tenant: the higher priority first, tenants of one priority in turn, a tenant's own in the
 * order in which they came.
 *
 * Owns the order alone; it knows neither clock nor promise. Invariants: an entry is listed at most once; a tenant is
 * listed while it has an entry, and no longer. Every operation takes constant time, or logarithmic in the number of
 * tenants that are listed.
 */
import { Chain, type Link } from '../core/chain.ts';
import { Heap, type HeapItem, NOT_IN_HEAP } from '../core/heap.ts';

/** 1 for callers who wait for the answer, 0 for those who do not. */
export type Priority = 0 | 1;

/** What is put in order; `Turns` alone writes the fields that are not read-only. */
export interface Turn extends Link {
  readonly tenant: string;
  readonly priority: Priority;
  row: Row | null;
}

/** The entries of one tenant at one priority; itself a link in the ring of those that take turns. */
interface Row extends Link, HeapItem {
  readonly tenant: string;
  readonly entries: Chain<Turn>;
}

export class Turns<Entry extends Turn> {
  readonly #levels: Readonly<Record<Priority, Level>> = { 0: new Level(), 1: new Level() };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(entry: Entry): void {
    this.#levels[entry.priority].add(entry);
    this.#size += 1;
  }

  /** Takes out whose turn it is. */
  take(): Entry | undefined {
    const first = this.#levels[1].next() ?? this.#levels[0].next();
    if (first === null) return undefined;
    this.#levels[first.priority].remove(first, true);
    this.#size -= 1;
    return first as Entry;
  }

  /** Answers whether it was there. */
  remove(entry: Entry): boolean {
    if (!this.#levels[entry.priority].remove(entry, false)) return false;
    this.#size -= 1;
    return true;
  }

  /**
   * Who would have to give way to one more of this tenant, if there were no place for both: the newest of whichever
   * tenant has the most, at a lower priority, or at the same one if it has more than this tenant would have then.
   */
  weakest(tenant: string, priority: Priority): Entry | null {
    const lower = priority === 1 ? this.#levels[0].longest : null;
    const longest = lower ?? this.#levels[priority].longest;
    if (longest === null) return null;
    if (lower === null && longest.entries.size <= this.#levels[priority].sizeOf(tenant) + 1) return null;
    return longest.entries.last as Entry | null;
  }
}

class Level {
  readonly #rows = new Map<string, Row>();
  readonly #ring = new Chain<Row>();
  readonly #bySize = new Heap<Row>((one, other) => one.entries.size > other.entries.size);

  get longest(): Row | null {
    return this.#bySize.peek() ?? null;
  }

  sizeOf(tenant: string): number {
    return this.#rows.get(tenant)?.entries.size ?? 0;
  }

  next(): Turn | null {
    return this.#ring.first?.entries.first ?? null;
  }

  add(entry: Turn): void {
    let row = this.#rows.get(entry.tenant);
    if (row === undefined) {
      row = {
        ...{ tenant: entry.tenant, entries: new Chain<Turn>() },
        ...{ before: null, after: null, heapIndex: NOT_IN_HEAP },
      };
      this.#rows.set(entry.tenant, row);
      this.#ring.push(row);
      this.#bySize.push(row);
    }
    row.entries.push(entry);
    entry.row = row;
    this.#bySize.update(row);
  }

  /** @param tookTurn whether its tenant goes to the end of the ring for it. */
  remove(entry: Turn, tookTurn: boolean): boolean {
    const { row } = entry;
    if (row === null) return false;
    entry.row = null;
    row.entries.remove(entry);
    if (row.entries.size === 0) {
      this.#rows.delete(row.tenant);
      this.#ring.remove(row);
      this.#bySize.remove(row);
      return true;
    }
    this.#bySize.update(row);
    // It was the first: only of the first it is asked whether it had its turn.
    if (tookTurn) this.#ring.rotate();
    return true;
  }
}
