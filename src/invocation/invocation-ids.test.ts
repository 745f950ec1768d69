import { expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import { InvocationIds } from './invocation-ids.ts';

it('begin with the time, are UUIDs of version 7, and are all different', async () => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const ids = new InvocationIds(clock, seededRandom(1));
  const seen: string[] = [];
  for (let ms = 0; ms < 50; ms += 1) {
    seen.push(ids.next(), ids.next());
    await clock.advance(1);
  }
  expect(new Set(seen).size).toBe(100);
  for (const [at, id] of seen.entries()) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(
      Date.UTC(2026, 0, 1) + Math.floor(at / 2),
    );
  }
});

it('stay ids when the clock is before the epoch', () => {
  const ids = new InvocationIds({ wallMs: () => -5 }, seededRandom(1));
  expect(ids.next()).toMatch(/^00000000-0000-7/);
});
