import { describe, expect, it } from 'vitest';
import { ERROR_CATALOGUE, type ErrorCode, failure, StrataError } from '../../core/errors.ts';
import { problemHeaders, problemOf } from './problem.ts';

const codes = Object.keys(ERROR_CATALOGUE) as ErrorCode[];
const RETRYABLE = codes.filter((code) => {
  const { status, retryable } = ERROR_CATALOGUE[code];
  return retryable && (status === 429 || status === 503);
});

const headerOf = (error: Parameters<typeof problemHeaders>[0]): string | undefined => {
  const headers = problemHeaders(error);
  const at = headers.indexOf('Retry-After');
  return at < 0 ? undefined : headers[at + 1];
};

describe('when to retry', () => {
  it.each<[number, string, number]>([
    [0, '1', 1],
    [0.2, '1', 1],
    [-5, '1', 1],
    [1, '1', 1],
    [999.5, '1', 1_000],
    [1_000, '1', 1_000],
    [1_001, '2', 1_001],
    [59_999.1, '60', 60_000],
    [1e12, '3600', 3_600_000],
    [Number.POSITIVE_INFINITY, '1', 1_000],
    [Number.NaN, '1', 1_000],
  ])(
    'after %d ms is said in whole seconds, rounded up, and in milliseconds',
    (retryAfterMs, header, member) => {
      for (const code of RETRYABLE) {
        const error = new StrataError(code, 'Not now.', { retryAfterMs });
        expect(headerOf(error)).toBe(header);
        expect(problemOf(error).retryAfterMs).toBe(member);
      }
    },
  );

  it('is a second for a 429 or 503 that knows nothing better, an invocation’s own failure included', () => {
    expect(RETRYABLE).toEqual(
      expect.arrayContaining([
        'overloaded',
        'concurrency_limit',
        'queue_timeout',
        'draining',
        'start_failed',
      ]),
    );
    for (const source of [new StrataError('overloaded', 'Full.'), failure('sandbox_lost', 'It died.')]) {
      expect(headerOf(source)).toBe('1');
      expect(problemOf(source).retryAfterMs).toBe(1_000);
    }
  });

  it('is not said of what a retry does not mend, nor of other statuses', () => {
    for (const code of codes.filter((each) => !RETRYABLE.includes(each))) {
      const error = new StrataError(code, 'No.', { retryAfterMs: 5 });
      expect(headerOf(error)).toBeUndefined();
      expect(problemOf(error)).not.toHaveProperty('retryAfterMs');
    }
  });
});
