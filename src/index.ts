/**
 * The library: `createExecutor` wires the parts of one executor together.
 *
 * Owns the wiring only: a lane for each runtime that this machine can serve. The server, the CLI and embedding platforms all start here.
 */
import { availableParallelism } from 'node:os';
import { type Logger, pino } from 'pino';
import { openAccounts, type StoredAccounts } from './accounts/accounts.ts';
import type { OperatorMemory } from './billing/operator-memory.ts';
import { type Config, type ConfigOverrides, loadConfig } from './config/config.ts';
import { StrataError } from './core/errors.ts';
import { type FunctionRecord, type Runtime, tierOf } from './core/spec.ts';
import { Egress } from './egress/egress.ts';
import { brokerProcess } from './egress/process.ts';
import type { Grant } from './egress/session.ts';
import { dnsServersOf, privateRangesOf } from './egress/settings.ts';
import type { Executor } from './invocation/api.ts';
import { LocalExecutor } from './invocation/executor.ts';
import { type Lane, Lanes } from './invocation/lanes.ts';
import type { LoadContext } from './invocation/load-request.ts';
import { Metrics } from './invocation/metrics.ts';
import { preload } from './invocation/preload.ts';
import { Provisions } from './invocation/provisions.ts';
import { Records } from './invocation/records.ts';
import { keepStored } from './invocation/versions.ts';
import { type LedgerParts, openLedger } from './ledger-parts.ts';
import { Budget } from './pool/budget.ts';
import { DEFAULT_COSTS } from './pool/costs.ts';
import { LayeredPool } from './pool/layered-pool.ts';
import type { PoolOptions } from './pool/options.ts';
import type { Policy } from './pool/policy/api.ts';
import { createPolicy } from './pool/policy/policies.ts';
import { poolShapeOf } from './pool-shapes.ts';
import { childProcesses } from './ports/child-processes.ts';
import { systemClock } from './ports/clock.ts';
import { openCpuGroups, sweepCpuGroups } from './ports/cpu-groups.ts';
import { cpuTimeMs } from './ports/cpu-time.ts';
import { type Machine, systemMachine } from './ports/machine.ts';
import { makeNice } from './ports/niceness.ts';
import { systemProcesses } from './ports/processes.ts';
import { systemRandom } from './ports/random.ts';
import { openAsyncQueue } from './queue-parts.ts';
import type { Registry } from './registry/api.ts';
import type { NetworkRules } from './registry/network.ts';
import { MEMORY, openRegistry } from './registry/registry.ts';
import type { SandboxTier } from './sandbox/api.ts';
import { type ContainerTiers, createContainerTiers } from './sandbox/container/tiers.ts';
import { CpuShares } from './sandbox/cpu-shares.ts';
import { createIsolateTier } from './sandbox/isolate/tier.ts';
import { Admission } from './scheduler/admission.ts';
import { CpuFairness } from './scheduler/cpu-fairness.ts';
import { QueueLength, Scheduler } from './scheduler/scheduler.ts';
import { Turnstile } from './scheduler/turnstile.ts';
import { Watermarks } from './scheduler/watermarks.ts';
import { StatsCollector } from './stats/collector.ts';

export type {
  Accounts,
  AuditEntry,
  KeyView,
  NewKey,
  RequestHead,
  TenantView,
} from './accounts/api.ts';
export type { UsageQuery, UsageReport } from './billing/api.ts';
export type { ConfigOverrides } from './config/config.ts';
export { type ErrorCode, type Failure, StrataError } from './core/errors.ts';
export type { Credential, Identity, Scope } from './core/identity.ts';
export type { LogLine, Receipt, Start } from './core/receipt.ts';
export type { AliasInput, AliasRecord, FunctionRecord, FunctionSpecInput } from './core/spec.ts';
export type {
  Executor,
  FunctionStats,
  FunctionVersions,
  InvocationRecord,
  InvokeAnswer,
  InvokeJsonAnswer,
  InvokeJsonRequest,
  InvokeRequest,
  LogPage,
} from './invocation/api.ts';

/** Any part of the configuration (see `docs/config.md`), and a logger; silent unless one is given. */
export type ExecutorOptions = ConfigOverrides & { readonly logger?: Logger };

/**
 * An executor in this process. Its sandboxes are child processes and containers; `close` ends them.
 * @throws StrataError `invalid_request` for a bad option, `runtime_unavailable` when no sandbox can be started, or no
 *   container where `container.mode` requires them.
 */
export const createExecutor = async (options: ExecutorOptions = {}): Promise<Executor> => {
  const { logger = pino({ level: 'silent' }), ...overrides } = options;
  const config = loadConfig({ overrides });
  const [clock, random] = [systemClock, systemRandom];
  const onFault: OnFault = (message, details) => logger.warn(details, message);

  // Before anything is opened: a budget that is refused leaves nothing behind.
  const machine = systemMachine(clock);
  const budget = new Budget({
    ...{ clock, memoryMb: budgetMb(config, machine), reservePercent: config.admission.reservePercent },
  });
  const privateRanges = privateRangesOf(config.egress.privateRanges);
  const egress = openEgress(config, onFault);
  const { registry, accounts, receipts, close } = await openStores(config, privateRanges, logger);
  const cpuShares = await openCpuShares(onFault);
  const admission = openAdmission(config, accounts);
  const parties = { clock, random, registry, admission, egress, ledger: receipts.ledger, onFault };
  const rest = [close, () => cpuShares.close()];
  const queue = await openAsyncQueue(config, { ...parties, executor: () => executor }).catch(releasing(rest));
  const tiers = await openTiers(config, cpuShares, onFault).catch(releasing([() => queue.close(), ...rest]));
  const metrics = new Metrics({
    census: () => executor.census(),
    queued: () => lanes.waiting + turnstile.waiting,
    inFlight: () => executor.inFlight,
    unadmitted: () => executor.unadmitted,
    spent: () => budget.spent(),
    evictions: () => budget.evictions,
    queue: () => queue.stats(),
    ...ledgerSources(receipts, () => operator),
  });
  const { initCpuMs, resultMaxBytes, logMaxBytes } = config.limits;
  const loading: LoadContext = {
    ...{ codeFiles: (record) => registry.codeFiles(record), initCpuMs, resultMaxBytes, logMaxBytes },
  };
  const parts: LaneParts = {
    ...{ budget, metrics, onFault, queued: new QueueLength(), policy: createPolicy(config.policy.name) },
    prepare: (placement, lease) => void preload(loading, placement, lease),
  };
  const watermarks = new Watermarks({ clock, machine, budget, settings: config.machine, onChange: onFault });
  const turnstile = new Turnstile(clock, config.queue);
  const fairness = new CpuFairness({
    ...{ clock, turnstile, account: cpuShares, settings: config.machine },
    // A reading counts from the one before, so that each reader needs a machine of its own.
    ...{ machine: systemMachine(clock), cpus: availableParallelism() },
  });
  const lanes = new Lanes({
    lanes: [...tiers.served].map(([runtime, tier]) => openLane(config, runtime, tier, parts)),
    unavailable: tiers.unavailable,
    budget,
    release: async () => {
      watermarks.close();
      fairness.close();
      await egress.close();
      await tiers.close();
      await cpuShares.close();
    },
  });
  keepStored(registry, lanes);
  const operator = receipts.watchOperator({
    spent: () => budget.spent(),
    unusedCpuNs: () => lanes.unusedCpuNs(),
    idle: () => executor.census(),
  });
  const executor = new LocalExecutor({
    ...{ clock, random, logger, registry, accounts, lanes, metrics, limits: config.limits },
    turnstile,
    records: new Records(config.records),
    stats: new StatsCollector(clock, config.stats),
    ...{ ledger: receipts.ledger, operator, usage: receipts.usage, tariff: config.ledger.tariff },
    ...{ admission, queue },
    provisions: new Provisions({
      ...{ budgetMb: budget.limitMb, percentPerTenant: config.admission.maxProvisionedPercent },
    }),
    openNetwork: (record) => (isAsking(record) ? egress.open(grantOf(record)) : null),
    drainTimeoutMs: config.server.drainTimeoutMs,
  });
  queue.resume();
  return executor;
};

/** Gives back what was opened before something that could not be, then says why. */
const releasing =
  (parts: readonly (() => unknown)[]) =>
  async (thrown: unknown): Promise<never> => {
    for (const release of parts) await release();
    throw thrown;
  };

const openAdmission = (config: Config, accounts: StoredAccounts): Admission =>
  new Admission({
    clock: systemClock,
    settings: {
      ...{ ...config.admission, timeoutMs: config.queue.timeoutMs },
      inFlightOf: (tenant) => accounts.maxInFlightOf(tenant),
    },
  });

/** Who found a version before it was replaced or deleted waits three times at most: inside, for its turn, for an instance. */
const WAITS_MAX = 3;
/** And then loads its code, when a sandbox has started. */
const CODE_GRACE_MS = 60_000;

/** What metrics show of the ledger, where there is one. */
const ledgerSources = ({ ledger }: LedgerParts, operator: () => OperatorMemory | null) =>
  ledger === null
    ? {}
    : { ledger: { counts: () => ledger.counts, operator: () => operator()?.totals() ?? [] } };

interface Stores {
  readonly registry: Registry;
  readonly accounts: StoredAccounts;
  readonly receipts: LedgerParts;
  close(): void;
}

/** What is kept in the data folder, the registry first, which makes it; what cannot be opened leaves nothing open. */
const openStores = async (
  config: Config,
  privateRanges: NetworkRules['privateRanges'],
  logger: Logger,
): Promise<Stores> => {
  const clock = systemClock;
  const random = systemRandom;
  const onFault: OnFault = (message, details) => logger.warn(details, message);
  const opened: { close(): void }[] = [];
  const close = (): void => {
    for (const store of opened.reverse()) store.close();
  };
  const keep = <Store extends { close(): void }>(store: Store): Store => {
    opened.push(store);
    return store;
  };
  try {
    const registry = keep(
      await openRegistry({
        ...{ dataDir: config.dataDir, clock, random, limits: config.limits },
        network: { offered: config.egress.mode === 'on', privateRanges },
        codeGraceMs: CODE_GRACE_MS + WAITS_MAX * config.queue.timeoutMs,
      }),
    );
    const accounts = keep(
      openAccounts({
        ...{ settings: config, clock, random, fetch, onFault },
        onRefusal: (reason) => logger.debug({ reason }, 'a token was refused'),
      }),
    );
    const receipts = keep(openLedger(config, clock, onFault));
    return { registry, accounts, receipts, close };
  } catch (thrown) {
    close();
    throw thrown;
  }
};

type OnFault = (message: string, details: Readonly<Record<string, unknown>>) => void;

/** The tiers by runtime, and why the other runtimes have none. */
interface Tiers {
  readonly served: ReadonlyMap<Runtime, SandboxTier>;
  readonly unavailable: ReadonlyMap<Runtime, string>;
  /** Releases what the container tiers share, once they have been closed. */
  close(): Promise<void>;
}

const openCpuShares = async (onFault: OnFault): Promise<CpuShares> => {
  await sweepCpuGroups();
  const groups = await openCpuGroups();
  const divided = typeof groups !== 'string';
  if (!divided)
    onFault('CPU time is not divided between tenants; hosts run nicer than the server', { reason: groups });
  return new CpuShares({
    clock: systemClock,
    groups: divided ? groups : null,
    makeNice,
    cpuTimeMs,
    childProcesses,
    onFault,
  });
};

const openTiers = async (config: Config, cpuShares: CpuShares, onFault: OnFault): Promise<Tiers> => {
  const isolate = await openIsolateTier(config, cpuShares, onFault);
  try {
    const containers = await openContainerTiers(config, cpuShares, onFault);
    return {
      served: new Map([['isolate', isolate], ...containers.tiers]),
      unavailable: containers.unavailable,
      close: containers.close,
    };
  } catch (thrown) {
    await isolate.close();
    throw thrown;
  }
};

/** The broker's process is started when the first function asks for the network. */
const openEgress = ({ egress }: Config, onFault: OnFault): Egress => {
  const { maxHeaderBytes, connectTimeoutMs, requestTimeoutMs } = egress;
  const { spawn, release } = brokerProcess(systemProcesses, {
    ...{ maxHeaderBytes, connectTimeoutMs, requestTimeoutMs },
    privateRanges: privateRangesOf(egress.privateRanges).map(({ text }) => text),
    dnsServers: dnsServersOf(egress.dnsServers),
  });
  return new Egress({ clock: systemClock, settings: egress, spawn, release, onFault });
};

/** In isolates there is a `fetch` in any case, and its refusals are told; containers without a list have no proxy. */
const isAsking = ({ runtime, network }: FunctionRecord): boolean =>
  tierOf(runtime) === 'isolate' || network.allow.length > 0;

const grantOf = ({ tenant, id, runtime, network }: FunctionRecord): Grant => ({
  ...{ tenant, functionId: id, allow: network.allow },
  kind: tierOf(runtime) === 'isolate' ? 'exchange' : 'tunnel',
});

const openIsolateTier = (
  { isolate, limits, egress }: Config,
  cpuShares: CpuShares,
  onFault: OnFault,
): Promise<SandboxTier> =>
  createIsolateTier({
    cpuShares,
    ...{ clock: systemClock, random: systemRandom, processes: systemProcesses, onFault },
    ...{ confinement: isolate.confinement, maxInstancesPerHost: isolate.maxInstancesPerHost },
    ...{ startTimeoutMs: isolate.hostStartTimeoutMs, killGraceMs: isolate.killGraceMs },
    watchdog: {
      intervalMs: isolate.watchdogIntervalMs,
      slackMb: isolate.memorySlackMb,
      maxMb: isolate.hostMemoryMb,
    },
    redirectsMax: egress.maxRedirects,
    ...limits,
  });

const openContainerTiers = (
  config: Config,
  cpuShares: CpuShares,
  onFault: OnFault,
): Promise<ContainerTiers> =>
  createContainerTiers({
    cpuShares,
    ...{ clock: systemClock, random: systemRandom, onFault },
    dataDir: config.dataDir === MEMORY ? null : config.dataDir,
    settings: config.container,
    limits: config.limits,
  });

/** What the lanes share. */
interface LaneParts {
  readonly queued: QueueLength;
  readonly budget: Budget;
  readonly policy: Policy;
  readonly metrics: Metrics;
  readonly prepare: PoolOptions['prepare'];
  readonly onFault: OnFault;
}

/** Without a figure of its own, and where the machine does not tell its memory, as much as a small one has. */
const BUDGET_DEFAULT_MB = 2_048;
const BUDGET_SHARE = 0.8;

/** Less does not hold one sandbox. */
const BUDGET_LEAST_MB = 64;

const budgetMb = ({ machine: { memoryMb } }: Config, machine: Machine): number => {
  if (memoryMb > 0 && memoryMb < BUDGET_LEAST_MB)
    throw new StrataError(
      'invalid_request',
      `machine.memoryMb is ${memoryMb}, which does not hold one sandbox; give at least ${BUDGET_LEAST_MB}, or 0 for 80 % of the machine.`,
    );
  if (memoryMb > 0) return memoryMb;
  return (machine.memory()?.totalMb ?? BUDGET_DEFAULT_MB / BUDGET_SHARE) * BUDGET_SHARE;
};

/** The pool and the scheduler of one runtime, joined. */
const openLane = (config: Config, runtime: Runtime, tier: SandboxTier, parts: LaneParts): Lane => {
  const scheduler = new Scheduler(systemClock, config.queue, parts.queued);
  const pool = new LayeredPool({
    ...{
      tier,
      runtime,
      clock: systemClock,
      budget: parts.budget,
      policy: parts.policy,
      prepare: parts.prepare,
    },
    defaultCosts: DEFAULT_COSTS[runtime],
    ...poolShapeOf(config, runtime),
    events: {
      ready: scheduler.ready,
      room: scheduler.retry,
      sandboxEnded: (cause) => {
        parts.metrics.sandboxEnded(runtime, cause);
        scheduler.retry();
      },
      repaired: () => parts.metrics.repaired(runtime),
      fault: (message, details) => parts.onFault(message, { runtime, ...details }),
    },
  });
  scheduler.attach(pool);
  return { runtime, confinement: tier.confinement, pool, scheduler };
};
