/**
 * The statistics of all functions: one series for each version that was called, as many as the settings allow.
 *
 * Owns which are kept. Names are what strangers choose: a new one beyond the limit takes the place of the series that
 * was used least recently, of the tenant that has the most. Invariants: a tenant that has less than its equal part
 * loses nothing to another; adding allocates nothing for a function that has been seen.
 */
import type { FunctionRecord } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { FunctionStats } from './api.ts';
import { type Counted, Series, SLOTS } from './series.ts';

export interface StatsSettings {
  readonly windowMinutes: number;
  /** Functions, each version for itself; 0 keeps no statistics. */
  readonly maxFunctions: number;
}

export type StatsFunction = Pick<FunctionRecord, 'id' | 'tenant' | 'version'>;

interface Entry {
  /** The state of the function that was last invoked: by it the entry is found without making a key. */
  function: StatsFunction;
  readonly series: Series;
  usedMs: number;
}

/** By id and version, the least recently used first. */
type TenantEntries = Map<string, Entry>;

const MINUTE_MS = 60_000;
/** Use is noted no finer than this, so that a busy function is not moved in the order for every call. */
const USE_GRAIN_MS = 1_000;

export class StatsCollector {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #maxFunctions: number;
  readonly #windowMs: number;
  readonly #tenants = new Map<string, TenantEntries>();
  readonly #byFunction = new Map<StatsFunction, Entry>();
  /** Who gave one up last, and does so again while it has more than its part. */
  #heaviest: TenantEntries | null = null;
  #size = 0;

  constructor(clock: Pick<Clock, 'nowMs'>, { windowMinutes, maxFunctions }: StatsSettings) {
    this.#clock = clock;
    this.#windowMs = windowMinutes * MINUTE_MS;
    this.#maxFunctions = maxFunctions;
  }

  /** Series that are kept. */
  get size(): number {
    return this.#size;
  }

  add(finished: Counted & { readonly function: StatsFunction }): void {
    if (this.#maxFunctions === 0) return;
    const nowMs = this.#clock.nowMs();
    const entry = this.#byFunction.get(finished.function) ?? this.#entryOf(finished.function, nowMs);
    if (nowMs - entry.usedMs >= USE_GRAIN_MS) this.#used(entry, nowMs);
    entry.series.add(finished, this.#slotAt(nowMs));
  }

  /** Of one version, or of all versions of the function. */
  of(record: StatsFunction, isOneVersion: boolean): FunctionStats {
    const entries = this.#tenants.get(record.tenant)?.values() ?? [];
    const series: Series[] = [];
    for (const { function: known, series: one } of entries)
      if (known.id === record.id && (!isOneVersion || known.version === record.version)) series.push(one);
    return Series.view(series, this.#slotAt(this.#clock.nowMs()), this.#windowMs);
  }

  #slotAt(nowMs: number): number {
    return Math.floor((nowMs * SLOTS) / this.#windowMs);
  }

  /** The entry of a function that is new, or deployed anew. */
  #entryOf(record: StatsFunction, nowMs: number): Entry {
    const known = this.#tenants.get(record.tenant)?.get(keyOf(record));
    if (known !== undefined) {
      this.#byFunction.delete(known.function);
      known.function = record;
      this.#byFunction.set(record, known);
      return known;
    }
    if (this.#size >= this.#maxFunctions) this.#dropOne();
    const entry: Entry = { function: record, series: new Series(), usedMs: nowMs };
    const own = this.#tenants.get(record.tenant) ?? new Map<string, Entry>();
    own.set(keyOf(record), entry);
    this.#tenants.set(record.tenant, own);
    this.#byFunction.set(record, entry);
    this.#size += 1;
    return entry;
  }

  #used(entry: Entry, nowMs: number): void {
    entry.usedMs = nowMs;
    const own = this.#tenants.get(entry.function.tenant);
    const key = keyOf(entry.function);
    own?.delete(key);
    own?.set(key, entry);
  }

  #dropOne(): void {
    const own = this.#victim();
    for (const [key, entry] of own) {
      own.delete(key);
      this.#byFunction.delete(entry.function);
      this.#size -= 1;
      if (own.size > 0) return;
      this.#tenants.delete(entry.function.tenant);
      if (this.#heaviest === own) this.#heaviest = null;
      return;
    }
  }

  /** The tenant with the most, looked for only when the last one has come down to its equal part. */
  #victim(): TenantEntries {
    const part = this.#size / this.#tenants.size;
    if (this.#heaviest !== null && this.#heaviest.size > part) return this.#heaviest;
    let heaviest: TenantEntries = NONE;
    for (const own of this.#tenants.values()) if (own.size > heaviest.size) heaviest = own;
    this.#heaviest = heaviest;
    return heaviest;
  }
}

const NONE: TenantEntries = new Map();

const keyOf = ({ id, version }: StatsFunction): string => `${id}/${version}`;
