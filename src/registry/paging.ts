/**
 * Pages of sorted lists: how long one may be, and where the next one begins.
 *
 * Owns the cursor: the key of the page's last item, so that following the cursors visits every item that stays once,
 * whatever comes and goes meanwhile. Never sorts.
 */
import { StrataError } from '../core/errors.ts';
import { shown } from './spec-errors.ts';

export interface PageQuery {
  /** 1 to 1,000; 100 unless told. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** @throws StrataError `invalid_request`. */
export const checkedLimit = (limit: number = LIST_LIMIT.default): number => {
  if (Number.isInteger(limit) && limit >= LIST_LIMIT.min && limit <= LIST_LIMIT.max) return limit;
  throw new StrataError(
    'invalid_request',
    `limit: must be an integer from ${LIST_LIMIT.min} to ${LIST_LIMIT.max}; seen ${shown(limit)}.`,
  );
};

export const encodeCursor = (key: string): string => Buffer.from(key).toString('base64url');

/**
 * The key that a page begins behind; null for the first page.
 * @param isKey what a key looks like.
 * @throws StrataError `invalid_request` for what is no cursor.
 */
export const decodeCursor = (cursor: string | undefined, isKey: (text: string) => boolean): string | null => {
  if (cursor === undefined) return null;
  const key = cursor.length > CURSOR_MAX_LENGTH ? '' : Buffer.from(cursor, 'base64url').toString();
  if (isKey(key) && encodeCursor(key) === cursor) return key;
  throw new StrataError(
    'invalid_request',
    `cursor: ${shown(cursor)} is not one; pass the nextCursor of the page before, or leave it out.`,
  );
};

/** The index of the first item for which `isBehind` holds, in a list where it holds for all that follow. */
export const firstBehind = <Item>(sorted: readonly Item[], isBehind: (item: Item) => boolean): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBehind(sorted[middle] as Item)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** A page of a list that holds nothing to be left out. */
export const pageOf = <Item>(
  sorted: readonly Item[],
  from: number,
  limit: number,
  keyOf: (item: Item) => string,
): { readonly items: readonly Item[]; readonly nextCursor: string | null } => {
  const items = sorted.slice(from, from + limit);
  const last = items.at(-1);
  const isLast = from + limit >= sorted.length || last === undefined;
  return { items, nextCursor: isLast ? null : encodeCursor(keyOf(last)) };
};

const LIST_LIMIT = { min: 1, max: 1_000, default: 100 };
const CURSOR_MAX_LENGTH = 128;
