/**
 * Decides what an invocation starts from, and lets it wait, bounded in number and time, when nothing can serve.
 *
 * Owns the waiting. The order of choice: code → runtime → container → none → end something idle and start → wait →
 * refuse. Never holds a slot itself: what it hands out is a lease. Invariants: a waiter is settled once; one shared
 * start serves waiters, so that n of them never start more than n ÷ concurrency instances; an invocation that came is
 * counted until it has left, whichever way it goes.
 */
import { StrataError } from '../core/errors.ts';
import type { Start } from '../core/receipt.ts';
import type { LayeredPool } from '../pool/layered-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Placement, Slot, StartTiming } from '../pool/slot.ts';
import type { Clock } from '../ports/clock.ts';
import { startExactly } from './exact-start.ts';
import { cancelled, lineFull, queueFull, unavailable, waitedTooLong, wouldWaitTooLong } from './refusals.ts';
import { type Line, type Waiter, Waiting } from './waiting.ts';

export interface SchedulerSettings {
  readonly maxLength: number;
  readonly maxLengthPerFunction: number;
  readonly timeoutMs: number;
}

/** How many wait in all, over the schedulers that share it: each pool has one of its own. */
export class QueueLength {
  count = 0;
}

export interface AcquireOptions {
  /** Exactly this layer, or `start_unavailable`. */
  readonly requireStart?: Start | undefined;
  /** The caller waits no longer than this. */
  readonly maxWaitMs?: number | undefined;
  /** When the invocation came, if it has waited elsewhere before: that counts towards how long it may wait. */
  readonly arrivedMs?: number | undefined;
  /** Called when the invocation has to wait, with a function that takes it out of the line. */
  readonly onWait?: ((cancel: () => void) => void) | undefined;
}

const ANYHOW: AcquireOptions = {};
/** Functions that are asked in turn when there may be room: more would hold up whoever freed it. */
const TURNS = 16;
/** So many are looked at for those: one that has all its instances wants none, and says nothing of the room. */
const LOOKS = 256;
/** After so many that found none, there is none. */
const MISSES = 3;
/** Those that hold little are asked before the function that freed an instance, but not more often than this. */
const POOR_EVERY_MS = 5;
/** Whoever waits has left the line long before, and initializers of others move what a start is believed to take. */
const RETRY_MAX_MS = 60_000;

export class Scheduler {
  readonly #clock: Clock;
  readonly #settings: SchedulerSettings;
  readonly #waiting = new Waiting();
  #pool: LayeredPool | null = null;
  readonly #total: QueueLength;
  #poorAskedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, settings: SchedulerSettings, total: QueueLength = new QueueLength()) {
    this.#clock = clock;
    this.#total = total;
    this.#settings = settings;
  }

  /** The pool needs the scheduler's `ready`, and the scheduler the pool: the one who builds both joins them. */
  attach(pool: LayeredPool): void {
    this.#pool = pool;
  }

  get waiting(): number {
    return this.#waiting.count;
  }

  /** Functions for which somebody waits or an instance starts: bounded by what is there. */
  get lines(): number {
    return this.#waiting.size;
  }

  /**
   * A lease, at once when something is ready.
   * @throws StrataError `overloaded`, `concurrency_limit`, `queue_timeout`, `start_failed`, `cancelled`, and
   *   `start_unavailable` when the required layer is not there.
   */
  acquire(placement: Placement, options: AcquireOptions = ANYHOW): Lease | Promise<Lease> {
    const pool = this.#attached();
    const { requireStart } = options;
    const line = this.#waiting.find(placement.key);
    // Nobody overtakes those who wait, so with a full line nothing is looked for, and nothing noted for the pool to plan.
    if (line !== undefined && line.waiters.size > 0 && requireStart === undefined)
      this.#refuseWhenLineFull(pool, line);
    pool.arrived(placement);
    try {
      if (requireStart !== undefined) return this.#exactly(pool, placement, requireStart, options);
      const warm = pool.takeCode(placement);
      if (warm !== null) return warm;
      // Whoever finds room beside an instance that is just loading waits for it instead of starting another.
      const ahead = line?.waiters.size ?? 0;
      const started = pool.comingPlaces(placement) > ahead ? null : pool.takeRuntime(placement);
      return started ?? this.#wait(pool, placement, options);
    } catch (refusal) {
      pool.left(placement);
      throw refusal;
    }
  }

  /** The pool has a slot that can serve: the oldest waiter that fits gets it. */
  readonly ready = (slot: Slot): void => {
    if (this.#waiting.count === 0) return;
    const pool = this.#attached();
    if (slot.placement !== null) {
      this.#askPoor(slot.placement.tenant);
      const line = this.#waiting.find(slot.placement.key);
      if (line !== undefined) this.#serve(line, () => pool.takeCode(line.placement));
      // What has become idle may be ended for those that found no room.
      if (slot.state === 'free') this.retry();
      return;
    }
    let tries = 0;
    for (const line of this.#waiting.turns(LOOKS)) {
      if (slot.state !== 'free' || tries === TURNS) return;
      if (line.waiters.size <= pool.comingPlaces(line.placement) || pool.isFull(line.placement)) continue;
      tries += 1;
      this.#serve(line, () => pool.takeRuntime(line.placement));
    }
  };

  /** There may be room for those that found none: tenants try in turn. */
  readonly retry = (): void => {
    if (this.#waiting.count === 0) return;
    const pool = this.#attached();
    let misses = 0;
    let tries = 0;
    for (const line of this.#waiting.turns(LOOKS)) {
      if (!isShort(pool, line) || pool.isFull(line.placement)) continue;
      tries += 1;
      if (!this.#launch(pool, line)) misses += 1;
      if (misses === MISSES || tries === TURNS) return;
    }
  };

  /** Refuses everyone who waits. */
  refuseAll(error: StrataError): void {
    for (const line of [...this.#waiting.lines]) {
      for (const waiter of [...line.waiters]) this.#refuse(line, waiter, error);
    }
  }

  #attached(): LayeredPool {
    if (this.#pool === null) throw new StrataError('internal_error', 'The scheduler has no pool yet.');
    return this.#pool;
  }

  #exactly(
    pool: LayeredPool,
    placement: Placement,
    start: Start,
    options: AcquireOptions,
  ): Lease | Promise<Lease> {
    if (start === 'container' || start === 'none')
      return startExactly(this.#clock, pool, placement, start, options);
    const lease = start === 'code' ? pool.takeCode(placement) : pool.takeRuntime(placement, true);
    if (lease === null) throw unavailable(start);
    return lease;
  }

  #wait(pool: LayeredPool, placement: Placement, options: AcquireOptions): Promise<Lease> {
    const line = this.#waiting.of(placement);
    const limitMs = Math.min(this.#settings.timeoutMs, options.maxWaitMs ?? Number.POSITIVE_INFINITY);
    const waitedMs = options.arrivedMs === undefined ? 0 : this.#clock.nowMs() - options.arrivedMs;
    try {
      this.#refuseWhenLineFull(pool, line);
      this.#refuseWhenFull(line);
      this.#refuseInVain(line, options.maxWaitMs, waitedMs);
    } catch (refusal) {
      this.#waiting.dropIfIdle(line);
      throw refusal;
    }
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const timer = this.#clock.setTimer(Math.max(0, limitMs - waitedMs), () => {
      const source = limitMs === options.maxWaitMs ? 'maxWaitMs' : 'queue.timeoutMs';
      this.#refuse(line, waiter, waitedTooLong(limitMs, source, this.#retryAfterMs(line)));
    });
    const waiter: Waiter = { resolve, reject, timer, disappointed: false };
    this.#waiting.join(line, waiter);
    this.#total.count += 1;
    this.#launch(pool, line);
    options.onWait?.(() => this.#refuse(line, waiter, cancelled()));
    return promise;
  }

  #refuseWhenLineFull(pool: LayeredPool, line: Line): void {
    const { maxLengthPerFunction } = this.#settings;
    const { placement, waiters } = line;
    if (waiters.size < maxLengthPerFunction) return;
    const full = { atMost: pool.isFull(placement), allowed: maxLengthPerFunction };
    throw lineFull(placement, waiters.size, full, this.#retryAfterMs(line));
  }

  #refuseWhenFull(line: Line): void {
    const { maxLength } = this.#settings;
    if (this.#total.count >= maxLength)
      throw queueFull(this.#total.count, maxLength, this.#retryAfterMs(line));
  }

  /** Whoever would wait in vain, as the line has moved lately, hears of it at once. */
  #refuseInVain({ intervalMs, waiters }: Line, maxWaitMs: number | undefined, waitedMs: number): void {
    if (maxWaitMs === undefined || intervalMs === null || waiters.size === 0) return;
    const expectedMs = Math.ceil(waitedMs + intervalMs * waiters.size);
    if (expectedMs > maxWaitMs) throw wouldWaitTooLong(maxWaitMs, expectedMs);
  }

  /** Starts as many instances as the waiters need beyond those under way; false when there was no room for one. */
  #launch(pool: LayeredPool, line: Line): boolean {
    const { placement } = line;
    while (isShort(pool, line)) {
      const started = pool.start(placement, 'best', {
        ready: (slot, timing) => this.#started(pool, line, slot, timing),
        failed: (error) => this.#failed(pool, line, error),
      });
      if (!started) return false;
      line.starting += 1;
    }
    return true;
  }

  /** Tenants that hold little come before whoever has just freed an instance and could use it at once again. */
  #askPoor(tenant: string): void {
    const now = this.#clock.nowMs();
    if (now - this.#poorAskedMs < POOR_EVERY_MS || !this.#waiting.isAnyOther(tenant)) return;
    this.#poorAskedMs = now;
    this.retry();
  }

  #started(pool: LayeredPool, line: Line, slot: Slot, timing: StartTiming): void {
    line.starting -= 1;
    // Instances that are loading may have room for all who wait: the new one is a spare then.
    if (line.waiters.size > pool.comingPlaces(line.placement)) {
      let first = true;
      this.#serve(line, () => {
        if (!first) return pool.takeCode(line.placement);
        first = false;
        return pool.takeStarted(slot, line.placement, timing);
      });
    }
    this.#waiting.dropIfIdle(line);
  }

  /**
   * A start failed: it touches as many waiters as it would have served. Each gets one more, because a sandbox may
   * have died of a reason that is past; who has had that hears of the failure.
   */
  #failed(pool: LayeredPool, line: Line, error: StrataError): void {
    line.starting -= 1;
    let count = line.placement.concurrency;
    for (const waiter of [...line.waiters]) {
      if (count === 0) break;
      count -= 1;
      if (waiter.disappointed) this.#refuse(line, waiter, error);
      waiter.disappointed = true;
    }
    this.#launch(pool, line);
    this.#waiting.dropIfIdle(line);
  }

  #serve(line: Line, take: () => Lease | null): void {
    for (const waiter of line.waiters) {
      const lease = take();
      if (lease === null) return;
      this.#waiting.served(line, this.#clock.nowMs());
      this.#leave(line, waiter);
      waiter.resolve(lease);
    }
  }

  #refuse(line: Line, waiter: Waiter, error: StrataError): void {
    if (!this.#leave(line, waiter)) return;
    this.#attached().left(line.placement);
    waiter.reject(error);
  }

  #leave(line: Line, waiter: Waiter): boolean {
    if (!this.#waiting.leave(line, waiter)) return false;
    this.#total.count -= 1;
    return true;
  }

  /** What it has taken lately until one of the line was served, for each that is in it; else what a start takes. */
  #retryAfterMs(line: Line): number {
    const ahead = Math.max(1, line.waiters.size);
    const pool = this.#attached();
    const { placement } = line;
    const estimateMs = pool.isFull(placement)
      ? pool.turnEstimateMs(placement)
      : pool.startEstimateMs() / placement.concurrency;
    const eachMs = line.intervalMs ?? estimateMs;
    // Nobody who is ahead waits longer than the queue allows.
    const mostMs = Math.min(RETRY_MAX_MS, this.#settings.timeoutMs + eachMs);
    return Math.max(1, Math.ceil(Math.min(mostMs, eachMs * ahead)));
  }
}

/** More wait than what is under way will serve. */
const isShort = (pool: LayeredPool, { placement, starting, waiters }: Line): boolean =>
  starting * placement.concurrency + pool.comingPlaces(placement) < waiters.size;
