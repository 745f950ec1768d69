/**
 * Question: do starts begin from the layers from which the simulator says they do?
 *
 * A slice of a trace is played against the running server over HTTP, with real isolates and real containers, under each
 * policy: side by side, each policy with a server of its own, or one after the other. Then the simulator plays the same
 * arrivals with that server's settings and with the costs of layers that it measured. What is compared is the share of
 * starts by layer. Without a container engine, or without the image, there are isolates alone.
 */
import { STARTS } from '../src/core/receipt.ts';
import { POLICY_NAMES, type PolicyName } from '../src/pool/policy/api.ts';
import type { RunFigures } from '../src/simulator/results.ts';
import type { Trace } from '../src/simulator/trace.ts';
import { pause } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { describeEngine, imageOf } from './harness/containers.ts';
import { Processors, type ProcessorUse } from './harness/processors.ts';
import {
  differenceOf,
  NOT_FROM_CODE,
  type StartCounts,
  sharesOf,
  totalOf,
} from './harness/replay-agreement.ts';
import {
  type Played,
  type PlayedTier,
  type PlayedTogether,
  playTogether,
  simulate,
  type TierPart,
} from './harness/replay-run.ts';
import { beginningOf, shareFor, sliceOf, splitByOwner, thinnedOut } from './harness/replay-slice.ts';
import { type Comparison, compare, type Row, reasonOf, row } from './harness/result.ts';
import { divide, mean, summarise } from './harness/stats.ts';
import { loadTrace, type TraceOrigin } from './harness/trace-source.ts';

const FULL = { minutes: 10, isolateFunctions: 80, containerFunctions: 30, seed: 1 };
const QUICK = { minutes: 0.1, isolateFunctions: 8, containerFunctions: 4, seed: 1 };
const GENERATED: TraceOrigin = { functions: 200, minutes: 60, seed: 1 };

/** So that two cores have time left: what waits for a core is no layer's fault. */
const BOUNDS = {
  isolate: { perSecond: 60, inFlight: 40, durationMaxMs: 20_000 },
  container: { perSecond: 20, inFlight: 8, durationMaxMs: 20_000 },
} as const;
const CONTAINER_SHARE = 0.4;
const MINUTE_MS = 60_000;
const AGREEMENT_PERCENT = 10;

/** For all that is played side by side. */
const CPU_AT_MOST_PERCENT = 50;
/** What one replay takes is tried with this policy, for so long. */
const TRIAL_POLICY: PolicyName = 'strata';
const TRIAL_MINUTES = 1;
const IDLE_MS = 5_000;

export const replay: Bench = {
  question: 'replay',
  measure: async ({ quick, trace: folder, minutes, oneByOne }) => {
    const sizes = { ...(quick ? QUICK : FULL), ...(minutes === null ? {} : { minutes }) };
    const origin: TraceOrigin = folder === null ? GENERATED : { folder };
    const policies: readonly PolicyName[] = quick ? ['fixed', 'strata'] : POLICY_NAMES;
    const missing = await whyNoContainers();
    const whole = await partsOf(origin, sizes, missing === null);
    const scaling = quick || oneByOne ? NOT_SCALED : await scaleFor(policies.length, whole, sizes.seed);
    const parts = whole.map((part) => ({ ...part, trace: thinnedOut(part.trace, scaling.share) }));
    const runs: PlayedTogether[] = [];
    for (const together of oneByOne ? policies.map((policy) => [policy]) : [policies])
      runs.push(await playTogether(together, parts, sizes.seed));
    const played = runs.flatMap((run) => run.played);
    const compared: Compared[] = [];
    for (const each of played) compared.push(...(await comparedOf(each, sizes.seed)));
    return {
      sizes: {
        ...{ ...sizes, trace: folder === null ? 'generated 1' : 'the trace', engine: await describeEngine() },
        ...Object.fromEntries(parts.map(({ tier, trace }) => [tier, describe(trace)])),
        ...(scaling.onePercent === null
          ? {}
          : { sharePlayed: scaling.share, trialCpuPercent: Number(scaling.onePercent.toPrecision(3)) }),
      },
      rows: [...compared.flatMap(rowsOf), ...played.flatMap(failuresOf)],
      comparisons: [...compared.flatMap(comparisonsOf), ...processorsOf(runs, oneByOne)],
      notes: [...NOTES, howPlayed(policies.length, oneByOne, missing)],
    };
  },
};

const NOTES = [
  'Live: what the header `Strata-Start` of each answer said. Simulated: the same invocations at the times at which they were sent and as long as their handlers took, the settings of the server, and the costs of layers as it measured them, read every other second. Percent of all starts; `not from code` is their number.',
  'Difference: the largest over the layers, in percentage points: of all starts; and of those not from `code`, where what there is is divided among three layers only.',
  'Start mean: how much later than from a ready instance an invocation began to run, waits included; live by the header `Server-Timing`.',
  'Late: how long after it was due the bench sent a request. Server CPU: of all cores, of a server and its hosts, both tiers together and containers left out.',
  'A handler sleeps as long as the trace says, twenty seconds at most; where the slice has more than 60 invocations a second for isolates, 20 for containers, or more than 40 and 8 of them at once, its rate is lowered.',
  'Each policy has a server of its own, with a data folder, a port, containers and a budget of 16 GB of its own, which none of them reaches; it begins with its stock and without any history. A runtime may have 60 containers, so that the slice does not fill the server. The watermarks for CPU and memory are at 100 %: there are none in the simulator.',
];

const howPlayed = (count: number, oneByOne: boolean, missing: string | null): string => {
  const order = oneByOne
    ? 'The policies were played one after the other, each with the machine to itself.'
    : `The ${count} policies were played side by side, at the same time on the same machine, each ten seconds after the one before, because the first seconds start most. How much of the slice that allows was found by a trial of one minute with \`${TRIAL_POLICY}\` alone; a quick run has none.`;
  const tiers =
    missing === null
      ? 'Isolates and containers are played at the same time, by one server.'
      : `Isolates alone: ${missing}`;
  return `${order} ${tiers}`;
};

const whyNoContainers = (): Promise<string | null> =>
  imageOf('nodejs24').then(
    () => null,
    (error: unknown) => reasonOf(error),
  );

const partsOf = async (
  origin: TraceOrigin,
  { minutes, isolateFunctions, containerFunctions }: typeof FULL,
  containers: boolean,
): Promise<readonly TierPart[]> => {
  const trace = await loadTrace({ origin, part: 'whole' });
  const [forIsolates, forContainers] = splitByOwner(trace, CONTAINER_SHARE);
  const whole = Math.max(1, Math.round(minutes));
  const slice = (from: Trace, functions: number, tier: TierPart['tier']): Trace => ({
    ...sliceOf(from, { ...BOUNDS[tier], functions, minutes: whole }),
    // Less than a minute is one that passes faster: it proves that all of it runs.
    ...(minutes < 1 ? { minuteMs: minutes * MINUTE_MS } : {}),
  });
  const isolates: TierPart = {
    ...{ tier: 'isolate', runtime: 'isolate' },
    trace: slice(forIsolates, isolateFunctions, 'isolate'),
  };
  if (!containers) return [isolates];
  return [
    isolates,
    { tier: 'container', runtime: 'nodejs24', trace: slice(forContainers, containerFunctions, 'container') },
  ];
};

const describe = ({ functions, invocations }: Trace): string =>
  `${functions.length} functions and ${invocations} invocations`;

interface Scaling {
  readonly share: number;
  /** What one replay was seen to take of all cores; null when it was not tried. */
  readonly onePercent: number | null;
}

const NOT_SCALED: Scaling = { share: 1, onePercent: null };

/** Plays the beginning with one policy, and finds how much of it so many may play at the same time. */
const scaleFor = async (count: number, parts: readonly TierPart[], seed: number): Promise<Scaling> => {
  const idlePercent = (await usedMeanwhile(IDLE_MS)).meanPercent ?? 0;
  const beginning = parts.map((part) => ({ ...part, trace: beginningOf(part.trace, TRIAL_MINUTES) }));
  const { use, played, generatorPercent } = await playTogether([TRIAL_POLICY], beginning, seed);
  const [tried] = played;
  if (use.meanPercent === null || tried === undefined || tried.reason !== null)
    throw new Error(`the trial failed: ${tried?.reason ?? 'nothing was played'}`);
  // On a machine that was full before, what came in addition cannot be seen: it is no less than what can be counted.
  const onePercent = Math.max(use.meanPercent - idlePercent, tried.cpuPercent + generatorPercent);
  const share = shareFor({ onePercent, count, atMostPercent: CPU_AT_MOST_PERCENT });
  progress(
    `replay: one policy takes ${onePercent.toFixed(1)} % of all cores beside ${idlePercent.toFixed(1)} %: ${share} of the slice is played`,
  );
  return { share, onePercent };
};

const usedMeanwhile = async (forMs: number): Promise<ProcessorUse> => {
  const processors = new Processors();
  try {
    await pause(forMs);
    return processors.use();
  } finally {
    processors.close();
  }
};

interface Compared extends PlayedTier {
  readonly policy: PolicyName;
  readonly cpuPercent: number;
  readonly simulated: RunFigures;
}

const comparedOf = async (played: Played, seed: number): Promise<readonly Compared[]> => {
  const { policy, cpuPercent, tiers } = played;
  const compared: Compared[] = [];
  for (const each of tiers) {
    const simulated = await simulate(played, each, seed);
    const counts = `${JSON.stringify(each.live.starts)}, simulated ${JSON.stringify(simulated.starts)}`;
    progress(`replay: ${policy}, ${each.part.tier}: ${counts}`);
    compared.push({ ...each, policy, cpuPercent, simulated });
  }
  return compared;
};

const rowsOf = ({ part, policy, live, simulated, cpuPercent }: Compared): readonly Row[] => {
  const figures = (starts: StartCounts): Record<string, number | null> => ({
    ...Object.fromEntries(STARTS.map((from) => [`${from}Percent`, sharesOf(starts)[from] ?? null])),
    ...{ notFromCode: totalOf(starts, NOT_FROM_CODE), served: totalOf(starts) },
  });
  return [
    row(`${policy}, ${part.tier}, live`, {
      ...figures(live.starts),
      ...{ refused: live.refused, failed: live.failed, startMeanMs: mean(live.startMs) },
      ...{ lateP99Ms: summarise(live.lateMs)?.p99 ?? null, serverCpuPercent: cpuPercent },
    }),
    row(`${policy}, ${part.tier}, simulated`, {
      ...figures(simulated.starts),
      ...{ refused: simulated.refused, startMeanMs: simulated.startLatencyMs.meanMs },
    }),
  ];
};

const failuresOf = ({ policy, reason }: Played): readonly Row[] =>
  reason === null ? [] : [row(policy, { codePercent: null }, reason)];

const comparisonsOf = ({ policy, part, live, simulated }: Compared): readonly Comparison[] => {
  const name = `${policy}, ${part.tier}`;
  return [
    compare(`${name}: difference of all starts, points`, differenceOf(live.starts, simulated.starts), {
      atMost: AGREEMENT_PERCENT,
    }),
    compare(
      `${name}: difference of starts not from code, points`,
      differenceOf(live.starts, simulated.starts, NOT_FROM_CODE),
      { atMost: AGREEMENT_PERCENT },
    ),
    compare(
      `${name}: mean start, live ÷ simulated`,
      divide(mean(live.startMs), simulated.startLatencyMs.meanMs),
    ),
  ];
};

/** Whoever waits for a core is late whatever the policy: how much was in use belongs to the result. */
const processorsOf = (runs: readonly PlayedTogether[], oneByOne: boolean): readonly Comparison[] =>
  runs.flatMap(({ played, use, generatorPercent }) => {
    const who = oneByOne ? (played[0]?.policy ?? '') : 'all policies side by side';
    return [
      compare(`${who}: CPU of the machine, mean, %`, use.meanPercent, { atMost: CPU_AT_MOST_PERCENT }),
      compare(`${who}: CPU of the machine, busiest second, %`, use.maxPercent),
      compare(`${who}: CPU of the bench itself, of all cores, %`, generatorPercent),
    ];
  });

if (import.meta.main) await runFromCommandLine(replay);
