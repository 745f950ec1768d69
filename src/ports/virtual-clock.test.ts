import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settling, VirtualClock } from './virtual-clock.ts';

describe('VirtualClock', () => {
  it('stands still until it runs, then stops where it was told to', async () => {
    const clock = new VirtualClock(1_000);
    const fired: number[] = [];
    clock.setTimer(5, () => fired.push(clock.nowMs()));
    clock.setTimer(20, () => fired.push(clock.nowMs()));
    expect([clock.nowMs(), clock.wallMs(), fired]).toEqual([0, 1_000, []]);
    await clock.run(10.5);
    expect([clock.nowMs(), clock.wallMs(), fired, clock.pendingTimers]).toEqual([10.5, 1_010, [5], 1]);
    await clock.run(20);
    expect(fired).toEqual([5, 20]);
    await clock.run(3);
    expect(clock.nowMs()).toBe(20);
  });

  it('fires in order of due time, then of creation, with what timers set themselves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -3, max: 30 }), { maxLength: 60 }), async (delays) => {
        const clock = new VirtualClock();
        const fired: { readonly dueMs: number; readonly order: number }[] = [];
        let order = 0;
        const set = (delayMs: number, again: boolean): void => {
          const entry = { dueMs: clock.nowMs() + Math.max(0, delayMs), order: order++ };
          clock.setTimer(delayMs, () => {
            expect(clock.nowMs()).toBe(entry.dueMs);
            fired.push(entry);
            if (again) set(delayMs, false);
          });
        };
        for (const delayMs of delays) set(delayMs, true);
        await clock.run(Number.POSITIVE_INFINITY);
        expect(fired).toHaveLength(2 * delays.length);
        expect(fired).toEqual(
          fired.toSorted((one, other) => one.dueMs - other.dueMs || one.order - other.order),
        );
      }),
    );
  });

  it('forgets a cancelled timer at once', async () => {
    const clock = new VirtualClock();
    let fired = 0;
    const timer = clock.setTimer(5, () => fired++);
    clock.at(3, () => timer.cancel());
    await clock.run(4);
    timer.cancel();
    expect(clock.pendingTimers).toBe(0);
    await clock.run(10);
    expect(fired).toBe(0);
  });

  it('takes a time that is past, or no number, as now', async () => {
    const clock = new VirtualClock();
    await clock.run(10);
    const fired: number[] = [];
    for (const dueMs of [3, Number.NaN, Number.NEGATIVE_INFINITY])
      clock.at(dueMs, () => fired.push(clock.nowMs()));
    clock.setTimer(Number.NaN, () => fired.push(clock.nowMs()));
    await clock.run(10);
    expect(fired).toEqual([10, 10, 10, 10]);
  });

  it('runs until no timer is left, and leaves those for ever alone', async () => {
    const clock = new VirtualClock();
    clock.setTimer(7, () => {});
    clock.setTimer(Number.POSITIVE_INFINITY, () => expect.unreachable());
    await clock.run(Number.POSITIVE_INFINITY);
    expect([clock.nowMs(), clock.pendingTimers]).toEqual([7, 1]);
  });

  it('lets promise callbacks run before the next timer when it is told of them', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const resolveLater = (name: string): void =>
      void Promise.resolve()
        .then(() => Promise.resolve())
        .then(() => {
          seen.push(`${name} settled at ${clock.nowMs()}`);
          // What a callback resolves is part of the same turn.
          clock.unsettled();
        });
    resolveLater('before');
    clock.unsettled();
    clock.at(1, () => {
      resolveLater('first');
      clock.unsettled();
    });
    clock.at(2, () => seen.push('second'));
    await clock.run(2);
    expect(seen).toEqual(['before settled at 0', 'first settled at 1', 'second']);
  });

  it('lets what a timer resolves run before the next one, for who settles', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    settling(clock).setTimer(1, () => void Promise.resolve().then(() => seen.push('resolved')));
    clock.at(1, () => seen.push('next'));
    await clock.run(2);
    expect(seen).toEqual(['resolved', 'next']);
  });

  it('takes no turn of the event loop for events that resolve nothing', async () => {
    const clock = new VirtualClock();
    let turns = 0;
    const turn = (): void => {
      turns += 1;
      setImmediate(turn);
    };
    const immediate = setImmediate(turn);
    let left = 100_000;
    const tick = (): void => {
      left -= 1;
      if (left > 0) clock.setTimer(1, tick);
    };
    clock.setTimer(1, tick);
    await clock.run(Number.POSITIVE_INFINITY);
    clearImmediate(immediate);
    expect([left, turns, clock.nowMs()]).toEqual([0, 0, 100_000]);
  });

  it('goes on after a callback that threw, and refuses to run inside itself', async () => {
    const clock = new VirtualClock();
    let inside: Promise<void> | undefined;
    clock.at(1, () => {
      inside = clock.run(2);
      inside.catch(() => {});
    });
    clock.at(2, () => {
      throw new Error('boom');
    });
    clock.at(3, () => {});
    await expect(clock.run(5)).rejects.toThrow('boom');
    await expect(inside).rejects.toThrow(/is running/);
    expect([clock.nowMs(), clock.pendingTimers]).toEqual([2, 1]);
    await expect(clock.run(Number.NaN)).rejects.toThrow(/NaN/);
    await clock.run(5);
    expect([clock.nowMs(), clock.pendingTimers]).toEqual([5, 0]);
  });
});
