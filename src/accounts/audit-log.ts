/**
 * Who changed what: one entry for each control call, in the order in which they were answered.
 *
 * Owns what an entry may hold and how long it is kept. Never holds a body, a key or a token. Invariants: entries are
 * added and forgotten by age and number, never changed; refusals of one tenant are noted no faster than
 * `REFUSALS_PER_SECOND`, because each is a write that everybody waits for, and costs who is refused nothing.
 */
import type { Clock } from '../ports/clock.ts';
import type { AuditInput, AuditPage, AuditQuery } from './api.ts';
import { checkLimit } from './inputs.ts';
import { Rates } from './rates.ts';
import type { SteadyTime } from './steady-time.ts';
import type { AccountStore } from './store.ts';

export interface AuditLogOptions {
  readonly clock: Clock;
  readonly store: AccountStore;
  readonly time: SteadyTime;
  readonly maxEntries: number;
  readonly retentionDays: number;
}

const LIMIT_DEFAULT = 100;
const TEXT_MAX = 512;
const DAY_MS = 86_400_000;
/** As many at once. */
const REFUSALS_PER_SECOND = 10;
/** Entries between two looks at what is too old. */
const TRIM_EVERY = 100;

export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #refusals: Rates;
  #untilTrim = 0;

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#refusals = new Rates(options.clock);
  }

  add(entry: AuditInput): void {
    const { store, time, maxEntries, retentionDays } = this.#options;
    const { principal, tenant, target, from } = entry;
    if (entry.outcome === 'refused' && this.#refusals.waitMsOf(tenant, REFUSALS_PER_SECOND) > 0) return;
    const atMs = time.nowMs();
    store.addAudit({ ...entry, atMs, principal: cut(principal), target: cut(target), from: cut(from) });
    this.#untilTrim -= 1;
    if (this.#untilTrim > 0) return;
    this.#untilTrim = Math.min(TRIM_EVERY, Math.ceil(maxEntries / 10));
    store.trimAudit(atMs - retentionDays * DAY_MS, maxEntries);
  }

  list({ tenant, limit = LIMIT_DEFAULT, before = Number.MAX_SAFE_INTEGER }: AuditQuery = {}): AuditPage {
    const entries = this.#options.store.auditBefore(before, checkLimit(limit) + 1, tenant ?? null);
    const page = entries.slice(0, limit);
    return { entries: page, nextBefore: entries.length > limit ? (page.at(-1)?.id ?? null) : null };
  }
}

const cut = (text: string): string => text.slice(0, TEXT_MAX).toWellFormed();
