/**
 * What a simulation found, for people and for programs: tables of policies by budget, and comparisons with `fixed`.
 *
 * Owns which figures are shown and in which units; never prints.
 */
import type { Start } from '../core/receipt.ts';
import type { Tier } from '../core/spec.ts';
import type { PolicyName } from '../pool/policy/api.ts';
import type { Bounds, SimulationResult, SimulationRun } from './api.ts';
import { leastIdleMbSeconds, leastLatencyMs } from './clairvoyant.ts';
import { gbHours, type RunFigures } from './results.ts';

/** A heading and rows of cells; the first row names the columns. */
export interface Section {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/** One section for the trace, one for each tier and budget, then one for each tier's bound. */
export const sectionsOf = (result: SimulationResult): readonly Section[] => [
  traceSection(result),
  ...groupsOf(result).map(({ tier, budgetGb, runs }) => ({
    title: `${tier}, ${budgetGb} GB`,
    rows: [COLUMNS, ...runs.map((run) => rowOf(run, baselineOf(runs), result.bounds[tier]))],
  })),
  ...Object.entries(result.bounds).map(([tier, points]) => boundSection(tier, points)),
];

/** A run against another of the same tier and budget, as shares: −0.68 is 68 % less. */
export interface Comparison {
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly policy: PolicyName;
  readonly against: PolicyName;
  /** Null where the other has none, so that there is no ratio. */
  readonly startLatency: number | null;
  readonly wastedMemory: number | null;
}

/** How near a run comes to the bounds: the least of each axis at what the run has of the other. */
export interface Distance {
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly policy: PolicyName;
  readonly keeping: Least;
  readonly knowing: Least;
}

export interface Least {
  readonly startLatencyMs: number;
  readonly idleMbSeconds: number;
}

export interface SimulationReport extends SimulationResult {
  /** What was asked for, as it was asked for. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Every policy against `fixed`. */
  readonly comparisons: readonly Comparison[];
  /** Every run whose tier has a bound. */
  readonly distances: readonly Distance[];
}

/** All of a result with what was asked for, as JSON holds it. */
export const reportOf = (
  result: SimulationResult,
  input: Readonly<Record<string, unknown>>,
): SimulationReport => ({
  ...{ input, ...result, comparisons: comparisonsOf(result), distances: distancesOf(result) },
});

export const comparisonsOf = (result: SimulationResult): readonly Comparison[] =>
  groupsOf(result).flatMap(({ tier, budgetGb, runs }) => {
    const other = runs.find(({ policy }) => policy === BASELINE);
    if (other === undefined) return [];
    return runs
      .filter((run) => run !== other)
      .map(({ policy, figures }) => ({
        ...{ tier, budgetGb, policy, against: other.policy },
        startLatency: changeOf(figures.startLatencyMs.totalMs, other.figures.startLatencyMs.totalMs),
        wastedMemory: changeOf(figures.idleMbSeconds, other.figures.idleMbSeconds),
      }));
  });

export const distancesOf = ({ runs, bounds }: SimulationResult): readonly Distance[] =>
  runs.flatMap(({ tier, budgetGb, policy, figures }) => {
    const points = bounds[tier];
    if (points === undefined) return [];
    const [keeping, knowing] = leastOf(points, figures);
    return [{ tier, budgetGb, policy, keeping, knowing }];
  });

const leastOf = (bounds: Bounds, { idleMbSeconds, startLatencyMs }: RunFigures): readonly [Least, Least] => {
  const least = (points: Bounds['keeping']): Least => ({
    startLatencyMs: leastLatencyMs(points, idleMbSeconds),
    idleMbSeconds: leastIdleMbSeconds(points, startLatencyMs.totalMs),
  });
  return [least(bounds.keeping), least(bounds.knowing)];
};

/** Runs that can be compared: the same tier and budget. */
const groupsOf = ({ runs }: SimulationResult): readonly Group[] =>
  [...Map.groupBy(runs, ({ tier, budgetGb }) => `${tier} ${budgetGb}`).values()].flatMap((alike) => {
    const [first] = alike;
    return first === undefined ? [] : [{ tier: first.tier, budgetGb: first.budgetGb, runs: alike }];
  });

interface Group {
  readonly tier: Tier;
  readonly budgetGb: number;
  readonly runs: readonly SimulationRun[];
}

const BASELINE: PolicyName = 'fixed';

const baselineOf = (runs: readonly SimulationRun[]): RunFigures | undefined =>
  runs.find(({ policy }) => policy === BASELINE)?.figures;

const changeOf = (value: number, from: number): number | null => (from > 0 ? value / from - 1 : null);

const COLUMNS = [
  ...['POLICY', 'CODE', 'RUNTIME', 'CONTAINER', 'NONE', 'P50 MS', 'P95 MS', 'P99 MS', 'MEAN MS', 'START S'],
  ...['WASTED GB·H', 'PEAK GB', 'EVICTED', 'REFUSED', `START VS ${BASELINE.toUpperCase()}`, 'WASTE'],
  ...['BELADY START S', 'GB·H', 'LEAST START S', 'GB·H'],
];

/** What the columns say, for who reads the tables. */
export const LEGEND: readonly string[] = [
  'FUNCTIONS, OWNERS, MINUTES, INVOCATIONS: what the trace has. PER FUNCTION: invocations of one function, the median and',
  'the MAX. MEAN MS: how long a function runs on average. MB: what one instance takes. P50 and P95 are over functions.',
  'POLICY: what decided. CODE, RUNTIME, CONTAINER, NONE: the share of served invocations that started from each layer; NONE is a cold start.',
  'P50, P95, P99, MEAN MS: what an invocation waited for its start, milliseconds; one from CODE waits for nothing.',
  'START S: the sum of these waits, seconds.',
  'WASTED GB·H: memory that was kept and served nobody, gigabytes times hours. PEAK GB: the most that was taken at once.',
  'EVICTED: idle things that were ended because their memory was wanted. REFUSED: invocations that were not served, and why.',
  `START VS ${BASELINE.toUpperCase()}, WASTE: both against the policy ${BASELINE}, where it was played; −68 % is 68 % less.`,
  'BELADY START S, GB·H: the least waiting for the memory that this run wasted, and the least waste for its waiting, if one',
  'knew when each function is called next and only kept or gave up. LEAST START S, GB·H: if one could load ahead as well.',
  'MS PER MB·S: the price of memory at which a bound holds: how much waiting a megabyte kept for a second has to save.',
];

const rowOf = (
  { policy, figures }: SimulationRun,
  baseline: RunFigures | undefined,
  bounds: Bounds | undefined,
): readonly string[] => {
  const { served, starts, startLatencyMs: latency, idleMbSeconds } = figures;
  const share = (from: Start): string => percent(served === 0 ? 0 : starts[from] / served);
  const compared = baseline !== undefined && baseline !== figures;
  return [
    ...[policy, share('code'), share('runtime'), share('container'), share('none')],
    ...[latency.p50Ms, latency.p95Ms, latency.p99Ms, latency.meanMs].map(figure),
    ...[figure(latency.totalMs / 1_000), figure(gbHours(idleMbSeconds)), figure(figures.peakMemoryMb / 1024)],
    ...[String(figures.evictions), refusalsOf(figures)],
    compared ? signed(changeOf(latency.totalMs, baseline.startLatencyMs.totalMs)) : '',
    compared ? signed(changeOf(idleMbSeconds, baseline.idleMbSeconds)) : '',
    ...(bounds === undefined ? ['', '', '', ''] : leastOf(bounds, figures).flatMap(leastCells)),
  ];
};

const leastCells = ({ startLatencyMs, idleMbSeconds }: Least): readonly string[] => [
  figure(startLatencyMs / 1_000),
  figure(gbHours(idleMbSeconds)),
];

const boundSection = (tier: string, { keeping, knowing }: Bounds): Section => ({
  title: `${tier}, any budget: who knows every gap and keeps or gives up (Belady), and who knows all there is`,
  rows: [
    ['MS PER MB·S', 'BELADY START S', 'WASTED GB·H', 'LEAST START S', 'WASTED GB·H'],
    ...keeping.map((point, at) => [
      figure(point.priceMsPerMbSecond),
      ...[point, ...knowing.slice(at, at + 1)].flatMap(leastCells),
    ]),
  ],
});

const refusalsOf = ({ refused, refusals }: RunFigures): string =>
  refused === 0
    ? '0'
    : `${refused} (${Object.entries(refusals)
        .map(([code, count]) => `${code} ${count}`)
        .join(', ')})`;

const traceSection = ({ trace, seed, version }: SimulationResult): Section => ({
  title: `strata ${version}, seed ${seed}`,
  rows: [
    [
      'FUNCTIONS',
      'OWNERS',
      'MINUTES',
      'INVOCATIONS',
      'PER FUNCTION P50',
      'MAX',
      'MEAN MS P50',
      'P95',
      'MB P50',
    ],
    [
      ...[trace.functions, trace.owners, trace.minutes, trace.invocations].map(String),
      ...[trace.perFunction.p50, trace.perFunction.max].map(String),
      ...[trace.meanDurationMs.p50, trace.meanDurationMs.p95, trace.memoryMb.p50].map(figure),
    ],
    ...trace.notes.map((note) => [`note: ${note}`]),
  ],
});

/** Three figures, and no exponent. */
const figure = (value: number): string => {
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)));
};

const percent = (share: number): string => `${figure(share * 100)} %`;

/** A change with its sign, as a percentage: "−68 %". */
export const signed = (share: number | null): string => {
  if (share === null) return '?';
  const rounded = Math.round(share * 1_000) / 10;
  if (rounded === 0) return '±0 %';
  return `${rounded < 0 ? '−' : '+'}${Math.abs(rounded)} %`;
};
