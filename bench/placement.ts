/**
 * Question: how long does a placement decision take, and does it take longer with more functions?
 *
 * The scheduler and the pool that serve, above a simulated tier on a clock that is driven: what is timed is the decision
 * alone, from asking for a lease until it is there or the start is under way, and giving it back. The two numbers of
 * functions take turns in one process.
 */
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { DECISIONS, type DecisionKind, PlacementWorld } from './harness/placement-world.ts';
import { compare, row } from './harness/result.ts';
import { divide, type Summary, summarise } from './harness/stats.ts';

const FULL = { functions: [100, 10_000], activeShare: 0.2, rounds: 3, warmUpEach: 15, timedEach: 50 };
const QUICK = { functions: [100, 1_000], activeShare: 0.2, rounds: 1, warmUpEach: 15, timedEach: 25 };
const UNBOUNDED_MB = 1e9;
/** Of what the same load takes without a bound. */
const SCARCE_SHARE = 0.8;
const TIMER_CALLS = 100_000;
const TARGET_MICROS = 50;

type Samples = Record<DecisionKind, number[]>;

export const placement: Bench = {
  question: 'placement',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const samples = new Map(sizes.functions.map((functions) => [functions, empty()]));
    for (let round = 0; round < sizes.rounds; round += 1) {
      for (const [functions, into] of samples) {
        // As many decisions of each number of functions, and as many of each function: of few, in several worlds.
        const worlds = Math.round(Math.max(...sizes.functions) / functions);
        let took = '';
        for (let world = 0; world < worlds; world += 1)
          took = await measureWorld(functions, round * worlds + world, sizes, into);
        progress(`placement: round ${round + 1}, ${functions} functions: ${took}`);
      }
    }
    const summaries = (kind: DecisionKind): (Summary | null)[] =>
      [...samples.values()].map((each) => summarise(each[kind]));
    const [few, many] = sizes.functions;
    return {
      sizes,
      rows: [
        ...[...samples].flatMap(([functions, each]) =>
          DECISIONS.map((kind) => rowOf(`${functions} functions, ${kind}`, each[kind])),
        ),
        rowOf('the timer alone, twice', timerMicros()),
      ],
      comparisons: DECISIONS.flatMap((kind) => {
        const [atFew, atMany] = summaries(kind);
        return [
          compare(`${kind}, p99 µs at ${many} functions`, atMany?.p99 ?? null, { atMost: TARGET_MICROS }),
          compare(`${kind}, p99 at ${many} ÷ at ${few} functions`, divide(atMany?.p99, atFew?.p99), {
            atMost: 2,
          }),
        ];
      }),
      notes: [
        'A decision: `acquire` and `release` of one invocation, timed each by itself with `performance.now()` and added. Nothing is subtracted; the last row is what the timer itself takes.',
        'Warm: a loaded instance was there. From runtime: a booted one was. Evicting: memory was full, and something idle was ended for it.',
        'A fifth of the functions is active, each invoked every two seconds; one invocation in a hundred is of one of the others. Evicting is measured with four fifths of the memory that this takes.',
        'Five functions a tenant, policy `strata`; what the pool does between decisions, refills, sweeps and plans that come due, is not in them.',
      ],
    };
  },
};

const empty = (): Samples => ({ warm: [], 'from runtime': [], evicting: [] });

const measureWorld = async (
  functions: number,
  seed: number,
  { activeShare, warmUpEach, timedEach }: typeof FULL,
  into: Samples,
): Promise<string> => {
  const active = Math.ceil(functions * activeShare);
  const play = async (memoryMb: number): Promise<PlacementWorld> => {
    const world = new PlacementWorld({ functions, activeShare, memoryMb, seed });
    await world.play(active * warmUpEach, false);
    await world.play(active * timedEach, true);
    await world.close();
    return world;
  };
  const ample = await play(UNBOUNDED_MB);
  const scarce = await play(ample.peakMb * SCARCE_SHARE);
  for (const kind of DECISIONS) {
    if (kind !== 'evicting') into[kind].push(...ample.decisionsMicros[kind]);
  }
  into.evicting.push(...scarce.decisionsMicros.evicting);
  return `${Math.round(ample.peakMb)} MB; with less, ${scarce.evictions} evictions and ${scarce.refused} refusals`;
};

const rowOf = (subject: string, micros: readonly number[]) => {
  const found = summarise(micros);
  return row(
    subject,
    {
      ...{ p50Micros: found?.p50 ?? null, p99Micros: found?.p99 ?? null, maxMicros: found?.max ?? null },
      decisions: found?.n ?? 0,
    },
    found === null ? 'none was seen' : null,
  );
};

/** As each decision has it: two intervals. */
const timerMicros = (): number[] =>
  Array.from({ length: TIMER_CALLS }, () => {
    const startedMs = performance.now();
    const first = performance.now() - startedMs;
    const againMs = performance.now();
    return (first + performance.now() - againMs) * 1_000;
  });

if (import.meta.main) await runFromCommandLine(placement);
