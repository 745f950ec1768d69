/**
 * How many events the queue may hold, and how large: in all, and of each tenant.
 *
 * Owns the counts. Invariants: neither bound is ever exceeded; of the last fifth a tenant takes no more than its fair
 * share, so that one tenant's backlog leaves room for every other; a tenant is known while it has something.
 */
import { type AsyncLimitKind, StrataError } from '../core/errors.ts';
import type { QueueSettings } from './api.ts';

interface Held {
  count: number;
  bytes: number;
}

/** From this part on a tenant takes its fair share alone. */
const OPEN_PART = 0.8;
const MIB = 1024 * 1024;

export class Quotas {
  readonly #settings: QueueSettings;
  readonly #all: Held = { count: 0, bytes: 0 };
  readonly #tenants = new Map<string, Held>();

  constructor(settings: QueueSettings) {
    this.#settings = settings;
  }

  get count(): number {
    return this.#all.count;
  }

  get tenants(): number {
    return this.#tenants.size;
  }

  /** Why one more of this size may not come; null when it may. */
  refusal(tenant: string, bytes: number, retryAfterMs: number): StrataError | null {
    const { maxQueued, maxQueuedPerTenant } = this.#settings;
    const own = this.#tenants.get(tenant) ?? NOTHING;
    const most = maxQueued;
    if (own.count >= maxQueuedPerTenant)
      return full('asyncQueuedPerTenant', maxQueuedPerTenant, own.count, retryAfterMs);
    const share = most * this.#share;
    if (this.#all.count >= most || (this.#all.count >= most * OPEN_PART && own.count >= share))
      return full('asyncQueued', most, this.#all.count, retryAfterMs);
    return this.#refusalOfBytes(own, bytes, retryAfterMs);
  }

  /** Why one that has its place may not become larger by so much; null when it may. */
  refusalOfGrowth(tenant: string, bytes: number, retryAfterMs: number): StrataError | null {
    return bytes <= 0
      ? null
      : this.#refusalOfBytes(this.#tenants.get(tenant) ?? NOTHING, bytes, retryAfterMs);
  }

  /** How much more of a tenant there is room for. */
  roomFor(tenant: string): Readonly<Held> {
    const own = this.#tenants.get(tenant) ?? NOTHING;
    const { maxQueued, maxQueuedPerTenant, maxQueuedMb, maxQueuedMbPerTenant } = this.#settings;
    return {
      count: Math.max(0, Math.min(maxQueuedPerTenant - own.count, maxQueued - this.#all.count)),
      bytes: Math.max(
        0,
        Math.min(maxQueuedMbPerTenant * MIB - own.bytes, maxQueuedMb * MIB - this.#all.bytes),
      ),
    };
  }

  /** The part of the whole that is each tenant's, with one more. */
  get #share(): number {
    return 1 / (this.#tenants.size + 1);
  }

  #refusalOfBytes(own: Readonly<Held>, bytes: number, retryAfterMs: number): StrataError | null {
    const { maxQueuedMb, maxQueuedMbPerTenant } = this.#settings;
    const mostBytes = maxQueuedMb * MIB;
    if (own.bytes + bytes > maxQueuedMbPerTenant * MIB)
      return full('asyncQueuedBytesPerTenant', maxQueuedMbPerTenant * MIB, own.bytes, retryAfterMs);
    const all = this.#all.bytes + bytes;
    const share = mostBytes * this.#share;
    if (all > mostBytes || (all > mostBytes * OPEN_PART && own.bytes + bytes > share))
      return full('asyncQueuedBytes', mostBytes, this.#all.bytes, retryAfterMs);
    return null;
  }

  add(tenant: string, bytes: number): void {
    let own = this.#tenants.get(tenant);
    if (own === undefined) {
      own = { count: 0, bytes: 0 };
      this.#tenants.set(tenant, own);
    }
    own.count += 1;
    own.bytes += bytes;
    this.#all.count += 1;
    this.#all.bytes += bytes;
  }

  remove(tenant: string, bytes: number): void {
    const own = this.#tenants.get(tenant);
    if (own === undefined) return;
    own.count -= 1;
    own.bytes -= bytes;
    this.#all.count -= 1;
    this.#all.bytes -= bytes;
    if (own.count === 0) this.#tenants.delete(tenant);
  }
}

const NOTHING: Held = { count: 0, bytes: 0 };

const SETTING_OF: Readonly<Record<AsyncLimitKind, string>> = {
  asyncQueued: 'async.maxQueued',
  asyncQueuedPerTenant: 'async.maxQueuedPerTenant',
  asyncQueuedBytes: 'async.maxQueuedMb',
  asyncQueuedBytesPerTenant: 'async.maxQueuedMbPerTenant',
  asyncHops: 'async.maxHops',
};

const full = (
  kind: AsyncLimitKind,
  configured: number,
  observed: number,
  retryAfterMs: number,
): StrataError =>
  new StrataError(
    'overloaded',
    `The asynchronous queue holds ${observed} already; ${SETTING_OF[kind]} allows ${configured}, and the last fifth of ` +
      'what is for all is divided between the tenants. Retry later.',
    { limit: { kind, configured, observed }, retryAfterMs },
  );
