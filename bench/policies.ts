/**
 * Question: what do the policies cost, in waiting and in memory, on the same trace, scheduler and pool?
 *
 * The simulator plays a trace against each policy at several memory budgets with the costs of both tiers: the whole
 * trace, its halves, on one of which the policy may have been tuned, and generated ones, on which it was not. Without a
 * trace (`--trace DIR` or STRATA_TRACE) the first generated one takes its place.
 */
import type { Tier } from '../src/core/spec.ts';
import { STRATA_VERSION } from '../src/core/version.ts';
import { POLICY_NAMES } from '../src/pool/policy/api.ts';
import type { SimulationResult, SimulationRun } from '../src/simulator/api.ts';
import { plotOf } from '../src/simulator/plot.ts';
import { distancesOf, type Least, reportOf } from '../src/simulator/report.ts';
import { gbHours } from '../src/simulator/results.ts';
import { type Bench, type BenchOptions, progress, runFromCommandLine } from './harness/command.ts';
import { type Comparison, compare, type Row, row } from './harness/result.ts';
import { type BoundJob, type RunAnswer, type RunJob, runJobs } from './harness/simulation-jobs.ts';
import { divide } from './harness/stats.ts';
import { nameOf, type TraceOrigin, type TraceSource } from './harness/trace-source.ts';

const FULL = { budgetsGb: [4, 16, 64], functions: 150, minutes: 480, generated: 2, parallel: 2, seed: 1 };
const QUICK = { budgetsGb: [1], functions: 30, minutes: 20, generated: 1, parallel: 2, seed: 1 };
const TIERS: readonly Tier[] = ['isolate', 'container'];
/** The budget of the headline, of those that are played. */
const HEADLINE_GB = 16;

export const policies: Bench = {
  question: 'policies',
  measure: async (options) => {
    const sizes = options.quick ? QUICK : FULL;
    const sources = sourcesFor(options, sizes);
    const played = await playAll(sources, sizes);
    const [whole, ...others] = played;
    if (whole === undefined) throw new Error('there is no trace to play');
    const alone = await playSlowestAlone(whole);
    const budgets = sizes.budgetsGb;
    const headline = budgets.includes(HEADLINE_GB) ? HEADLINE_GB : (budgets[0] ?? HEADLINE_GB);
    return {
      sizes: { ...sizes, trace: describe(whole) },
      rows: played.flatMap((each) => rowsOf(each, each === whole ? budgets : [headline])),
      comparisons: [
        ...againstFixed(whole, headline),
        ...budgets.flatMap((budgetGb) => againstAll(whole, [budgetGb])),
        ...againstBounds(whole, headline),
        ...others.flatMap((each) => [...againstFixed(each, headline), ...againstAll(each, budgets)]),
        ...speedOf(whole, alone),
      ],
      notes: NOTES,
      files: Object.fromEntries(
        played.flatMap(({ source, result }) => [
          [`policies-${fileName(source)}.svg`, plotOf(result)],
          [`policies-${fileName(source)}.json`, `${JSON.stringify(reportOf(result, {}))}\n`],
        ]),
      ),
    };
  },
};

const NOTES = [
  'Start latency: how much later than from a ready instance invocations began, the wait in the queue included, summed over all. Wasted: memory that was kept and served nothing, of instances, stock and empty sandboxes alike.',
  'Costs of layers: the medians of the tables of cold starts and densities. A budget that is full of what runs lets invocations wait and refuses them, so at 4 GB the queue is most of the latency.',
  'Belady: who knows every gap and keeps an instance through it or gives it up, without a budget and with a stock that costs nothing. Any: who knows all that can be known and can do anything. Each axis is compared at what `strata` has of the other.',
  'Only the rows of the whole trace show every budget. `results/policies-*.json` has every run in full, `results/policies-*.svg` draws them.',
];

type Sizes = typeof FULL;

interface Played {
  readonly source: TraceSource;
  readonly result: SimulationResult;
  readonly runs: readonly PlayedRun[];
}

interface PlayedRun {
  readonly job: RunJob;
  readonly answer: RunAnswer;
}

const sourcesFor = ({ trace }: BenchOptions, { functions, minutes, generated }: Sizes): TraceSource[] => {
  const origins: TraceOrigin[] = Array.from({ length: generated }, (_, at) => ({
    ...{ functions, minutes, seed: at + 1 },
  }));
  if (trace !== null) origins.unshift({ folder: trace });
  return origins.flatMap((origin, at): TraceSource[] => {
    const whole: TraceSource = { origin, part: 'whole' };
    return at > 0 ? [whole] : [whole, { origin, part: 'first half' }, { origin, part: 'second half' }];
  });
};

const playAll = async (sources: readonly TraceSource[], sizes: Sizes): Promise<readonly Played[]> => {
  const { budgetsGb, seed, parallel } = sizes;
  const bounds = await runJobs<BoundJob>(
    sources.map((source) => ({ kind: 'bound', source, tiers: TIERS, seed })),
    parallel,
    ({ source }, { trace }) => progress(`policies: ${nameOf(source)}: ${trace.invocations} invocations`),
  );
  const jobs: RunJob[] = sources.flatMap((source) =>
    TIERS.flatMap((tier) =>
      budgetsGb.flatMap((budgetGb) =>
        POLICY_NAMES.map((policy): RunJob => ({ kind: 'run', source, tier, budgetGb, policy, seed })),
      ),
    ),
  );
  const answers = await runJobs(jobs, parallel, ({ source, tier, budgetGb, policy }, { seconds }) =>
    progress(`policies: ${nameOf(source)}, ${tier}, ${budgetGb} GB, ${policy}: ${seconds.toFixed(1)} s`),
  );
  return sources.flatMap((source, at) => {
    const bound = bounds[at];
    if (bound === undefined) return [];
    const own = jobs.flatMap((job, index) => {
      const answer = answers[index];
      return job.source === source && answer !== undefined ? [{ job, answer }] : [];
    });
    const runs = own.map(({ job: { tier, budgetGb, policy }, answer: { figures } }) => ({
      ...{ tier, budgetGb, policy, figures },
    }));
    const result: SimulationResult = {
      ...{ version: STRATA_VERSION, seed, costs: {}, settings: {}, runs },
      ...{ trace: bound.trace, bounds: bound.bounds },
    };
    return [{ source, result, runs: own }];
  });
};

/** Runs that share the processors say little of how long one takes. */
const playSlowestAlone = async ({ runs }: Played): Promise<RunAnswer | null> => {
  const [slowest] = runs.toSorted((one, other) => other.answer.seconds - one.answer.seconds);
  if (slowest === undefined) return null;
  const [alone] = await runJobs([slowest.job], 1, ({ tier, budgetGb, policy }, { seconds }) =>
    progress(`policies: the slowest, alone: ${tier}, ${budgetGb} GB, ${policy}: ${seconds.toFixed(1)} s`),
  );
  return alone ?? null;
};

const describe = ({ source, result }: Played): string =>
  `${nameOf(source)} of ${result.trace.functions} functions and ${result.trace.invocations} invocations`;

const fileName = (source: TraceSource): string =>
  nameOf(source).replace('the trace', 'trace').replace(/[ ,]+/g, '-');

const rowsOf = ({ source, result }: Played, budgetsGb: readonly number[]): readonly Row[] =>
  result.runs
    .filter(({ budgetGb }) => budgetsGb.includes(budgetGb))
    .map(({ tier, budgetGb, policy, figures }) => {
      const { served, starts, startLatencyMs: latency, refused } = figures;
      const percentFrom = (from: keyof typeof starts): number | null => divide(100 * starts[from], served);
      return row(`${nameOf(source)}, ${tier}, ${budgetGb} GB, ${policy}`, {
        ...{ codePercent: percentFrom('code'), runtimePercent: percentFrom('runtime') },
        ...{ containerPercent: percentFrom('container'), nonePercent: percentFrom('none') },
        ...{ p99Ms: latency.p99Ms, meanMs: latency.meanMs, startS: latency.totalMs / 1_000 },
        ...{ wastedGbHours: gbHours(figures.idleMbSeconds), evicted: figures.evictions, refused },
      });
    });

const latencyOf = ({ figures }: SimulationRun): number => figures.startLatencyMs.totalMs;
const wasteOf = ({ figures }: SimulationRun): number => figures.idleMbSeconds;
const AXES = [
  { name: 'start latency', of: latencyOf, lessPercent: 68 },
  { name: 'wasted memory', of: wasteOf, lessPercent: 77 },
] as const;

const runOf = ({ result }: Played, tier: Tier, budgetGb: number, policy: string): SimulationRun | undefined =>
  result.runs.find((run) => run.tier === tier && run.budgetGb === budgetGb && run.policy === policy);

const againstFixed = (played: Played, budgetGb: number): readonly Comparison[] =>
  TIERS.flatMap((tier) => {
    const [ours, fixed] = ['strata', 'fixed'].map((policy) => runOf(played, tier, budgetGb, policy));
    if (ours === undefined || fixed === undefined) return [];
    return AXES.map(({ name, of, lessPercent }) =>
      compare(
        `${nameOf(played.source)}, ${tier}, ${budgetGb} GB: strata, % less ${name} than fixed`,
        of(fixed) > 0 ? 100 * (1 - of(ours) / of(fixed)) : null,
        { atLeast: lessPercent },
      ),
    );
  });

/** Against the best of the other four on each axis; of several budgets, where `strata` comes off worst. */
const againstAll = (played: Played, budgetsGb: readonly number[]): readonly Comparison[] =>
  TIERS.flatMap((tier) =>
    AXES.map(({ name, of }) => {
      const ratios = budgetsGb.flatMap((budgetGb) => {
        const alike = played.result.runs.filter((run) => run.tier === tier && run.budgetGb === budgetGb);
        const ours = alike.find(({ policy }) => policy === 'strata');
        const others = alike.filter(({ policy }) => policy !== 'strata').map(of);
        return ours === undefined ? [] : [divide(of(ours), Math.min(...others))];
      });
      const worst = ratios.reduce(
        (most, ratio) => (most === null || ratio === null ? null : Math.max(most, ratio)),
        0,
      );
      const budgets = budgetsGb.length === 1 ? `${budgetsGb[0]} GB` : 'the worst budget';
      return compare(
        `${nameOf(played.source)}, ${tier}, ${budgets}: ${name}, strata ÷ the best of the other four`,
        worst,
        { atMost: 1 },
      );
    }),
  );

const againstBounds = (played: Played, budgetGb: number): readonly Comparison[] =>
  distancesOf(played.result)
    .filter((distance) => distance.policy === 'strata' && distance.budgetGb === budgetGb)
    .flatMap(({ tier, keeping, knowing }) => {
      const ours = runOf(played, tier, budgetGb, 'strata');
      const where = `${nameOf(played.source)}, ${tier}, ${budgetGb} GB`;
      const pair = (who: string, { startLatencyMs, idleMbSeconds }: Least): Comparison[] =>
        ours === undefined
          ? []
          : [
              compare(
                `${where}: start latency, strata ÷ ${who} at its waste`,
                divide(latencyOf(ours), startLatencyMs),
              ),
              compare(
                `${where}: wasted memory, strata ÷ ${who} at its latency`,
                divide(wasteOf(ours), idleMbSeconds),
              ),
            ];
      return [...pair('Belady', keeping), ...pair('any', knowing)];
    });

const MILLIONS = 3e6;

const speedOf = ({ runs }: Played, alone: RunAnswer | null): readonly Comparison[] => {
  const answers = runs.map(({ answer }) => answer);
  const slowest = Math.min(...answers.map(({ invocationsPerSecond }) => invocationsPerSecond));
  const growths = answers.flatMap(({ rssGrowth }) => rssGrowth ?? []);
  return [
    compare('simulated invocations a second, the slowest of runs two at a time', slowest),
    compare(
      '3 million invocations, the slowest run once more by itself, s',
      divide(MILLIONS, alone?.invocationsPerSecond),
      { atMost: 60 },
    ),
    compare('RSS of a run, the highest, MB', Math.max(...answers.map(({ peakRssMb }) => peakRssMb))),
    compare(
      'RSS, last quarter of a run ÷ second quarter, the worst run',
      growths.length === 0 ? null : Math.max(...growths),
      { atMost: 1.25 },
    ),
  ];
};

if (import.meta.main) await runFromCommandLine(policies);
