/**
 * Revisions in HTTP: `ETag` on answers, `If-Match` on changes (RFC 9110).
 *
 * Owns the form only; whether a revision is the present one is decided where the change is made.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { StrataError } from '../../core/errors.ts';
import { shown } from './names.ts';

export const entityTag = (revision: string): string => `"${revision}"`;

/**
 * The revisions that a change expects; weak ones among them match nothing.
 * @throws StrataError `invalid_request`.
 */
export const ifMatchOf = (headers: IncomingHttpHeaders): { readonly ifMatch?: readonly string[] } => {
  const text = headers['if-match'];
  if (text === undefined) return {};
  if (text.trim() === ANY) return { ifMatch: [ANY] };
  if (text.length > MAX_LENGTH || !TAGS.test(text))
    throw new StrataError(
      'invalid_request',
      `If-Match is ${shown(text)}; give the ETag of an answer as it was, in quotes, several with commas, or *. At most ` +
        `${MAX_LENGTH} characters are read.`,
    );
  return { ifMatch: text.split(',').map(revisionOf) };
};

const ANY = '*';
const MAX_LENGTH = 1_024;
/** Without commas inside, because no revision has one. */
const TAG = '\\s*(?:W/)?"[\\x21\\x23-\\x2b\\x2d-\\x7e]+"\\s*';
const TAGS = new RegExp(`^${TAG}(?:,${TAG})*$`);

/** A weak tag keeps its mark, and a quoted star its quotes, so that neither is taken for something else. */
const revisionOf = (tag: string): string => {
  const trimmed = tag.trim();
  return trimmed.startsWith('"') && trimmed !== '"*"' ? trimmed.slice(1, -1) : trimmed;
};
