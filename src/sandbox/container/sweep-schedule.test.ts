import { expect, it } from 'vitest';
import { ManualClock } from '../../ports/manual-clock.ts';
import { SweepSchedule } from './sweep-schedule.ts';

const setUp = () => {
  const clock = new ManualClock();
  const sweptMs: number[] = [];
  const state = { owes: false };
  const schedule = new SweepSchedule(
    clock,
    async () => {
      sweptMs.push(clock.nowMs());
    },
    () => state.owes,
  );
  return { clock, sweptMs, state, schedule };
};

it('sweeps once a minute while nothing is known to be left', async () => {
  const { clock, sweptMs } = setUp();
  for (let second = 0; second < 181; second += 1) await clock.advance(1_000);
  expect(sweptMs).toEqual([60_000, 120_000, 180_000]);
});

it('sweeps soon when something is left, and waits longer each time that it stays', async () => {
  const { clock, sweptMs, state, schedule } = setUp();
  await clock.advance(10_000);
  state.owes = true;
  schedule.soon();
  schedule.soon();
  for (let at = 0; at < 20; at += 1) {
    await clock.advance(500);
    schedule.soon();
  }
  expect(sweptMs).toEqual([10_500, 11_500, 13_500, 17_500]);
  for (let second = 0; second < 10; second += 1) await clock.advance(1_000);
  expect(sweptMs.slice(4)).toEqual([22_500, 27_500]);
  state.owes = false;
  for (let second = 0; second < 80; second += 1) await clock.advance(1_000);
  expect(sweptMs.slice(6)).toEqual([32_500, 92_500]);
});

it('sweeps soon when the last sweep of every minute, or the one before the first, left something', async () => {
  const { clock, sweptMs, state, schedule } = setUp();
  await clock.advance(59_000);
  state.owes = true;
  await clock.advance(1_000);
  await clock.advance(500);
  expect(sweptMs).toEqual([60_000, 60_500]);
  schedule.stop();
  const later: number[] = [];
  const second = new SweepSchedule(
    clock,
    async () => void later.push(clock.nowMs()),
    () => state.owes,
  );
  await clock.advance(500);
  expect(later).toEqual([61_000]);
  second.stop();
});

it('sweeps no more once it is stopped', async () => {
  const { clock, sweptMs, state, schedule } = setUp();
  state.owes = true;
  schedule.soon();
  schedule.stop();
  schedule.soon();
  await clock.advance(200_000);
  expect(sweptMs).toEqual([]);
});
