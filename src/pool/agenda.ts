/**
 * When to look at what again: items by due time, on one timer.
 *
 * Owns the timer. An item is due once, at the earliest time that was asked for; looking at it is the owner's business.
 */
import { Heap, type HeapItem } from '../core/heap.ts';
import type { Clock, Timer } from '../ports/clock.ts';

/** Something that may be due. Both are the agenda's to write; `dueMs` is `Infinity` while nothing is asked for. */
export interface Due extends HeapItem {
  dueMs: number;
}

/** Timers of the system cannot wait for longer than 24 days; it is looked at anew after one. */
const LONGEST_MS = 86_400_000;

export class Agenda<Item extends Due> {
  readonly #clock: Clock;
  readonly #onDue: (item: Item) => void;
  readonly #items = new Heap<Item>((one, other) => one.dueMs < other.dueMs);
  #timer: Timer | null = null;
  #timerMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(clock: Clock, onDue: (item: Item) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** The item is due at this time at the latest. */
  by(item: Item, dueMs: number): void {
    if (dueMs >= item.dueMs || this.#closed) return;
    item.dueMs = dueMs;
    if (!this.#items.update(item)) this.#items.push(item);
    if (dueMs < this.#timerMs) this.#arm(dueMs);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(dueMs: number): void {
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const delayMs = Math.max(0, dueMs - this.#clock.nowMs());
    this.#timer = this.#clock.setTimer(Math.min(LONGEST_MS, delayMs), this.#fire);
  }

  readonly #fire = (): void => {
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const now = this.#clock.nowMs();
    for (let item = this.#items.peek(); item !== undefined && item.dueMs <= now; item = this.#items.peek()) {
      this.#items.pop();
      item.dueMs = Number.POSITIVE_INFINITY;
      this.#onDue(item);
    }
    const next = this.#items.peek();
    if (next !== undefined && !this.#closed && next.dueMs < this.#timerMs) this.#arm(next.dueMs);
  };
}
