/**
 * A pool on the fake tier and a clock turned by hand: what the tests of pool and scheduler stand on.
 */
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import type { LoadRequest } from '../sandbox/api.ts';
import { type FakeBehaviour, fakeBackend } from '../sandbox/fake/backend.ts';
import { guardTier } from '../sandbox/guard.ts';
import { type QueueLength, Scheduler, type SchedulerSettings } from '../scheduler/scheduler.ts';
import { LayeredPool } from './layered-pool.ts';
import type { Lease } from './lease.ts';
import type { PolicySettings } from './policy.ts';
import type { Placement } from './slot.ts';

export interface Bench {
  readonly clock: ManualClock;
  readonly pool: LayeredPool;
  readonly scheduler: Scheduler;
  readonly faults: string[];
  readonly ends: string[];
}

export interface BenchOptions {
  readonly settings?: Partial<PolicySettings>;
  readonly queue?: Partial<SchedulerSettings>;
  readonly capacity?: number;
  readonly resizable?: boolean;
  readonly refillPerSecond?: number;
  /** Shared with other benches. */
  readonly queued?: QueueLength;
  readonly failStart?: () => boolean;
}

const SETTINGS: PolicySettings = {
  ...{ pristine: 1, warmPristine: 100, runtimesPerPristine: 2, spareRuntimes: 1, maxSandboxes: 4 },
  ...{ startParallelism: 2, bootParallelism: 2, runtimeIdleMs: 60_000, sandboxIdleMs: 300_000 },
  runtimeMemoryMb: 128,
};

/** Built and warmed up: the pristine part is there. */
export const createBench = async (options: BenchOptions = {}): Promise<Bench> => {
  const clock = new ManualClock();
  const faults: string[] = [];
  const ends: string[] = [];
  const backend = fakeBackend({
    ...{ clock, capacity: options.capacity ?? 4, provisionMs: 20, bootMs: 2, loadMs: 1, handlerMs: 1 },
    ...(options.failStart === undefined ? {} : { failStart: options.failStart }),
  });
  const guard = { clock, random: seededRandom(7), startTimeoutMs: 1_000, killGraceMs: 50, watchdog: null };
  const queue = { maxLength: 100, maxLengthPerFunction: 50, timeoutMs: 5_000, ...options.queue };
  const scheduler = new Scheduler(clock, queue, options.queued);
  const pool = new LayeredPool({
    ...{ clock, tier: guardTier(backend, guard), capacity: options.capacity ?? 4, sweepIntervalMs: 1_000 },
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
      fault: (message, details) => faults.push(`${message} ${JSON.stringify(details)}`),
    },
  });
  scheduler.attach(pool);
  await clock.advance(100);
  return { clock, pool, scheduler, faults, ends };
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
    lease.loaded();
  }
  const { failure } = await lease.instance.invoke({
    ...{ invocationId: 'i', eventJson: Buffer.from(JSON.stringify(event)), timeoutMs: 1_000, cpuMs: 1_000 },
  });
  lease.release(!lease.instance.ended);
  return failure?.code ?? 'ok';
};

const loadRequest = (behaviour: FakeBehaviour): LoadRequest => ({
  ...{
    runtime: 'isolate',
    functionName: 'f',
    functionVersion: '1',
    codeDigest: behaviour,
    files: new Map(),
    handler: 'index.handler',
    entry: { path: 'index.js', exportName: 'handler' },
  },
  ...{ initializer: null, initializerEntry: null, env: {}, memoryMb: 128, initTimeoutMs: 1_000 },
  ...{ resultMaxBytes: 1_000, logMaxBytes: 1_000 },
});
