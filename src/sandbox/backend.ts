/**
 * What a tier has to bring: carriers that are told things and answer with events.
 *
 * Owns the raw contract below `guard.ts`. A backend keeps no deadlines, blames nobody and promises no answer: a
 * backend that stays silent is a normal case, and the guard deals with it.
 */
import type { Meter } from '../core/receipt.ts';
import type { Tier } from '../core/spec.ts';
import type { ProcessExit, ProcessUsage } from '../ports/processes.ts';
import type { Confinement, InvokeRequest, LoadRequest } from './api.ts';
import type { OutcomeTail } from './protocol/messages.ts';

export interface Backend {
  readonly tier: Tier;
  readonly confinement: Confinement;
  /** Who measures the CPU time that answers carry. */
  readonly meter: Meter;
  /** How many instances one carrier may hold. */
  readonly capacity: number;
  /** Frames that answer no call: a carrier that sends more of them in a second is killed. The guard's own bound unless told. */
  readonly unaskedPerSecond?: number;
  /**
   * Starts the outer process and resolves when it has reported ready; rejects when it ends before that.
   * @param abandoned nobody waits any more: the process must be killed.
   */
  provision(events: BackendEvents, abandoned: AbortSignal): Promise<BackendCarrier>;
  /** Releases what all carriers share; they have ended by then. */
  close(): Promise<void>;
}

export interface BackendExit extends ProcessExit {
  /** What runs inside cannot have caused it: nobody is to blame. */
  readonly external?: boolean;
}

/** Every method returns at once and may be called on a carrier that has ended. */
export interface BackendCarrier {
  /** By what the machine knows it, where that is a name that operators can use; otherwise the guard names it. */
  readonly id?: string;
  /** Who measures this one, where that is not the same for all of the backend. */
  readonly meter?: Meter;
  readonly exited: Promise<BackendExit>;
  /** It serves this tenant alone from now on: where CPU time is divided between tenants, it counts for that one. */
  claimedBy?(tenant: string): void;
  boot(instance: number, memoryMb: number): void;
  load(instance: number, nonce: number, request: LoadRequest): void;
  invoke(instance: number, nonce: number, request: InvokeRequest): void;
  terminate(instance: number, nonce: number): void;
  dispose(instance: number): void;
  /** SIGKILL. */
  kill(): void;
  usage(): ProcessUsage | null;
  /** Whether its process was stopped from outside and can answer nothing; absent where that cannot be seen. */
  stopped?(): boolean;
  /** CPU time that an open call has used so far, where the backend keeps an account of each; null otherwise. */
  usedNs?(nonce: number): number | null;
  /** What the process wrote to its standard error last: evidence after a crash. */
  stderrTail(): string;
}

export interface BackendEvents {
  booted(instance: number): void;
  bootFailed(instance: number, reason: string): void;
  loaded(instance: number, nonce: number, outcome: RawOutcome): void;
  settled(instance: number, nonce: number, outcome: RawOutcome): void;
  parked(instance: number, nonce: number, parked: boolean): void;
  disposed(instance: number): void;
  /** The instance can take no further call: its process has ended, and its open calls have been answered. */
  instanceEnded(instance: number): void;
  /** The engine ran out of memory in this instance and has lost control of its thread. */
  catastrophe(instance: number): void;
  /** A frame that answers no call: how many may come in a second is bounded. */
  unasked(): void;
  /** The sandbox broke the protocol; the reason is for the log. */
  violated(reason: string): void;
}

export interface RawOutcome {
  readonly cpuNs: number;
  /** Handler milliseconds, or load milliseconds; −1 when nobody measured. */
  readonly firstMs: number;
  /** Memory bytes or −1, or init milliseconds. */
  readonly second: number;
  readonly failed: boolean;
  readonly tail: OutcomeTail | null;
  readonly payload: Uint8Array;
}
