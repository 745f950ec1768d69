/**
 * The library: `createExecutor` wires the parts of one executor together.
 *
 * Owns the wiring only. The server, the CLI and embedding platforms all start here.
 */
import { type Logger, pino } from 'pino';
import { type ConfigOverrides, loadConfig } from './config/config.ts';
import type { Executor } from './invocation/api.ts';
import { LocalExecutor } from './invocation/executor.ts';
import { Metrics } from './invocation/metrics.ts';
import { Records } from './invocation/records.ts';
import { LayeredPool } from './pool/layered-pool.ts';
import { systemClock } from './ports/clock.ts';
import { systemProcesses } from './ports/processes.ts';
import { systemRandom } from './ports/random.ts';
import { openRegistry } from './registry/registry.ts';
import { createIsolateTier } from './sandbox/isolate/tier.ts';
import { Scheduler } from './scheduler/scheduler.ts';

export type { ConfigOverrides } from './config/config.ts';
export { type ErrorCode, type Failure, StrataError } from './core/errors.ts';
export type { LogLine, Receipt, Start } from './core/receipt.ts';
export type { FunctionRecord, FunctionSpecInput } from './core/spec.ts';
export type {
  Executor,
  InvocationRecord,
  InvokeAnswer,
  InvokeJsonAnswer,
  InvokeJsonRequest,
  InvokeRequest,
} from './invocation/api.ts';

/** Any part of the configuration (see `docs/config.md`), and a logger; silent unless one is given. */
export type ExecutorOptions = ConfigOverrides & { readonly logger?: Logger };

/**
 * An executor in this process. Its sandboxes are child processes; `close` ends them.
 * @throws StrataError `invalid_request` for a bad option, `runtime_unavailable` when no sandbox can be started.
 */
export const createExecutor = async (options: ExecutorOptions = {}): Promise<Executor> => {
  const { logger = pino({ level: 'silent' }), ...overrides } = options;
  const config = loadConfig({ overrides });
  const { isolate, limits } = config;
  const clock = systemClock;
  const random = systemRandom;
  const onFault = (message: string, details: Readonly<Record<string, unknown>>): void =>
    logger.warn(details, message);

  const registry = await openRegistry({ dataDir: config.dataDir, clock, random, limits });
  const tier = await createIsolateTier({
    ...{ clock, random, processes: systemProcesses, onFault },
    ...{ confinement: isolate.confinement, maxInstancesPerHost: isolate.maxInstancesPerHost },
    ...{ startTimeoutMs: isolate.hostStartTimeoutMs, killGraceMs: isolate.killGraceMs },
    watchdog: {
      intervalMs: isolate.watchdogIntervalMs,
      slackMb: isolate.memorySlackMb,
      maxMb: isolate.hostMemoryMb,
    },
    ...limits,
  }).catch((thrown: unknown) => {
    registry.close();
    throw thrown;
  });
  const scheduler = new Scheduler(clock, config.queue);
  const metrics = new Metrics({
    pools: () => executor.pools().tiers,
    queued: () => scheduler.waiting,
    inFlight: () => executor.inFlight,
  });
  const pool = new LayeredPool({
    ...{ runtime: 'isolate', resizable: false, refillPerSecond: null },
    ...{ tier, clock, capacity: isolate.maxInstancesPerHost, sweepIntervalMs: isolate.sweepIntervalMs },
    settings: {
      pristine: isolate.pristineHosts,
      runtimesPerPristine: isolate.runtimesPerHost,
      spareRuntimes: isolate.spareRuntimes,
      maxSandboxes: isolate.maxHosts,
      startParallelism: isolate.startParallelism,
      bootParallelism: isolate.bootParallelism,
      runtimeIdleMs: isolate.runtimeIdleMs,
      sandboxIdleMs: isolate.hostIdleMs,
      runtimeMemoryMb: isolate.runtimeMemoryMb,
    },
    events: {
      ready: scheduler.ready,
      room: scheduler.retry,
      sandboxEnded: (cause) => {
        metrics.sandboxEnded('isolate', cause);
        scheduler.retry();
      },
      fault: onFault,
    },
  });
  scheduler.attach(pool);
  const executor = new LocalExecutor({
    ...{ clock, random, logger, registry, scheduler, pool, metrics, limits },
    confinement: tier.confinement,
    records: new Records(config.records),
    drainTimeoutMs: config.server.drainTimeoutMs,
  });
  return executor;
};
