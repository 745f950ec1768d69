import { describe, expect, it } from 'vitest';
import { parseStrictJson } from './strict-json.ts';

const parse = (text: string): unknown => parseStrictJson(Buffer.from(text));

describe('parseStrictJson', () => {
  it.each([
    '{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}',
    '{"a":"{\\"a\\":1,\\"a\\":2}","b":"\\\\"}',
    '{"a":"__proto__","b":"constructor"}',
    '{"":{"":{}}}',
    '[["a","a"],"a"]',
    ' "text" ',
    'null',
  ])('reads %s as JSON.parse does', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each([
    ['twice at the top', '{"a":1,"b":2,"a":3}'],
    ['twice, once escaped', '{"a":1,"\\u0061":3}'],
    ['twice behind nested values', '{"a":{"x":[1,{"y":2}]},"a":3}'],
    ['twice inside an array', '[{"k":1 , "k" :2}]'],
    ['twice as the empty key', '{"":1,"":2}'],
    ['twice behind an escaped backslash', '{"k":"\\\\","k":1}'],
  ])('refuses a key %s', (_where, text) => {
    expect(() => parse(text)).toThrow(/occurs twice/);
  });

  it.each(['__proto__', '\\u005f_proto__', 'constructor', 'prototype'])(
    'refuses the key %s at any depth',
    (key) => {
      expect(() => parse(`{"a":[{"${key}":1}]}`)).toThrow(/not allowed/);
    },
  );

  it('refuses nesting that no request needs, in bounded time', () => {
    expect(() => parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`)).toThrow(/deeper than 32/);
  });

  it.each([
    ['keys', `{${Array.from({ length: 20_001 }, (_, key) => `"${key}":0`).join(',')}}`],
    ['texts', `[${'"",'.repeat(20_000)}""]`],
    ['empty arrays', `[${'[],'.repeat(10_000)}[]]`],
  ])('refuses more %s than any request needs', (_what, text) => {
    expect(() => parse(text)).toThrow(/more than 20000 values/);
  });

  it('refuses excess before it parses: even where the text ends too early to be JSON', () => {
    expect(() => parse('['.repeat(5_000))).toThrow(/deeper than 32/);
    expect(() => parse(`[${'1,'.repeat(20_000)}`)).toThrow(/more than 20000 values/);
  });

  it('counts nothing inside texts', () => {
    const value = { source: '[{,"\\'.repeat(50_000), '[': ',' };
    expect(parse(JSON.stringify(value))).toEqual(value);
  });

  it('reads a long text full of backslashes in linear time', () => {
    const value = { source: '\\"'.repeat(200_000) };
    expect(parse(JSON.stringify(value))).toEqual(value);
  });
});
