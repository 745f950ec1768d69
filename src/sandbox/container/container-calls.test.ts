import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../ports/manual-clock.ts';
import { ContainerCalls } from './container-calls.ts';
import type { ContainerMeter } from './meter.ts';

const MS = 1e6;

/** A container whose processes use one processor all the time. */
const open = () => {
  const clock = new ManualClock();
  const over: number[] = [];
  const meter = {
    cpuNs: () => clock.nowMs() * MS,
    resetPeak: () => undefined,
    refresh: () => Promise.resolve(),
  } as unknown as ContainerMeter;
  const calls = new ContainerCalls(meter, clock, ({ nonce }) => over.push(nonce));
  calls.begin(1);
  return { clock, calls, over };
};

describe('the watch over CPU budgets', () => {
  it('looks as soon as the smallest of them asks for it, though a larger one was there before', async () => {
    const { clock, calls, over } = open();
    calls.open(1, 'load', 5_000 * MS);
    await clock.advance(10);
    calls.close(1);
    calls.open(2, 'invoke', 150 * MS);
    await clock.advance(140);
    expect(over).toEqual([]);
    await clock.advance(30);
    expect(over).toEqual([2]);
  });

  it('looks no more once the container has stopped', async () => {
    const { clock, calls, over } = open();
    calls.open(1, 'invoke', 50 * MS);
    calls.stop();
    await clock.advance(5_000);
    expect([over, clock.pendingTimers]).toEqual([[], 0]);
  });
});
