/**
 * Question: what does one tenant's flood do to another tenant's calls?
 *
 * A victim calls one after the other, with a pause between: first alone, then beside a flood of another tenant, whose
 * many functions each compute for as long as they may, in a closed loop with more clients than cores. Calls to loaded
 * code show what warm calls lose, calls that each take a booted runtime what new sandboxes do.
 */
import type { Start } from '../src/core/receipt.ts';
import type { Runtime } from '../src/core/spec.ts';
import { eventually, pause, Scope } from './harness/children.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { type LoadReport, offerLoad } from './harness/open-load.ts';
import { type Comparison, compare, type Row, reasonOf, row } from './harness/result.ts';
import { divide, type Summary, summarise } from './harness/stats.ts';
import { invocationPath, QUIET, Strata, unexpected, WITH_CONTAINERS } from './harness/strata.ts';

const FULL = { rounds: 3, warmCalls: 400, starts: 150, floodFunctions: 30, floodClients: 150 };
const QUICK = { rounds: 1, warmCalls: 50, starts: 5, floodFunctions: 6, floodClients: 24 };

const VICTIM = 'victim';
const FLOOD = 'flood';
/** About 50 milliseconds of a core of 2024. */
const BURN_STEPS = 8_000_000;
/** Between two calls of the victim: it is a tenant with little to do. */
const PAUSE_MS = 5;
/** Until the flood runs on all that it gets. */
const FLOOD_UP_MS = 2_000;
const REFILL_TIMEOUT_MS = 60_000;

const HELLO = 'exports.handler = () => 1;';
const BURN = `exports.handler = () => {
  let x = 1;
  for (let step = 0; step < ${BURN_STEPS}; step += 1) x = (x * 1103515245 + 12345) & 0x7fffffff;
  return x;
};`;

type Sizes = typeof FULL;

export const fairness: Bench = {
  question: 'fairness',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const isolates = await measureRuntime('isolate', sizes);
    const containers = await measureRuntime('nodejs24', sizes);
    return {
      sizes: { ...sizes, burnSteps: BURN_STEPS, pauseMs: PAUSE_MS },
      rows: [...isolates.rows, ...containers.rows],
      comparisons: [...isolates.comparisons, ...containers.comparisons],
      notes: [
        'Warm: calls to loaded code. Start: calls that each load the code into a booted runtime (start layer `runtime`), which is waited for outside of what is timed. From handing the request to the client until the answer is read; all samples of all rounds.',
        'The client of the victim and that of the flood run on the cores of the server and of the functions.',
        'Flood goodput: answers with 200 a second to the flood while the victim called.',
      ],
    };
  },
};

interface Measured {
  readonly rows: readonly Row[];
  readonly comparisons: readonly Comparison[];
}

const measureRuntime = (runtime: Runtime, sizes: Sizes): Promise<Measured> =>
  Scope.run(async (scope) => {
    try {
      const strata = await Strata.start(scope, runtime === 'isolate' ? QUIET : WITH_CONTAINERS);
      return await measureVictim(strata, runtime, sizes);
    } catch (error) {
      const reason = reasonOf(error);
      progress(`fairness: ${runtime}: ${reason}`);
      return { rows: [row(runtime, { warmP50Ms: null }, reason)], comparisons: [] };
    }
  });

interface Samples {
  readonly warmMs: number[];
  readonly startMs: number[];
}

const measureVictim = async (strata: Strata, runtime: Runtime, sizes: Sizes): Promise<Measured> => {
  const base = { runtime, handler: 'index.handler', timeoutMs: 60_000 } as const;
  await strata.deploy('warm', { ...base, code: { source: HELLO } }, VICTIM);
  await strata.deploy('fresh', { ...base, code: { source: HELLO }, processModel: 'ephemeral' }, VICTIM);
  const names = Array.from({ length: sizes.floodFunctions }, (_, at) => `burn-${at}`);
  for (const name of names) await strata.deploy(name, { ...base, code: { source: BURN } }, FLOOD);
  const alone: Samples = { warmMs: [], startMs: [] };
  const beside: Samples = { warmMs: [], startMs: [] };
  const floods: LoadReport[] = [];
  for (let call = 0; call < sizes.warmCalls; call += 1) await callVictim(strata, 'warm');
  for (let round = 0; round < sizes.rounds; round += 1) {
    await callRounds(strata, runtime, sizes, alone);
    const flood = startFlood(strata, names, sizes);
    try {
      await pause(FLOOD_UP_MS);
      await callRounds(strata, runtime, sizes, beside);
    } finally {
      floods.push(await flood.stop());
    }
    progress(`fairness: ${runtime}: round ${round + 1} of ${sizes.rounds}`);
  }
  return report(runtime, alone, beside, floods);
};

const callRounds = async (strata: Strata, runtime: Runtime, sizes: Sizes, into: Samples): Promise<void> => {
  for (let call = 0; call < sizes.warmCalls; call += 1) {
    into.warmMs.push(await callVictim(strata, 'warm'));
    await pause(PAUSE_MS);
  }
  for (let call = 0; call < sizes.starts; call += 1) {
    into.startMs.push(await startVictim(strata, runtime));
    await pause(PAUSE_MS);
  }
};

const callVictim = async (strata: Strata, name: string): Promise<number> => {
  const reply = await strata.invoke(name, {}, { tenant: VICTIM });
  if (reply.status !== 200) throw unexpected('a call of the victim', reply);
  return reply.elapsedMs;
};

const RUNTIME: Start = 'runtime';

/** One call from a booted runtime; refusals because none is ready are waited out and not timed. */
const startVictim = (strata: Strata, runtime: Runtime): Promise<number> =>
  eventually(`a booted ${runtime}`, REFILL_TIMEOUT_MS, async () => {
    const reply = await strata.invoke('fresh', {}, { tenant: VICTIM, start: RUNTIME });
    if (reply.status === 412) return null;
    if (reply.status !== 200) throw unexpected('a start of the victim', reply);
    return reply.elapsedMs;
  });

const startFlood = (
  strata: Strata,
  names: readonly string[],
  sizes: Sizes,
): { stop: () => Promise<LoadReport> } => {
  const stop = new AbortController();
  const done = offerLoad(
    {
      ...{ port: Number(new URL(strata.url).port), paths: names.map(invocationPath), tenant: FLOOD },
      ...{ body: '{}', ratePerSecond: null, seconds: FLOOD_MAX_SECONDS, connections: sizes.floodClients },
    },
    stop.signal,
  );
  // Whoever stops it hears of its failure.
  done.catch(() => undefined);
  return {
    stop: () => {
      stop.abort();
      return done;
    },
  };
};

const FLOOD_MAX_SECONDS = 300;

const report = (
  runtime: Runtime,
  alone: Samples,
  beside: Samples,
  floods: readonly LoadReport[],
): Measured => {
  const goodput = floods.reduce((sum, each) => sum + each.goodput, 0) / Math.max(1, floods.length);
  const figures = ({ warmMs, startMs }: Samples): { warm: Summary | null; start: Summary | null } => ({
    warm: summarise(warmMs),
    start: summarise(startMs),
  });
  const [before, during] = [figures(alone), figures(beside)];
  const rowOf = (
    name: string,
    { warm, start }: ReturnType<typeof figures>,
    floodGoodput: number | null,
  ): Row =>
    row(`${runtime}, ${name}`, {
      ...{ warmP50Ms: warm?.p50 ?? null, warmP99Ms: warm?.p99 ?? null },
      ...{ startP50Ms: start?.p50 ?? null, startP99Ms: start?.p99 ?? null },
      ...(floodGoodput === null ? {} : { floodGoodputPerSecond: floodGoodput }),
    });
  const ratio = (name: string, of: (f: ReturnType<typeof figures>) => number | undefined): Comparison =>
    compare(`${runtime}, ${name}, beside the flood ÷ alone`, divide(of(during), of(before)), { atMost: 2 });
  return {
    rows: [rowOf('alone', before, null), rowOf('beside the flood', during, goodput)],
    comparisons: [
      ratio('warm p50', ({ warm }) => warm?.p50),
      ratio('warm p99', ({ warm }) => warm?.p99),
      ratio('start p99', ({ start }) => start?.p99),
    ],
  };
};

if (import.meta.main) await runFromCommandLine(fairness);
