/**
 * What a container's carrier is put together from, by the backend that made the container.
 */
import type { Clock } from '../../ports/clock.ts';
import type { BackendEvents } from '../backend.ts';
import type { CpuShares } from '../cpu-shares.ts';
import type { AgentLink } from './agent-link.ts';
import type { Cgroup } from './cgroup.ts';
import type { CodeCache } from './code-cache.ts';
import type { ContainerEngine } from './engine.ts';
import type { ContainerMeter } from './meter.ts';
import type { Removals } from './removals.ts';

export interface CarrierParts {
  readonly clock: Clock;
  readonly engine: ContainerEngine;
  readonly removals: Removals;
  readonly containerId: string;
  /** Its first process; null where this machine does not show it. */
  readonly agentPid: number | null;
  /** Null where this machine does not show it: everything goes through the engine then. */
  readonly cgroup: Cgroup | null;
  readonly meter: ContainerMeter;
  readonly link: AgentLink;
  readonly codeCache: CodeCache;
  readonly memoryMb: number;
  readonly cpusFor: (memoryMb: number) => number;
  readonly freezeAfterMs: number;
  /** Null where CPU time is not divided between tenants. */
  readonly cpuShares: CpuShares | null;
  readonly resultMaxBytes: number;
  readonly logMaxBytes: number;
  readonly events: BackendEvents;
  readonly onFault: (message: string, details: Readonly<Record<string, unknown>>) => void;
  /** Gives back what the container had of the server: its socket folder, its user. Told whether the engine removed it. */
  readonly release: (isRemoved: boolean) => Promise<void>;
}
