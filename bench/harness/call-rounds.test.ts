import { expect, it } from 'vitest';
import { absentSubject, type CallSubject, measureCalls, verifyBody } from './call-rounds.ts';

const SIZES = {
  rounds: 2,
  fastCallsPerRound: 3,
  slowCallsPerRound: 1,
  fastWarmUpCalls: 1,
  slowWarmUpCalls: 1,
};

const subjectOf = (id: string, slow: boolean, calls: string[], failAt = Infinity): CallSubject => {
  let made = 0;
  return {
    id,
    slow,
    call: async () => {
      made += 1;
      calls.push(id);
      if (made >= failAt) throw new Error(`call ${made} failed`);
      return { elapsedMs: made, retries: 1 };
    },
  };
};

it('lets subjects take turns, another one first in each round, and counts no warm-up call', async () => {
  const calls: string[] = [];
  const subjects = [subjectOf('fast', false, calls), subjectOf('slow', true, calls)];
  const { rows, p50 } = await measureCalls('test', subjects, SIZES);
  expect(calls.join(' ')).toBe('fast slow fast fast fast slow slow fast fast fast');
  expect(rows.map(({ figures }) => figures.calls)).toEqual([6, 2]);
  expect(rows[0]?.figures).toMatchObject({ retries: 6, p50Ms: 4 });
  expect(p50('slow')).toBe(2);
});

it('calls a subject that failed no more and gives its reason instead of part of its figures', async () => {
  const calls: string[] = [];
  const subjects = [subjectOf('broken', false, calls, 3), absentSubject('absent', new Error('not here'))];
  const { rows, p50 } = await measureCalls('test', subjects, SIZES);
  expect(calls).toHaveLength(3);
  expect(rows.map(({ reason }) => reason)).toEqual(['call 3 failed', 'not here']);
  expect(rows.map(({ figures }) => figures.p50Ms)).toEqual([null, null]);
  expect(p50('broken')).toBeNull();
});

it('takes no answer from a sandbox of the wrong age, and none for another caller', () => {
  const body = (calls: number): string => JSON.stringify({ hello: 'Ada', calls });
  expect(() => verifyBody(body(1), 'Ada', 'fresh')).not.toThrow();
  expect(() => verifyBody(body(2), 'Ada', 'used')).not.toThrow();
  expect(() => verifyBody(body(2), 'Ada', 'fresh')).toThrow('expected a fresh sandbox');
  expect(() => verifyBody(body(1), 'Ada', 'used')).toThrow('expected a used sandbox');
  expect(() => verifyBody(body(1), 'Grace', 'fresh')).toThrow('and Grace');
});
