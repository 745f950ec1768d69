/**
 * A random generator: ChaCha20 with fast key erasure.
 *
 * Owns the key. Each refill takes the first half of a block as the next key and gives out the second half, so that
 * whoever sees the state cannot compute what was given out before.
 */

const ROUNDS = 20;
const KEY_WORDS = 8;

/** @returns a function that gives the next random 32-bit word. */
export const createGenerator = (seedHex: string): (() => number) => {
  const key = new Uint32Array(KEY_WORDS);
  for (let index = 0; index < KEY_WORDS; index += 1) {
    key[index] = Number.parseInt(seedHex.slice(index * 8, index * 8 + 8), 16);
  }
  const block = new Uint32Array(16);
  let next = 16;
  return () => {
    if (next === 16) {
      fillBlock(key, block);
      for (let index = 0; index < KEY_WORDS; index += 1) key[index] = word(block, index);
      next = KEY_WORDS;
    }
    const value = word(block, next);
    block[next] = 0;
    next += 1;
    return value;
  };
};

const word = (words: Uint32Array, index: number): number => words[index] as number;

/** One block for counter and nonce zero: the key is used only once. */
export const fillBlock = (key: Uint32Array, block: Uint32Array): void => {
  const start = new Uint32Array(16);
  start[0] = 0x61707865;
  start[1] = 0x3320646e;
  start[2] = 0x79622d32;
  start[3] = 0x6b206574;
  for (let index = 0; index < KEY_WORDS; index += 1) start[4 + index] = word(key, index);
  for (let index = 0; index < 16; index += 1) block[index] = word(start, index);
  for (let round = 0; round < ROUNDS; round += 2) {
    quarter(block, 0, 4, 8, 12);
    quarter(block, 1, 5, 9, 13);
    quarter(block, 2, 6, 10, 14);
    quarter(block, 3, 7, 11, 15);
    quarter(block, 0, 5, 10, 15);
    quarter(block, 1, 6, 11, 12);
    quarter(block, 2, 7, 8, 13);
    quarter(block, 3, 4, 9, 14);
  }
  for (let index = 0; index < 16; index += 1) block[index] = word(block, index) + word(start, index);
};

const quarter = (x: Uint32Array, a: number, b: number, c: number, d: number): void => {
  mix(x, a, b, d, 16);
  mix(x, c, d, b, 12);
  mix(x, a, b, d, 8);
  mix(x, c, d, b, 7);
};

const mix = (x: Uint32Array, sum: number, added: number, turned: number, bits: number): void => {
  x[sum] = word(x, sum) + word(x, added);
  const value = word(x, turned) ^ word(x, sum);
  x[turned] = (value << bits) | (value >>> (32 - bits));
};
