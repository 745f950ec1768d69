/**
 * Where the figures of a container come from: the kernel's files, or the engine's statistics where those are out of
 * reach.
 *
 * Owns the choice. Invariant: `cpuNs` never goes back.
 */
import type { Cgroup, MemoryEvents } from './cgroup.ts';
import type { ContainerEngine } from './engine.ts';

export interface ContainerMeter {
  readonly kind: 'cgroup' | 'stats';
  /** CPU time so far, nanoseconds, as of the last `refresh` or of now. */
  cpuNs(): number;
  /** Null when the figures are always of now; otherwise resolves when they are. Never rejects. */
  refresh(): Promise<void> | null;
  /** Bytes now, or as of the last refresh. */
  memoryBytes(): number | null;
  peakBytes(): number | null;
  resetPeak(): void;
  memoryEvents(): MemoryEvents | null;
}

export const kernelMeter = (cgroup: Cgroup): ContainerMeter => {
  let lastNs = 0;
  return {
    kind: 'cgroup',
    cpuNs() {
      lastNs = Math.max(lastNs, cgroup.cpuNs() ?? lastNs);
      return lastNs;
    },
    refresh: () => null,
    memoryBytes: () => cgroup.ownBytes(),
    peakBytes: () => cgroup.peakBytes(),
    resetPeak: () => cgroup.resetPeak(),
    memoryEvents: () => cgroup.memoryEvents(),
  };
};

/**
 * The engine's statistics: exact when they are taken, but only taken when a call ends, and a peak is the largest
 * value seen at those moments.
 */
export const statsMeter = (engine: Pick<ContainerEngine, 'usage'>, containerId: string): ContainerMeter => {
  let cpuNs = 0;
  let memoryBytes: number | null = null;
  let peakBytes: number | null = null;
  return {
    kind: 'stats',
    cpuNs: () => cpuNs,
    async refresh() {
      try {
        const usage = await engine.usage(containerId);
        cpuNs = Math.max(cpuNs, usage.cpuNs);
        memoryBytes = usage.memoryBytes;
        peakBytes = Math.max(peakBytes ?? 0, usage.memoryBytes);
      } catch {
        // The container or the engine is going; what was known last stands.
      }
    },
    memoryBytes: () => memoryBytes,
    peakBytes: () => peakBytes,
    resetPeak: () => {
      peakBytes = null;
    },
    memoryEvents: () => null,
  };
};
