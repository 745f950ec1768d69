/**
 * Runs what is due: attempts, one after the other for each invocation, as many at once as may be.
 *
 * Owns who is due, who runs, and what an attempt's end changes. Never accepts and never delivers. Invariants: an
 * invocation has one attempt under way at most; an attempt that ran is in the ledger before the queue forgets that it is
 * under way; an at-most-once one is marked on the disk before it runs, and runs no more once it is; a place that is the
 * last for callers who wait is not taken.
 */
import type { Finished } from '../billing/receipts.ts';
import { failure, StrataError } from '../core/errors.ts';
import type { Receipt } from '../core/receipt.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { AttemptLedger, QueueSettings, Ran, RunAttempt } from './api.ts';
import type { Commits, OnFault } from './commits.ts';
import { Counts } from './counts.ts';
import type { Entry } from './entry.ts';
import { FairLine } from './fair-line.ts';
import type { AttemptRow } from './operations.ts';
import { backoffMs, type Ended, nextOf } from './outcomes.ts';
import { transition } from './states.ts';
import type { QueueStore } from './store.ts';
import type { Tally } from './tally.ts';
import { Wakes } from './wakes.ts';

export interface RunsParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: QueueStore;
  readonly commits: Commits;
  readonly settings: QueueSettings;
  readonly ledger: AttemptLedger;
  readonly tally: Tally;
  readonly run: RunAttempt;
  readonly receiptOf: (finished: Finished) => Receipt;
  /** Whether an attempt of this tenant may go in now and leave a place for somebody who waits for an answer. */
  readonly isRoom: (tenant: string) => boolean;
  readonly onFault: OnFault;
  /** It has ended; the promise resolves when that is on the disk. */
  readonly finish: (entry: Entry, end: End) => Promise<void>;
}

/** How an invocation ends. */
export interface End {
  readonly change: 'succeed' | 'fail' | 'cancel' | 'expire';
  readonly attempt: AttemptRow | null;
  readonly ran: Ran | null;
  readonly failure: ReturnType<typeof failure> | null;
}

/** How soon it is looked again whether there is room. */
const ROOM_MS = 25;

export class Runs {
  readonly #parts: RunsParts;
  readonly #line = new FairLine<Entry>();
  readonly #wakes: Wakes;
  readonly #byTenant = new Counts();
  readonly #byFunction = new Counts();
  readonly #tasks = new Set<Promise<void>>();
  readonly #perFunction: number;
  #running = 0;
  #paused = true;
  #roomTimer: Timer | null = null;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    this.#perFunction = Math.max(1, Math.floor(parts.settings.maxRunningPerTenant / 2));
    this.#wakes = new Wakes(parts.clock, (entry) => this.#woken(entry));
  }

  get running(): number {
    return this.#running;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  /** Nothing more is begun. */
  pause(): void {
    this.#paused = true;
    this.#wakes.close();
    this.#roomTimer?.cancel();
    this.#roomTimer = null;
  }

  /** Resolves when nothing runs any more, and what ran is noted. */
  async settled(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }

  /** One that is queued. */
  add(entry: Entry): void {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    const isDue = entry.dueMs <= nowMs && entry.deadlineMs > nowMs;
    if (isDue) this.#line.add(entry);
    this.#wakes.add(entry, isDue ? entry.deadlineMs : Math.min(entry.dueMs, entry.deadlineMs));
    if (isDue) this.#pump();
  }

  /** Takes out one that is queued. */
  remove(entry: Entry): void {
    this.#wakes.remove(entry);
    this.#line.remove(entry);
  }

  #woken(entry: Entry): void {
    if (this.#paused) return;
    this.#line.remove(entry);
    if (entry.deadlineMs > this.#parts.clock.nowMs()) this.add(entry);
    else this.#track(this.#expire(entry));
  }

  #expire(entry: Entry): Promise<void> {
    const { maxEventAgeMs } = entry.policy;
    const detail =
      `The event had not ended ${maxEventAgeMs} ms after it was accepted, after ${entry.attempts} attempts; ` +
      'async.maxEventAgeMs allows no more.';
    const failed = failure('event_expired', detail);
    return this.#parts.finish(entry, { change: 'expire', attempt: null, ran: null, failure: failed });
  }

  #pump(): void {
    const { settings, isRoom } = this.#parts;
    const allowance = {
      tenant: (tenant: string) => this.#byTenant.of(tenant) < settings.maxRunningPerTenant && isRoom(tenant),
      function: (tenant: string, name: string) =>
        this.#byFunction.of(`${tenant}/${name}`) < this.#perFunction,
    };
    while (!this.#paused && this.#running < settings.maxRunning) {
      const entry = this.#line.take(allowance);
      if (entry === null) break;
      this.#wakes.remove(entry);
      this.#begin(entry);
    }
    if (this.#paused || this.#line.size === 0 || this.#running >= settings.maxRunning) return;
    // Who holds the room does not tell when it is free.
    this.#roomTimer ??= this.#parts.clock.setTimer(ROOM_MS, () => {
      this.#roomTimer = null;
      this.#pump();
    });
  }

  #begin(entry: Entry): void {
    const key = `${entry.tenant}/${entry.function}`;
    entry.status = transition(entry.status, 'start');
    this.#running += 1;
    this.#byTenant.add(entry.tenant);
    this.#byFunction.add(key);
    this.#track(
      this.#attempt(entry).finally(() => {
        this.#running -= 1;
        this.#byTenant.remove(entry.tenant);
        this.#byFunction.remove(key);
        this.#pump();
      }),
    );
  }

  #track(task: Promise<void>): void {
    // What could not be noted because the queue closes is found as it was at the next start.
    const settled = task.catch(() => {}).finally(() => this.#tasks.delete(settled));
    this.#tasks.add(settled);
  }

  async #attempt(entry: Entry): Promise<void> {
    const number = entry.attempts + 1;
    const ended = await this.#run(entry, number);
    entry.stopWaiting = null;
    let attempt: AttemptRow | null = null;
    if (ended.kind === 'ran') {
      const { finished } = ended.ran;
      await this.#bill(ended.ran, number);
      entry.attempts = number;
      attempt = { attempt: number, receipt: JSON.stringify(this.#parts.receiptOf(finished)) };
    }
    const next = nextOf(entry, ended);
    const ran = ended.kind === 'ran' ? ended.ran : null;
    if (next.next === 'again') {
      await this.#again(entry, next, attempt);
      return;
    }
    const change = ({ succeeded: 'succeed', failed: 'fail', cancelled: 'cancel' } as const)[next.next];
    const failed = next.next === 'failed' ? next.failure : null;
    await this.#parts.finish(entry, { change, attempt, ran, failure: failed });
  }

  async #run(entry: Entry, number: number): Promise<Ended> {
    const { commits, store, run, tally } = this.#parts;
    const marked = commits.do({ op: 'start', id: entry.id, attempt: number });
    let eventJson: Uint8Array | null;
    try {
      if (entry.policy.delivery === 'at-most-once') await marked;
      else marked.catch(() => {});
      eventJson = entry.event ?? (await store.event(entry.id));
      if (eventJson === null) throw new Error('its event is gone');
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      const error = new StrataError('start_failed', `The attempt could not be prepared: ${why}`);
      return { kind: 'refused', error };
    }
    if (entry.cancelAsked) return { kind: 'refused', error: new StrataError('cancelled', 'Cancelled.') };
    tally.attempts += 1;
    try {
      const ran = await run({
        ...{ invocationId: entry.id, attempt: number, tenant: entry.tenant, function: entry.function },
        ...{ qualifier: entry.qualifier ?? undefined, eventJson },
        onWait: (cancel) => {
          entry.stopWaiting = cancel;
        },
      });
      return { kind: 'ran', ran };
    } catch (thrown) {
      if (thrown instanceof StrataError) return { kind: 'refused', error: thrown };
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      return { kind: 'refused', error: new StrataError('internal_error', why, { cause: thrown }) };
    }
  }

  /** Tries until the ledger has it, or the queue closes: then the attempt is found as running at the next start. */
  async #bill({ finished }: Ran, number: number): Promise<void> {
    const { ledger, commits, onFault } = this.#parts;
    for (;;) {
      try {
        await ledger.add(finished, number);
        return;
      } catch (thrown) {
        if (commits.isClosing) throw thrown;
        const { invocationId } = finished;
        onFault('an attempt cannot be billed; it is tried again', { invocationId, err: thrown });
      }
      await commits.pause(LEDGER_AGAIN_MS);
    }
  }

  async #again(
    entry: Entry,
    { counts, refused, atOnce }: { counts: boolean; refused: boolean; atOnce: boolean },
    attempt: AttemptRow | null,
  ): Promise<void> {
    const { clock, commits, random, settings, tally } = this.#parts;
    if (!refused) tally.retried += 1;
    // Refusals and faults of the platform share a count of their own: neither is the function's.
    const times = counts ? entry.retries : entry.refusals;
    if (counts) entry.retries += 1;
    entry.refusals = counts ? 0 : entry.refusals + 1;
    const delayMs = atOnce ? 0 : backoffMs(times, settings, random);
    entry.dueMs = clock.nowMs() + delayMs;
    const { id, attempts, retries, interruptions } = entry;
    await commits.surely({
      ...{ op: 'again', id, attempts, retries, interruptions, attempt },
      dueAtMs: Math.ceil(clock.wallMs() + delayMs),
    });
    entry.status = transition(entry.status, 'again');
    if (entry.cancelAsked)
      await this.#parts.finish(entry, { change: 'cancel', attempt: null, ran: null, failure: null });
    else this.add(entry);
  }
}

const LEDGER_AGAIN_MS = 1_000;
