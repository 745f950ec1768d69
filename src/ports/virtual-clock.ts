/**
 * The simulator's clock: time moves only while it runs, straight from one timer to the next.
 *
 * Timers fire in order of their due time, then of their creation. Promise callbacks get their turn when somebody has
 * said that there are any: Node runs all of them, and those that follow from them, before the next tick's callback. A
 * turn of the event loop would do the same and costs more than a simulated event; there is one in a while, for signals.
 * Cancelled timers leave at once, so memory is that of the timers still to come.
 */
import { Heap, type HeapItem, NOT_IN_HEAP } from '../core/heap.ts';
import type { Clock, Timer } from './clock.ts';

/** Whatever else the process has to do gets its turn after so many. */
const SETTLED_PER_TURN = 1_024;

export class VirtualClock implements Clock {
  #nowMs = 0;
  #serial = 0;
  #unsettled = false;
  #settled = 0;
  #running = false;
  readonly #originMs: number;
  readonly #timers = new Heap<VirtualTimer>(firesBefore);

  constructor(originMs = Date.UTC(2026, 0, 1)) {
    this.#originMs = originMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#originMs + Math.floor(this.#nowMs);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.at(this.#nowMs + delayMs, callback);
  }

  /** Calls back at a time of this clock; what is past, or no number, is due now. */
  at(dueMs: number, callback: () => void): Timer {
    const due = Number.isNaN(dueMs) ? this.#nowMs : Math.max(dueMs, this.#nowMs);
    const timer = new VirtualTimer(this.#timers, due, this.#serial++, callback);
    this.#timers.push(timer);
    return timer;
  }

  /** Says that promises were resolved: their callbacks run before the next timer fires. */
  unsettled(): void {
    this.#unsettled = true;
  }

  /**
   * Fires all timers that are due until then, those that they set included, and leaves the time at `untilMs`. With
   * `Infinity` it ends when no timer is left, at the time of the last. What a callback throws ends the run; another
   * run goes on after it.
   */
  async run(untilMs: number): Promise<void> {
    if (this.#running) throw new Error('the clock is running; a callback cannot run it again');
    if (Number.isNaN(untilMs)) throw new Error('the clock cannot run until NaN');
    this.#running = true;
    try {
      if (this.#unsettled) await this.#settle();
      for (let timer = this.#next(untilMs); timer !== undefined; timer = this.#next(untilMs)) {
        this.#timers.remove(timer);
        this.#nowMs = timer.dueMs;
        timer.callback();
        if (this.#unsettled) await this.#settle();
      }
      if (untilMs > this.#nowMs && untilMs !== Number.POSITIVE_INFINITY) this.#nowMs = untilMs;
    } finally {
      this.#running = false;
    }
  }

  #next(untilMs: number): VirtualTimer | undefined {
    const timer = this.#timers.peek();
    return timer !== undefined && timer.dueMs <= untilMs && timer.dueMs < Number.POSITIVE_INFINITY
      ? timer
      : undefined;
  }

  async #settle(): Promise<void> {
    this.#settled += 1;
    const later = this.#settled % SETTLED_PER_TURN === 0 ? setImmediate : process.nextTick;
    await new Promise<void>((resolve) => later(resolve));
    this.#unsettled = false;
  }
}

/** The same clock for who resolves promises in its timers, as a pool does: those run before time goes on. */
export const settling = (clock: VirtualClock): Clock => ({
  nowMs: () => clock.nowMs(),
  wallMs: () => clock.wallMs(),
  setTimer: (delayMs, callback) =>
    clock.setTimer(delayMs, () => {
      callback();
      clock.unsettled();
    }),
});

class VirtualTimer implements Timer, HeapItem {
  heapIndex = NOT_IN_HEAP;
  readonly dueMs: number;
  readonly serial: number;
  readonly callback: () => void;
  readonly #timers: Heap<VirtualTimer>;

  constructor(timers: Heap<VirtualTimer>, dueMs: number, serial: number, callback: () => void) {
    this.#timers = timers;
    this.dueMs = dueMs;
    this.serial = serial;
    this.callback = callback;
  }

  cancel(): void {
    this.#timers.remove(this);
  }
}

const firesBefore = (one: VirtualTimer, other: VirtualTimer): boolean =>
  one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.serial < other.serial);
