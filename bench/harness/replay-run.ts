/**
 * One replay of each policy: a server of its own, the same arrivals as the others, then the simulator with what that
 * server was set to and has measured.
 *
 * Owns the servers and the order. Servers start one after the other and are played at the same time, each a little
 * after the one before; nothing is simulated before all of them have been played, because that would take processors
 * from those that still are.
 */
import { cpus } from 'node:os';
import { type Config, loadConfig } from '../../src/config/config.ts';
import type { Tier } from '../../src/core/spec.ts';
import type { DefaultCosts } from '../../src/pool/costs.ts';
import type { PolicyName } from '../../src/pool/policy/api.ts';
import { createPolicy } from '../../src/pool/policy/policies.ts';
import { poolShapeOf } from '../../src/pool-shapes.ts';
import { systemClock } from '../../src/ports/clock.ts';
import { DEFAULT_MACHINES, type PlayedMachine } from '../../src/simulator/played-machine.ts';
import type { RunFigures } from '../../src/simulator/results.ts';
import { play } from '../../src/simulator/simulation.ts';
import { pause, Scope } from './children.ts';
import { progress } from './command.ts';
import { readCpuSeconds } from './proc.ts';
import { Processors, type ProcessorUse } from './processors.ts';
import { type CostsOverTime, CostsWatch } from './replay-costs.ts';
import { arrivalsOf, deployAll, type LiveCounts, type LivePart, playLive } from './replay-live.ts';
import { reasonOf } from './result.ts';
import { median } from './stats.ts';
import { Strata, WITH_CONTAINERS } from './strata.ts';

export interface TierPart extends LivePart {
  readonly tier: Tier;
}

export interface PlayedTier {
  readonly part: TierPart;
  readonly live: LiveCounts;
  /** As the server measured them while it played. */
  readonly costs: CostsOverTime;
}

/** What one policy's server did. */
export interface Played {
  readonly policy: PolicyName;
  readonly tiers: readonly PlayedTier[];
  /** From when the server was ready until the first arrival. */
  readonly leadMs: number;
  /** Of all cores, for the server and its hosts while both tiers were played. */
  readonly cpuPercent: number;
  /** Null unless something failed; there are no tiers then. */
  readonly reason: string | null;
}

export interface PlayedTogether {
  readonly played: readonly Played[];
  /** Of the whole machine, while they were. */
  readonly use: ProcessorUse;
  /** Of all cores, for this process, which sends. */
  readonly generatorPercent: number;
}

/** No function is as large as its trace says: handlers take nothing, and every function asks for the default. */
const ASKED_MB = 128;
/** Both pools of a server share it, and neither comes near it. */
const BUDGET_MB = 16_384;
const LEAD_MS = 5_000;
/** The first seconds of a slice start most: those of one server are over when the next one's begin. */
const STAGGER_MS = 10_000;
/** As long as an invocation may wait. */
const TAIL_MS = 10_000;

const SERVER: Readonly<Record<string, string>> = {
  ...{ STRATA_MACHINE_MEMORY_MB: String(BUDGET_MB), STRATA_RECORDS_MAX_INVOCATIONS: '50000' },
  // The simulator has no machine that others use.
  ...{ STRATA_MACHINE_CPU_HIGH_PERCENT: '100', STRATA_MACHINE_MEMORY_HIGH_PERCENT: '100' },
  // With the default of 20 the slice has more tenants at work than there may be containers: whoever comes takes another's
  // away, and every start, late by a little, makes all that follow later. That says how a queue grows, not how one starts.
  STRATA_CONTAINER_MAX_CONTAINERS: '60',
  // What is in flight when a replay fails is nobody's any more.
  STRATA_SERVER_DRAIN_TIMEOUT_MS: '1000',
};

/** All of these at the same time, each against a server of its own. */
export const playTogether = (
  policies: readonly PolicyName[],
  parts: readonly TierPart[],
  seed: number,
): Promise<PlayedTogether> =>
  Scope.run(async (scope) => {
    const servers: { policy: PolicyName; server: Server | null; reason: string | null }[] = [];
    for (const policy of policies) {
      const opened = await settle(openServer(scope, policy, parts));
      servers.push({ policy, server: opened.value, reason: opened.reason });
    }
    await pause(LEAD_MS);
    const processors = scope.own(new Processors());
    const startedMs = systemClock.nowMs();
    const cpu = process.cpuUsage();
    const played = await Promise.all(
      servers.map(async ({ policy, server, reason }, at) => {
        if (server === null) return failed(policy, reason);
        await pause(at * STAGGER_MS);
        const { value, reason: why } = await settle(playServer(server, parts, seed));
        return value ?? failed(policy, why);
      }),
    );
    const { user, system } = process.cpuUsage(cpu);
    const generatorPercent = percentOfCores((user + system) / 1e6, systemClock.nowMs() - startedMs);
    return { played, use: processors.use(), generatorPercent };
  });

const settle = async <Value>(
  promise: Promise<Value>,
): Promise<{ value: Value | null; reason: string | null }> => {
  try {
    return { value: await promise, reason: null };
  } catch (error) {
    return { value: null, reason: reasonOf(error) };
  }
};

const failed = (policy: PolicyName, reason: string | null): Played => ({
  ...{ policy, tiers: [], leadMs: 0, cpuPercent: 0, reason: reason ?? 'it did not start' },
});

const percentOfCores = (cpuSeconds: number, elapsedMs: number): number =>
  (100 * cpuSeconds) / cpus().length / (elapsedMs / 1_000);

interface Server {
  readonly policy: PolicyName;
  readonly strata: Strata;
  readonly readyMs: number;
  readonly watch: CostsWatch;
}

const openServer = async (scope: Scope, policy: PolicyName, parts: readonly TierPart[]): Promise<Server> => {
  const strata = await Strata.start(scope, { ...WITH_CONTAINERS, ...SERVER, STRATA_POLICY_NAME: policy });
  const readyMs = systemClock.nowMs();
  const watch = scope.own(new CostsWatch(strata));
  await deployAll(strata, parts, ASKED_MB);
  return { policy, strata, readyMs, watch };
};

const playServer = async (
  { policy, strata, readyMs, watch }: Server,
  parts: readonly TierPart[],
  seed: number,
): Promise<Played> => {
  const cpu = readCpuSeconds(strata.pid);
  const startedMs = systemClock.nowMs();
  const counts = await playLive(strata, parts, seed);
  const cpuPercent = percentOfCores(readCpuSeconds(strata.pid) - cpu, systemClock.nowMs() - startedMs);
  await watch.finish();
  const tiers: PlayedTier[] = [];
  for (const [at, part] of parts.entries()) {
    const live = counts[at];
    if (live !== undefined) tiers.push({ part, live, costs: watch.of(part.runtime) });
  }
  progress(`replay: ${policy} was played, the server with ${cpuPercent.toFixed(1)} % of all cores`);
  return { policy, tiers, leadMs: startedMs - readyMs, cpuPercent, reason: null };
};

/** What the same arrivals, as they were sent and as long as they took, come to in the simulator. */
export const simulate = async (
  { policy, leadMs }: Played,
  { part, live, costs }: PlayedTier,
  seed: number,
): Promise<RunFigures> => {
  const options = { tier: part.tier, budgetGb: BUDGET_MB / 1_024, policy: createPolicy(policy), seed };
  const machine = machineOf(loadConfig({ env: SERVER }), part, live);
  const costsAt = (nowMs: number): DefaultCosts => costs.at(nowMs);
  return play(part.trace, {
    ...options,
    machine: { ...machine, leadMs, costs: costs.at(0), costsAt },
    arrivals: arrivalsOf(live.sent),
  });
};

/** The server as the simulator plays it, by its settings. */
const machineOf = (config: Config, { runtime, tier }: TierPart, live: LiveCounts): PlayedMachine => ({
  ...DEFAULT_MACHINES[tier],
  ...{ runtime, queue: config.queue, reservePercent: config.admission.reservePercent },
  ...poolShapeOf(config, runtime),
  ...{ maxInstances: 200, memory: { askedMb: ASKED_MB, measuredMb: median(live.memoryMb) } },
  tailMs: TAIL_MS,
});
