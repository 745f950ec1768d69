/**
 * An owner: what code in an isolate runs on behalf of — load and initializer, or one invocation.
 */
import type { OutcomeTail } from '../../protocol/messages.ts';

/** The owner number of load and initializer. */
export const LOAD_OWNER = 0;

export interface Owner {
  readonly number: number;
  /** The nonce of the frame that asked for it; the answer carries it back. */
  readonly nonce: number;
  /** CPU budget, nanoseconds; null for none of its own. */
  readonly cpuLimitNs: number | null;
  startedMs: number;
  /** CPU time so far, nanoseconds, an integer. */
  cpuNs: number;
  /** The largest memory seen while it ran, bytes; −1 before the first look. */
  memoryBytes: number;
  parked: boolean;
  readonly logs: OutcomeTail['logs'][number][];
  logBytes: number;
  logTruncated: boolean;
}

export const newOwner = (number: number, nonce: number, cpuMs: number | null, startedMs: number): Owner => ({
  number,
  nonce,
  cpuLimitNs: cpuMs === null ? null : cpuMs * 1e6,
  startedMs,
  cpuNs: 0,
  memoryBytes: -1,
  parked: false,
  logs: [],
  logBytes: 0,
  logTruncated: false,
});
