import { expect, it } from 'vitest';
import { ManualClock } from '../ports/manual-clock.ts';
import { Pulse } from './pulse.ts';

const setUp = () => {
  const clock = new ManualClock();
  const seen = { looks: 0, told: 0 };
  const state = { awaited: true, stopped: false };
  const pulse = new Pulse({
    clock,
    awaited: () => state.awaited,
    stopped: () => {
      seen.looks += 1;
      return state.stopped;
    },
    onStopped: () => {
      seen.told += 1;
    },
  });
  return { clock, seen, state, pulse };
};

it('tells once of a process that stays stopped while something is awaited of it', async () => {
  const { clock, seen, state, pulse } = setUp();
  pulse.watch();
  state.stopped = true;
  await clock.advance(350);
  expect(seen.told).toBe(0);
  await clock.advance(100);
  expect(seen.told).toBe(1);
  pulse.watch();
  await clock.advance(5_000);
  expect(seen.told).toBe(1);
});

it('takes a process for sound that was stopped for a moment', async () => {
  const { clock, seen, state, pulse } = setUp();
  pulse.watch();
  for (let at = 0; at < 10; at += 1) {
    state.stopped = true;
    await clock.advance(250);
    state.stopped = false;
    await clock.advance(100);
  }
  expect(seen.told).toBe(0);
});

it('does not look while nothing is awaited, nor after its end', async () => {
  const { clock, seen, state, pulse } = setUp();
  state.stopped = true;
  state.awaited = false;
  pulse.watch();
  await clock.advance(5_000);
  expect(seen).toEqual({ looks: 0, told: 0 });
  state.awaited = true;
  pulse.watch();
  await clock.advance(150);
  pulse.end();
  await clock.advance(5_000);
  expect(seen).toEqual({ looks: 1, told: 0 });
});
