/**
 * Brings the records of what has ended to their destinations.
 *
 * Owns who is due and who is under way, and gives up in the end. Never runs a function. Invariants: a record that is due
 * stays on the disk until it was delivered or given up; an invocation that a record makes is accepted in the transaction
 * in which the record counts as delivered, so there is one; a chain of them has an end. A webhook may get a record twice,
 * with the same id, when the server was killed in between.
 */
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { AcceptRequest, QueueSettings, SendWebhook } from './api.ts';
import type { Commits } from './commits.ts';
import { Counts } from './counts.ts';
import type { Entry } from './entry.ts';
import { FairLine } from './fair-line.ts';
import type { FullRow } from './operations.ts';
import { backoffMs } from './outcomes.ts';
import { recordOf } from './record.ts';
import type { QueueStore } from './store.ts';
import type { Tally } from './tally.ts';
import { Wakes } from './wakes.ts';
import { secretOf, signedHeaders } from './webhook.ts';

export interface DeliveriesParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: QueueStore;
  readonly commits: Commits;
  readonly settings: QueueSettings;
  readonly tally: Tally;
  readonly master: Uint8Array;
  readonly send: SendWebhook;
  readonly newId: () => string;
  /** Accepts an invocation as the destination of another; throws when the function does not exist. */
  readonly relay: (request: AcceptRequest, from: Entry) => Promise<void>;
  /** The record needs nothing more. */
  readonly done: (entry: Entry) => void;
}

/** It will not go better another time. */
class Hopeless extends Error {}

const ANY = (): boolean => true;
const SUCCESS_FROM = 200;
const SUCCESS_BELOW = 300;
const REASON_MAX_CHARS = 500;

export class Deliveries {
  readonly #parts: DeliveriesParts;
  readonly #line = new FairLine<Entry>();
  readonly #wakes: Wakes;
  readonly #byTenant = new Counts();
  readonly #tasks = new Set<Promise<void>>();
  #running = 0;
  #waiting = 0;
  #paused = true;

  constructor(parts: DeliveriesParts) {
    this.#parts = parts;
    this.#wakes = new Wakes(parts.clock, (entry) => {
      this.#waiting -= 1;
      if (!this.#paused) this.#ready(entry);
    });
  }

  /** Records that are due or under way. */
  get pending(): number {
    return this.#running + this.#waiting + this.#line.size;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  pause(): void {
    this.#paused = true;
    this.#wakes.close();
  }

  async settled(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }

  add(entry: Entry, delayMs = 0): void {
    if (delayMs <= 0) {
      this.#ready(entry);
      return;
    }
    this.#waiting += 1;
    this.#wakes.add(entry, this.#parts.clock.nowMs() + delayMs);
  }

  #ready(entry: Entry): void {
    this.#line.add(entry);
    this.#pump();
  }

  #pump(): void {
    const { maxDeliveries, maxDeliveriesPerTenant } = this.#parts.settings;
    const tenant = (name: string): boolean => this.#byTenant.of(name) < maxDeliveriesPerTenant;
    while (!this.#paused && this.#running < maxDeliveries) {
      const entry = this.#line.take({ tenant, function: ANY });
      if (entry === null) return;
      this.#running += 1;
      this.#byTenant.add(entry.tenant);
      const task = this.#deliver(entry)
        // What could not be noted because the queue closes is due again at the next start.
        .catch(() => {})
        .finally(() => {
          this.#tasks.delete(task);
          this.#running -= 1;
          this.#byTenant.remove(entry.tenant);
          this.#pump();
        });
      this.#tasks.add(task);
    }
  }

  async #deliver(entry: Entry): Promise<void> {
    const { store, commits, settings, tally, done } = this.#parts;
    const { id } = entry;
    try {
      const row = await store.get(id);
      if (row === null) throw new Hopeless('the invocation is gone');
      const relayed = await this.#send(entry, row);
      if (!relayed)
        await commits.surely({
          op: 'delivered',
          id,
          tries: entry.deliveryTries + 1,
          error: null,
          dead: false,
        });
      tally.delivered += 1;
      done(entry);
    } catch (thrown) {
      if (commits.isClosing) return;
      const error = (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, REASON_MAX_CHARS);
      entry.deliveryTries += 1;
      const hopeless = thrown instanceof Hopeless || entry.deliveryTries > settings.maxDeliveryRetries;
      if (hopeless) await this.#giveUp(entry, error);
      else await this.#later(entry, error);
    }
  }

  /** Answers whether that has noted the delivery already. */
  async #send(entry: Entry, row: FullRow): Promise<boolean> {
    const { settings, relay, newId } = this.#parts;
    const to = row.status === 'succeeded' ? entry.policy.onSuccess : entry.policy.onFailure;
    const body = recordOf(row, settings.eventMaxBytes);
    if (to !== null && 'webhook' in to) {
      await this.#post(entry, to.webhook, body);
      return false;
    }
    if (to === null || !('function' in to)) throw new Hopeless('it has no destination');
    if (entry.hops + 1 > settings.maxHops)
      throw new Hopeless(
        `it is the ${entry.hops + 1}th invocation in a row that a destination would make; async.maxHops allows ${settings.maxHops}`,
      );
    const [name = '', qualifier] = to.function.split(':');
    const { tenant } = entry;
    const request = { tenant, function: name, qualifier, eventJson: body, invocationId: newId() };
    try {
      await relay(request, entry);
    } catch (thrown) {
      const { code, message } = thrown as { code?: unknown; message?: unknown };
      if (code === 'not_found' || code === 'payload_too_large') throw new Hopeless(String(message));
      throw thrown;
    }
    return true;
  }

  async #post(entry: Entry, url: string, body: Uint8Array): Promise<void> {
    const { clock, master, send, settings } = this.#parts;
    const { tenant, function: name, id } = entry;
    const headers = signedHeaders(secretOf(master, tenant, name), { id, atMs: clock.wallMs(), body });
    const { webhookTimeoutMs: timeoutMs } = settings;
    const status = await send({ tenant, function: name, url, headers, body, timeoutMs });
    if (status < SUCCESS_FROM || status >= SUCCESS_BELOW) throw new Error(`the webhook answered ${status}`);
  }

  async #later(entry: Entry, error: string): Promise<void> {
    const { clock, commits, random, settings } = this.#parts;
    const { id, deliveryTries: tries } = entry;
    const delayMs = backoffMs(tries - 1, settings, random);
    const dueAtMs = Math.ceil(clock.wallMs() + delayMs);
    await commits.surely({ op: 'deliverAgain', id, dueAtMs, tries, error });
    this.add(entry, delayMs);
  }

  /** What failed becomes a dead letter, so that it can be redriven; of what succeeded the reason is kept. */
  async #giveUp(entry: Entry, error: string): Promise<void> {
    const { commits, tally, done } = this.#parts;
    const dead = entry.status !== 'succeeded';
    const { id, deliveryTries: tries } = entry;
    await commits.surely({ op: 'delivered', id, tries, error, dead });
    tally.deliveriesFailed += 1;
    if (dead) tally.dead += 1;
    done(entry);
  }
}
