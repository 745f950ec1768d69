/**
 * The deployed functions in memory: what every invocation reads.
 *
 * Owns look-up, order and paging. Never writes to a store. Invariants: one tenant's names never show in another's
 * pages; a page is ordered by name, and following the cursors visits every function that stays deployed once.
 */
import type { FunctionRecord } from '../core/spec.ts';
import type { FunctionPage, ListQuery } from './api.ts';
import type { FunctionEntry } from './function-entry.ts';
import { checkedLimit, decodeCursor, encodeCursor, firstBehind } from './paging.ts';
import { isFunctionName } from './spec.ts';

export class FunctionTable {
  readonly #tenants = new Map<string, TenantTable>();

  get(tenant: string, name: string): FunctionEntry | undefined {
    return this.#tenants.get(tenant)?.entries.get(name);
  }

  add(entry: FunctionEntry): void {
    const { tenant, name } = entry.latest;
    const table = this.#tenants.get(tenant) ?? { entries: new Map(), sorted: null };
    const { entries, sorted } = table;
    if (!entries.has(name)) sorted?.splice(placeOf(sorted, name), 0, name);
    entries.set(name, entry);
    this.#tenants.set(tenant, table);
  }

  delete(tenant: string, name: string): void {
    const table = this.#tenants.get(tenant);
    if (table === undefined || !table.entries.delete(name)) return;
    table.sorted?.splice(placeOf(table.sorted, name), 1);
    if (table.entries.size === 0) this.#tenants.delete(tenant);
  }

  *all(): Generator<FunctionEntry> {
    for (const { entries } of this.#tenants.values()) yield* entries.values();
  }

  /** @throws StrataError `invalid_request` for a bad cursor or limit. */
  list(query: ListQuery): FunctionPage {
    const limit = checkedLimit(query.limit);
    const after = decodeCursor(query.cursor, isFunctionName);
    const table = this.#tenants.get(query.tenant);
    if (table === undefined) return { functions: [], nextCursor: null };
    const sorted = sortedOf(table);
    const functions: FunctionRecord[] = [];
    const from = after === null ? 0 : firstBehind(sorted, (name) => name > after);
    for (let index = from; index < sorted.length; index += 1) {
      const record = table.entries.get(sorted[index] ?? '')?.latest;
      if (record === undefined || !matches(record, query.labels)) continue;
      const last = functions.at(-1);
      if (functions.length === limit && last !== undefined)
        return { functions, nextCursor: encodeCursor(last.name) };
      functions.push(record);
    }
    return { functions, nextCursor: null };
  }
}

interface TenantTable {
  readonly entries: Map<string, FunctionEntry>;
  /** Null until somebody lists; from then on kept in order. */
  sorted: string[] | null;
}

const sortedOf = (table: TenantTable): readonly string[] => {
  table.sorted ??= [...table.entries.keys()].sort();
  return table.sorted;
};

/** Where a name is, or belongs. */
const placeOf = (sorted: readonly string[], name: string): number =>
  firstBehind(sorted, (other) => other >= name);

const matches = (record: FunctionRecord, labels: ListQuery['labels']): boolean =>
  labels === undefined ||
  Object.entries(labels).every(
    ([key, value]) => Object.hasOwn(record.labels, key) && record.labels[key] === value,
  );
