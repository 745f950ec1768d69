/**
 * Randomness as a port: ids and nonces come from here, so that tests and the simulator can seed them.
 */
import { randomBytes, randomUUID } from 'node:crypto';

export interface Random {
  /** A version 4 UUID. */
  uuid(): string;
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
  /** An unpredictable integer, 1 to 2^48 − 1. */
  nonce(): number;
  /** From 0 up to but not 1, every part of it as likely. */
  fraction(): number;
}

const POOL_BYTES = 6 * 1024;

/** Randomness from the operating system; nonces are drawn from a pooled buffer because each warm call needs one. */
export const systemRandom: Random = (() => {
  let pool = randomBytes(POOL_BYTES);
  let offset = 0;
  const draw = (): number => {
    if (offset + 6 > POOL_BYTES) {
      pool = randomBytes(POOL_BYTES);
      offset = 0;
    }
    const value = pool.readUIntBE(offset, 6);
    offset += 6;
    return value;
  };
  const nonce = (): number => {
    const value = draw();
    return value === 0 ? nonce() : value;
  };
  return {
    ...{ uuid: () => randomUUID(), bytes: (count) => randomBytes(count) },
    ...{ nonce, fraction: () => draw() / 2 ** 48 },
  };
})();

/** A seeded generator (mulberry32) behind the same port: for tests and the simulator, never for secrets. */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => next() & 0xff);
  const uuid = (): string => {
    const hex = Buffer.from(bytes(16)).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  };
  return { uuid, bytes, nonce: () => 1 + (next() & 0x7fffffff), fraction: () => next() / 2 ** 32 };
};
