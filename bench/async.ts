/**
 * Question: how many asynchronous invocations a second does the server accept, with each on the disk before it is
 * answered, and how many does it bring to their end?
 *
 * An open connection sends one event after the other; 64 do so at once, from a process of its own. What is accepted runs
 * meanwhile and is waited for afterwards. Beside it the latency of callers who wait, with that load and without.
 */
import { Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { type LoadReport, offerLoad } from './harness/open-load.ts';
import { compare, reasonOf, row } from './harness/result.ts';
import { divide, median } from './harness/stats.ts';
import { invocationPath, QUIET, Strata } from './harness/strata.ts';

const FULL = { rounds: 3, secondsPerRun: 3, connections: 64, callers: 4, callsPerSecond: 200 };
const QUICK = { rounds: 1, secondsPerRun: 1, connections: 64, callers: 4, callsPerSecond: 200 };

type Sizes = typeof FULL;

/** The queue is not what is measured, so that it is never full. */
const SETTINGS = {
  ...QUIET,
  STRATA_ASYNC_MAX_QUEUED: '1000000',
  STRATA_ASYNC_MAX_QUEUED_PER_TENANT: '1000000',
};
const SOURCE = 'exports.handler = ({ n }) => n * 2';
const BODY = '{"n":21}';
const DRAIN_LIMIT_MS = 120_000;

interface Round {
  readonly acceptedPerSecond: number;
  readonly acceptedP99Ms: number | null;
  readonly deliveredPerSecond: number;
  readonly quiet: LoadReport;
  readonly beside: LoadReport;
}

export const asynchronous: Bench = {
  question: 'async',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const notes = [
      'Accepted: answers 202 a second in a closed loop; each is sent when the event is on the disk. Commits are shared by those that come meanwhile.',
      'Delivered: invocations that ended a second, from the first acceptance until the last has ended, its result stored.',
      'Callers: synchronous calls of another function of another tenant at a fixed rate, without the asynchronous load and beside it.',
    ];
    try {
      const rounds: Round[] = [];
      for (let at = 0; at < sizes.rounds; at += 1)
        rounds.push(await Scope.run((scope) => measureRound(scope, sizes)));
      return { ...answerOf(rounds), sizes, notes };
    } catch (error) {
      const reason = reasonOf(error);
      progress(`async: ${reason}`);
      return {
        rows: [row('one server', { acceptedPerSecond: null, deliveredPerSecond: null }, reason)],
        ...{ comparisons: [], sizes, notes },
      };
    }
  },
};

const measureRound = async (scope: Scope, sizes: Sizes): Promise<Round> => {
  const strata = await Strata.start(scope, SETTINGS);
  const spec = { runtime: 'isolate', code: { source: SOURCE } } as const;
  await strata.deploy('later', spec);
  await strata.deploy('now', spec, 'caller');
  const port = Number(new URL(strata.url).port);
  const { secondsPerRun: seconds, connections, callers, callsPerSecond } = sizes;
  const calls = {
    ...{ port, paths: [invocationPath('now')], tenant: 'caller', body: BODY, seconds },
    ...{ ratePerSecond: callsPerSecond, connections: callers },
  };
  const events = {
    ...{ port, paths: [`${invocationPath('later')}?mode=async`], body: BODY, seconds },
    ...{ ratePerSecond: null, connections, accepts: 202 },
  };
  await offerLoad({ ...calls, seconds: 1 });
  const quiet = await offerLoad(calls);
  const startedMs = performance.now();
  const [accepted, beside] = await Promise.all([offerLoad(events), offerLoad(calls)]);
  const ended = await drained(strata, startedMs);
  progress(
    `async: ${Math.round(accepted.goodput)} accepted / s, ${Math.round(ended)} delivered / s ${JSON.stringify(accepted.failures)}`,
  );
  return {
    acceptedPerSecond: accepted.goodput,
    acceptedP99Ms: accepted.acceptedMs?.p99 ?? null,
    ...{ deliveredPerSecond: ended, quiet, beside },
  };
};

/** How many ended a second until none was left. */
const drained = async (strata: Strata, startedMs: number): Promise<number> => {
  for (;;) {
    const { body } = await strata.client.get('/metrics');
    const left = [...body.matchAll(/strata_async_queue_depth\{state="\w+"\} (\d+)/g)];
    const tookMs = performance.now() - startedMs;
    if (left.every(([, count]) => count === '0')) {
      const succeeded = /strata_async_events_total\{event="succeeded"\} (\d+)/.exec(body)?.[1];
      return Number(succeeded ?? 0) / (tookMs / 1_000);
    }
    if (tookMs > DRAIN_LIMIT_MS) throw new Error('the queue was not empty in time');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

const answerOf = (rounds: readonly Round[]) => {
  const of = (figure: (round: Round) => number | null | undefined): number | null =>
    median(rounds.flatMap((round) => figure(round) ?? []));
  const acceptedPerSecond = of((round) => round.acceptedPerSecond);
  const deliveredPerSecond = of((round) => round.deliveredPerSecond);
  const quietP99Ms = of(({ quiet }) => quiet.acceptedMs?.p99);
  const besideP99Ms = of(({ beside }) => beside.acceptedMs?.p99);
  return {
    rows: [
      row('asynchronous', {
        ...{ acceptedPerSecond, acceptedP99Ms: of((round) => round.acceptedP99Ms), deliveredPerSecond },
      }),
      row('callers alone', {
        callP50Ms: of(({ quiet }) => quiet.acceptedMs?.p50),
        callP99Ms: quietP99Ms,
      }),
      row('callers beside them', {
        callP50Ms: of(({ beside }) => beside.acceptedMs?.p50),
        callP99Ms: besideP99Ms,
      }),
    ],
    comparisons: [
      compare('accepted a second', acceptedPerSecond, { atLeast: 1_000 }),
      compare('delivered a second', deliveredPerSecond, { atLeast: 500 }),
      compare('callers’ p99 beside the load ÷ alone', divide(besideP99Ms, quietP99Ms)),
    ],
  };
};

if (import.meta.main) await runFromCommandLine(asynchronous);
