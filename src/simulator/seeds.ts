/**
 * Seeds derived from names and numbers, so that every function has a random process of its own that depends on nothing
 * around it: whoever plays a part of a trace sees the same arrivals as who plays all of it.
 */

/** 32 bits of a text: FNV-1a, mixed so that similar names differ in every bit. */
export const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mixed(hash);
};

/** A seed from a hash and numbers: the same for the same, and unrelated otherwise. */
export const seedFrom = (hash: number, ...parts: readonly number[]): number => {
  let seed = hash;
  for (const part of parts) seed = mixed(Math.imul(seed, 0x9e3779b1) + (part | 0) + 0x7f4a7c15);
  return seed;
};

/** The finalizer of MurmurHash3. */
const mixed = (hash: number): number => {
  let value = hash;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
};

const NONCES = 0x80000000;

/** From 0 inclusive to 1 exclusive, from a seeded nonce. */
export const shareOf = (nonce: number): number => (nonce - 1) / NONCES;
