/**
 * The ledger: every finished invocation's receipt, on the disk soon and exactly once.
 *
 * Owns the receipts that wait for the disk, when they are written, and what is removed again. Never measures. Receipts are
 * written a batch at a time, after `flushIntervalMs` or when `batchRows` wait, whichever comes first; an answer does not wait
 * for it unless somebody calls `flush`. Invariants: what waits is bounded, in number and in bytes, and beyond the bound
 * invocations are refused before they run; what could not be written stays and is tried again; what `flush` resolves for is on the
 * disk; nothing that was written is written twice.
 */
import { StrataError } from '../core/errors.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { type LedgerRecord, type LedgerRow, rowOf } from './ledger-row.ts';
import type { LedgerStore } from './ledger-store.ts';
import type { OperatorEntry } from './operator-memory.ts';
import type { Finished } from './receipts.ts';

export interface LedgerSettings {
  /** `before-answer`: who is answered waits until the receipt is on the disk. */
  readonly durability: 'batched' | 'before-answer';
  readonly flushIntervalMs: number;
  readonly batchRows: number;
  /** Receipts that may wait for the disk. */
  readonly maxPending: number;
  readonly maxReceipts: number;
  readonly maxReceiptDays: number;
  readonly maxSumDays: number;
}

export interface LedgerOptions {
  readonly clock: Clock;
  readonly store: LedgerStore;
  readonly settings: LedgerSettings;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
}

/** For metrics. */
export interface LedgerCounts {
  readonly pending: number;
  readonly stored: number;
  /** Receipts that came again for an attempt that has one. */
  readonly duplicates: number;
  readonly writeFailures: number;
  readonly removed: number;
}

/** What waits may take so many bytes for each receipt on average. */
const PENDING_BYTES_EACH = 2_048;
/** One transaction holds so many: it keeps the event loop for some milliseconds. */
const TRANSACTION_ROWS = 2_000;
/** Calls of `flush` that come within it share one write. */
const GROUP_MS = 1;
const RETRY_MAX_MS = 5_000;
/** How often old receipts are looked for, and how many go at once. */
const SWEEP_MS = 1_000;
const SWEEP_ROWS = 2_000;
const DAY_MS = 86_400_000;

interface Waiter {
  /** How many receipts must have been written. */
  readonly until: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Ledger {
  readonly #options: LedgerOptions;
  /** In the order in which they came. */
  #pending: LedgerRow[] = [];
  #pendingBytes = 0;
  /** By day and kind, so that it stays small while nothing can be written. */
  readonly #operator = new Map<string, OperatorEntry>();
  readonly #waiters: Waiter[] = [];
  /** Receipts that have come, and of those that have been written or were there. */
  #added = 0;
  #written = 0;
  #duplicates = 0;
  #writeFailures = 0;
  #removed = 0;
  #failing: StrataError | null = null;
  #retryMs: number;
  #timer: Timer | null = null;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #sweeper: Timer | null = null;
  #closed = false;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#retryMs = options.settings.flushIntervalMs;
    this.#scheduleSweep();
  }

  /** Whether an answer waits for its receipt. */
  get isBeforeAnswer(): boolean {
    return this.#options.settings.durability === 'before-answer';
  }

  get counts(): LedgerCounts {
    return {
      pending: this.#pending.length,
      stored: this.#written - this.#duplicates,
      duplicates: this.#duplicates,
      writeFailures: this.#writeFailures,
      removed: this.#removed,
    };
  }

  /** @throws StrataError `ledger_unavailable` when no more receipts may wait: what runs now could not be billed. */
  refuseWhenFull(): void {
    const { maxPending } = this.#options.settings;
    if (this.#pending.length < maxPending && this.#pendingBytes < maxPending * PENDING_BYTES_EACH) return;
    const reason = this.#failing === null ? '' : ` ${this.#failing.message}`;
    throw new StrataError(
      'ledger_unavailable',
      `${this.#pending.length} receipts wait to be written, and ledger.maxPending is ${maxPending}; nothing was run.${reason}`,
      { retryAfterMs: Math.ceil(this.#retryMs) },
    );
  }

  /** Takes a receipt; it is on the disk after the next write, for which `flush` waits. */
  add(finished: Finished): void {
    const row = rowOf(finished);
    this.#pending.push(row);
    this.#pendingBytes += row.bytes;
    this.#added += 1;
    const { batchRows, flushIntervalMs } = this.#options.settings;
    if (this.#failing !== null) return;
    this.#writeIn(this.#pending.length >= batchRows ? 0 : flushIntervalMs);
  }

  /** Takes what the operator is to be told; it is written with the next receipts, or in the sweep. */
  addOperator(entries: readonly OperatorEntry[]): void {
    for (const entry of entries) {
      const key = `${entry.day} ${entry.runtime} ${entry.layer} ${entry.use}`;
      const before = this.#operator.get(key);
      const memoryMbMs = entry.memoryMbMs + (before?.memoryMbMs ?? 0n);
      this.#operator.set(key, { ...entry, memoryMbMs, cpuNs: entry.cpuNs + (before?.cpuNs ?? 0n) });
    }
  }

  /**
   * Resolves when all that was added before is on the disk.
   * @throws StrataError `storage_full`, `internal_error` when it cannot be written now. Nothing is lost then: it is tried
   *   again, and only the end of the process before that loses it.
   */
  flush(delayMs = GROUP_MS): Promise<void> {
    if (this.#written >= this.#added && this.#operator.size === 0) return Promise.resolve();
    if (this.#failing !== null) return Promise.reject(this.#failing);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ until: this.#added, resolve, reject });
      this.#writeIn(delayMs);
    });
  }

  /** Like `flush`, and hastens nothing: who only reads must not make the disk work. */
  settled(): Promise<void> {
    return this.flush(this.#options.settings.flushIntervalMs);
  }

  /** A receipt that still waits for the disk. */
  pending(invocationId: string): LedgerRecord | null {
    return this.#pending.findLast((row) => row.invocationId === invocationId) ?? null;
  }

  /** Writes what waits, and lets go of the database. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#sweeper?.cancel();
    this.#write();
    if (this.#pending.length > 0)
      this.#options.onFault('receipts could not be written before the end and are lost', {
        receipts: this.#pending.length,
        reason: this.#failing?.message,
      });
    this.#options.store.close();
  }

  #writeIn(delayMs: number): void {
    if (this.#closed) return;
    const dueMs = this.#options.clock.nowMs() + delayMs;
    if (dueMs >= this.#timerDueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timerDueMs = Number.POSITIVE_INFINITY;
      this.#write();
      if (this.#failing !== null) this.#writeIn(this.#retryMs);
      else if (this.#pending.length > 0) this.#writeIn(0);
    });
  }

  /** One transaction, or all that waits when the process ends. */
  #write(): void {
    const { store, settings, onFault } = this.#options;
    do {
      const rows =
        this.#pending.length > TRANSACTION_ROWS ? this.#pending.slice(0, TRANSACTION_ROWS) : this.#pending;
      if (rows.length === 0 && this.#operator.size === 0) return;
      try {
        const stored = store.write(rows, [...this.#operator.values()]);
        this.#operator.clear();
        this.#settle(rows, stored);
        if (this.#failing !== null) onFault('receipts are written again', { receipts: rows.length });
        this.#failing = null;
        this.#retryMs = settings.flushIntervalMs;
      } catch (thrown) {
        this.#fail(thrown);
        return;
      }
    } while (this.#closed);
  }

  #settle(rows: readonly LedgerRow[], stored: number): void {
    this.#pending = this.#pending.length === rows.length ? [] : this.#pending.slice(rows.length);
    for (const row of rows) this.#pendingBytes -= row.bytes;
    this.#written += rows.length;
    this.#duplicates += rows.length - stored;
    while (this.#waiters[0] !== undefined && this.#waiters[0].until <= this.#written)
      this.#waiters.shift()?.resolve();
  }

  #fail(thrown: unknown): void {
    const error =
      thrown instanceof StrataError
        ? thrown
        : new StrataError('internal_error', 'The ledger could not write receipts.', { cause: thrown });
    if (this.#failing === null)
      this.#options.onFault('receipts cannot be written; they wait and are tried again', {
        receipts: this.#pending.length,
        reason: error.message,
      });
    this.#failing = error;
    this.#writeFailures += 1;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  #scheduleSweep(delayMs = SWEEP_MS): void {
    this.#sweeper = this.#options.clock.setTimer(delayMs, () => this.#sweep());
  }

  /** A little at a time, sooner when there is more. */
  #sweep(): void {
    const { store, settings, clock } = this.#options;
    const nowMs = clock.wallMs();
    let removed = 0;
    try {
      removed = store.removeReceipts(
        settings.maxReceipts,
        nowMs - settings.maxReceiptDays * DAY_MS,
        SWEEP_ROWS,
      );
      this.#removed += removed;
      store.removeSums(Math.floor(nowMs / DAY_MS) - settings.maxSumDays, SWEEP_ROWS);
    } catch {
      // The disk is full or broken: the next write tells, and what is too old stays a little longer.
    }
    if (this.#operator.size > 0 && this.#failing === null) this.#writeIn(0);
    this.#scheduleSweep(removed === SWEEP_ROWS ? SWEEP_MS / 10 : SWEEP_MS);
  }
}
