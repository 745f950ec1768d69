import { describe, expect, it } from 'vitest';
import { CodeCache } from './code-cache.ts';

const file = (bytes: number) => ({ bytes: new Uint8Array(bytes), executable: false });
const code = (bytes: number) => new Map([['index.js', file(bytes)]]);
const ROOMY = { bytes: 1e6, entries: 1e3 };
/** A page, and two entries: the file and the folder of the digest. */
const SMALLEST_BYTES = 4_096 + 2 * 1_024;

describe('the code that a container holds', () => {
  it('has to be sent once', () => {
    const cache = new CodeCache(ROOMY);
    expect(cache.use('a')).toBe(false);
    expect(cache.add('a', code(10))).toEqual([]);
    expect(cache.use('a')).toBe(true);
  });

  it('makes room by the longest unused, counting whole pages', () => {
    const cache = new CodeCache({ bytes: 3 * SMALLEST_BYTES, entries: 100 });
    cache.add('a', code(1));
    cache.add('b', code(1));
    cache.use('a');
    expect(cache.add('c', code(4_097))).toEqual(['b']);
    expect(cache.use('a')).toBe(true);
    expect(cache.use('b')).toBe(false);
  });

  it('makes room for files and folders, however little is in them', () => {
    const cache = new CodeCache({ ...ROOMY, entries: 10 });
    const tree = new Map(['a/b/1', 'a/b/2', 'a/3'].map((path) => [path, file(0)]));
    expect(cache.add('tree', tree)).toEqual([]);
    expect(cache.add('four', code(0))).toEqual([]);
    expect(cache.add('over', tree)).toEqual(['tree']);
  });

  it('is on the account of memory until the container has let go of it', () => {
    const cache = new CodeCache({ bytes: 20_000, entries: 100 });
    cache.add('large', code(16_000));
    const largeBytes = cache.bytes;
    cache.add('small', code(1_000));
    expect([cache.bytes, cache.chargedBytes]).toEqual([SMALLEST_BYTES, largeBytes]);
    cache.use('small');
    expect(cache.chargedBytes).toBe(SMALLEST_BYTES);
  });
});
