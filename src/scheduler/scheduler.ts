/**
 * Decides what an invocation starts from, and lets it wait, bounded in number and time, when nothing can serve.
 *
 * Owns the waiting. The order of choice: code → runtime → container → none → wait → refuse. Never holds a slot
 * itself: what it hands out is a lease. Invariants: a waiter is settled once; one shared start serves waiters, so
 * that n of them never start more than n ÷ concurrency instances.
 */
import { StrataError } from '../core/errors.ts';
import type { Start } from '../core/receipt.ts';
import type { LayeredPool } from '../pool/layered-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Placement, Slot, StartTiming } from '../pool/slot.ts';
import type { Clock, Timer } from '../ports/clock.ts';

export interface SchedulerSettings {
  readonly maxLength: number;
  readonly maxLengthPerFunction: number;
  readonly timeoutMs: number;
}

/** How many wait in all, over the schedulers that share it: each pool has one of its own. */
export class QueueLength {
  count = 0;
}

interface Waiter {
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: StrataError) => void;
  readonly timer: Timer;
  /** A start that was made for it has failed once already. */
  disappointed: boolean;
}

/** The waiters of one function, the oldest first, and the starts under way for them. */
interface Queue {
  readonly placement: Placement;
  readonly waiters: Set<Waiter>;
  starting: number;
}

/** How much a new measurement of a start moves the estimate. */
const ESTIMATE_WEIGHT = 0.2;
const FIRST_ESTIMATE_MS = 50;

export class Scheduler {
  readonly #clock: Clock;
  readonly #settings: SchedulerSettings;
  readonly #queues = new Map<string, Queue>();
  #pool: LayeredPool | null = null;
  /** Those who wait here; the total has those of the other schedulers too. */
  #waiting = 0;
  readonly #total: QueueLength;
  #startEstimateMs = FIRST_ESTIMATE_MS;

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
    return this.#waiting;
  }

  /**
   * A lease, at once when something is ready.
   * @throws StrataError `overloaded`, `concurrency_limit`, `queue_timeout`, `start_failed`, and
   *   `start_unavailable` when the required layer is not there.
   */
  acquire(placement: Placement, requireStart?: Start): Lease | Promise<Lease> {
    const pool = this.#attached();
    if (requireStart !== undefined) return this.#exactly(pool, placement, requireStart);
    const warm = pool.takeCode(placement);
    if (warm !== null) return warm;
    // Whoever finds room beside an instance that is just loading waits for it instead of starting another.
    const ahead = this.#queues.get(placement.key)?.waiters.size ?? 0;
    const started = pool.comingPlaces(placement) > ahead ? null : pool.takeRuntime(placement);
    return started ?? this.#wait(pool, placement);
  }

  /** The pool has a slot that can serve: the oldest waiter that fits gets it. */
  readonly ready = (slot: Slot): void => {
    if (this.#waiting === 0) return;
    const pool = this.#attached();
    if (slot.placement !== null) {
      const queue = this.#queues.get(slot.placement.key);
      if (queue !== undefined) this.#serve(queue, () => pool.takeCode(queue.placement));
      // What has become idle may be ended for those that found no room.
      this.retry();
      return;
    }
    for (const queue of this.#queues.values()) {
      if (queue.waiters.size <= pool.comingPlaces(queue.placement)) continue;
      this.#serve(queue, () => pool.takeRuntime(queue.placement));
    }
  };

  /** There may be room for those that found none: the oldest try first. */
  readonly retry = (): void => {
    if (this.#waiting === 0) return;
    for (const queue of this.#queues.values()) this.#launch(this.#attached(), queue);
  };

  /** Refuses everyone who waits. */
  refuseAll(error: StrataError): void {
    for (const queue of this.#queues.values()) {
      for (const waiter of [...queue.waiters]) this.#leave(queue, waiter).reject(error);
    }
  }

  #attached(): LayeredPool {
    if (this.#pool === null) throw new StrataError('internal_error', 'The scheduler has no pool yet.');
    return this.#pool;
  }

  #exactly(pool: LayeredPool, placement: Placement, start: Start): Lease | Promise<Lease> {
    if (start === 'code' || start === 'runtime') {
      const lease = start === 'code' ? pool.takeCode(placement) : pool.takeRuntime(placement, true);
      if (lease === null) throw unavailable(start);
      return lease;
    }
    return new Promise((resolve, reject) => {
      const started = pool.start(placement, start, {
        ready: (slot, timing) => resolve(pool.takeStarted(slot, placement, timing)),
        failed: reject,
      });
      if (!started) reject(unavailable(start));
    });
  }

  #wait(pool: LayeredPool, placement: Placement): Promise<Lease> {
    const queue = this.#queueOf(placement);
    this.#refuseWhenFull(pool, queue);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(this.#settings.timeoutMs, () => {
        this.#leave(queue, waiter).reject(this.#timedOut());
      });
      const waiter: Waiter = { resolve, reject, timer, disappointed: false };
      queue.waiters.add(waiter);
      this.#count(1);
      this.#launch(pool, queue);
    });
  }

  #queueOf(placement: Placement): Queue {
    let queue = this.#queues.get(placement.key);
    if (queue === undefined) {
      queue = { placement, waiters: new Set(), starting: 0 };
      this.#queues.set(placement.key, queue);
    }
    return queue;
  }

  #refuseWhenFull(pool: LayeredPool, queue: Queue): void {
    const { maxLength, maxLengthPerFunction } = this.#settings;
    const { placement, waiters } = queue;
    if (waiters.size >= maxLengthPerFunction) {
      this.#drop(queue);
      const atMost = pool.instancesOf(placement.key) >= placement.maxInstances;
      throw new StrataError(
        atMost ? 'concurrency_limit' : 'overloaded',
        atMost
          ? `The function runs on all ${placement.maxInstances} instances that maxInstances allows, and ${waiters.size} invocations wait for it already. Retry later, or raise maxInstances or concurrency.`
          : `${waiters.size} invocations of this function wait already; queue.maxLengthPerFunction allows no more. Retry later.`,
        {
          limit: atMost
            ? { kind: 'maxInstances', configured: placement.maxInstances, observed: placement.maxInstances }
            : { kind: 'queueLength', configured: maxLengthPerFunction, observed: waiters.size },
          retryAfterMs: this.#retryAfterMs(),
        },
      );
    }
    const { count } = this.#total;
    if (count >= maxLength) {
      this.#drop(queue);
      throw new StrataError(
        'overloaded',
        `${count} invocations wait already; queue.maxLength allows no more. Retry later.`,
        {
          limit: { kind: 'queueLength', configured: maxLength, observed: count },
          retryAfterMs: this.#retryAfterMs(),
        },
      );
    }
  }

  /** Starts as many instances as the waiters need beyond those under way. */
  #launch(pool: LayeredPool, queue: Queue): void {
    const { placement } = queue;
    while (queue.starting * placement.concurrency + pool.comingPlaces(placement) < queue.waiters.size) {
      const startedMs = this.#clock.nowMs();
      const started = pool.start(placement, 'best', {
        ready: (slot, timing) => this.#started(pool, queue, slot, timing, startedMs),
        failed: (error) => this.#failed(pool, queue, error),
      });
      if (!started) return;
      queue.starting += 1;
    }
  }

  #started(pool: LayeredPool, queue: Queue, slot: Slot, timing: StartTiming, startedMs: number): void {
    queue.starting -= 1;
    const tookMs = this.#clock.nowMs() - startedMs;
    this.#startEstimateMs += (tookMs - this.#startEstimateMs) * ESTIMATE_WEIGHT;
    // Instances that are loading may have room for all who wait: the new one is a spare then.
    if (queue.waiters.size > pool.comingPlaces(queue.placement)) {
      let first = true;
      this.#serve(queue, () => {
        if (!first) return pool.takeCode(queue.placement);
        first = false;
        return pool.takeStarted(slot, queue.placement, timing);
      });
    }
    this.#drop(queue);
  }

  /**
   * A start failed: it touches as many waiters as it would have served. Each gets one more, because a sandbox may
   * have died of a reason that is past; who has had that hears of the failure.
   */
  #failed(pool: LayeredPool, queue: Queue, error: StrataError): void {
    queue.starting -= 1;
    let count = queue.placement.concurrency;
    for (const waiter of [...queue.waiters]) {
      if (count === 0) break;
      count -= 1;
      if (waiter.disappointed) this.#leave(queue, waiter).reject(error);
      waiter.disappointed = true;
    }
    this.#launch(pool, queue);
    this.#drop(queue);
  }

  #serve(queue: Queue, take: () => Lease | null): void {
    for (const waiter of queue.waiters) {
      const lease = take();
      if (lease === null) return;
      this.#leave(queue, waiter).resolve(lease);
    }
  }

  #leave(queue: Queue, waiter: Waiter): Waiter {
    if (queue.waiters.delete(waiter)) this.#count(-1);
    waiter.timer.cancel();
    this.#drop(queue);
    return waiter;
  }

  #count(by: 1 | -1): void {
    this.#waiting += by;
    this.#total.count += by;
  }

  /** Forgets a queue that nobody is in. */
  #drop(queue: Queue): void {
    if (queue.waiters.size === 0 && queue.starting === 0) this.#queues.delete(queue.placement.key);
  }

  #timedOut(): StrataError {
    const { timeoutMs } = this.#settings;
    return new StrataError(
      'queue_timeout',
      `No instance became free within the ${timeoutMs} ms that queue.timeoutMs allows. Retry later.`,
      {
        limit: { kind: 'queueTimeoutMs', configured: timeoutMs, observed: timeoutMs },
        retryAfterMs: this.#retryAfterMs(),
      },
    );
  }

  /** What a start has lately taken, for each place ahead in the queue. */
  #retryAfterMs(): number {
    return Math.ceil(this.#startEstimateMs * Math.max(1, this.#waiting));
  }
}

const unavailable = (start: Start): StrataError =>
  new StrataError(
    'start_unavailable',
    `The invocation requires a start from layer ${start}, and nothing of that layer is ready for this function. Retry when GET /v1/pools shows one, or drop the requirement.`,
  );
