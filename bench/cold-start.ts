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
import {
  absentSubject,
  type CallSubject,
  type CallsMeasured,
  measureCalls,
  verifyBody,
  verifyReply,
} from './harness/call-rounds.ts';
import { Scope } from './harness/children.ts';
import { type Bench, runFromCommandLine } from './harness/command.ts';
import { Client } from './harness/http-client.ts';
import {
  callInSpawnedNode,
  callInWorkerThread,
  FUNCTION_SOURCE,
  startFastify,
  startWorkerd,
  type Workerd,
} from './harness/peers.ts';
import { compare } from './harness/result.ts';
import { divide } from './harness/stats.ts';
import { Strata, unexpected } from './harness/strata.ts';
import { startSubject, untilAtRest } from './harness/strata-start.ts';

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

export const coldStart: Bench = {
  question: 'cold-start',
  measure: ({ quick }) =>
    Scope.run(async (scope) => {
      const sizes = quick ? QUICK : FULL;
      const { subjects, confinement } = await makeSubjects(scope);
      const measured = await measureCalls('cold-start', subjects, sizes);
      return {
        sizes: { ...sizes, confinement },
        rows: measured.rows,
        comparisons: compareAll(measured),
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

const makeSubjects = async (scope: Scope): Promise<{ subjects: CallSubject[]; confinement: string }> => {
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
    return { subjects: [...own, ...peers], confinement: (await strata.pool('isolate')).confinement };
  } catch (error) {
    const own = STRATA_STARTS.map((start) => absentSubject(`Strata, start ${start}`, error));
    return { subjects: [...own, ...peers], confinement: 'none: the server did not start' };
  }
};

const STRATA_STARTS: readonly Start[] = ['code', 'runtime', 'container', 'none'];

const TENANT = 'default';

const strataSubject = (
  strata: Strata,
  start: Start,
  pace: 'at rest' | 'back to back' = 'at rest',
): CallSubject =>
  startSubject({
    id: pace === 'at rest' ? `Strata, start ${start}` : `Strata, start ${start}, back to back`,
    slow: start === 'none' || start === 'container',
    strata,
    runtime: 'isolate',
    start,
    function: start === 'code' ? 'warm' : 'cold',
    async prepare(deadlineMs) {
      const pool = { strata, runtime: 'isolate', tenant: TENANT } as const;
      // A warm start takes nothing from the pool, so there is nothing to wait for.
      if (pace === 'at rest' && start !== 'code')
        await untilAtRest({ ...pool, like: ({ ready }) => ready.runtime > 0 }, deadlineMs);
      return TENANT;
    },
  });

const loaderSubject = (scope: Scope, workerd: Workerd, method: 'get' | 'load'): CallSubject => {
  const client = scope.own(new Client(workerd.loaderUrl));
  return {
    id: `Worker Loader, ${method}`,
    slow: false,
    async call(name) {
      const path = method === 'get' ? '/get-new' : '/load';
      const reply = await client.post(path, JSON.stringify({ name }));
      verifyReply(reply, name, 'fresh');
      return { elapsedMs: reply.elapsedMs, retries: 0 };
    },
  };
};

/** What the client, HTTP and a server cost without any function: to be read beside the rows above it. */
const floorSubject = (scope: Scope, url: string): CallSubject => {
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

const spawnedNode: CallSubject = {
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

const workerThread: CallSubject = {
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

const compareAll = ({ p50 }: CallsMeasured) => {
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

if (import.meta.main) await runFromCommandLine(coldStart);
