/**
 * What goes wrong with the disk, as errors of the catalogue.
 *
 * Owns telling causes apart, because their remedies are opposites: a full disk needs space and its database is sound,
 * a damaged database needs its backup. Invariant: only for what is proven damaged does a message tell to move or
 * restore anything.
 */
import { StrataError } from '../core/errors.ts';

/**
 * @param what the subject of the message, as "The database /data/strata.db".
 * @param folder where space or rights are missing when they are.
 */
export const storageError = (what: string, folder: string, cause: unknown): StrataError => {
  const code = primaryCode(cause);
  if (isFull(cause)) {
    const detail =
      `The disk is full: ${what.charAt(0).toLowerCase()}${what.slice(1)} cannot be written. ` +
      `Free space in ${folder}, then send the request again; nothing is lost.`;
    return new StrataError('storage_full', detail, { cause });
  }
  if (code === SQLITE_BUSY) {
    const detail = `${what} is in use by another process; stop that one or take another data folder.`;
    return new StrataError('conflict', detail, { cause });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StrataError('internal_error', `${what} cannot be used: ${reason}. ${remedy(folder, cause)}`, {
    cause,
  });
};

/** No space left, or the quota used up. */
export const isFull = (cause: unknown): boolean =>
  primaryCode(cause) === SQLITE_FULL || FULL.has(systemCode(cause));

const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const REFUSED = new Set(['EROFS', 'EACCES', 'EPERM']);

const remedy = (folder: string, cause: unknown): string => {
  const code = primaryCode(cause);
  if (code === SQLITE_READONLY || REFUSED.has(systemCode(cause))) {
    return `Make ${folder} and what is in it writable for the user of this process.`;
  }
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) {
    return 'Restore it from a backup, or move it away to start empty.';
  }
  return `Look at the disk and at ${folder}, then start again.`;
};

/** SQLite's code without the part that only refines it; null for what is not SQLite's. */
const primaryCode = (cause: unknown): number | null =>
  cause instanceof Error && 'errcode' in cause && typeof cause.errcode === 'number'
    ? cause.errcode & 0xff
    : null;

const systemCode = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
