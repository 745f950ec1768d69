/**
 * Question: how long does a call take whose code is not loaded yet, from each layer, and elsewhere?
 *
 * Every subject runs the same function; an answer counts only when it is the expected one and, for a cold start,
 * comes from an isolate that nothing ran in before. Subjects take turns in rounds, one call at a time, one right
 * after the other: a pause between calls would let the processors fall asleep and measure their waking. A pool
 * refills while it is called; when it has run empty, the wait is outside the measured interval.
 */
import type { Start } from '../src/core/receipt.ts';
import { systemClock } from '../src/ports/clock.ts';
import { pause, Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { Client, type Reply } from './harness/http-client.ts';
import {
  callInSpawnedNode,
  callInWorkerThread,
  FUNCTION_SOURCE,
  startFastify,
  startWorkerd,
  type Workerd,
} from './harness/peers.ts';
import { compare, type Row, reasonOf, row } from './harness/result.ts';
import { divide, type Summary, summarise } from './harness/stats.ts';
import { Strata, unexpected } from './harness/strata.ts';

const FULL = {
  rounds: 20,
  fastCallsPerRound: 50,
  slowCallsPerRound: 10,
  fastWarmUpCalls: 200,
  slowWarmUpCalls: 5,
};
const QUICK = {
  rounds: 2,
  fastCallsPerRound: 10,
  slowCallsPerRound: 3,
  fastWarmUpCalls: 20,
  slowWarmUpCalls: 1,
};
/** A refill begins some milliseconds after the start that made it necessary: so many looks see it. */
const QUIET_LOOKS = 20;
const REFILL_TIMEOUT_MS = 15_000;
const POLL_MS = 1;

export const coldStart: Bench = {
  question: 'cold-start',
  measure: ({ quick }) =>
    Scope.run(async (scope) => {
      const sizes = quick ? QUICK : FULL;
      const { subjects, confinement } = await makeSubjects(scope);
      const measured: Measured[] = subjects.map((subject) => ({
        subject,
        samples: [],
        retries: 0,
        reason: null,
      }));
      // The client and the servers compile their own code first: that is not what a cold start is about.
      for (const entry of measured) {
        await takeSamples(entry, entry.subject.slow ? sizes.slowWarmUpCalls : sizes.fastWarmUpCalls);
      }
      for (const entry of measured) Object.assign(entry, { samples: [], retries: 0 });
      for (let round = 0; round < sizes.rounds; round += 1) {
        progress(`cold-start: round ${round + 1} of ${sizes.rounds}`);
        for (const entry of rotate(measured, round)) {
          const calls = entry.subject.slow ? sizes.slowCallsPerRound : sizes.fastCallsPerRound;
          await takeSamples(entry, calls);
        }
      }
      const summaries = new Map(measured.map((entry) => [entry.subject.id, summarise(entry.samples)]));
      return {
        sizes: { ...sizes, confinement },
        rows: measured.map(toRow),
        comparisons: compareAll(summaries),
        notes: NOTES,
      };
    }),
};

const NOTES = [
  'HTTP subjects: from handing the request to the client until the last byte of the answer, one kept-alive connection.',
  'Spawned Node: from spawn to exit. Worker thread: from its creation to its result. Neither has HTTP in it.',
  'Worker Loader `get`: an id and a text never seen, kept by its cache. `load`: the same without the cache.',
  'Strata at rest: each call comes when the pool boots nothing, as it does for a user who finds it ready; back to back: each call competes with the refill that the one before it made necessary.',
  'Retries: calls refused with 412 because the layer was not ready; waited for and not counted.',
];

interface Subject {
  readonly id: string;
  readonly slow: boolean;
  /** One verified call. @throws when the answer is wrong. */
  call(name: string): Promise<{ readonly elapsedMs: number; readonly retries: number }>;
}

interface Measured {
  readonly subject: Subject;
  samples: number[];
  retries: number;
  /** Set once the subject has failed; it is not called again. */
  reason: string | null;
}

let serial = 0;

const takeSamples = async (entry: Measured, calls: number): Promise<void> => {
  for (let call = 0; call < calls && entry.reason === null; call += 1) {
    serial += 1;
    try {
      const { elapsedMs, retries } = await entry.subject.call(`caller-${serial}`);
      entry.samples.push(elapsedMs);
      entry.retries += retries;
    } catch (error) {
      entry.reason = reasonOf(error);
      progress(`cold-start: ${entry.subject.id}: ${entry.reason}`);
    }
  }
};

const makeSubjects = async (scope: Scope): Promise<{ subjects: Subject[]; confinement: string }> => {
  const workerd = await startWorkerd(scope);
  const fastify = await startFastify(scope);
  const peers = [
    floorSubject(scope, fastify.url),
    loaderSubject(scope, workerd, 'get'),
    loaderSubject(scope, workerd, 'load'),
    spawnedNode,
    workerThread,
  ];
  try {
    const strata = await Strata.start(scope);
    const base = { runtime: 'isolate', handler: 'index.handler', code: { source: FUNCTION_SOURCE } } as const;
    await strata.deploy('cold', { ...base, processModel: 'ephemeral' });
    await strata.deploy('warm', base);
    await strata.invoke('warm', {});
    const own = STRATA_STARTS.map((start) => strataSubject(strata, start));
    own.push(strataSubject(strata, 'runtime', 'back to back'));
    return { subjects: [...own, ...peers], confinement: (await strata.isolates()).confinement };
  } catch (error) {
    const own = STRATA_STARTS.map((start) => absentSubject(`Strata, start ${start}`, error));
    return { subjects: [...own, ...peers], confinement: 'none: the server did not start' };
  }
};

const STRATA_STARTS: readonly Start[] = ['code', 'runtime', 'container', 'none'];

/** Cold starts use an ephemeral function, so that each call leaves nothing that could serve the next. */
const strataSubject = (
  strata: Strata,
  start: Start,
  pace: 'at rest' | 'back to back' = 'at rest',
): Subject => ({
  id: pace === 'at rest' ? `Strata, start ${start}` : `Strata, start ${start}, back to back`,
  slow: start === 'none' || start === 'container',
  async call(name) {
    const deadlineMs = systemClock.nowMs() + REFILL_TIMEOUT_MS;
    // A warm start takes nothing from the pool, so there is nothing to wait for.
    if (pace === 'at rest' && start !== 'code') await atRest(strata, deadlineMs);
    for (let retries = 0; ; retries += 1) {
      const reply = await strata.invoke(start === 'code' ? 'warm' : 'cold', { name }, { start });
      if (reply.status !== 412) {
        verify(reply, name, start === 'code' ? 'used' : 'fresh');
        if (reply.headers['strata-start'] !== start) throw unexpected(`asked for start ${start}`, reply);
        return { elapsedMs: reply.elapsedMs, retries };
      }
      if (systemClock.nowMs() > deadlineMs) {
        throw new Error(`layer ${start} was not ready within ${REFILL_TIMEOUT_MS} ms`);
      }
      await refilled(strata, start, deadlineMs);
    }
  },
});

const refilled = async (strata: Strata, start: Start, deadlineMs: number): Promise<void> => {
  while (systemClock.nowMs() < deadlineMs) {
    await pause(POLL_MS);
    if (start === 'none' || (await strata.isolates()).ready[start] > 0) return;
  }
};

const absentSubject = (id: string, error: unknown): Subject => ({
  id,
  slow: true,
  call: () => Promise.reject(error),
});

const loaderSubject = (scope: Scope, workerd: Workerd, method: 'get' | 'load'): Subject => {
  const client = scope.own(new Client(workerd.loaderUrl));
  return {
    id: `Worker Loader, ${method}`,
    slow: false,
    async call(name) {
      const path = method === 'get' ? '/get-new' : '/load';
      const reply = await client.post(path, JSON.stringify({ name }));
      verify(reply, name, 'fresh');
      return { elapsedMs: reply.elapsedMs, retries: 0 };
    },
  };
};

/** What the client, HTTP and a server cost without any function: to be read beside the rows above it. */
const floorSubject = (scope: Scope, url: string): Subject => {
  const client = scope.own(new Client(url));
  return {
    id: 'bare Fastify, no function',
    slow: false,
    async call(name) {
      const reply = await client.post('/', JSON.stringify({ name }));
      if (reply.status !== 200) throw unexpected('a call', reply);
      return { elapsedMs: reply.elapsedMs, retries: 0 };
    },
  };
};

const spawnedNode: Subject = {
  id: 'spawned Node process',
  slow: true,
  async call(name) {
    const startedMs = systemClock.nowMs();
    const body = await callInSpawnedNode(JSON.stringify({ name }));
    const elapsedMs = systemClock.nowMs() - startedMs;
    verifyBody(body, name, 'fresh');
    return { elapsedMs, retries: 0 };
  },
};

const workerThread: Subject = {
  id: 'worker thread',
  slow: true,
  async call(name) {
    const startedMs = systemClock.nowMs();
    const { result, ended } = callInWorkerThread(JSON.stringify({ name }));
    const body = await result;
    const elapsedMs = systemClock.nowMs() - startedMs;
    await ended;
    verifyBody(body, name, 'fresh');
    return { elapsedMs, retries: 0 };
  },
};

/**
 * Waits until the pool has what it wants and boots nothing. The questions follow each other without a pause, so that
 * the processors are as awake as they are for the subjects that need not wait.
 */
const atRest = async (strata: Strata, deadlineMs: number): Promise<void> => {
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const { slots, ready, sandboxes } = await strata.isolates();
    const busy = slots.starting + slots.draining > 0 || sandboxes.some(({ state }) => state !== 'ready');
    quiet = busy || ready.runtime === 0 ? 0 : quiet + 1;
    if (systemClock.nowMs() > deadlineMs)
      throw new Error(`the pool was not at rest within ${REFILL_TIMEOUT_MS} ms`);
  }
};

const verify = (reply: Reply, name: string, isolate: 'fresh' | 'used'): void => {
  if (reply.status !== 200) throw unexpected('a call', reply);
  verifyBody(reply.body, name, isolate);
};

const verifyBody = (body: string, name: string, isolate: 'fresh' | 'used'): void => {
  const { hello, calls } = JSON.parse(body) as { hello?: unknown; calls?: unknown };
  const rightCount = isolate === 'fresh' ? calls === 1 : typeof calls === 'number' && calls > 1;
  if (hello !== name || !rightCount)
    throw new Error(`expected a ${isolate} isolate and ${name}, got ${body}`);
};

const toRow = ({ subject, samples, retries, reason }: Measured): Row => {
  // A subject that failed on the way has no figures: part of a run is not comparable with whole ones.
  const summary = reason === null ? summarise(samples) : null;
  return row(
    subject.id,
    {
      p50Ms: summary?.p50 ?? null,
      p95Ms: summary?.p95 ?? null,
      p99Ms: summary?.p99 ?? null,
      calls: samples.length,
      retries,
    },
    reason,
  );
};

const compareAll = (summaries: ReadonlyMap<string, Summary | null>) => {
  const p50 = (id: string): number | null => summaries.get(id)?.p50 ?? null;
  const runtime = p50('Strata, start runtime');
  return [
    compare('start from runtime, p50 ms', runtime, { atMost: 0.8 }),
    compare('Worker Loader get p50 ÷ start from runtime p50', divide(p50('Worker Loader, get'), runtime), {
      atLeast: 8,
    }),
    compare('Worker Loader load p50 ÷ start from runtime p50', divide(p50('Worker Loader, load'), runtime), {
      atLeast: 8,
    }),
    compare(
      'spawned Node p50 ÷ start from none p50',
      divide(p50('spawned Node process'), p50('Strata, start none')),
    ),
    compare('spawned Node p50 ÷ start from runtime p50', divide(p50('spawned Node process'), runtime)),
    compare('worker thread p50 ÷ start from runtime p50', divide(p50('worker thread'), runtime)),
  ];
};

const rotate = <T>(items: readonly T[], by: number): T[] => {
  const shift = by % Math.max(1, items.length);
  return [...items.slice(shift), ...items.slice(0, shift)];
};

if (import.meta.main) await runFromCommandLine(coldStart);
