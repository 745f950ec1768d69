/**
 * The deployed functions in memory: what every invocation reads.
 *
 * Owns look-up, order and paging. Never writes to a store. Invariants: one tenant's names never show in another's
 * pages; a page is ordered by name, and following the cursors visits every function that stays deployed once.
 */
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import type { FunctionPage, ListQuery } from './api.ts';
import { isFunctionName } from './spec.ts';
import { shown } from './spec-errors.ts';

export class FunctionTable {
  readonly #tenants = new Map<string, TenantTable>();

  get(tenant: string, name: string): FunctionRecord | undefined {
    return this.#tenants.get(tenant)?.records.get(name);
  }

  set(record: FunctionRecord): void {
    const table = this.#tenants.get(record.tenant) ?? { records: new Map(), sorted: null };
    if (!table.records.has(record.name)) table.sorted = null;
    table.records.set(record.name, record);
    this.#tenants.set(record.tenant, table);
  }

  delete(tenant: string, name: string): void {
    const table = this.#tenants.get(tenant);
    if (table === undefined) return;
    table.records.delete(name);
    table.sorted = null;
    if (table.records.size === 0) this.#tenants.delete(tenant);
  }

  *all(): Generator<FunctionRecord> {
    for (const { records } of this.#tenants.values()) yield* records.values();
  }

  /** @throws StrataError `invalid_request` for a bad cursor or limit. */
  list(query: ListQuery): FunctionPage {
    const limit = checkedLimit(query.limit);
    const after = query.cursor === undefined ? null : decodeCursor(query.cursor);
    const table = this.#tenants.get(query.tenant);
    if (table === undefined) return { functions: [], nextCursor: null };
    table.sorted ??= [...table.records.keys()].sort();
    const functions: FunctionRecord[] = [];
    for (let index = firstAfter(table.sorted, after); index < table.sorted.length; index += 1) {
      const record = table.records.get(table.sorted[index] ?? '');
      if (record === undefined || !matches(record, query.labels)) continue;
      const last = functions.at(-1);
      if (functions.length === limit && last !== undefined)
        return { functions, nextCursor: Buffer.from(last.name).toString('base64url') };
      functions.push(record);
    }
    return { functions, nextCursor: null };
  }
}

interface TenantTable {
  readonly records: Map<string, FunctionRecord>;
  /** Null after a name came or went. */
  sorted: string[] | null;
}

const LIST_LIMIT = { min: 1, max: 1_000, default: 100 };
const CURSOR_MAX_LENGTH = 128;

const checkedLimit = (limit: number = LIST_LIMIT.default): number => {
  if (Number.isInteger(limit) && limit >= LIST_LIMIT.min && limit <= LIST_LIMIT.max) return limit;
  throw new StrataError(
    'invalid_request',
    `limit: must be an integer from ${LIST_LIMIT.min} to ${LIST_LIMIT.max}; seen ${shown(limit)}.`,
  );
};

const decodeCursor = (cursor: string): string => {
  const name = cursor.length > CURSOR_MAX_LENGTH ? '' : Buffer.from(cursor, 'base64url').toString();
  if (isFunctionName(name) && Buffer.from(name).toString('base64url') === cursor) return name;
  throw new StrataError(
    'invalid_request',
    `cursor: ${shown(cursor)} is not one; pass the nextCursor of the page before, or leave it out.`,
  );
};

/** The index of the first name behind `after`, which need not exist any more. */
const firstAfter = (sorted: readonly string[], after: string | null): number => {
  if (after === null) return 0;
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') <= after) low = middle + 1;
    else high = middle;
  }
  return low;
};

const matches = (record: FunctionRecord, labels: ListQuery['labels']): boolean =>
  labels === undefined ||
  Object.entries(labels).every(
    ([key, value]) => Object.hasOwn(record.labels, key) && record.labels[key] === value,
  );
