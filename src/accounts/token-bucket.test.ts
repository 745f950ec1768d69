import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { openAccountsFixture } from './fixture.ts';
import { Rates } from './rates.ts';
import { TokenBucket } from './token-bucket.ts';

describe('a token bucket', () => {
  it('gives over any span no more than one second’s tokens and what the span brings', () => {
    const steps = fc.array(fc.integer({ min: -50, max: 400 }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), steps, (perSecond, waits) => {
        const bucket = new TokenBucket(perSecond, 0);
        const takenAtMs: number[] = [];
        let nowMs = 0;
        let latestMs = 0;
        for (const waitMs of waits) {
          nowMs += waitMs;
          latestMs = Math.max(latestMs, nowMs);
          if (bucket.take(perSecond, nowMs) === 0) takenAtMs.push(latestMs);
        }
        // The span with the most too many.
        let excess = Number.NEGATIVE_INFINITY;
        for (const [first, fromMs] of takenAtMs.entries())
          for (const [last, untilMs] of takenAtMs.entries()) {
            if (last < first) continue;
            const allowed = perSecond + ((untilMs - fromMs) * perSecond) / 1_000;
            excess = Math.max(excess, last - first + 1 - allowed);
          }
        expect(excess).toBeLessThanOrEqual(1e-6);
      }),
      { seed: 7, numRuns: 60 },
    );
  });

  it('says when there is one: not earlier, and then indeed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 0, max: 1_000 }),
        (perSecond, startMs) => {
          const bucket = new TokenBucket(perSecond, startMs);
          for (let count = 0; count < perSecond; count += 1) expect(bucket.take(perSecond, startMs)).toBe(0);
          const waitMs = bucket.take(perSecond, startMs);
          expect(waitMs).toBeGreaterThan(0);
          expect(bucket.take(perSecond, startMs + waitMs)).toBe(0);
        },
      ),
      { seed: 8, numRuns: 100 },
    );
  });

  it('follows a rate that was lowered at once', () => {
    const bucket = new TokenBucket(1_000, 0);
    expect(bucket.take(1, 0)).toBe(0);
    expect(bucket.take(1, 0)).toBe(1_000);
  });
});

describe('rates', () => {
  it('refuse with when to come again, one tenant for itself', async () => {
    const clock = new ManualClock();
    const rates = new Rates(clock);
    rates.take('a', 2);
    rates.take('a', 2);
    expect(() => rates.take('a', 2)).toThrow(
      expect.objectContaining({
        code: 'rate_limit',
        retryAfterMs: 500,
        limit: { kind: 'requestsPerSecond', configured: 2, observed: null },
      }),
    );
    rates.take('b', 2);
    await clock.advance(500);
    rates.take('a', 2);
  });

  it('remember a bounded number of names', () => {
    const rates = new Rates(new ManualClock());
    for (let count = 0; count < 10_500; count += 1) rates.take(`t${count}`, 5);
    expect(rates.known).toBe(10_000);
  });

  it('of strangers leave the tenant’s own callers alone', () => {
    const accounts = openAccountsFixture({ config: { quotas: { requestsPerSecond: 2 } } });
    const { secret } = accounts.createKey('default', { scopes: ['invoke'] });
    const stranger = { method: 'POST', url: '/', headers: {} };
    accounts.identify(stranger);
    accounts.identify(stranger);
    expect(() => accounts.identify(stranger)).toThrow(expect.objectContaining({ code: 'rate_limit' }));
    const known = { ...stranger, headers: { authorization: `Bearer ${secret}` } };
    expect(accounts.identify(known)).toMatchObject({ credential: 'key' });
  });
});
