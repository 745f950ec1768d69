/**
 * JSON from strangers: whatever reads it agrees with JSON.parse on what it is, and refuses in its own words.
 */
import { isUtf8 } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { parseStrictJson } from '../../src/api/strict-json.ts';
import { ERROR_CATALOGUE, StrataError } from '../../src/core/errors.ts';
import { isJson, JSON_MAX_DEPTH } from '../../src/core/json-check.ts';
import { parseResult, refuseEvent } from '../../src/invocation/json.ts';
import { parseRecords } from '../../src/sandbox/isolate/host/records.ts';
import { FrameError } from '../../src/sandbox/protocol/frames.ts';
import { parseTail, toFailure, toLogLines } from '../../src/sandbox/protocol/messages.ts';
import { type Dice, fuzz, hex, mutate } from './mutator.ts';

const STRINGS = [
  ...[
    '""',
    '"a"',
    '"\\u0061"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\\\"',
    '"\\""',
    '"é😀"',
    '"\\u005f_proto__"',
  ],
  ...[
    '"__proto__"',
    '"constructor"',
    '"prototype"',
    '"{"',
    '"[,:]"',
    '"\\\\\\""',
    '"\\/\\b\\f\\n\\r\\t"',
    '"\\u0000"',
  ],
];
const SCALARS = [
  ...STRINGS,
  ...[
    '0',
    '-0',
    '1',
    '-1.5e+10',
    '1e999',
    '0.1E-7',
    '123456789012345678901234567890',
    'true',
    'false',
    'null',
  ],
];
const SPACES = ['', '', '', ' ', '\n', '\t\r\n ', '\u00a0', '\ufeff', '\u2028', '\v'];
const BROKEN = [
  '01',
  '+1',
  '.5',
  '1.',
  '1e',
  "'a'",
  '"\n"',
  '"\\x41"',
  '"\\u12"',
  'nul',
  'NaN',
  'undefined',
  ',',
  ':',
  '//',
];

/** A value as text; mostly JSON, and never deeper than asked. */
const jsonText = (dice: Dice, depth: number): string => {
  const space = (): string => (dice.once(6) ? dice.pick(SPACES) : '');
  if (dice.once(60)) return dice.pick(BROKEN);
  if (depth === 0 || dice.once(3)) return space() + dice.pick(SCALARS) + space();
  const items = Array.from({ length: dice.int(5) }, () => jsonText(dice, depth - 1));
  if (dice.once(2)) return `${space()}[${items.join(',')}]${space()}`;
  return `${space()}{${items.map((item) => `${space()}${dice.pick(STRINGS)}${space()}:${item}`).join(',')}}`;
};

/** JSON, or nearly. */
const jsonBytes = (dice: Dice): Buffer => {
  const bytes = Buffer.from(jsonText(dice, dice.int(6)));
  return dice.once(2) ? bytes : mutate(dice, bytes, [Buffer.from(jsonText(dice, 3))]);
};

interface Parsed {
  readonly value: unknown;
}

const native = (bytes: Buffer): Parsed | null => {
  if (!isUtf8(bytes)) return null;
  try {
    return { value: JSON.parse(bytes.toString('utf8')) };
  } catch {
    return null;
  }
};

/** Whether any object of a text has a key twice or a forbidden one, found by a reader that is not the product's. */
const hasBadKey = (text: string): boolean => {
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{}:,]/gs) ?? [];
  const open: Set<string>[] = [];
  for (const [at, token] of tokens.entries()) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token.startsWith('"') && tokens[at + 1] === ':') {
      const key = JSON.parse(token) as string;
      const keys = open.at(-1);
      if (keys === undefined || keys.has(key)) return true;
      if (key === '__proto__' || key === 'constructor' || key === 'prototype') return true;
      keys.add(key);
    }
  }
  return false;
};

describe('JSON from strangers', () => {
  it('is taken strictly exactly where JSON.parse takes it and no key is twice or forbidden', async () => {
    await fuzz('strict-json', 6_000, (dice) => {
      const bytes = jsonBytes(dice);
      // A mark at the front is skipped by whoever decodes UTF-8 by the book; JSON.parse alone refuses it.
      const unmarked = bytes.subarray(0, 3).equals(Buffer.from('\ufeff')) ? bytes.subarray(3) : bytes;
      const expected = native(unmarked);
      let found: Parsed | null = null;
      try {
        found = { value: parseStrictJson(bytes) };
      } catch (thrown) {
        expect(thrown, hex(bytes)).toBeInstanceOf(StrataError);
        expect((thrown as StrataError).code).toBe('invalid_request');
        expect((thrown as StrataError).message.length).toBeLessThan(400);
      }
      const allowed = expected !== null && !hasBadKey(unmarked.toString('utf8'));
      expect(found, hex(bytes)).toEqual(allowed ? expected : null);
    });
  });

  it('is a result exactly where JSON.parse says so', async () => {
    await fuzz('json-check', 8_000, (dice) => {
      const bytes = jsonBytes(dice);
      expect(isJson(bytes), hex(bytes)).toBe(native(bytes) !== null);
      const padded = Buffer.concat([dice.bytes(3), bytes, dice.bytes(3)]).subarray(3, 3 + bytes.length);
      expect(isJson(padded), hex(bytes)).toBe(isJson(bytes));
      const read = parseResult(bytes);
      const expected = native(bytes);
      expect(read, hex(bytes)).toEqual(expected === null ? null : { result: expected.value });
    });
  });

  it('may nest to the limit as a result and no deeper, whatever brackets it is made of', async () => {
    await fuzz('json-depth', 20, (dice) => {
      const depth = JSON_MAX_DEPTH - 2 + dice.int(5);
      const kinds = Array.from({ length: depth }, () => dice.once(2));
      const text = `${kinds.map((list) => (list ? '[' : '{"":')).join('')}0${kinds
        .reverse()
        .map((list) => (list ? ']' : '}'))
        .join('')}`;
      expect(isJson(Buffer.from(text)), `depth ${depth}`).toBe(depth <= JSON_MAX_DEPTH);
    });
  });

  it('is an event whatever it says, as long as it is UTF-8 within the limit', async () => {
    await fuzz('event', 2_000, (dice) => {
      const bytes = jsonBytes(dice);
      const most = dice.int(100);
      let code: string | null = null;
      try {
        refuseEvent(bytes, most);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(StrataError);
        code = (thrown as StrataError).code;
      }
      const expected = bytes.length > most ? 'payload_too_large' : isUtf8(bytes) ? null : 'invalid_request';
      expect(code, hex(bytes)).toBe(expected);
    });
  });
});

const TAIL = {
  failure: {
    code: 'function_error',
    detail: 'It threw.',
    error: { type: 'Error', message: 'no', stack: 'Error: no\n    at handler' },
    limit: { kind: 'cpuMs', configured: 10, observed: 11 },
  },
  logs: [
    ['info', 1, 'one'],
    ['error', 2.5, 'two'],
  ],
  logTruncated: false,
};
const LOG_MAX_BYTES = 64;

describe('the tail of an outcome', () => {
  it('is a tail within its bounds or FrameError, whatever a sandbox makes of it', async () => {
    const honest = Buffer.from(JSON.stringify(TAIL));
    await fuzz('tail', 6_000, (dice) => {
      const others = [honest, Buffer.from(jsonText(dice, 4))];
      const text = mutate(dice, honest, others).toString('utf8');
      try {
        const tail = parseTail(text, LOG_MAX_BYTES);
        const chars = tail.logs.reduce((sum, [, , message]) => sum + message.length + 1, 0);
        expect(chars).toBeLessThanOrEqual(LOG_MAX_BYTES);
        expect(Object.keys(tail)).toEqual(['failure', 'logs', 'logTruncated']);
        for (const line of toLogLines(tail.logs)) expect(Number.isFinite(line.timeMs)).toBe(true);
        if (tail.failure === null) return;
        const { code, detail } = toFailure(tail.failure);
        expect(Object.hasOwn(ERROR_CATALOGUE, code)).toBe(true);
        expect(code).not.toBe('internal_error');
        expect(detail.length).toBeLessThanOrEqual(32 * 1024);
      } catch (thrown) {
        if (!(thrown instanceof FrameError)) throw thrown;
      }
    });
  });
});

const recordsText = (dice: Dice): string =>
  Array.from({ length: dice.int(5) }, () => {
    const payload = dice.pick(['', '{}', 'a b\nR1 2\n{}', '\n', ' ', '😀', 'x'.repeat(dice.int(40))]);
    return `${dice.pick([...'RXLIGTFBCQ'])}${dice.int(1_000)} ${payload.length}\n${payload}`;
  }).join('');

describe('the records of an isolate', () => {
  it('are what they were written from, and changed ones are records without gaps or an error', async () => {
    await fuzz('guest-records', 5_000, (dice) => {
      const honest = recordsText(dice);
      const isHonest = dice.once(3);
      const changed = mutate(dice, Buffer.from(honest, 'utf16le'), [
        Buffer.from(recordsText(dice), 'utf16le'),
      ]);
      const text = isHonest ? honest : changed.toString('utf16le');
      try {
        const records = parseRecords(text);
        const again = records.map(
          ({ kind, owner, payload }) => `${kind}${owner} ${payload.length}\n${payload}`,
        );
        if (isHonest) expect(again.join('')).toBe(honest);
        // A number may be written otherwise; what lies between the heads may not.
        expect(records.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThanOrEqual(
          text.length,
        );
        for (const { owner } of records) expect(Number.isSafeInteger(owner)).toBe(true);
      } catch (thrown) {
        expect(isHonest, text).toBe(false);
        expect(String(thrown)).toContain('do not follow the contract');
      }
    });
  });
});
