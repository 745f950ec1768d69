/**
 * Times one call at a time of several subjects that take turns in rounds.
 *
 * Owns the order of the calls, the rule what a right answer is, and the rows. A subject that fails is left out from
 * then on, and its row says why instead of giving figures.
 */

import { progress } from './command.ts';
import type { Reply } from './http-client.ts';
import type { Row } from './result.ts';
import { reasonOf, row } from './result.ts';
import { type Summary, summarise } from './stats.ts';
import { unexpected } from './strata.ts';

export interface CallSubject {
  readonly id: string;
  /** Called less often: a call takes long, or what has to be waited for before it does. */
  readonly slow: boolean;
  /** One verified call. @throws when the answer is wrong. */
  call(name: string): Promise<TimedCall>;
}

export interface TimedCall {
  readonly elapsedMs: number;
  /** Refusals before it, which were waited for and not counted. */
  readonly retries: number;
}

export interface CallSizes {
  readonly rounds: number;
  readonly fastCallsPerRound: number;
  readonly slowCallsPerRound: number;
  readonly fastWarmUpCalls: number;
  readonly slowWarmUpCalls: number;
}

export interface CallsMeasured {
  readonly rows: readonly Row[];
  /** Null when not measured. */
  p50(id: string): number | null;
}

export const measureCalls = async (
  question: string,
  subjects: readonly CallSubject[],
  sizes: CallSizes,
): Promise<CallsMeasured> => {
  const measured: Measured[] = subjects.map((subject) => ({
    subject,
    samples: [],
    retries: 0,
    reason: null,
  }));
  // The client and the servers compile their own code first: that is not what a cold start is about.
  for (const entry of measured) {
    await takeSamples(question, entry, entry.subject.slow ? sizes.slowWarmUpCalls : sizes.fastWarmUpCalls);
  }
  for (const entry of measured) Object.assign(entry, { samples: [], retries: 0 });
  for (let round = 0; round < sizes.rounds; round += 1) {
    progress(`${question}: round ${round + 1} of ${sizes.rounds}`);
    for (const entry of rotate(measured, round)) {
      const calls = entry.subject.slow ? sizes.slowCallsPerRound : sizes.fastCallsPerRound;
      await takeSamples(question, entry, calls);
    }
  }
  const summaries = new Map(measured.map((entry) => [entry.subject.id, summaryOf(entry)]));
  return { rows: measured.map(toRow), p50: (id) => summaries.get(id)?.p50 ?? null };
};

/** Stands for what cannot be measured here. */
export const absentSubject = (id: string, error: unknown): CallSubject => ({
  id,
  slow: true,
  call: () => Promise.reject(error),
});

/** What ran the function: nothing had run in it before, or something had. */
export type Age = 'fresh' | 'used';

export const verifyReply = (reply: Reply, name: string, age: Age): void => {
  if (reply.status !== 200) throw unexpected('a call', reply);
  verifyBody(reply.body, name, age);
};

/** Every subject runs the function of `peers/function.js` or `.py`, which counts its calls. */
export const verifyBody = (body: string, name: string, age: Age): void => {
  const { hello, calls } = JSON.parse(body) as { hello?: unknown; calls?: unknown };
  const rightCount = age === 'fresh' ? calls === 1 : typeof calls === 'number' && calls > 1;
  if (hello !== name || !rightCount) throw new Error(`expected a ${age} sandbox and ${name}, got ${body}`);
};

interface Measured {
  readonly subject: CallSubject;
  samples: number[];
  retries: number;
  /** Set once the subject has failed; it is not called again. */
  reason: string | null;
}

let serial = 0;

const takeSamples = async (question: string, entry: Measured, calls: number): Promise<void> => {
  for (let call = 0; call < calls && entry.reason === null; call += 1) {
    serial += 1;
    try {
      const { elapsedMs, retries } = await entry.subject.call(`caller-${serial}`);
      entry.samples.push(elapsedMs);
      entry.retries += retries;
    } catch (error) {
      entry.reason = reasonOf(error);
      progress(`${question}: ${entry.subject.id}: ${entry.reason}`);
    }
  }
};

/** A subject that failed on the way has no figures: part of a run is not comparable with whole ones. */
const summaryOf = ({ samples, reason }: Measured): Summary | null =>
  reason === null ? summarise(samples) : null;

const toRow = (entry: Measured): Row => {
  const summary = summaryOf(entry);
  return row(
    entry.subject.id,
    {
      p50Ms: summary?.p50 ?? null,
      p95Ms: summary?.p95 ?? null,
      p99Ms: summary?.p99 ?? null,
      calls: entry.samples.length,
      retries: entry.retries,
    },
    entry.reason,
  );
};

const rotate = <T>(items: readonly T[], by: number): T[] => {
  const shift = by % Math.max(1, items.length);
  return [...items.slice(shift), ...items.slice(0, shift)];
};
