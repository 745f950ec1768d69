/**
 * Very many invocations on both tiers, and whether the server is at the end what it was at the beginning.
 *
 * Owns the comparison: the run has four quarters of the same size, with rest between them; the first warms up, the last
 * is held against the second. Answers what grew, a line for each.
 */
import type { Tier } from '../../src/core/spec.ts';
import { leftSince, type Remains, sumOf } from '../hostile/remains.ts';
import { Load } from './load.ts';
import type { World } from './world.ts';

export interface SoakOptions {
  readonly world: World;
  readonly seed: number;
  readonly invocations: Partial<Readonly<Record<Tier, number>>>;
  /** Told now and then how far it is. */
  readonly onProgress?: (text: string) => void;
}

export interface Quarter {
  readonly seconds: number;
  readonly tiers: Partial<Readonly<Record<Tier, QuarterOfTier>>>;
  /** At rest after it. */
  readonly serverMb: number;
  readonly hostsMb: number;
  readonly descriptors: number;
  readonly hosts: number;
  readonly containers: number;
}

export interface QuarterOfTier {
  readonly sent: number;
  readonly right: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Soak {
  readonly seed: number;
  readonly invocations: SoakOptions['invocations'];
  readonly quarters: readonly Quarter[];
  readonly broken: readonly string[];
}

const QUARTERS = 4;
const CLIENTS: Readonly<Record<Tier, number>> = { isolate: 16, container: 3 };
const PROGRESS_EVERY = 5_000;
const MB_ALLOWED = 48;
const SHARE_ALLOWED = 0.15;
/** A busy machine is slower for a while; what leaks is slower for good. */
const LATENCY_FACTOR = 2;
const LATENCY_ALLOWED_MS = 15;

export const soak = async (options: SoakOptions): Promise<Soak> => {
  const { world, seed, invocations } = options;
  const quarters: Quarter[] = [];
  const broken: string[] = [];
  const looks: Remains[] = [];
  for (let at = 0; at < QUARTERS; at += 1) {
    const { quarter, wrong, look } = await run(options, at);
    quarters.push(quarter);
    looks.push(look);
    broken.push(...wrong);
    options.onProgress?.(`quarter ${at + 1}: ${JSON.stringify(quarter)}`);
  }
  const [, second, , last] = quarters;
  const [, secondLook] = looks;
  if (second !== undefined && last !== undefined) broken.push(...grown(second, last));
  if (secondLook !== undefined) {
    const memoryMb = (second?.serverMb ?? 0) * SHARE_ALLOWED + MB_ALLOWED;
    broken.push(...(await leftSince(world.watched, secondLook, { memoryMb })));
  }
  return { seed, invocations, quarters, broken };
};

const run = async (
  { world, seed, invocations, onProgress }: SoakOptions,
  at: number,
): Promise<{ quarter: Quarter; wrong: readonly string[]; look: Remains }> => {
  const tiers = world.tiers.filter((tier) => (invocations[tier] ?? 0) > 0);
  const each = (tier: Tier): number => Math.ceil((invocations[tier] ?? 0) / QUARTERS);
  const latencies: Record<Tier, number[]> = { isolate: [], container: [] };
  const startMs = performance.now();
  let answers = 0;
  const before = await world.metrics();
  const load = new Load({
    ...{ url: world.server.url, seed: seed * QUARTERS + at, kinds: world.kinds },
    pace: Object.fromEntries(tiers.map((tier) => [tier, { clients: CLIENTS[tier], periodMs: 0 }])),
    most: Object.fromEntries(tiers.map((tier) => [tier, each(tier)])),
    onAnswer: (tier, _verdict, latencyMs) => {
      latencies[tier].push(latencyMs);
      answers += 1;
      if (answers % PROGRESS_EVERY === 0)
        onProgress?.(
          `quarter ${at + 1}: ${answers} answers in ${Math.round((performance.now() - startMs) / 1_000)} s`,
        );
    },
  });
  await load.finished();
  const seconds = (performance.now() - startMs) / 1_000;
  const rested = await world.filled();
  const after = await world.metrics();
  const look = await world.remains();
  const sent = tiers.reduce((sum, tier) => sum + load.accounts[tier].sent, 0);
  const settled = ['strata_invocations_total', 'strata_refusals_total'].reduce(
    (sum, name) => sum + sumOf(after, name) - sumOf(before, name),
    0,
  );
  const wrong = [
    ...(rested ? [] : ['the pools did not come to rest']),
    ...(settled === sent ? [] : [`${sent} sent, the server settled ${settled}`]),
    ...tiers.flatMap((tier) => {
      const { wrong: reasons, errors, cut } = load.accounts[tier];
      return [
        ...reasons.slice(0, REASONS_SHOWN),
        ...[...errors].map(([code, count]) => `${tier}: ${code} × ${count}`),
        ...(cut === 0 ? [] : [`${tier}: ${cut} connections ended without an answer`]),
      ];
    }),
  ];
  const results = tiers.map((tier) => {
    const sorted = Float64Array.from(latencies[tier]).sort();
    const { sent: asked, right } = load.accounts[tier];
    return [tier, { sent: asked, right, p50Ms: part(sorted, 0.5), p99Ms: part(sorted, 0.99) }] as const;
  });
  return {
    quarter: { seconds: rounded(seconds), tiers: Object.fromEntries(results), ...figuresOf(look) },
    wrong,
    look,
  };
};

const REASONS_SHOWN = 20;

const part = (sorted: Float64Array, share: number): number =>
  rounded(sorted[Math.floor(sorted.length * share)] ?? 0);
const rounded = (value: number): number => Math.round(value * 100) / 100;

const figuresOf = ({ processes, descriptors, containers }: Remains): Omit<Quarter, 'seconds' | 'tiers'> => {
  const resident = (role: string): number =>
    Math.round(
      processes
        .filter((process) => process.role === role)
        .reduce((sum, { residentMb }) => sum + residentMb, 0),
    );
  return {
    ...{ serverMb: resident('server'), hostsMb: resident('host') },
    descriptors: Object.values(descriptors).reduce((sum, count) => sum + count, 0),
    hosts: processes.filter(({ role }) => role === 'host').length,
    containers: containers.length,
  };
};

/** What the last quarter has more than the second. */
const grown = (second: Quarter, last: Quarter): readonly string[] => {
  const perHost = ({ hostsMb, hosts }: Quarter): number => hostsMb / Math.max(1, hosts);
  const allowed = (value: number): number => value * (1 + SHARE_ALLOWED) + MB_ALLOWED;
  return [
    ...(last.serverMb <= allowed(second.serverMb)
      ? []
      : [`memory of the server: ${second.serverMb} → ${last.serverMb} MB`]),
    ...(perHost(last) <= allowed(perHost(second))
      ? []
      : [`memory of a host: ${perHost(second)} → ${perHost(last)} MB`]),
    ...(['isolate', 'container'] as const).flatMap((tier) => {
      const [before, after] = [second.tiers[tier], last.tiers[tier]];
      if (before === undefined || after === undefined) return [];
      return (['p50Ms', 'p99Ms'] as const)
        .filter((figure) => after[figure] > before[figure] * LATENCY_FACTOR + LATENCY_ALLOWED_MS)
        .map((figure) => `${figure} of ${tier}: ${before[figure]} → ${after[figure]}`);
    }),
  ];
};
