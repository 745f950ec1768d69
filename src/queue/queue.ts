/**
 * The queue of asynchronous invocations: accepted when they are on the disk, run later, kept until they have ended.
 *
 * Owns acceptance, what lives in memory, cancelling, dead letters and the way through start and end of a server. Invariants:
 * an id is given out when its event is on the disk; what was accepted reaches one final state; memory holds no more than
 * the quotas allow; an invocation is seen by its tenant alone.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Finished } from '../billing/receipts.ts';
import { failure, StrataError } from '../core/errors.ts';
import type { Receipt } from '../core/receipt.ts';
import type { Destination, FunctionRecord } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import { IN_MEMORY } from '../ports/database.ts';
import type { Random } from '../ports/random.ts';
import { storageError } from '../ports/storage-errors.ts';
import type {
  Accepted,
  AcceptRequest,
  AsyncPage,
  AsyncQueue,
  AsyncSummary,
  AsyncView,
  AttemptLedger,
  PageQuery,
  QueueSettings,
  QueueStats,
  RunAttempt,
  SendWebhook,
} from './api.ts';
import { Commits, type OnFault } from './commits.ts';
import { Deliveries } from './deliveries.ts';
import { type Entry, entryOf } from './entry.ts';
import type { LiveRow } from './operations.ts';
import { Quotas } from './quotas.ts';
import { digestOf, keyTaken, notDead, placeOf, refuseEvent, refuseKey, unknown } from './refusals.ts';
import { type End, Runs } from './runs.ts';
import { isFinal, transition } from './states.ts';
import { openInlineStore, openThreadStore, type QueueStore } from './store.ts';
import { Sweeper } from './sweeper.ts';
import { Tally } from './tally.ts';
import { summaryOf, viewOf } from './views.ts';
import { MASTER_BYTES, secretOf } from './webhook.ts';

export interface QueueParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: QueueSettings;
  readonly ledger: AttemptLedger;
  readonly run: RunAttempt;
  readonly receiptOf: (finished: Finished) => Receipt;
  /** For invocations that records make. */
  readonly newId: () => string;
  readonly send: SendWebhook;
  /** @throws StrataError `not_found`. */
  readonly resolve: (tenant: string, name: string, qualifier?: string) => FunctionRecord;
  readonly isRoom: (tenant: string) => boolean;
  /** Something that the operator should know. */
  readonly onFault: OnFault;
}

/** What the wiring does with a queue, beside what its users do. */
export interface DurableQueue extends AsyncQueue {
  /** Runs what is due, also of what was accepted before. */
  resume(): void;
  /** Accepts and begins nothing more. */
  pause(): void;
  /** Waits for what runs, notes it, and closes the database. */
  close(): Promise<void>;
}

/**
 * Opens what was accepted before; nothing of it runs until `resume`.
 * @param dataDir the folder of the database, or `:memory:`.
 * @throws StrataError `conflict` when another process has it, `storage_full`, `internal_error` when it cannot be used.
 */
export const openQueue = async (dataDir: string, parts: QueueParts): Promise<DurableQueue> => {
  const store = await openStore(dataDir);
  try {
    const master = await store.secret('webhooks', parts.random.bytes(MASTER_BYTES));
    const queue = new StoredQueue(parts, store, master);
    await queue.load();
    return queue;
  } catch (thrown) {
    await store.close();
    throw thrown;
  }
};

const openStore = (dataDir: string): Promise<QueueStore> | QueueStore => {
  if (dataDir === IN_MEMORY) return openInlineStore(IN_MEMORY);
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw storageError(`The data folder ${dataDir}`, dataDir, cause);
  }
  return openThreadStore(join(dataDir, 'queue.db'));
};

const LOAD_PAGE = 1_000;
const LIST_DEFAULT = 100;
const LIST_MAX = 1_000;
const REDRIVE_MAX = 1_000;
/** Events that are kept in memory until they run. */
const EVENT_CACHE_BYTES = 32 * 1024 * 1024;
const EMPTY_EVENT = new Uint8Array(Buffer.from('{}'));
const RETRY_AFTER_MS = 1_000;

export class StoredQueue implements DurableQueue {
  readonly #parts: QueueParts;
  readonly #store: QueueStore;
  readonly #master: Uint8Array;
  readonly #commits: Commits;
  readonly #quotas: Quotas;
  readonly #runs: Runs;
  readonly #deliveries: Deliveries;
  readonly #sweeper: Sweeper;
  readonly #tally = new Tally();
  /** Those that have not ended, or whose record is still to be delivered. */
  readonly #entries = new Map<string, Entry>();
  #cachedBytes = 0;
  #closing: Promise<void> | null = null;
  #paused = false;
  /** The last of the redrives, which take turns: each is held to the room that the one before has left. */
  #redriving: Promise<unknown> = Promise.resolve();

  constructor(parts: QueueParts, store: QueueStore, master: Uint8Array) {
    this.#parts = parts;
    this.#store = store;
    this.#master = master;
    const { clock, random, settings, ledger, run, receiptOf, newId, send, isRoom } = parts;
    const commits = new Commits(store, clock, parts.onFault);
    this.#commits = commits;
    this.#quotas = new Quotas(settings);
    this.#sweeper = new Sweeper(clock, commits, settings);
    const shared = { clock, random, store, commits, settings, tally: this.#tally };
    this.#runs = new Runs({
      ...{ ...shared, ledger, run, receiptOf, isRoom, onFault: parts.onFault },
      finish: (entry, end) => this.#finish(entry, end),
    });
    this.#deliveries = new Deliveries({
      ...{ ...shared, master, send, newId },
      relay: async (request, from) => void (await this.#accept(request, from)),
      done: (entry) => this.#forget(entry),
    });
  }

  /** Takes in what an earlier server left. */
  async load(): Promise<void> {
    let last: LiveRow | null = null;
    for (;;) {
      const rows: LiveRow[] = await this.#store.live(last, LOAD_PAGE);
      for (const row of rows) this.#take(row);
      last = rows.at(-1) ?? null;
      if (rows.length < LOAD_PAGE) return;
    }
  }

  resume(): void {
    this.#runs.resume();
    this.#deliveries.resume();
    this.#sweeper.resume();
    for (const entry of [...this.#entries.values()]) this.#restart(entry);
  }

  pause(): void {
    this.#paused = true;
    this.#runs.pause();
    this.#deliveries.pause();
    this.#sweeper.pause();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  accept(request: AcceptRequest): Promise<Accepted> {
    return this.#accept(request, null);
  }

  async get(invocationId: string, tenant: string): Promise<AsyncView | null> {
    const row = await this.#store.get(invocationId);
    if (row === null || row.tenant !== tenant) return null;
    return viewOf(row, this.#isRunning(invocationId));
  }

  list(query: PageQuery): Promise<AsyncPage> {
    return this.#page(query, false);
  }

  deadLetters(query: Omit<PageQuery, 'status'>): Promise<AsyncPage> {
    return this.#page(query, true);
  }

  async cancel(invocationId: string, tenant: string): Promise<AsyncSummary> {
    const entry = this.#entries.get(invocationId);
    if (entry === undefined || entry.tenant !== tenant || isFinal(entry.status)) {
      const row = await this.#store.get(invocationId);
      if (row === null || row.tenant !== tenant) throw unknown(invocationId);
      throw new StrataError(
        'conflict',
        `The invocation ${invocationId} is ${entry?.status ?? row.status} already; there is nothing left to cancel.`,
      );
    }
    if (entry.status === 'queued') {
      this.#runs.remove(entry);
      await this.#finish(entry, { change: 'cancel', attempt: null, ran: null, failure: null });
    } else {
      entry.cancelAsked = true;
      await this.#commits.do({ op: 'askCancel', id: invocationId });
      entry.stopWaiting?.();
    }
    const row = await this.#store.get(invocationId);
    if (row === null) throw unknown(invocationId);
    return summaryOf(row, this.#isRunning(invocationId));
  }

  redrive(tenant: string, name: string, invocationId: string | null): Promise<{ readonly redriven: number }> {
    const redriving = this.#redriving.then(() => this.#redrive(tenant, name, invocationId));
    this.#redriving = redriving.catch(() => {});
    return redriving;
  }

  async discard(
    tenant: string,
    name: string,
    invocationId: string | null,
  ): Promise<{ readonly discarded: number }> {
    const { count = 0 } = await this.#commits.do({
      ...{ op: 'discard', tenant, function: name, id: invocationId, limit: REDRIVE_MAX },
    });
    if (count === 0 && invocationId !== null) throw notDead(invocationId);
    return { discarded: count };
  }

  webhookSecret(tenant: string, name: string): string {
    this.#parts.resolve(tenant, name);
    return secretOf(this.#master, tenant, name);
  }

  stats(): QueueStats {
    const { accepted, attempts, retried, ended, delivered, deliveriesFailed, dead } = this.#tally;
    const { running } = this.#runs;
    const delivering = this.#deliveries.pending;
    // Insertion order is the order of arrival, but for what was redriven.
    const oldest = this.#entries.values().next().value;
    return {
      ...{ queued: Math.max(0, this.#entries.size - running - delivering), running, delivering },
      oldestMs: oldest === undefined ? 0 : Math.max(0, this.#parts.clock.nowMs() - oldest.arrivedMs),
      ...{ accepted, attempts, retried, ended, delivered, deliveriesFailed, dead },
    };
  }

  async #redrive(
    tenant: string,
    name: string,
    invocationId: string | null,
  ): Promise<{ readonly redriven: number }> {
    this.#refusePaused();
    const room = this.#quotas.roomFor(tenant);
    const full = (bytes: number): StrataError =>
      this.#quotas.refusal(tenant, bytes, RETRY_AFTER_MS) ?? unknown(invocationId ?? name);
    if (room.count === 0) throw full(0);
    const { rows = [], count = 0 } = await this.#commits.do({
      ...{ op: 'redrive', tenant, function: name, id: invocationId },
      ...{ limit: Math.min(REDRIVE_MAX, room.count), atMs: this.#parts.clock.wallMs() },
      maxBytes: room.bytes,
    });
    if (rows.length === 0 && count > 0) throw full(room.bytes + 1);
    if (rows.length === 0 && invocationId !== null) throw notDead(invocationId);
    for (const row of rows) this.#runs.add(this.#take(row));
    return { redriven: rows.length };
  }

  /** @param from the invocation whose record is the event: its place in the queue is handed over. */
  async #accept(request: AcceptRequest, from: Entry | null): Promise<Accepted> {
    if (from === null) this.#refusePaused();
    const { clock, resolve, settings } = this.#parts;
    const { tenant, function: name, qualifier, idempotencyKey: key } = request;
    const record = resolve(tenant, name, qualifier);
    // A copy of its own: what the request came in is larger, and goes to another thread as a whole.
    const event = request.eventJson.length === 0 ? EMPTY_EVENT : new Uint8Array(request.eventJson);
    refuseEvent(event, settings.eventMaxBytes);
    if (key !== undefined) refuseKey(key);
    const refusal =
      from === null
        ? this.#quotas.refusal(tenant, event.length, RETRY_AFTER_MS)
        : this.#quotas.refusalOfGrowth(tenant, event.length - from.bytes, RETRY_AFTER_MS);
    if (refusal !== null) throw refusal;
    const digest = key === undefined ? null : digestOf(event, qualifier);
    const atMs = clock.wallMs();
    const policy = JSON.stringify({ ...record.async, ...request.policy });
    const hops = from === null ? 0 : from.hops + 1;
    this.#quotas.add(tenant, event.length);
    const accepting = this.#commits.do({
      ...{ op: 'accept', id: request.invocationId, tenant, function: name, qualifier: qualifier ?? null },
      ...{ event, policy, hops, atMs, key: key ?? null, digest, relayOf: from?.id ?? null },
    });
    const { existing } = await accepting.catch((thrown: unknown) => {
      this.#quotas.remove(tenant, event.length);
      throw thrown;
    });
    if (existing !== undefined) {
      this.#quotas.remove(tenant, event.length);
      if (digest?.equals(existing.digest)) return { invocationId: existing.id, created: false };
      throw keyTaken(key ?? '');
    }
    this.#tally.accepted += 1;
    const entry = entryOf(
      {
        ...{ id: request.invocationId, tenant, function: name, qualifier: qualifier ?? null },
        ...{ eventBytes: event.length, policy, hops, status: 'queued', acceptedAtMs: atMs },
        ...{ queuedAtMs: atMs, dueAtMs: atMs, attempts: 0, retries: 0, interruptions: 0, cancel: false },
        ...{ deliveryTries: 0, deliveryDueAtMs: 0 },
      },
      clock,
      0,
    );
    this.#entries.set(entry.id, entry);
    if (this.#cachedBytes + event.length <= EVENT_CACHE_BYTES) {
      this.#cachedBytes += event.length;
      entry.event = event;
    }
    this.#runs.add(entry);
    return { invocationId: entry.id, created: true };
  }

  /** The event is not needed in memory any more, and an invocation reaches its final state. */
  async #finish(entry: Entry, { change, attempt, ran, failure: failed }: End): Promise<void> {
    const { clock, settings } = this.#parts;
    const status = transition(entry.status, change);
    if (!isFinal(status)) throw new TypeError(`${status} is no end`);
    entry.status = status;
    const destination = destinationOf(entry);
    const deliver = destination !== null && !('deadLetter' in destination);
    const dead = (status === 'failed' || status === 'expired') && !deliver;
    const resultJson = status === 'succeeded' ? (ran?.resultJson ?? null) : null;
    const dropped = resultJson !== null && resultJson.length > settings.resultMaxBytes;
    await this.#commits.surely({
      ...{ op: 'finish', id: entry.id, status, atMs: clock.wallMs() },
      ...{ attempts: entry.attempts, retries: entry.retries, attempt, failure: failed, deliver, dead },
      // Cut out of what the sandbox sent, which is larger.
      result: resultJson === null || dropped ? null : new Uint8Array(resultJson),
      resultDropped: dropped,
    });
    this.#tally.ended[status] += 1;
    if (dead) this.#tally.dead += 1;
    this.#uncache(entry);
    if (deliver) this.#deliveries.add(entry);
    else this.#forget(entry);
    this.#sweeper.ended();
  }

  #forget(entry: Entry): void {
    // One that was redriven since is another one, and has a place of its own.
    if (this.#entries.get(entry.id) !== entry) return;
    this.#entries.delete(entry.id);
    this.#uncache(entry);
    this.#quotas.remove(entry.tenant, entry.bytes);
  }

  #uncache(entry: Entry): void {
    if (entry.event !== null) this.#cachedBytes -= entry.bytes;
    entry.event = null;
  }

  #take(row: LiveRow): Entry {
    const { clock, settings } = this.#parts;
    // What ended and was redriven in one transaction comes here before its end does.
    const former = this.#entries.get(row.id);
    if (former !== undefined) this.#forget(former);
    const entry = entryOf(row, clock, settings.maxRetryDelayMs);
    this.#entries.set(entry.id, entry);
    this.#quotas.add(entry.tenant, entry.bytes);
    return entry;
  }

  /** Goes on with what an earlier server left, wherever that was. */
  #restart(entry: Entry): void {
    if (isFinal(entry.status)) this.#deliveries.add(entry);
    else if (entry.status === 'queued' && !entry.cancelAsked) this.#runs.add(entry);
    else this.#recover(entry).catch(() => {});
  }

  /** The server was killed while it ran. */
  async #recover(entry: Entry): Promise<void> {
    const end = { attempt: null, ran: null, failure: null };
    if (entry.cancelAsked) {
      await this.#finish(entry, { ...end, change: 'cancel' });
      return;
    }
    const { maxInterruptions } = this.#parts.settings;
    entry.interruptions += 1;
    if (entry.policy.delivery === 'at-most-once' || entry.interruptions > maxInterruptions) {
      const failed = failure('interrupted', interruptedText(entry));
      await this.#finish(entry, { ...end, change: 'fail', failure: failed });
      return;
    }
    const { id, attempts, retries, interruptions } = entry;
    const dueAtMs = this.#parts.clock.wallMs();
    await this.#commits.surely({ op: 'again', id, dueAtMs, attempts, retries, interruptions, attempt: null });
    entry.status = transition(entry.status, 'again');
    entry.dueMs = this.#parts.clock.nowMs();
    this.#runs.add(entry);
  }

  async #close(): Promise<void> {
    this.pause();
    this.#commits.giveUpTrying();
    await this.#runs.settled();
    await this.#deliveries.settled();
    await this.#commits.settled();
    await this.#store.close();
  }

  async #page(query: PageQuery, deadOnly: boolean): Promise<AsyncPage> {
    const { tenant, function: name, status = null, limit = LIST_DEFAULT, cursor } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX)
      throw new StrataError(
        'invalid_request',
        `limit is ${limit}; a whole number from 1 to ${LIST_MAX} is allowed.`,
      );
    const before = cursor === undefined ? null : placeOf(cursor);
    const rows = await this.#store.list({
      ...{ tenant, function: name, status, deadOnly, before, limit: limit + 1 },
    });
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      invocations: shown.map((row) => summaryOf(row, this.#isRunning(row.id))),
      nextCursor: rows.length > limit && last !== undefined ? String(last.seq) : null,
    };
  }

  #isRunning(id: string): boolean {
    return this.#entries.get(id)?.status === 'running';
  }

  #refusePaused(): void {
    if (this.#paused)
      throw new StrataError('draining', 'The server is shutting down and takes no new work.', {
        retryAfterMs: RETRY_AFTER_MS,
      });
  }
}

const destinationOf = ({ status, policy }: Entry): Destination | null => {
  if (status === 'succeeded') return policy.onSuccess;
  return status === 'failed' || status === 'expired' ? policy.onFailure : null;
};

const interruptedText = ({ policy, interruptions }: Entry): string =>
  policy.delivery === 'at-most-once'
    ? 'The server ended while the invocation ran; it is delivered at most once and does not run again.'
    : `The server ended ${interruptions} times while the invocation ran; async.maxInterruptions allows no more.`;
