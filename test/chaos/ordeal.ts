/**
 * One fault under steady load, and everything that has to hold after it.
 *
 * Owns the order (a rate to compare with, the fault, recovery, rest) and the checks that all faults share. Answers what
 * does not hold, a line for each, together with the figures; the tests expect none.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Tier } from '../../src/core/spec.ts';
import { seededChance } from '../../src/simulator/chance.ts';
import { call } from '../e2e/http-client.ts';
import { leftSince, type Remains, sumOf } from '../hostile/remains.ts';
import type { Fault, Struck } from './fault.ts';
import { type Account, Load, type Pace } from './load.ts';
import type { World } from './world.ts';

export interface TierResult {
  readonly sent: number;
  readonly right: number;
  readonly cut: number;
  /** Error codes that clients were told, and how often. */
  readonly errors: Readonly<Record<string, number>>;
  readonly wrong: number;
  readonly ratePerSecond: number;
  /** From the end of the fault; null when service did not come back in time. */
  readonly recoveryMs: number | null;
}

export interface Ordeal {
  readonly fault: string;
  readonly seed: number;
  readonly strikes: number;
  readonly tiers: Partial<Readonly<Record<Tier, TierResult>>>;
  /** What did not hold: wrong answers, lost invocations, leaks. */
  readonly broken: readonly string[];
}

/** Half of what two busy cores can do, so that a rate that falls has a reason. */
const PACE: Readonly<Record<Tier, Pace>> = {
  isolate: { clients: 6, periodMs: 30 },
  container: { clients: 4, periodMs: 60 },
};
const WARM_ANSWERS = 60;
/** What is less than this of what the clients offer is still warming up, until so much time has passed. */
const STEADY_SHARE = 0.9;
const STEADY_LIMIT_MS = 10_000;
const BASE_MS = 1_500;
const RECOVERY_LIMIT_MS = 5_000;
/** The stretch in which a rate shows comes on top. */
const STRETCH_MS = 1_100;
const LOOK_INTERVAL_MS = 50;
const MEMORY_MB = 96;

/** Far longer than on a machine that does nothing else. */
export const ORDEAL_LIMIT_MS = 180_000;

export const undergo = async (world: World, fault: Fault, seed: number): Promise<Ordeal> => {
  const chance = seededChance(seed);
  await world.filled();
  const metricsBefore = await world.metrics();
  const pidBefore = world.server.pid;
  const pace = Object.fromEntries(world.tiers.map((tier) => [tier, PACE[tier]]));
  const load = new Load({ url: world.server.url, seed, kinds: world.kinds, pace });
  const struck = { world, load, chance };
  try {
    const seen = await struckUnderLoad(struck, fault);
    await load.stop();
    return await heldAgainst(
      struck,
      fault,
      seed,
      seen,
      world.server.pid === pidBefore ? metricsBefore : null,
    );
  } finally {
    // Also when the fault itself failed: the next one has a load of its own.
    await load.stop();
  }
};

/** What was seen while there was load. */
interface Seen {
  readonly rates: ReadonlyMap<Tier, number>;
  readonly before: Remains;
  readonly overMs: number;
  readonly recovered: ReadonlyMap<Tier, number | null>;
}

const struckUnderLoad = async (struck: Struck, fault: Fault): Promise<Seen> => {
  const { world, load } = struck;
  await Promise.all(load.tiers.map((tier) => load.answers(WARM_ANSWERS, tier)));
  const rates = await steadyRates(load);
  const before = await world.remains();
  for (let strike = 0; strike < (fault.times ?? 1); strike += 1) await fault.strike(struck);
  const overMs = performance.now();
  const recovered = await recovery(load, rates, overMs, fault.recoveryLimitMs ?? RECOVERY_LIMIT_MS);
  return { rates, before, overMs, recovered };
};

const heldAgainst = async (
  struck: Struck,
  fault: Fault,
  seed: number,
  { rates, before, overMs, recovered }: Seen,
  metricsBefore: string | null,
): Promise<Ordeal> => {
  const { world, load } = struck;
  const limitMs = fault.recoveryLimitMs ?? RECOVERY_LIMIT_MS;
  const broken = [
    ...load.tiers.flatMap((tier) => judged(tier, load.accounts[tier], fault)),
    ...load.tiers
      .filter((tier) => recovered.get(tier) === null)
      .map((tier) => {
        const seconds = Array.from({ length: Math.ceil(limitMs / 1_000) }, (_, at) =>
          Math.round(load.rates(tier).rate(overMs + at * 1_000, overMs + (at + 1) * 1_000)),
        );
        return `${tier}: not back at 95 % of ${Math.round(rates.get(tier) ?? 0)} a second in ${limitMs} ms; second by second: ${seconds.join(', ')}`;
      }),
    ...((await world.filled()) ? [] : [`the pools did not refill: ${JSON.stringify(await world.pools())}`]),
    ...(await conserved(world)),
    ...(await booked(world, load, metricsBefore)),
    ...(await leftSince(world.watched, before, {
      memoryMb: MEMORY_MB,
      ...(fault.settleLimitMs === undefined ? {} : { limitMs: fault.settleLimitMs }),
    })),
    ...((await fault.check?.(struck)) ?? []),
  ];
  const tiers = Object.fromEntries(
    load.tiers.map((tier) => [
      tier,
      resultOf(load.accounts[tier], rates.get(tier) ?? 0, recovered.get(tier) ?? null),
    ]),
  );
  return { fault: fault.name, seed, strikes: fault.times ?? 1, tiers, broken };
};

const resultOf = (account: Account, ratePerSecond: number, recoveryMs: number | null): TierResult => ({
  ...{ sent: account.sent, right: account.right, cut: account.cut },
  errors: Object.fromEntries(account.errors),
  wrong: account.wrong.length,
  ...{ ratePerSecond, recoveryMs },
});

/** The rates to compare with: once all functions are warm, over a stretch. */
const steadyRates = async (load: Load): Promise<ReadonlyMap<Tier, number>> => {
  const endMs = performance.now() + STEADY_LIMIT_MS;
  await delay(BASE_MS);
  for (;;) {
    const nowMs = performance.now();
    const rates = new Map(
      load.tiers.map((tier) => [tier, load.rates(tier).rate(nowMs - BASE_MS, nowMs)] as const),
    );
    const steady = [...rates].every(([tier, rate]) => rate >= STEADY_SHARE * load.offered(tier));
    if (steady || nowMs > endMs) return rates;
    await delay(LOOK_INTERVAL_MS);
  }
};

/** When each tier was back; null for one that was not in time. */
const recovery = async (
  load: Load,
  rates: ReadonlyMap<Tier, number>,
  overMs: number,
  limitMs: number,
): Promise<ReadonlyMap<Tier, number | null>> => {
  for (;;) {
    const nowMs = performance.now();
    const found = new Map(
      [...rates].map(([tier, rate]) => [tier, load.rates(tier).recoveryMs(overMs, nowMs, rate)] as const),
    );
    if (![...found.values()].includes(null) || nowMs > overMs + limitMs + STRETCH_MS) return found;
    await delay(LOOK_INTERVAL_MS);
  }
};

/** Every request has an answer, and each is right or an error that the fault allows. */
const judged = (tier: Tier, account: Account, fault: Fault): readonly string[] => {
  const { sent, right, cut, errors, wrong } = account;
  const allowed: readonly string[] = fault.allows[tier] ?? [];
  const told = [...errors.values()].reduce((sum, count) => sum + count, 0);
  return [
    ...wrong.map((reason) => `${tier}: ${reason}`),
    ...[...errors]
      .filter(([code]) => !allowed.includes(code))
      .map(([code, count]) => `${tier}: ${code} × ${count}`),
    ...(cut > 0 && fault.cuts !== true ? [`${tier}: ${cut} connections ended without an answer`] : []),
    ...(sent === right + told + cut + wrong.length
      ? []
      : [`${tier}: ${sent} sent, ${right + told + cut} answered`]),
  ];
};

/** Nothing is in flight, nobody waits, and every slot is somewhere. */
const conserved = async (world: World): Promise<readonly string[]> => {
  const metrics = await world.metrics();
  const { tiers, limits } = await world.pools();
  const open = ['strata_in_flight', 'strata_queue_depth', 'strata_admission_queue_depth'].filter(
    (name) => sumOf(metrics, name) !== 0,
  );
  return [
    ...open.map((name) => `${name} is ${sumOf(metrics, name)} at rest`),
    ...(limits?.inFlight === 0 ? [] : [`${limits?.inFlight} in flight at rest`]),
    ...Object.entries(tiers).flatMap(([runtime, { slots }]) => {
      const { free, busy, starting, draining, total } = slots;
      const counted = sumOf(metrics, 'strata_pool_slots', new RegExp(`runtime="${runtime}"`));
      return free + busy + starting + draining === total && busy === 0 && counted === total
        ? []
        : [`slots of ${runtime}: ${JSON.stringify(slots)}, ${counted} in the metrics`];
    }),
    ...(sumOf(metrics, 'strata_pool_repairs_total') === 0 ? [] : ['the audit had to put counts right']),
  ];
};

/** The server's books say what clients were told: in its counters, and in the receipt of each. */
const booked = async (world: World, load: Load, before: string | null): Promise<readonly string[]> => {
  if (before === null) return [];
  const after = await world.metrics();
  const grown = (name: string, labels?: RegExp): number =>
    sumOf(after, name, labels) - sumOf(before, name, labels);
  const accounts = load.tiers.map((tier) => load.accounts[tier]);
  const sum = (of: (account: Account) => number): number =>
    accounts.reduce((total, next) => total + of(next), 0);
  const settled = grown('strata_invocations_total') + grown('strata_refusals_total');
  const sent = sum((account) => account.sent);
  const cut = sum((account) => account.cut);
  const lost: string[] = [];
  if (settled < sent - cut || settled > sent + load.outside)
    lost.push(`${sent} sent, the server settled ${settled}`);
  for (const { id, tenant, code } of load.receipted) {
    const headers = { 'Strata-Tenant': tenant };
    const { status, json } = await call(world.server, 'GET', `/v1/invocations/${id}`, { headers });
    const { status: state, error } = (json ?? {}) as { status?: string; error?: { code?: string } | null };
    // What was refused before it ran has no receipt.
    if (status === 404 && code !== 'succeeded' && code !== 'function_error') continue;
    const said = state === 'succeeded' ? state : error?.code;
    // A function that caught what became of its request to the network has succeeded.
    if (said !== code && !(said === 'succeeded' && code.startsWith('network_')))
      lost.push(`the receipt of ${id} says ${said}, the client was told ${code}`);
  }
  return lost;
};
