import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NonceWindow } from './nonces.ts';

const WINDOW_MS = 10_000;

describe('the window of nonces', () => {
  it('takes no request twice while its date may be taken, whatever comes between', () => {
    const event = fc.record({
      waitMs: fc.integer({ min: 0, max: 4_000 }),
      offMs: fc.integer({ min: -WINDOW_MS, max: WINDOW_MS }),
      key: fc.constantFrom('a', 'b'),
      replay: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), (events) => {
        const nonces = new NonceWindow({ windowMs: WINDOW_MS, max: 10_000 });
        const taken: { tenant: string; signature: string; dateMs: number }[] = [];
        let nowMs = 1_000_000;
        for (const [at, { waitMs, offMs, key, replay }] of events.entries()) {
          nowMs += waitMs;
          const request = { tenant: key, signature: `s${at}`, dateMs: nowMs + offMs };
          expect(nonces.add(request, nowMs, nowMs)).toBe('new');
          taken.push(request);
          const again = taken[replay % taken.length];
          if (again !== undefined && Math.abs(again.dateMs - nowMs) <= WINDOW_MS)
            expect(nonces.add(again, nowMs, nowMs)).toBe('seen');
        }
      }),
      { seed: 9, numRuns: 200 },
    );
  });

  it('forgets what is out of the window, and so stays within its bound', () => {
    const nonces = new NonceWindow({ windowMs: WINDOW_MS, max: 1_000 });
    for (let at = 0; at < 100_000; at += 100)
      expect(nonces.add({ tenant: `k${at % 700}`, signature: `s${at}`, dateMs: at }, at, at)).toBe('new');
    expect(nonces.size).toBeLessThanOrEqual((WINDOW_MS + 3_000) / 100);
  });

  it('refuses when it is full and forgets nothing for it; one key has a quarter', () => {
    const nonces = new NonceWindow({ windowMs: WINDOW_MS, max: 8 });
    const add = (tenant: string, signature: string) => nonces.add({ tenant, signature, dateMs: 0 }, 0, 0);
    expect(['1', '2', '3'].map((signature) => add('a', signature))).toEqual(['new', 'new', 'full']);
    for (const key of ['b', 'c', 'd'])
      expect([add(key, `${key}1`), add(key, `${key}2`)]).toEqual(['new', 'new']);
    expect(add('e', 'e1')).toBe('full');
    expect(add('a', '1')).toBe('seen');
    expect(nonces.size).toBe(8);
  });
});
