/**
 * Question: do starts begin from the layers from which the simulator says they do?
 *
 * A slice of a trace is played against the running server over HTTP, with real isolates and real containers, under each
 * policy; then the simulator plays the same arrivals with that server's settings and with the costs of layers that it
 * measured. What is compared is the share of starts by layer. Without a container engine, or without the image, there
 * are isolates alone.
 */

import { loadConfig } from '../src/config/config.ts';
import type { Start } from '../src/core/receipt.ts';
import { STARTS } from '../src/core/receipt.ts';
import type { Tier } from '../src/core/spec.ts';
import { DEFAULT_COSTS } from '../src/pool/costs.ts';
import { POLICY_NAMES, type PolicyName } from '../src/pool/policy/api.ts';
import { createPolicy } from '../src/pool/policy/policies.ts';
import { poolShapeOf } from '../src/pool-shapes.ts';
import { DEFAULT_MACHINES, type PlayedMachine } from '../src/simulator/played-machine.ts';
import type { RunFigures } from '../src/simulator/results.ts';
import { play } from '../src/simulator/simulation.ts';
import { pause, Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { describeEngine, imageOf } from './harness/containers.ts';
import { deployAll, type LiveCounts, type LivePart, playLive } from './harness/replay-live.ts';
import { sliceOf, splitByOwner } from './harness/replay-slice.ts';
import { type Comparison, compare, type Row, reasonOf, row } from './harness/result.ts';
import { divide, median, summarise } from './harness/stats.ts';
import { Strata, WITH_CONTAINERS } from './harness/strata.ts';
import { loadTrace, type TraceOrigin } from './harness/trace-source.ts';

const FULL = { minutes: 2, isolateFunctions: 40, containerFunctions: 20, seed: 1 };
const QUICK = { minutes: 0.1, isolateFunctions: 8, containerFunctions: 4, seed: 1 };
const GENERATED: TraceOrigin = { functions: 200, minutes: 60, seed: 1 };

/** About a third of two cores, as a call takes about a millisecond of them in all. */
const BOUNDS = {
  isolate: { perSecond: 60, inFlight: 40, durationMaxMs: 20_000 },
  container: { perSecond: 20, inFlight: 8, durationMaxMs: 20_000 },
} as const;
const CONTAINER_SHARE = 0.4;
const MINUTE_MS = 60_000;

/** No function is as large as its trace says: handlers take nothing, and every function asks for the default. */
const ASKED_MB = 128;
/** Both pools share it, and neither reaches it: numbers of sandboxes are what is scarce here. */
const BUDGET_MB = 16_384;
const LEAD_MS = 5_000;
const AGREEMENT_PERCENT = 10;

const SERVER: Readonly<Record<string, string>> = {
  ...{ STRATA_MACHINE_MEMORY_MB: String(BUDGET_MB), STRATA_RECORDS_MAX_INVOCATIONS: '50000' },
};

interface TierPart extends LivePart {
  readonly tier: Tier;
}

interface Played {
  readonly tier: Tier;
  readonly policy: PolicyName;
  readonly live: LiveCounts;
  readonly simulated: RunFigures;
}

export const replay: Bench = {
  question: 'replay',
  measure: async ({ quick, trace: folder, minutes }) => {
    const sizes = { ...(quick ? QUICK : FULL), ...(minutes === null ? {} : { minutes }) };
    const origin: TraceOrigin = folder === null ? GENERATED : { folder };
    const missing = await whyNoContainers();
    const parts = await partsOf(origin, sizes, missing === null);
    const played: Played[] = [];
    const failed: Row[] = [];
    for (const policy of quick ? (['fixed', 'strata'] as const) : POLICY_NAMES) {
      try {
        played.push(...(await playPolicy(policy, parts, sizes.seed)));
      } catch (error) {
        failed.push(row(policy, { livePercent: null }, reasonOf(error)));
      }
    }
    return {
      sizes: {
        ...{ ...sizes, trace: folder === null ? 'generated 1' : 'the trace', engine: await describeEngine() },
        ...Object.fromEntries(parts.map(({ tier, trace }) => [tier, describe(trace)])),
      },
      rows: [...played.flatMap(rowsOf), ...failed],
      comparisons: played.flatMap(comparisonsOf),
      notes: [
        'Live: what the header `Strata-Start` of each answer said. Simulated: the same arrivals and durations, the settings of the server, and the costs of layers that it measured while it played. Percent of all starts.',
        'Difference: the largest over the layers, in percentage points: of all starts; and of those not from `code`, where what there is is divided among three layers only.',
        'Late: how long after it was due the bench sent a request.',
        'A handler sleeps as long as the trace says, twenty seconds at most; the rate is lowered until a third of two cores suffices. Each policy has a server of its own, which begins with its stock and without any history.',
        missing === null
          ? 'Isolates and containers are played at the same time, by one server.'
          : `Isolates alone: ${missing}`,
      ],
    };
  },
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
  const slice = (from: typeof trace, functions: number, tier: Tier) => ({
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

const describe = ({ functions, invocations }: TierPart['trace']): string =>
  `${functions.length} functions and ${invocations} invocations`;

const playPolicy = (policy: PolicyName, parts: readonly TierPart[], seed: number): Promise<Played[]> =>
  Scope.run(async (scope) => {
    const strata = await Strata.start(scope, { ...WITH_CONTAINERS, ...SERVER, STRATA_POLICY_NAME: policy });
    await deployAll(strata, parts, ASKED_MB);
    await pause(LEAD_MS);
    const counts = await playLive(strata, parts, seed);
    const played: Played[] = [];
    for (const [at, part] of parts.entries()) {
      const live = counts[at];
      if (live === undefined) continue;
      const machine = await machineOf(strata, part, live);
      const options = {
        tier: part.tier,
        budgetGb: BUDGET_MB / 1_024,
        policy: createPolicy(policy),
        seed,
        machine,
      };
      const simulated = await play(part.trace, options);
      progress(
        `replay: ${policy}, ${part.tier}: ${JSON.stringify(live.starts)}, simulated ${JSON.stringify(simulated.starts)}`,
      );
      played.push({ tier: part.tier, policy, live, simulated });
    }
    return played;
  });

/** The server as the simulator plays it: its settings, and what it has measured. */
const machineOf = async (
  strata: Strata,
  { runtime, tier }: TierPart,
  live: LiveCounts,
): Promise<PlayedMachine> => {
  const { costs } = await strata.pool(runtime);
  if (costs === undefined) throw new Error(`the server does not say what layers of ${runtime} cost`);
  const { startMs, memoryMb } = costs;
  const config = loadConfig({ env: SERVER });
  return {
    ...DEFAULT_MACHINES[tier],
    ...{
      runtime,
      queue: config.queue,
      reservePercent: config.admission.reservePercent,
      ...poolShapeOf(config, runtime),
    },
    costs: {
      ...DEFAULT_COSTS[runtime],
      ...{ provisionMs: startMs.none - startMs.container, bootMs: startMs.container - startMs.runtime },
      ...{ loadMs: startMs.runtime, containerMb: memoryMb.container, runtimeMb: memoryMb.runtime },
    },
    ...{
      maxInstances: 200,
      memory: { askedMb: ASKED_MB, measuredMb: median(live.memoryMb) },
      leadMs: LEAD_MS,
    },
  };
};

const COLD: readonly Start[] = STARTS.filter((from) => from !== 'code');

const totalOf = (starts: Readonly<Record<Start, number>>, layers: readonly Start[]): number =>
  layers.reduce((sum, from) => sum + starts[from], 0);

const rowsOf = ({ tier, policy, live, simulated }: Played): readonly Row[] => {
  const figures = (starts: Readonly<Record<Start, number>>) =>
    Object.fromEntries(
      STARTS.map((from) => [`${from}Percent`, divide(100 * starts[from], totalOf(starts, STARTS))]),
    );
  return [
    row(`${policy}, ${tier}, live`, {
      ...figures(live.starts),
      ...{ served: totalOf(live.starts, STARTS), refused: live.refused, failed: live.failed },
      lateP99Ms: summarise(live.lateMs)?.p99 ?? null,
    }),
    row(`${policy}, ${tier}, simulated`, {
      ...figures(simulated.starts),
      ...{ served: simulated.served, refused: simulated.refused },
    }),
  ];
};

/** The largest difference of a layer's share, in percentage points. */
const differenceOf = ({ live, simulated }: Played, layers: readonly Start[]): number | null => {
  const [liveTotal, simulatedTotal] = [live.starts, simulated.starts].map((starts) =>
    totalOf(starts, layers),
  );
  if (!liveTotal || !simulatedTotal) return null;
  return Math.max(
    ...layers.map(
      (from) => 100 * Math.abs(live.starts[from] / liveTotal - simulated.starts[from] / simulatedTotal),
    ),
  );
};

const comparisonsOf = (played: Played): readonly Comparison[] => {
  const name = `${played.policy}, ${played.tier}`;
  return [
    compare(`${name}: difference of all starts, points`, differenceOf(played, STARTS), {
      atMost: AGREEMENT_PERCENT,
    }),
    compare(`${name}: difference of starts not from code, points`, differenceOf(played, COLD), {
      atMost: AGREEMENT_PERCENT,
    }),
  ];
};

if (import.meta.main) await runFromCommandLine(replay);
