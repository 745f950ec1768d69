import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isJson, JSON_MAX_DEPTH } from './json-check.ts';

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('isJson', () => {
  it.each([
    ...[
      '0',
      '-0',
      '1.5e+10',
      '1E-2',
      '""',
      '"\\u00e9\\n"',
      'true',
      'false',
      'null',
      '[]',
      '{}',
      ' [ ] ',
      '\t1\r\n',
    ],
    ...['[1,2]', '{"a":{"b":[{}]},"c":""}', '"ü 😀"', '{"a":1,"a":2}', '[[],[[]]]', '"\u007f"'],
  ])('takes %j', (text) => {
    expect(parses(text)).toBe(true);
    expect(isJson(Buffer.from(text))).toBe(true);
  });

  it.each([
    ...[
      '',
      ' ',
      '01',
      '-',
      '1.',
      '.5',
      '1e',
      '+1',
      'NaN',
      'Infinity',
      'tru',
      'nulll',
      'undefined',
      "'a'",
      '"',
      '"\\"',
    ],
    ...[
      '"\\x"',
      '"\\u12g4"',
      '"a\nb"',
      '[',
      ']',
      '[1',
      '[1,]',
      '[,1]',
      '[1 2]',
      '{',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
    ],
    ...[
      '{a:1}',
      '{1:1}',
      '{"a":1 "b":2}',
      '[}',
      '{]',
      '1 2',
      '[]]',
      '{}{}',
      '\ufeff{}',
      '\u00a01',
      '\0',
      '/**/1',
    ],
  ])('refuses %j', (text) => {
    expect(parses(text)).toBe(false);
    expect(isJson(Buffer.from(text))).toBe(false);
  });

  it('refuses what is not UTF-8', () => {
    expect(isJson(Buffer.from([0x22, 0xff, 0x22]))).toBe(false);
  });

  it('refuses nesting without end, and takes what any reader can', () => {
    const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
    expect(isJson(nested(JSON_MAX_DEPTH))).toBe(true);
    expect(isJson(nested(JSON_MAX_DEPTH + 2))).toBe(false);
    expect(isJson(Buffer.alloc(1_000_000, '['))).toBe(false);
  });

  it('says what JSON.parse says, of any text and of JSON with a byte changed', () => {
    const signs = fc.string({ unit: fc.constantFrom(...'[]{}",:\\u0-1.eE+ truefalsn\n9a') });
    fc.assert(
      fc.property(signs, (text) => {
        expect(isJson(Buffer.from(text))).toBe(parses(text));
      }),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom(...'[]{}",:\\0 e-'), (text, at, sign) => {
        expect(isJson(Buffer.from(text))).toBe(true);
        const changed = text.slice(0, at % text.length) + sign + text.slice((at % text.length) + 1);
        expect(isJson(Buffer.from(changed))).toBe(parses(Buffer.from(changed).toString()));
      }),
      { numRuns: 1_000 },
    );
  });
});
