/**
 * What keys look like, and what is stored of them.
 *
 * A key is `sk_`, an id of 16 characters that may be shown, and 43 characters of base64url: 256 random bits. Stored is
 * its SHA-256. A slow hash would protect secrets that people choose and that can be guessed; nobody guesses 256 random
 * bits, however fast each guess is, and every request would pay for it.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../ports/random.ts';

export interface MadeKey {
  readonly id: string;
  readonly text: string;
  readonly digest: Uint8Array;
}

export const makeKey = (random: Random): MadeKey => {
  const id = [...random.bytes(ID_LENGTH)].map((byte) => ID_ALPHABET[byte & 31]).join('');
  const text = `sk_${id}_${Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url')}`;
  return { id, text, digest: digestOf(text) };
};

export const prefixOf = (id: string): string => `sk_${id}`;

/** The id in what may be a key; null when it has not the form of one that was made here. */
export const idIn = (text: string): string | null => KEY.exec(text)?.[1] ?? null;

/** Whether a text can be an admin key that the operator chose. */
export const isOperatorKey = (text: string): boolean => OPERATOR_KEY.test(text);

export const digestOf = (text: string): Uint8Array => hash('sha256', text, 'buffer');

/** Takes as long for digests that differ early as for those that differ late. */
export const isSame = (first: Uint8Array, second: Uint8Array): boolean =>
  first.length === second.length && timingSafeEqual(first, second);

/** The secret with which the holder of a key signs: derived, so that the database does not hold it. */
export const signingSecretOf = (master: Uint8Array, id: string): string =>
  createHmac('sha256', master).update(`strata-signing-secret:${id}`).digest('base64url');

const ID_LENGTH = 16;
const SECRET_BYTES = 32;
const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const KEY = /^sk_([a-z2-7]{16})_[A-Za-z0-9_-]{43}$/;
const OPERATOR_KEY = /^sk_[A-Za-z0-9_-]{43,200}$/;
