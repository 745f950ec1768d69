import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../ports/manual-clock.ts';
import { Freezer } from './freezer.ts';

const bench = (byFile: boolean) => {
  const clock = new ManualClock();
  const orders: string[] = [];
  const freezer = new Freezer({
    clock,
    graceMs: 50,
    byFile: (frozen) => {
      if (byFile) orders.push(`file ${frozen}`);
      return byFile;
    },
    byEngine: async (frozen) => {
      orders.push(`engine ${frozen}`);
    },
    onFault: (detail) => orders.push(detail),
  });
  return { clock, orders, freezer };
};

describe('the freezer of a container', () => {
  it('freezes after the grace, and thaws before anything is sent', async () => {
    const { clock, orders, freezer } = bench(true);
    freezer.rest();
    await clock.advance(49);
    expect(freezer.frozen).toBe(false);
    await clock.advance(1);
    expect(freezer.frozen).toBe(true);
    freezer.wake();
    expect(orders).toEqual(['file true', 'file false']);
  });

  it('counts the grace from the last rest', async () => {
    const { clock, freezer } = bench(true);
    freezer.rest();
    await clock.advance(40);
    freezer.wake();
    freezer.rest();
    await clock.advance(40);
    expect(freezer.frozen).toBe(false);
    await clock.advance(10);
    expect(freezer.frozen).toBe(true);
  });

  it('goes through the engine, in order, where the file cannot be written', async () => {
    const { clock, orders, freezer } = bench(false);
    freezer.rest();
    await clock.advance(50);
    freezer.wake();
    await clock.advance(1);
    expect(orders).toEqual(['engine true', 'engine false']);
  });

  it('thaws when it is stopped, and freezes no more', async () => {
    const { clock, orders, freezer } = bench(true);
    freezer.rest();
    await clock.advance(50);
    await freezer.stop();
    freezer.rest();
    await clock.advance(500);
    expect(orders).toEqual(['file true', 'file false']);
  });
});
