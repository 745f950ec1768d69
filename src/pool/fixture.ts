/**
 * A pool on the fake tier and a clock turned by hand: what the tests of pool and scheduler stand on.
 */
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import type { LoadRequest } from '../sandbox/api.ts';
import { type FakeBehaviour, fakeBackend } from '../sandbox/fake/backend.ts';
import { guardTier } from '../sandbox/guard.ts';
import { type QueueLength, Scheduler, type SchedulerSettings } from '../scheduler/scheduler.ts';
import { Budget } from './budget.ts';
import { DEFAULT_COSTS } from './costs.ts';
import { LayeredPool } from './layered-pool.ts';
import type { Lease } from './lease.ts';
import type { PoolSettings } from './options.ts';
import type { Policy } from './policy/api.ts';
import type { Placement } from './slot.ts';

export interface Bench {
  readonly clock: ManualClock;
  readonly pool: LayeredPool;
  readonly budget: Budget;
  readonly scheduler: Scheduler;
  readonly faults: string[];
  readonly ends: string[];
  /** Ends the carriers that have come up from outside, the oldest first; those that have ended already stay so. */
  readonly kills: (() => void)[];
  /** When code was loaded ahead, as the clock stood. */
  readonly preloads: number[];
  /** How often the pool said that it had put its counts right. */
  repairs(): number;
}

export interface BenchOptions {
  readonly settings?: Partial<PoolSettings>;
  readonly policy?: Policy;
  /** Of the machine; without bound unless told. */
  readonly memoryMb?: number;
  readonly reservePercent?: number;
  readonly queue?: Partial<SchedulerSettings>;
  readonly capacity?: number;
  readonly resizable?: boolean;
  readonly refillPerSecond?: number;
  /** Shared with other benches. */
  readonly queued?: QueueLength;
  readonly failStart?: () => boolean;
  readonly provisionMs?: number;
  readonly sweepIntervalMs?: number;
}

const SETTINGS: PoolSettings = {
  ...{ pristine: 1, warmPristine: 100, runtimesPerPristine: 2, spareRuntimes: 1, maxSandboxes: 4 },
  ...{ startParallelism: 2, bootParallelism: 2, runtimeIdleMs: 60_000, sandboxIdleMs: 300_000 },
  ...{ runtimeMemoryMb: 128, maxPristine: 100, reservePercent: 0 },
};

/** Keeps code until its function's idle timeout, and the layers below as long as the settings allow. */
export const patient: Policy = {
  name: 'fixed',
  warm: () => ({ windows: [{ fromMs: 0, untilMs: Number.POSITIVE_INFINITY }], why: 'the test says so' }),
  demotion: () => ({ runtimeMs: Number.POSITIVE_INFINITY, containerMs: Number.POSITIVE_INFINITY }),
  stock: (_demand, _costs, floor) => ({ ...floor, why: 'the test says so' }),
  spares: (_demand, _costs, max) => max,
  worth: ({ idleMs }) => -idleMs,
};

/** Built and warmed up: the pristine part is there. */
export const createBench = async (options: BenchOptions = {}): Promise<Bench> => {
  const clock = new ManualClock();
  const faults: string[] = [];
  const ends: string[] = [];
  const kills: (() => void)[] = [];
  const preloads: number[] = [];
  let repairs = 0;
  const backend = fakeBackend({
    ...{ clock, capacity: options.capacity ?? 4, bootMs: 2, loadMs: 1, handlerMs: 1 },
    provisionMs: options.provisionMs ?? 20,
    onUp: (die) => kills.push(die),
    ...(options.failStart === undefined ? {} : { failStart: options.failStart }),
  });
  const guard = { clock, random: seededRandom(7), startTimeoutMs: 1_000, killGraceMs: 50, watchdog: null };
  const queue = { maxLength: 100, maxLengthPerFunction: 50, timeoutMs: 5_000, ...options.queue };
  const scheduler = new Scheduler(clock, queue, options.queued);
  const { memoryMb = Number.MAX_SAFE_INTEGER, reservePercent = 0 } = options;
  const budget = new Budget({ clock, memoryMb, reservePercent });
  const pool = new LayeredPool({
    ...{ budget, policy: options.policy ?? patient, defaultCosts: DEFAULT_COSTS.isolate },
    prepare: (placement, lease) => {
      preloads.push(clock.nowMs());
      void prepareOn(lease, placement.label as FakeBehaviour);
    },
    ...{ clock, tier: guardTier(backend, guard), capacity: options.capacity ?? 4 },
    sweepIntervalMs: options.sweepIntervalMs ?? 1_000,
    ...{ runtime: 'isolate', resizable: options.resizable ?? false },
    refillPerSecond: options.refillPerSecond ?? null,
    settings: { ...SETTINGS, ...options.settings },
    events: {
      ready: scheduler.ready,
      room: scheduler.retry,
      sandboxEnded: (cause) => {
        ends.push(cause);
        scheduler.retry();
      },
      repaired: () => {
        repairs += 1;
      },
      fault: (message, details) => faults.push(`${message} ${JSON.stringify(details)}`),
    },
  });
  scheduler.attach(pool);
  await clock.advance(100);
  return { clock, pool, budget, scheduler, faults, ends, kills, preloads, repairs: () => repairs };
};

export const place = (name: string, overrides: Partial<Placement> = {}): Placement => ({
  ...{
    key: `${overrides.tenant ?? 'a'}/${name}`,
    group: `${overrides.tenant ?? 'a'}/${name}`,
    tenant: 'a',
    label: name,
    memoryMb: 128,
    concurrency: 1,
  },
  ...{ minInstances: 0, maxInstances: 10, idleTimeoutMs: 600_000 },
  ...{ reservedConcurrency: 0, ephemeral: false },
  ...overrides,
});

/** Loads, when the lease asks for it, and invokes; resolves with the failure's code or `ok`. */
export const runOn = async (lease: Lease, behaviour: FakeBehaviour, event: unknown = {}): Promise<string> => {
  if (lease.loads) {
    const { failure } = await lease.instance.load(loadRequest(behaviour));
    if (failure !== null) {
      lease.release(false);
      return failure.code;
    }
    lease.loaded(1);
  }
  const { failure } = await lease.instance.invoke({
    ...{ invocationId: 'i', eventJson: Buffer.from(JSON.stringify(event)), timeoutMs: 1_000, cpuMs: 1_000 },
  });
  lease.release(!lease.instance.ended);
  return failure?.code ?? 'ok';
};

const prepareOn = async (lease: Lease, behaviour: FakeBehaviour): Promise<void> => {
  const { failure, cpuNs } = await lease.instance.load(loadRequest(behaviour));
  if (failure === null) lease.loaded(1);
  lease.releaseAhead(failure === null, cpuNs);
};

export const loadRequest = (behaviour: FakeBehaviour): LoadRequest => ({
  ...{
    runtime: 'isolate',
    functionName: 'f',
    functionVersion: '1',
    codeDigest: behaviour,
    files: new Map(),
    handler: 'index.handler',
    entry: { path: 'index.js', exportName: 'handler' },
  },
  ...{
    initializer: null,
    initializerEntry: null,
    env: {},
    memoryMb: 128,
    initTimeoutMs: 1_000,
    initCpuMs: 1_000,
  },
  ...{ resultMaxBytes: 1_000, logMaxBytes: 1_000 },
});
