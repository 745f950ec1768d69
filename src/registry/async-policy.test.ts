import { describe, expect, it } from 'vitest';
import type { AsyncPolicy } from '../core/spec.ts';
import { parseRange, type Range } from '../egress/addresses.ts';
import { completeSpec } from './spec.ts';

const CODE = { runtime: 'isolate', code: { source: '' } } as const;
const LOOPBACK = parseRange('127.0.0.0/8') as Range;

describe('the policy of asynchronous invocations', () => {
  it('has Lambda’s defaults', () => {
    expect(completeSpec('f', CODE).async).toEqual({
      ...{ maxRetries: 2, maxEventAgeMs: 21_600_000, delivery: 'at-least-once' },
      ...{ onSuccess: null, onFailure: null },
    });
  });

  it('keeps what is given, and the canonical URL of a webhook', () => {
    const async: Partial<AsyncPolicy> = {
      ...{ maxRetries: 0, delivery: 'at-most-once', onSuccess: { function: 'g:live' } },
      onFailure: { webhook: 'HTTPS://A.com:443/x#y' },
    };
    expect(completeSpec('f', { ...CODE, async }).async).toMatchObject({
      ...{ ...async, onFailure: { webhook: 'https://a.com/x' } },
    });
  });

  it.each([
    ['retries', { maxRetries: 3 }],
    ['an age', { maxEventAgeMs: 1 }],
    ['a delivery', { delivery: 'twice' }],
    ['a field', { other: 1 }],
    ['a dead letter of what succeeded', { onSuccess: { deadLetter: true } }],
    ['two destinations', { onFailure: { function: 'g', webhook: 'https://a.com/' } }],
    ['a name', { onSuccess: { function: 'a/b' } }],
    ['a scheme', { onSuccess: { webhook: 'file:///etc/passwd' } }],
    ['credentials', { onSuccess: { webhook: 'https://me:secret@a.com/' } }],
    ['an address of this machine', { onSuccess: { webhook: 'http://127.0.0.1/' } }],
    ['one in disguise', { onSuccess: { webhook: 'http://2130706433/' } }],
    ['a service of the cloud', { onSuccess: { webhook: 'http://169.254.169.254/latest' } }],
    ['a long URL', { onSuccess: { webhook: `https://a.com/${'x'.repeat(2_048)}` } }],
  ])('refuses %s that is not allowed', (_what, async) => {
    const complete = (): unknown => completeSpec('f', { ...CODE, async: async as object });
    expect(complete).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('takes an address that the operator lists, and no webhook where there is no network', () => {
    const async = { onSuccess: { webhook: 'http://127.0.0.1:9/' } };
    const rules = { offered: true, privateRanges: [LOOPBACK] };
    expect(completeSpec('f', { ...CODE, async }, rules).async.onSuccess).toEqual(async.onSuccess);
    expect(() => completeSpec('f', { ...CODE, async }, { ...rules, offered: false })).toThrow(/egress.mode/);
  });
});
