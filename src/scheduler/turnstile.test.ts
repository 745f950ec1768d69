import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { Pass, Turnstile } from './turnstile.ts';

const SETTINGS = { maxLengthPerFunction: 3, timeoutMs: 1_000 };
const A = { tenant: 'a', key: 'a/f' };
const B = { tenant: 'b', key: 'b/f' };

const setUp = () => {
  const clock = new ManualClock();
  return { clock, turnstile: new Turnstile(clock, SETTINGS) };
};

const atOnce = (entered: Pass | Promise<Pass>): Pass => {
  if (entered instanceof Promise) throw new Error('it had to wait');
  return entered;
};

describe('Turnstile', () => {
  it('lets everybody in at once where there is no limit, and remembers nobody who has left', () => {
    const { turnstile } = setUp();
    const passes = Array.from({ length: 50 }, () => atOnce(turnstile.enter(A)));
    expect(turnstile.load('a')).toEqual({ running: 50, waiting: 0, limit: null });
    for (const pass of passes) pass.leave();
    expect(turnstile.known).toBe(0);
  });

  it('lets one in for each that leaves, the oldest first, and gives a place back once', async () => {
    const { turnstile } = setUp();
    turnstile.limit('a', 1);
    const first = atOnce(turnstile.enter(A));
    const order: string[] = [];
    const second = Promise.resolve(turnstile.enter(A)).then((pass) => {
      order.push('second');
      return pass;
    });
    const third = Promise.resolve(turnstile.enter(A)).then((pass) => {
      order.push('third');
      return pass;
    });
    first.leave();
    first.leave();
    (await second).leave();
    await third;
    expect(order).toEqual(['second', 'third']);
    expect(turnstile.load('a')).toEqual({ running: 1, waiting: 0, limit: 1 });
  });

  it('never lets a tenant wait for another one', () => {
    const { turnstile } = setUp();
    turnstile.limit('a', 1);
    atOnce(turnstile.enter(A));
    void turnstile.enter(A);
    atOnce(turnstile.enter(B));
    expect(turnstile.waiting).toBe(1);
  });

  it('lets all in who may as soon as the limit is raised or lifted', async () => {
    const { turnstile } = setUp();
    turnstile.limit('a', 1);
    const waiting = [1, 2, 3, 4].map((at) => turnstile.enter({ ...A, key: `a/${at}` })).slice(1);
    turnstile.limit('a', 2);
    expect(turnstile.load('a')).toEqual({ running: 2, waiting: 2, limit: 2 });
    turnstile.limit('a', null);
    await Promise.all(waiting);
    expect(turnstile.waiting).toBe(0);
  });

  it('bounds how many wait for one function, and for how long, by the caller’s limit too', async () => {
    const { clock, turnstile } = setUp();
    turnstile.limit('a', 1);
    atOnce(turnstile.enter(A));
    const long = Promise.resolve(turnstile.enter(A)).catch((thrown: StrataError) => thrown);
    const short = Promise.resolve(turnstile.enter(A, { maxWaitMs: 100 })).catch(
      (thrown: StrataError) => thrown,
    );
    const third = Promise.resolve(turnstile.enter(A)).catch((thrown: StrataError) => thrown);
    expect(() => turnstile.enter(A)).toThrow('queue.maxLengthPerFunction allows no more');
    clock.advance(100);
    expect(await short).toMatchObject({ code: 'queue_timeout', limit: { kind: 'maxWaitMs' } });
    clock.advance(900);
    for (const refused of [long, third])
      expect(await refused).toMatchObject({ code: 'queue_timeout', limit: { kind: 'queueTimeoutMs' } });
    expect(turnstile.load('a')).toEqual({ running: 1, waiting: 0, limit: 1 });
  });

  it('counts a wait elsewhere towards how long one may wait', () => {
    const { clock, turnstile } = setUp();
    turnstile.limit('a', 1);
    atOnce(turnstile.enter(A));
    clock.advance(300);
    expect(() => turnstile.enter(A, { maxWaitMs: 200, arrivedMs: 0 })).toThrow('200 ms');
  });
});

type Step =
  | { readonly kind: 'enter'; readonly tenant: string; readonly maxWaitMs: number | undefined }
  | { readonly kind: 'leave'; readonly at: number }
  | { readonly kind: 'cancel'; readonly at: number }
  | { readonly kind: 'limit'; readonly tenant: string; readonly limit: number | null }
  | { readonly kind: 'pass'; readonly ms: number };

const tenant = fc.constantFrom('a', 'b', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('enter' as const),
    tenant,
    maxWaitMs: fc.option(fc.integer({ min: 0, max: 500 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('leave' as const), at: fc.nat({ max: 99 }) }),
  fc.record({ kind: fc.constant('cancel' as const), at: fc.nat({ max: 99 }) }),
  fc.record({
    kind: fc.constant('limit' as const),
    tenant,
    limit: fc.option(fc.integer({ min: 1, max: 4 })),
  }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 400 }) }),
);

describe('Turnstile in any schedule', () => {
  it('keeps its counts, settles everyone once, and never holds anybody back where there is room', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, turnstile } = setUp();
        const running: Pass[] = [];
        const cancels: (() => void)[] = [];
        let entered = 0;
        let settled = 0;
        for (const each of steps) {
          if (each.kind === 'enter') {
            entered += 1;
            try {
              const result = turnstile.enter(
                { tenant: each.tenant, key: each.tenant },
                { maxWaitMs: each.maxWaitMs, onWait: (cancel) => cancels.push(cancel) },
              );
              if (result instanceof Pass) {
                settled += 1;
                running.push(result);
              } else {
                result.then(
                  (pass) => {
                    settled += 1;
                    running.push(pass);
                  },
                  (thrown: unknown) => {
                    settled += 1;
                    expect(thrown).toBeInstanceOf(StrataError);
                  },
                );
              }
            } catch (thrown) {
              settled += 1;
              expect(thrown).toBeInstanceOf(StrataError);
            }
          } else if (each.kind === 'leave')
            running.splice(each.at % Math.max(1, running.length), 1)[0]?.leave();
          else if (each.kind === 'cancel') cancels[each.at % Math.max(1, cancels.length)]?.();
          else if (each.kind === 'limit') turnstile.limit(each.tenant, each.limit);
          else clock.advance(each.ms);
          await Promise.resolve();
          await Promise.resolve();
          const loads = ['a', 'b', 'c'].map((name) => turnstile.load(name));
          expect(loads.reduce((sum, load) => sum + load.running, 0)).toBe(running.length);
          expect(loads.reduce((sum, load) => sum + load.waiting, 0)).toBe(turnstile.waiting);
          expect(entered - settled).toBe(turnstile.waiting);
          for (const load of loads)
            if (load.waiting > 0)
              expect(load.running).toBeGreaterThanOrEqual(load.limit ?? Number.POSITIVE_INFINITY);
        }
        // Everyone leaves, nobody is forgotten, and nothing is left behind.
        for (const name of ['a', 'b', 'c']) turnstile.limit(name, null);
        await Promise.resolve();
        await Promise.resolve();
        for (const pass of running) pass.leave();
        expect(settled).toBe(entered);
        expect(turnstile.known).toBe(0);
        expect(turnstile.waiting).toBe(0);
      }),
      { numRuns: 500, seed: 4 },
    );
  });
});
