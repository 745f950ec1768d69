/**
 * Entries that wait for a time, and the one timer that wakes them.
 *
 * Owns the order and the timer. Invariant: the timer is set for the first of them, and there is none while nobody waits.
 */
import { Heap } from '../core/heap.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { type Entry, wakesBefore } from './entry.ts';

export class Wakes {
  readonly #clock: Clock;
  readonly #wake: (entry: Entry) => void;
  readonly #heap = new Heap<Entry>(wakesBefore);
  #timer: Timer | null = null;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, wake: (entry: Entry) => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  add(entry: Entry, atMs: number): void {
    entry.wakeMs = atMs;
    this.#heap.push(entry);
    this.#arm();
  }

  remove(entry: Entry): void {
    this.#heap.remove(entry);
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const first = this.#heap.peek();
    if (first === undefined) {
      this.close();
      return;
    }
    // One that comes too early finds nobody and sets the next.
    if (this.#timer !== null && this.#timerMs <= first.wakeMs) return;
    this.#timer?.cancel();
    this.#timerMs = first.wakeMs;
    this.#timer = this.#clock.setTimer(Math.max(0, first.wakeMs - this.#clock.nowMs()), () => this.#due());
  }

  #due(): void {
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    for (
      let first = this.#heap.peek();
      first !== undefined && first.wakeMs <= nowMs;
      first = this.#heap.peek()
    ) {
      this.#heap.remove(first);
      this.#wake(first);
    }
    this.#arm();
  }
}
