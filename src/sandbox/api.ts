/**
 * The contract of a sandbox, the same for every tier: carriers, the instances inside them, and what they promise.
 *
 * Owns the shapes that pool and invocation use. Never says how a tier confines anything.
 *
 * What every implementation promises, and the contract suite checks:
 * - `provision` gives a carrier at layer `container`; `boot` gives an instance at layer `runtime`; `load` raises
 *   it to layer `code`. `invoke` may be sent right behind `load`, without waiting: it then fails as the load did.
 * - A user's failure is an outcome, never a rejection. Rejections are faults of the platform.
 * - Every `load` and `invoke` settles exactly once, also when the carrier dies: the outcome then says who is to
 *   blame, and nobody is blamed without proof (`sandbox_lost`).
 * - After `dispose` or `kill` every call settles at once, and both may be called any number of times.
 * - `exited` resolves exactly once, when the process is gone.
 */
import type { Caller } from '../core/caller.ts';
import type { Failure } from '../core/errors.ts';
import type { LogLine, Meter } from '../core/receipt.ts';
import type { CodeEntry, CodeFiles, Runtime, Tier } from '../core/spec.ts';
import type { NetworkSession } from './network.ts';

/** How a tier confines what runs in it, as this machine allows; shown at start, by doctor and by the API. */
export interface Confinement {
  /** `bubblewrap`, `unshare`, `process`; `docker` for containers; `none` for the fake. */
  readonly kind: string;
  /** One line for people. */
  readonly summary: string;
  /** What is not confined here and would be with more from the machine, each with the command that mends it. */
  readonly gaps: readonly ConfinementGap[];
}

export interface ConfinementGap {
  readonly missing: string;
  readonly remedy: string;
}

/** One tier of sandboxes. */
export interface SandboxTier {
  readonly tier: Tier;
  readonly confinement: Confinement;
  /**
   * Starts a carrier: layer `container`, nobody's yet.
   * @throws StrataError `start_failed` when the process does not come up in time.
   */
  provision(): Promise<Carrier>;
  /** Kills every carrier and waits until they are gone. */
  close(): Promise<void>;
}

/** The outer process: what can be killed for certain. */
export interface Carrier {
  readonly id: string;
  /** How many instances it can hold at once. */
  readonly capacity: number;
  /** Who measures the CPU time of what runs in it. */
  readonly meter: Meter;
  readonly exited: Promise<CarrierExit>;
  /** True from the moment the carrier is being killed or has ended. */
  readonly ended: boolean;
  /**
   * Boots the language for one instance: layer `runtime`.
   * @param memoryMb the memory that the function to be loaded may use.
   * @throws StrataError `start_failed` when the carrier cannot; the carrier is killed then.
   */
  boot(memoryMb: number): Promise<Instance>;
  /** Resident memory of the process, bytes; null when it cannot be read. */
  residentBytes(): number | null;
  /** It serves this tenant alone from now on. Called at most once, as soon as it is known; returns at once. */
  claimedBy(tenant: string): void;
  /** SIGKILL. Returns at once; `exited` tells when it is done. */
  kill(cause: KillCause): void;
}

/** Why the server itself ended a carrier; anything else is a death of its own. */
export type KillCause =
  | 'idle'
  | 'shutdown'
  | 'unresponsive'
  /** Its process was stopped from outside. */
  | 'stopped'
  | 'memory'
  | 'protocol'
  | 'start_failed'
  | 'evicted';

export interface CarrierExit {
  /** Set when the server killed it. */
  readonly cause: KillCause | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The instances that may have caused it, when it was not the server's own decision. */
  readonly suspects: readonly Instance[];
  /** There is one suspect, and it was the cause. */
  readonly proven: boolean;
}

/** One place for one function version inside a carrier. */
export interface Instance {
  readonly carrier: Carrier;
  /** True when it can take no further call. */
  readonly ended: boolean;
  /** Resolves once nothing of it is left, however it ended. */
  readonly gone: Promise<void>;
  /** Injects, evaluates and initialises code: layer `code`. Called at most once. */
  load(request: LoadRequest): Promise<LoadOutcome>;
  /** Runs the handler once. Calls may overlap up to the function's concurrency. */
  invoke(request: InvokeRequest): Promise<InvokeOutcome>;
  /** Ends the instance, not the carrier; what still runs in it is stopped. */
  dispose(): Promise<void>;
}

export interface LoadRequest {
  readonly runtime: Runtime;
  readonly functionName: string;
  readonly functionVersion: string;
  /** Identifies the code: carriers may keep what they compiled under it. */
  readonly codeDigest: string;
  readonly files: CodeFiles;
  /** `file.export`; free text for the runtime `provided`. */
  readonly handler: string;
  /** The file and export that the handler means; null for `provided`, which has none. */
  readonly entry: CodeEntry | null;
  readonly initializer: string | null;
  readonly initializerEntry: CodeEntry | null;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  /** Wall time for load and initializer together. */
  readonly initTimeoutMs: number;
  /** CPU time for the same. */
  readonly initCpuMs: number;
  readonly resultMaxBytes: number;
  readonly logMaxBytes: number;
  /** What its environment says of where it runs. */
  readonly region?: string;
  /** It lists hosts that it may reach. */
  readonly network?: boolean;
}

interface Measured {
  /** CPU time, nanoseconds, an integer. */
  readonly cpuNs: number;
  readonly logs: readonly LogLine[];
  readonly logTruncated: boolean;
}

export type LoadOutcome = Measured & {
  readonly loadMs: number;
  readonly initMs: number;
  /** Null when the instance is at layer `code` now. */
  readonly failure: Failure | null;
};

export interface InvokeRequest {
  readonly invocationId: string;
  /** The event as JSON text, UTF-8; not parsed outside the sandbox. */
  readonly eventJson: Uint8Array;
  /** What its handler is told of how it was called. */
  readonly caller?: Caller | null;
  /** Wall time for the handler. */
  readonly timeoutMs: number;
  /** CPU time for the handler. */
  readonly cpuMs: number;
  /** What the invocation reaches the network by, where its tier passes that on. */
  readonly network?: NetworkSession | null;
}

export type InvokeOutcome = Measured & {
  readonly handlerMs: number;
  /** The largest memory seen, bytes; null when nothing was measured. */
  readonly maxMemoryBytes: number | null;
} & (
    | { readonly failure: null /** JSON text, UTF-8. */; readonly resultJson: Uint8Array }
    | { readonly failure: Failure; readonly resultJson: null }
  );
