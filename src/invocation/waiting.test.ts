import { describe, expect, it } from 'vitest';
import { type Cancel, Waits } from './waiting.ts';

const open = () => {
  const cancels: Cancel[] = [];
  const ended: string[] = [];
  const waits = new Waits((cancel) => cancels.push(cancel));
  const wait = (name: string) => waits.onWait(() => ended.push(name));
  return { waits, wait, cancels, ended, cancel: () => cancels[0]?.() };
};

describe('two waits of one invocation', () => {
  it('are one to the caller, which ends whichever there is', () => {
    const { waits, wait, cancels, ended, cancel } = open();
    wait('line');
    wait('queue');
    waits.refuseCancelled();
    cancel();
    expect([cancels.length, ended]).toEqual([1, ['queue']]);
  });

  it('end at once for a caller that went away in between', () => {
    const { waits, wait, ended, cancel } = open();
    wait('line');
    cancel();
    expect(ended).toEqual(['line']);
    expect(() => waits.refuseCancelled()).toThrow(expect.objectContaining({ code: 'cancelled' }));
    wait('queue');
    expect(ended).toEqual(['line', 'queue']);
  });
});
