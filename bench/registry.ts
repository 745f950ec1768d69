/**
 * Question: how long does it take to look up a function, and does it take longer with more of them?
 *
 * The registry as it serves, in memory, with all functions of one tenant: what is timed is each look-up by itself. The
 * two numbers of functions take turns in one process.
 */
import { systemClock } from '../src/ports/clock.ts';
import { seededRandom } from '../src/ports/random.ts';
import type { Registry } from '../src/registry/api.ts';
import { MEMORY, openRegistry } from '../src/registry/registry.ts';
import { type Bench, progress, runFromCommandLine } from './harness/command.ts';
import { compare, row } from './harness/result.ts';
import { divide, summarise } from './harness/stats.ts';

const FULL = { functions: [100, 10_000], versions: 5, rounds: 10, timedEach: 10_000, pagesEach: 500 };
const QUICK = { functions: [100, 1_000], versions: 5, rounds: 2, timedEach: 5_000, pagesEach: 100 };
const TENANT = 'tenant';
const TIMER_CALLS = 100_000;

/** What a look-up may take at the 99th percentile with the most functions: a warm invocation takes a hundred. */
const TARGETS_MICROS = {
  'get of a version': 10,
  'resolve of $LATEST': 10,
  'resolve of an alias': 10,
  'resolve of a weighted alias, drawn': 10,
  'resolve of a weighted alias, by session key': 50,
  'page of five versions': 100,
  'page of 100 functions': 1_000,
} as const;

type Kind = keyof typeof TARGETS_MICROS;
type LookUp = (registry: Registry, name: string, index: number) => unknown;

const LOOK_UPS: Readonly<Record<Kind, LookUp>> = {
  'get of a version': (registry, name) => registry.get(TENANT, name, '3'),
  'resolve of $LATEST': (registry, name) => registry.resolve(TENANT, name),
  'resolve of an alias': (registry, name) => registry.resolve(TENANT, name, 'live'),
  'resolve of a weighted alias, drawn': (registry, name) => registry.resolve(TENANT, name, 'next'),
  'resolve of a weighted alias, by session key': (registry, name, index) =>
    registry.resolve(TENANT, name, 'next', `session-${index}`),
  'page of five versions': (registry, name) => registry.versions.list(TENANT, name),
  'page of 100 functions': (registry, name) =>
    registry.list({ tenant: TENANT, cursor: Buffer.from(name).toString('base64url') }),
};
const KINDS = Object.keys(LOOK_UPS) as Kind[];

interface World {
  readonly functions: number;
  readonly registry: Registry;
  readonly samples: Readonly<Record<Kind, number[]>>;
}

export const registry: Bench = {
  question: 'registry',
  measure: async ({ quick }) => {
    const sizes = quick ? QUICK : FULL;
    const worlds: World[] = [];
    for (const functions of sizes.functions) worlds.push(await filled(functions, sizes.versions));
    for (let round = 0; round < sizes.rounds; round += 1)
      for (const world of worlds) measureRound(world, round, sizes);
    for (const world of worlds) world.registry.close();
    const [few, many] = worlds;
    const p99 = (world: World | undefined, kind: Kind): number | null =>
      summarise(world?.samples[kind] ?? [])?.p99 ?? null;
    return {
      sizes,
      rows: [
        ...worlds.flatMap(({ functions, samples }) =>
          KINDS.map((kind) => rowOf(`${functions} functions, ${kind}`, samples[kind])),
        ),
        rowOf('the timer alone', timerMicros()),
      ],
      comparisons: KINDS.flatMap((kind) => [
        compare(`${kind}, p99 µs at ${many?.functions} functions`, p99(many, kind), {
          atMost: TARGETS_MICROS[kind],
        }),
        compare(
          `${kind}, p99 at ${many?.functions} ÷ at ${few?.functions} functions`,
          divide(p99(many, kind) ?? undefined, p99(few, kind) ?? undefined),
        ),
      ]),
      notes: [
        'Each look-up is timed by itself with `performance.now()`; nothing is subtracted, the last row is what the timer takes.',
        'All functions are of one tenant, each with five published versions, an alias of one version and a weighted alias. Names are drawn evenly, so that with many functions hardly any is in the caches of the processor.',
        'A page begins behind a name that is drawn, and has 100 functions unless it is the last.',
      ],
    };
  },
};

const nameOf = (index: number): string => `function-${String(index).padStart(6, '0')}`;

const filled = async (functions: number, versions: number): Promise<World> => {
  const startedMs = performance.now();
  const made = await openRegistry({
    ...{ dataDir: MEMORY, clock: systemClock, random: seededRandom(1) },
    limits: { codeMaxBytes: 1_000, containerCodeMaxBytes: 1_000 },
  });
  for (let index = 0; index < functions; index += 1) {
    const name = nameOf(index);
    for (let version = 1; version <= versions; version += 1) {
      const spec = { env: { VERSION: String(version) }, labels: { index: String(index) } };
      await made.deploy(TENANT, name, { runtime: 'isolate', code: { source: '1' }, ...spec });
      await made.versions.publish(TENANT, name);
    }
    await made.versions.putAlias(TENANT, name, 'live', { version: '4' });
    await made.versions.putAlias(TENANT, name, 'next', { version: '4', weights: { 5: 0.1 } });
  }
  progress(`registry: ${functions} functions in ${Math.round(performance.now() - startedMs)} ms`);
  const samples = Object.fromEntries(KINDS.map((kind) => [kind, []])) as unknown as World['samples'];
  return { functions, registry: made, samples };
};

/** The first round warms up. */
const measureRound = (
  { functions, registry: filledRegistry, samples }: World,
  round: number,
  { timedEach, pagesEach }: typeof FULL,
): void => {
  const random = seededRandom(round);
  for (const kind of KINDS) {
    const lookUp = LOOK_UPS[kind];
    const count = kind.startsWith('page') ? pagesEach : timedEach;
    for (let index = 0; index < count; index += 1) {
      const name = nameOf(Math.floor(random.fraction() * functions));
      const startedMs = performance.now();
      lookUp(filledRegistry, name, index);
      const tookMs = performance.now() - startedMs;
      if (round > 0) samples[kind].push(tookMs * 1_000);
    }
  }
};

const rowOf = (subject: string, micros: readonly number[]) => {
  const found = summarise(micros);
  return row(
    subject,
    {
      ...{ p50Micros: found?.p50 ?? null, p99Micros: found?.p99 ?? null, maxMicros: found?.max ?? null },
      lookUps: found?.n ?? 0,
    },
    found === null ? 'none was made' : null,
  );
};

const timerMicros = (): number[] =>
  Array.from({ length: TIMER_CALLS }, () => {
    const startedMs = performance.now();
    return (performance.now() - startedMs) * 1_000;
  });

if (import.meta.main) await runFromCommandLine(registry);
