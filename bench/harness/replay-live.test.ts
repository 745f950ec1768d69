import { expect, it } from 'vitest';
import { arrivalsOf, phasesOf } from './replay-live.ts';

it('takes all that comes before the handler for the start', () => {
  const timing =
    'queue;dur=1.500, provision;dur=80.000, boot;dur=50.250, load;dur=1.000, init;dur=0.250, handler;dur=12.000';
  expect(phasesOf(timing)).toEqual({ startMs: 133, handlerMs: 12 });
  expect(phasesOf('')).toEqual({ startMs: 0, handlerMs: 0 });
});

it('gives the simulator what was sent, in the order in which it was', () => {
  const [minute, ...more] = arrivalsOf([
    { functionIndex: 3, timeMs: 0.5, durationMs: 20 },
    { functionIndex: 1, timeMs: 70_000, durationMs: 1_000 },
  ]);
  expect(more).toEqual([]);
  expect(minute?.count).toBe(2);
  expect([...(minute?.functionIndex ?? [])]).toEqual([3, 1]);
  expect([...(minute?.timeMs ?? [])]).toEqual([0.5, 70_000]);
  expect([...(minute?.durationMs ?? [])]).toEqual([20, 1_000]);
});
