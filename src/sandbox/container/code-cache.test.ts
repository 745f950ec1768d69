import { describe, expect, it } from 'vitest';
import { CodeCache } from './code-cache.ts';

const code = (bytes: number) => new Map([['index.js', { bytes: new Uint8Array(bytes), executable: false }]]);

describe('the code that a container holds', () => {
  it('has to be sent once', () => {
    const cache = new CodeCache(1e6);
    expect(cache.use('a')).toBe(false);
    expect(cache.add('a', code(10))).toEqual([]);
    expect(cache.use('a')).toBe(true);
  });

  it('makes room by the longest unused, counting whole pages', () => {
    const cache = new CodeCache(3 * 4_096);
    cache.add('a', code(1));
    cache.add('b', code(1));
    cache.use('a');
    expect(cache.add('c', code(4_097))).toEqual(['b']);
    expect(cache.use('a')).toBe(true);
    expect(cache.use('b')).toBe(false);
  });
});
