import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE } from '../../core/errors.ts';
import { FrameError } from './frames.ts';
import { type OutcomeTail, parseTail, toFailure, toLogLines } from './messages.ts';

const parse = (text: string) => parseTail(text, 1_000_000);

const TAIL: OutcomeTail = {
  failure: {
    code: 'function_error',
    detail: 'The handler failed',
    error: { type: 'Error', message: 'boom', stack: 'Error: boom' },
    limit: null,
  },
  logs: [['info', 5, 'line']],
  logTruncated: false,
};

describe('a tail that is made to be slow to read', () => {
  const tail = (more: string): string => `{"failure":null,"logs":[],"logTruncated":false,"x":${more}}`;

  it.each([
    ['many lists', tail(`[${'[],'.repeat(1_000)}0]`)],
    ['many values', tail(`[${'0,'.repeat(1_000)}0]`)],
    ['many names', tail(`{${'"a":0,'.repeat(1_000)}"a":0}`)],
    ['deep nesting', tail('['.repeat(1_000) + ']'.repeat(1_000))],
  ])('by %s is refused before anything is made of it', (_what, text) => {
    expect(() => parseTail(text, 100)).toThrow(/more values/);
  });

  it('is not one with the same characters in its texts', () => {
    const message = '[{:,"\\'.repeat(10);
    const text = JSON.stringify({ ...TAIL, logs: [['info', 5, message]] });
    expect(parseTail(text, 1_000).logs).toEqual([['info', 5, message]]);
  });

  it('is not one of as many empty lines as the limit allows', () => {
    const logs = Array.from({ length: 100 }, () => ['info', 1, '']);
    expect(parseTail(JSON.stringify({ ...TAIL, logs }), 100).logs).toHaveLength(100);
  });
});

/** Whether a value is a tail, told by other means than those of the parser. */
const isTail = (tail: OutcomeTail): boolean =>
  typeof tail.logTruncated === 'boolean' &&
  tail.logs.every(
    ([level, timeMs, message]) =>
      ['debug', 'info', 'warn', 'error'].includes(level) &&
      Number.isFinite(timeMs) &&
      typeof message === 'string',
  ) &&
  (tail.failure === null ||
    (typeof tail.failure.detail === 'string' &&
      (tail.failure.error === null ||
        Object.values(tail.failure.error).every((text) => typeof text === 'string')) &&
      (tail.failure.limit === null || Number.isFinite(tail.failure.limit.configured))));

const expectTailOrFrameError = (text: string): void => {
  let tail: OutcomeTail;
  try {
    tail = parse(text);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(FrameError);
    return;
  }
  expect(isTail(tail)).toBe(true);
  expect(tail.failure === null || toFailure(tail.failure).code in ERROR_CATALOGUE).toBe(true);
};

describe('the tail of an outcome', () => {
  it('is read as it was written', () => {
    expect(parse(JSON.stringify(TAIL))).toEqual(TAIL);
    expect(parse('{"failure":null,"logs":[],"logTruncated":true}')).toEqual({
      ...{ failure: null, logs: [], logTruncated: true },
    });
    expect(toLogLines(TAIL.logs)).toEqual([{ level: 'info', timeMs: 5, message: 'line' }]);
  });

  it('is a tail or FrameError for any JSON', () => {
    fc.assert(fc.property(fc.json(), expectTailOrFrameError), { numRuns: 300 });
  });

  it('is a tail or FrameError for any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), expectTailOrFrameError), { numRuns: 300 });
  });

  it('is a tail or FrameError when any one value in it is replaced', () => {
    const paths = [
      ...[
        'failure',
        'logs',
        'logTruncated',
        'failure.code',
        'failure.detail',
        'failure.error',
        'failure.limit',
      ],
      ...[
        'failure.error.type',
        'failure.error.message',
        'failure.error.stack',
        'logs.0',
        'logs.0.0',
        'logs.0.1',
      ],
      ...['logs.0.2', 'failure.limit.kind', 'failure.limit.configured', 'failure.limit.observed'],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        const limit = { kind: 'cpuMs', configured: 1, observed: 2 };
        const tail: unknown = structuredClone({ ...TAIL, failure: { ...TAIL.failure, limit } });
        const keys = path.split('.');
        const last = keys.pop() ?? '';
        let at = tail as Record<string, unknown>;
        for (const key of keys) at = at[key] as Record<string, unknown>;
        at[last] = value;
        expectTailOrFrameError(JSON.stringify(tail));
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, unknown]>([
    ['a code that is not in the catalogue', { ...TAIL, failure: { ...TAIL.failure, code: 'fine' } }],
    [
      'a code that only the server may give',
      { ...TAIL, failure: { ...TAIL.failure, code: 'function_timeout' } },
    ],
    ['a code of the prototype', { ...TAIL, failure: { ...TAIL.failure, code: 'constructor' } }],
    [
      'a limit of wall time',
      { ...TAIL, failure: { ...TAIL.failure, limit: { kind: 'timeoutMs', configured: 1, observed: 1 } } },
    ],
    [
      'a limit that is a string',
      { ...TAIL, failure: { ...TAIL.failure, limit: { kind: 'cpuMs', configured: '1', observed: 1 } } },
    ],
    ['no logs', { failure: null, logTruncated: false }],
    ['a log line of another level', { ...TAIL, logs: [['fatal', 1, 'x']] }],
    ['a log line that is an object', { ...TAIL, logs: [{ level: 'info' }] }],
    ['a message that is a number', { ...TAIL, logs: [['info', 1, 2]] }],
    ['an error that is an array', { ...TAIL, failure: { ...TAIL.failure, error: [] } }],
    ['no failure at all', { logs: [], logTruncated: false }],
    ['null', null],
    ['an array', []],
  ])('is refused with %s', (_what, value) => {
    expect(() => parse(JSON.stringify(value))).toThrow(FrameError);
  });

  it('drops what it does not know, and takes nothing from a prototype', () => {
    const tail = parse('{"failure":null,"logs":[],"logTruncated":false,"__proto__":{"evil":1},"more":1}');
    expect(Object.keys(tail)).toEqual(['failure', 'logs', 'logTruncated']);
    expect('evil' in tail).toBe(false);
  });

  it('refuses times that are not finite, which JSON can spell', () => {
    expect(() => parse('{"failure":null,"logs":[["info",1e999,"x"]],"logTruncated":false}')).toThrow(
      FrameError,
    );
  });
});
