import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isolateThreadsNs, LATE_NS, ProcessorShare } from './processor-share.ts';

const MS = 1e6;

const open = () => {
  let usedNs = 5 * MS;
  const claims: number[] = [];
  const total = (): number => claims.reduce((sum, claim) => sum + claim, 0);
  const share = new ProcessorShare(() => usedNs, total);
  return {
    share,
    use(ms: number) {
      usedNs += ms * MS;
    },
    /** They run, and claim so much from now on. */
    claim(...ms: number[]) {
      claims.push(...ms.map((each) => each * MS));
    },
    /** The first of them has ended. */
    takeFirst(): number {
      const [claim = 0] = claims;
      const given = share.take(claim);
      claims.shift();
      return given / MS;
    },
    takeAll(): number[] {
      const given: number[] = [];
      share.meetAll(() => {
        for (const claim of claims) given.push(share.take(claim) / MS);
      });
      claims.length = 0;
      return given;
    },
  };
};

describe('ProcessorShare', () => {
  it('meets claims in full when the process has used as much', () => {
    const { claim, use, takeAll } = open();
    claim(10, 4);
    use(14);
    expect(takeAll()).toEqual([10, 4]);
  });

  it('gives all claims the same part when the processors were shared with others', () => {
    const { claim, use, takeAll } = open();
    claim(5, 5, 10);
    use(8);
    expect(takeAll()).toEqual([2, 2, 4]);
  });

  it('leaves to those who run on what one that ended does not get', () => {
    const { claim, use, takeFirst, takeAll } = open();
    claim(10, 30);
    use(20);
    expect(takeFirst()).toBe(5);
    expect(takeAll()).toEqual([15]);
  });

  it('does not give again what was given without a look', () => {
    const { share, claim, use, takeAll } = open();
    share.spent(6 * MS);
    claim(8);
    use(10);
    expect(takeAll()).toEqual([4]);
  });

  it('gives what the kernel counts late once it does', () => {
    const { claim, use, takeAll } = open();
    claim(5);
    expect(takeAll()).toEqual([0]);
    claim(10);
    use(10);
    expect(takeAll()).toEqual([10]);
  });

  it('forgets what was used before anybody ran, and most of what nobody claimed', () => {
    const { share, claim, use, takeAll } = open();
    use(1_000);
    share.begin();
    claim(5);
    expect(takeAll()).toEqual([0]);
    use(1_000);
    claim(1);
    expect(takeAll()).toEqual([1]);
    claim(500);
    expect(takeAll()).toEqual([LATE_NS / MS]);
  });

  it('never gives more than was used, nor more than is claimed', () => {
    const step = fc.record({
      ...{ usedMs: fc.nat(20), claims: fc.array(fc.nat(30), { maxLength: 5 }), one: fc.boolean() },
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { claim, use, takeFirst, takeAll } = open();
        let used = 0;
        let given = 0;
        for (const { usedMs, claims, one } of steps) {
          use(usedMs);
          used += usedMs;
          claim(...claims);
          const got = one ? [takeFirst(), ...takeAll()] : takeAll();
          for (const [at, part] of got.slice(-claims.length).entries())
            if (!one) expect(part).toBeLessThanOrEqual(claims[at] ?? 0);
          given += got.reduce((sum, part) => sum + part, 0);
          expect(given).toBeLessThanOrEqual(used + 1e-6);
        }
      }),
      { seed: 20_261_121 },
    );
  });
});

describe('isolateThreadsNs', () => {
  it('does not count the thread that asks', () => {
    const used = () => {
      const { user, system } = process.threadCpuUsage();
      return user + system;
    };
    const beforeNs = isolateThreadsNs();
    const untilMicros = used() + 50_000;
    while (used() < untilMicros);
    expect(isolateThreadsNs() - beforeNs).toBeLessThan(45 * MS);
  });
});
