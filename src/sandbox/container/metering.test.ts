import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CpuAccount } from './metering.ts';

describe('the CPU account of a container', () => {
  it('bills a call that is alone with everything in between', () => {
    const account = new CpuAccount();
    account.begin(1_000);
    account.open(1, 1_000);
    expect(account.close(1, 6_000)).toBe(5_000);
  });

  it('divides equally among the calls that are open, and loses no nanosecond', () => {
    const account = new CpuAccount();
    account.begin(0);
    account.open(1, 0);
    account.open(2, 100);
    account.open(3, 200);
    // 100 to the first alone, 100 between two, 101 between three.
    const bills = [account.close(1, 301), account.close(2, 301), account.close(3, 301)];
    expect(bills.reduce((sum, bill) => sum + bill)).toBe(301);
    expect(bills[0]).toBe(183);
  });

  it('carries what was used while nothing was open to the next call, apart from its budget', () => {
    const account = new CpuAccount();
    account.begin(0);
    account.open(1, 0);
    account.close(1, 10);
    account.open(2, 50);
    expect(account.entry(2)).toEqual({ usedNs: 0, carriedNs: 40 });
    account.advance(55);
    expect(account.entry(2)?.usedNs).toBe(5);
    expect(account.close(2, 60)).toBe(50);
  });

  it('forgets what was used before an instance began', () => {
    const account = new CpuAccount();
    account.begin(0);
    account.open(1, 0);
    account.close(1, 5);
    account.begin(1_000);
    account.open(2, 1_000);
    expect(account.close(2, 1_007)).toBe(7);
  });

  it('counts a reading that went back as no use', () => {
    const account = new CpuAccount();
    account.begin(100);
    account.open(1, 100);
    account.advance(90);
    expect(account.close(1, 110)).toBe(10);
  });

  it('bills in all exactly what the kernel counted, whatever the order of openings and closings', () => {
    const step = fc.record({ call: fc.integer({ min: 0, max: 7 }), usedNs: fc.nat(1_000_000) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 100 }), (steps) => {
        const account = new CpuAccount();
        const open = new Set<number>();
        let reading = 12_345;
        let billed = 0;
        let lastClose = reading;
        account.begin(reading);
        for (const { call, usedNs } of steps) {
          reading += usedNs;
          if (open.delete(call)) {
            billed += account.close(call, reading);
            lastClose = reading;
          } else {
            open.add(call);
            account.open(call, reading);
          }
        }
        for (const call of open) {
          billed += account.close(call, reading);
          lastClose = reading;
        }
        expect(billed).toBe(lastClose - 12_345);
      }),
      { numRuns: 500, seed: 7 },
    );
  });
});
