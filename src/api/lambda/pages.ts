/**
 * Pages of lists: `Marker` and `MaxItems` of a request, and the page of a list that is in memory.
 */
import type { LambdaCall } from './call.ts';
import { invalidParameter, violated } from './errors.ts';

const ITEMS_MAX = 10_000;
const DIGITS = /^\d{1,6}$/;

/**
 * @param most what a page has at most, and unless told.
 * @throws LambdaError
 */
export const pageOf = (
  { query }: LambdaCall,
  most: number,
): { readonly limit: number; readonly cursor: { readonly cursor?: string } } => {
  const { MaxItems: given, Marker: marker } = query;
  const asked = given === undefined ? most : DIGITS.test(given) ? Number(given) : 0;
  if (asked < 1) throw violated(given, 'maxItems', 'Member must have value greater than or equal to 1');
  if (asked > ITEMS_MAX)
    throw violated(given, 'maxItems', `Member must have value less than or equal to ${ITEMS_MAX}`);
  return { limit: Math.min(asked, most), cursor: marker === undefined ? {} : { cursor: marker } };
};

/**
 * A page of things that each have a key, in the order of the keys; the marker is the last key of the page before.
 * @throws LambdaError `InvalidParameterValueException` for what is no marker.
 */
export const slice = <Item>(
  call: LambdaCall,
  most: number,
  items: readonly Item[],
  keyOf: (item: Item) => string,
): { readonly items: readonly Item[]; readonly next: { readonly NextMarker?: string } } => {
  const { limit, cursor } = pageOf(call, most);
  const after = cursor.cursor === undefined ? null : decode(cursor.cursor);
  const sorted = items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const behind = after === null ? sorted : sorted.filter((item) => keyOf(item) > after);
  const page = behind.slice(0, limit);
  const last = page.at(-1);
  if (behind.length <= limit || last === undefined) return { items: page, next: {} };
  return { items: page, next: { NextMarker: Buffer.from(keyOf(last)).toString('base64url') } };
};

const decode = (marker: string): string => {
  const key = Buffer.from(marker.slice(0, 1_024), 'base64url').toString();
  if (Buffer.from(key).toString('base64url') !== marker)
    throw invalidParameter('The Marker is none; take the NextMarker of the page before.');
  return key;
};
