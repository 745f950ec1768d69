import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NOT_IN_HEAP } from '../core/heap.ts';
import type { Clock } from '../ports/clock.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { Agenda, type Due } from './agenda.ts';

const item = (): Due => ({ dueMs: Number.POSITIVE_INFINITY, heapIndex: NOT_IN_HEAP });

describe('the agenda', () => {
  it('is never early and never late, each at the earliest time that was asked for, once', async () => {
    const asked = fc.array(fc.tuple(fc.nat({ max: 9 }), fc.double({ min: 0, max: 1e7, noNaN: true })), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(asked, fc.double({ min: 0, max: 1e9, noNaN: true }), async (wishes, startMs) => {
        const clock = new ManualClock();
        await clock.advance(startMs);
        const items = Array.from({ length: 10 }, item);
        const looked: [Due, number][] = [];
        const agenda = new Agenda<Due>(clock, (due) => looked.push([due, clock.nowMs()]));
        const earliest = new Map<Due, number>();
        for (const [index, inMs] of wishes) {
          const due = items[index] as Due;
          const atMs = clock.nowMs() + inMs;
          agenda.by(due, atMs);
          earliest.set(due, Math.min(earliest.get(due) ?? Number.POSITIVE_INFINITY, atMs));
        }
        await clock.advance(1e7 + 1);
        expect(looked.length).toBe(earliest.size);
        for (const [due, atMs] of looked) expect(atMs).toBe(earliest.get(due));
        expect(clock.pendingTimers).toBe(0);
      }),
      { numRuns: 200, seed: 20_261_121 },
    );
  });

  it('asks the clock for no longer than a timer of the system can wait', () => {
    const delays: number[] = [];
    const clock: Clock = {
      nowMs: () => 0,
      wallMs: () => 0,
      setTimer: (delayMs) => {
        delays.push(delayMs);
        return { cancel: () => undefined };
      },
    };
    new Agenda<Due>(clock, () => undefined).by(item(), 60 * 86_400_000);
    expect(delays).toHaveLength(1);
    expect(delays[0]).toBeLessThan(2 ** 31);
  });

  it('looks at nothing after it is closed, and asks for nothing', async () => {
    const clock = new ManualClock();
    let looked = 0;
    const agenda = new Agenda<Due>(clock, () => {
      looked += 1;
    });
    agenda.by(item(), 10);
    agenda.close();
    agenda.by(item(), 5);
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(100);
    expect(looked).toBe(0);
  });
});
