/**
 * The configuration as a pool takes it: one shape for each runtime.
 *
 * Owns the translation alone; whoever plays a pool without its sandboxes has the same settings by it.
 */
import type { Config } from './config/config.ts';
import { type Runtime, tierOf } from './core/spec.ts';
import type { PoolOptions } from './pool/options.ts';

export type PoolShape = Pick<
  PoolOptions,
  'capacity' | 'resizable' | 'refillPerSecond' | 'sweepIntervalMs' | 'settings'
>;

export const poolShapeOf = (config: Config, runtime: Runtime): PoolShape =>
  tierOf(runtime) === 'isolate' ? isolatePool(config) : containerPool(config, runtime);

const isolatePool = ({ isolate, admission }: Config): PoolShape => ({
  ...{ capacity: isolate.maxInstancesPerHost, resizable: false, refillPerSecond: null },
  sweepIntervalMs: isolate.sweepIntervalMs,
  settings: {
    pristine: isolate.pristineHosts,
    warmPristine: isolate.pristineHosts,
    runtimesPerPristine: isolate.runtimesPerHost,
    spareRuntimes: isolate.spareRuntimes,
    maxSandboxes: isolate.maxHosts,
    startParallelism: isolate.startParallelism,
    bootParallelism: isolate.bootParallelism,
    runtimeIdleMs: isolate.runtimeIdleMs,
    sandboxIdleMs: isolate.hostIdleMs,
    runtimeMemoryMb: isolate.runtimeMemoryMb,
    ...{
      maxPristine: Math.max(isolate.pristineHosts, isolate.maxPristineHosts),
      reservePercent: admission.reservePercent,
    },
  },
});

/** One instance in each container, of whatever size its function asks for: but V8's heap is sized when Node boots. */
const containerPool = ({ container, admission }: Config, runtime: Runtime): PoolShape => ({
  ...{ capacity: 1, resizable: runtime !== 'nodejs24', refillPerSecond: container.refillPerSecond },
  sweepIntervalMs: container.sweepIntervalMs,
  settings: {
    ...{ pristine: container.pristine, warmPristine: container.pristineRuntimes },
    ...{ runtimesPerPristine: 1, spareRuntimes: 1 },
    maxSandboxes: container.maxContainers,
    startParallelism: container.startParallelism,
    bootParallelism: 1,
    runtimeIdleMs: container.runtimeIdleMs,
    sandboxIdleMs: container.containerIdleMs,
    runtimeMemoryMb: container.memoryMb,
    ...{
      maxPristine: Math.max(container.pristine, container.maxPristine),
      reservePercent: admission.reservePercent,
    },
  },
});
