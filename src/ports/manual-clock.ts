/**
 * A clock that moves only when it is told to: for tests and for the simulator.
 *
 * Timers fire in order of their due time, then of their creation.
 */
import type { Clock, Timer } from './clock.ts';

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #originMs: number;
  readonly #pending = new Set<Pending>();

  constructor(originMs = Date.UTC(2026, 0, 1)) {
    this.#originMs = originMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#originMs + Math.floor(this.#nowMs);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const entry: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(entry);
    return { cancel: () => void this.#pending.delete(entry) };
  }

  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves time forward and fires what falls due, letting promise callbacks run after each timer. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#pending.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }

  #next(untilMs: number): Pending | undefined {
    let first: Pending | undefined;
    for (const entry of this.#pending) {
      if (entry.dueMs > untilMs) continue;
      const earlier =
        first === undefined ||
        entry.dueMs < first.dueMs ||
        (entry.dueMs === first.dueMs && entry.order < first.order);
      if (earlier) first = entry;
    }
    return first;
  }
}

/** Lets every promise callback that is already due run: one turn of the event loop. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
