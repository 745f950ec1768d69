/**
 * Question: what does the server do with more load than it can carry?
 *
 * A handler that computes for about two milliseconds, in isolates. A closed loop finds what the server carries; then an
 * open loop offers a half, once, twice and five times as much, at a fixed rate and whatever the answers are. Twice over:
 * with one instance, so that the server and the generator have a core to themselves, and with four for each core, so that
 * everybody shares. The generator is a process of its own on the same machine.
 */
import { cpus } from 'node:os';
import { Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { type LoadPlan, type LoadReport, offerLoad } from './harness/open-load.ts';
import { readCpuSeconds, readMemory, readOwnCpuSeconds } from './harness/proc.ts';
import { type Comparison, compare, type Row, reasonOf, row } from './harness/result.ts';
import { growthOf } from './harness/simulation-jobs.ts';
import { divide, median } from './harness/stats.ts';
import { invocationPath, QUIET, Strata, unexpected } from './harness/strata.ts';

const FULL = { rounds: 3, secondsPerRun: 10, warmUpSeconds: 3, factors: [0.5, 1, 2, 5], connections: 512 };
const QUICK = { rounds: 1, secondsPerRun: 1, warmUpSeconds: 1, factors: [0.5, 5], connections: 512 };

const HANDLER_MS = 2;
/** More than one, so that a core has work while an answer and the next call are under way. */
const INSTANCES_PER_CORE = 4;
/** In the closed loop: enough that an instance never waits. */
const CLOSED_PER_INSTANCE = 4;
const RSS_INTERVAL_MS = 250;
/** The first passes are compiled while they run, and say little. */
const CALIBRATION_PASSES = 5;
const CALIBRATION_CALLS = 100;

const SOURCE = `exports.handler = ({ steps }) => {
  let x = 1;
  for (let step = 0; step < steps; step += 1) x = (x * 1103515245 + 12345) & 0x7fffffff;
  return x;
};`;

export const overload: Bench = {
  question: 'overload',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const subjects = [1, INSTANCES_PER_CORE * cpus().length];
    const measured: Measured[] = [];
    for (const instances of subjects) measured.push(await measureSubject(instances, sizes));
    return {
      sizes: { ...sizes, handlerMs: HANDLER_MS, closedConnectionsPerInstance: CLOSED_PER_INSTANCE },
      rows: measured.flatMap(({ rows }) => rows),
      comparisons: measured.flatMap(({ comparisons }) => comparisons),
      notes: [
        'Goodput: answers with 200 a second. Accepted: from when the request was due, so that a late generator counts. Refused: 429, from when it was sent. Late: how long after it was due a request was sent. Medians of the rounds.',
        'The queue is as it is by default: 200 for one function, ten seconds at most. What is accepted under overload has waited behind 200 others.',
        'Shares: of one core. The generator runs on the cores of the server and of the sandboxes, which have that much less: goodput with four instances for each core is what is left.',
        'Failures: answers that are neither 200 nor 429, broken connections, and no answer at all. Unsent: due, but every connection waited for an answer until the end of the run.',
        'RSS: of the server process, read four times a second over all runs; growth is the median of the last quarter over that of the second.',
      ],
    };
  },
};

interface Measured {
  readonly rows: readonly Row[];
  readonly comparisons: readonly Comparison[];
}

type Sizes = typeof FULL;

const measureSubject = (instances: number, sizes: Sizes): Promise<Measured> =>
  Scope.run(async (scope) => {
    const label = instances === 1 ? '1 instance' : `${instances} instances`;
    try {
      const strata = await Strata.start(scope, QUIET);
      const name = 'burn';
      await strata.deploy(name, {
        ...{ runtime: 'isolate', handler: 'index.handler', code: { source: SOURCE } },
        ...{ maxInstances: instances, concurrency: 1 },
      });
      const steps = await calibrate(strata, name);
      return await measureLoads(strata, { label, instances, name, steps }, sizes);
    } catch (error) {
      const reason = reasonOf(error);
      progress(`overload: ${label}: ${reason}`);
      return { rows: [row(label, { goodputPerSecond: null }, reason)], comparisons: [] };
    }
  });

/** How many steps take the time that a handler is to take. */
const calibrate = async (strata: Strata, name: string): Promise<number> => {
  let steps = 100_000;
  for (let pass = 0; pass < CALIBRATION_PASSES; pass += 1) {
    const tookMs: number[] = [];
    for (let call = 0; call < CALIBRATION_CALLS; call += 1) {
      const reply = await strata.invoke(name, { steps });
      if (reply.status !== 200) throw unexpected('calibrating', reply);
      const handlerMs = /handler;dur=([\d.]+)/.exec(String(reply.headers['server-timing']))?.[1];
      if (handlerMs === undefined) throw unexpected('reading the handler phase', reply);
      tookMs.push(Number(handlerMs));
    }
    const ms = median(tookMs) ?? HANDLER_MS;
    steps = Math.round((steps * HANDLER_MS) / Math.max(0.01, ms));
  }
  return steps;
};

interface Subject {
  readonly label: string;
  readonly instances: number;
  readonly name: string;
  readonly steps: number;
}

const measureLoads = async (strata: Strata, subject: Subject, sizes: Sizes): Promise<Measured> => {
  const { label, instances, name, steps } = subject;
  const { rounds, factors, connections, secondsPerRun, warmUpSeconds } = sizes;
  const base = {
    port: Number(new URL(strata.url).port),
    paths: [invocationPath(name)],
    body: `{"steps":${steps}}`,
  };
  const closed = { ...base, ratePerSecond: null, connections: instances * CLOSED_PER_INSTANCE };
  await offerLoad({ ...closed, seconds: warmUpSeconds });
  const { goodput: capacity } = await offerLoad({ ...closed, seconds: secondsPerRun });
  const reports = new Map<string, Measurement[]>([['closed loop', []]]);
  const rss: number[] = [];
  const timer = setInterval(() => {
    const memory = readMemory(strata.pid);
    if (memory !== null) rss.push(memory.residentMb);
  }, RSS_INTERVAL_MS);
  const note = async (key: string, plan: LoadPlan): Promise<void> => {
    const report = await measured(strata, plan);
    reports.set(key, [...(reports.get(key) ?? []), report]);
    progress(
      `overload: ${label}, ${key}: ${Math.round(report.goodput)} / s, ${report.refused} refused, ${report.unsent} unsent ${JSON.stringify(report.failures)}`,
    );
  };
  try {
    for (let round = 0; round < rounds; round += 1) {
      await note('closed loop', { ...closed, seconds: secondsPerRun });
      for (const factor of factors) {
        const open = { ...base, ratePerSecond: factor * capacity, connections };
        await note(`${factor} × offered`, { ...open, seconds: secondsPerRun });
      }
    }
  } finally {
    clearInterval(timer);
  }
  return {
    rows: [...reports].map(([key, each]) => rowOf(`${label}, ${key}`, each)),
    comparisons: comparisonsOf(label, reports, factors, rss),
  };
};

/** What the load met, and the share of one core that the server had meanwhile, and its sandboxes. */
interface Measurement extends LoadReport {
  readonly serverShare: number;
  readonly sandboxesShare: number;
}

const measured = async (strata: Strata, plan: LoadPlan): Promise<Measurement> => {
  const read = () => ({ all: readCpuSeconds(strata.pid), server: readOwnCpuSeconds(strata.pid) });
  const before = read();
  const startedMs = performance.now();
  const report = await offerLoad(plan);
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = read();
  const server = after.server - before.server;
  const all = after.all - before.all;
  return { ...report, serverShare: server / seconds, sandboxesShare: (all - server) / seconds };
};

const medianOf = (
  reports: readonly Measurement[],
  of: (report: Measurement) => number | null | undefined,
): number | null => median(reports.flatMap((report) => of(report) ?? []));

const rowOf = (subject: string, reports: readonly Measurement[]): Row => {
  const failures = reports.reduce((sum, each) => sum + failuresOf(each), 0);
  return row(subject, {
    goodputPerSecond: medianOf(reports, ({ goodput }) => goodput),
    offeredPerSecond: medianOf(reports, ({ sent, refused, goodput }) =>
      sent === 0 ? undefined : goodput / Math.max(1e-9, 1 - refused / sent),
    ),
    acceptedP50Ms: medianOf(reports, ({ acceptedMs }) => acceptedMs?.p50),
    acceptedP99Ms: medianOf(reports, ({ acceptedMs }) => acceptedMs?.p99),
    refusedPercent: medianOf(reports, ({ refused, sent }) => (100 * refused) / Math.max(1, sent)),
    refusedP50Ms: medianOf(reports, ({ refusedMs }) => refusedMs?.p50),
    refusedP99Ms: medianOf(reports, ({ refusedMs }) => refusedMs?.p99),
    lateP99Ms: medianOf(reports, ({ lateMs }) => lateMs?.p99),
    serverSharePercent: medianOf(reports, ({ serverShare }) => 100 * serverShare),
    sandboxesSharePercent: medianOf(reports, ({ sandboxesShare }) => 100 * sandboxesShare),
    generatorSharePercent: medianOf(reports, ({ cpuShare }) => 100 * cpuShare),
    failures,
    unsent: reports.reduce((sum, { unsent }) => sum + unsent, 0),
  });
};

const failuresOf = ({ failures }: LoadReport): number =>
  Object.values(failures).reduce((sum, count) => sum + count, 0);

/** Goodput for each core that the generator left: a client elsewhere would not take it. */
const goodputPerCoreLeft = ({ goodput, cpuShare }: LoadReport): number =>
  goodput / (cpus().length - cpuShare);

const comparisonsOf = (
  label: string,
  reports: ReadonlyMap<string, readonly Measurement[]>,
  factors: readonly number[],
  rss: readonly number[],
): Comparison[] => {
  const best = (of: (report: Measurement) => number): number =>
    Math.max(...[...reports.values()].map((each) => medianOf(each, of) ?? 0));
  const most = Math.max(...factors);
  const worst = reports.get(`${most} × offered`) ?? [];
  const all = [...reports.values()].flat();
  return [
    compare(
      `${label}, goodput at ${most} × ÷ the best`,
      divide(
        medianOf(worst, ({ goodput }) => goodput),
        best(({ goodput }) => goodput),
      ),
      { atLeast: 0.9 },
    ),
    compare(
      `${label}, the same for each core that the generator left`,
      divide(medianOf(worst, goodputPerCoreLeft), best(goodputPerCoreLeft)),
    ),
    compare(
      `${label}, requests that failed`,
      all.reduce((sum, each) => sum + failuresOf(each), 0),
      { atMost: 0 },
    ),
    compare(
      `${label}, refusals at ${most} ×, p99 ms`,
      medianOf(worst, ({ refusedMs }) => refusedMs?.p99),
      {
        atMost: 5,
      },
    ),
    compare(
      `${label}, refusals without Retry-After`,
      all.reduce((sum, each) => sum + each.refusedWithoutRetryAfter, 0),
      { atMost: 0 },
    ),
    compare(`${label}, server RSS, last quarter ÷ second quarter`, growthOf(rss), { atMost: 1.25 }),
    compare(`${label}, server RSS, the highest, MB`, rss.length === 0 ? null : Math.max(...rss)),
  ];
};

if (import.meta.main) await runFromCommandLine(overload);
