/**
 * The key by which a caller stays at one version of an alias that has two.
 *
 * Owns its bounds and the hash. Never keeps a key. Invariant: the same function, alias and key always give the same
 * fraction, also on another server and after a restart.
 */
import { createHash } from 'node:crypto';
import { StrataError } from '../core/errors.ts';
import { SESSION_KEY_MAX_LENGTH } from '../core/limits.ts';

/** @throws StrataError `invalid_request`. */
export const checkSessionKey = (key: unknown): void => {
  if (typeof key === 'string' && key.length >= 1 && key.length <= SESSION_KEY_MAX_LENGTH) return;
  const seen = typeof key === 'string' ? `has ${key.length}` : `is of type ${typeof key}`;
  throw new StrataError(
    'invalid_request',
    `A session key has 1 to ${SESSION_KEY_MAX_LENGTH} characters; this one ${seen}. Hash what is longer.`,
  );
};

/** From 0 up to but not 1, evenly over all keys. Whose keys collide in one alias need not collide in another. */
export const fractionOf = (functionId: string, alias: string, key: string): number =>
  createHash('sha256').update(`${functionId}/${alias}/${key}`).digest().readUIntBE(0, BYTES) /
  2 ** (8 * BYTES);

const BYTES = 6;
