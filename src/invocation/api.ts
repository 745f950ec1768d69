/**
 * The executor as its users see it: the library's interface, and what the HTTP API and the CLI are built on.
 *
 * Owns the shapes of requests and answers. Refusals and faults are thrown as `StrataError`; a function's own
 * failure is an answer with status `failed`.
 */
import type { Failure } from '../core/errors.ts';
import type { LogLine, Receipt, Start } from '../core/receipt.ts';
import type { FunctionRecord, FunctionSpecInput, Runtime, Tier } from '../core/spec.ts';
import type { PoolsView, TenantPoolsView } from '../pool/api.ts';
import type { AsyncQueue } from '../queue/api.ts';
import type { Deployment, FunctionPage, ListQuery } from '../registry/api.ts';
import type { Confinement } from '../sandbox/api.ts';

export interface InvokeRequest {
  readonly function: string;
  /** Anything that JSON can carry; `{}` unless told. */
  readonly event?: unknown;
  readonly tenant?: string;
  /** A version or alias; `$LATEST` unless told. */
  readonly qualifier?: string;
  /** `dry-run` loads and initialises the code in a sandbox, and does not call the handler. */
  readonly mode?: 'sync' | 'dry-run';
  /** Start exactly from this layer, or refuse with `start_unavailable`. */
  readonly requireStart?: Start;
  /**
   * The longest wait for an instance, 0 to 900,000 milliseconds: an invocation that cannot begin by then is refused
   * with `queue_timeout`. `queue.timeoutMs` holds as well; the shorter one counts.
   */
  readonly maxWaitMs?: number;
  /** Aborted while the invocation waits, it leaves the queue and is refused with `cancelled`; what runs goes on. */
  readonly signal?: AbortSignal;
}

export type InvokeAnswer =
  | { readonly status: 'succeeded'; readonly result: unknown; readonly receipt: Receipt }
  | {
      readonly status: 'failed';
      readonly result: undefined;
      readonly failure: Failure;
      readonly receipt: Receipt;
    };

/** `invoke` for callers who have the event as JSON text and want the result so: nothing is parsed on the way. */
export interface InvokeJsonRequest extends Omit<InvokeRequest, 'event' | 'signal'> {
  /** UTF-8 JSON text; empty means `{}`. */
  readonly eventJson: Uint8Array;
  /** From `newInvocationId`, for callers who want to know it also of what is refused; made up unless given. */
  readonly invocationId?: string;
  /**
   * Called when the invocation has to wait, and only then. `cancel` takes it out of the queue and refuses it with
   * `cancelled`; it may be called at any time, more than once, and does nothing once the wait is over.
   */
  readonly onWait?: (cancel: () => void) => void;
}

export interface InvokeJsonAnswer {
  readonly invocationId: string;
  readonly version: string;
  readonly start: Start;
  /** Null when the invocation failed. */
  readonly resultJson: Uint8Array | null;
  readonly failure: Failure | null;
  readonly cuSeconds: number;
  /** Milliseconds, in the order of `PHASES`. */
  readonly phases: readonly number[];
}

/** A finished invocation with its log, kept in memory for the newest ones. */
export interface InvocationRecord {
  readonly receipt: Receipt;
  readonly logs: readonly LogLine[];
}

export interface FunctionLogLine extends LogLine {
  readonly invocationId: string;
}

export interface RuntimeView {
  readonly runtime: Runtime;
  readonly tier: Tier;
  readonly available: boolean;
  /** Why it is not available, and what to do; null when it is. */
  readonly reason: string | null;
}

export type { AsyncPage, AsyncQueue, AsyncView } from '../queue/api.ts';

export type ReadyState = 'ready' | 'starting' | 'draining';

export interface Executor {
  deploy(spec: FunctionSpecInput & { name: string; tenant?: string }): Promise<Deployment>;
  invoke(request: InvokeRequest): Promise<InvokeAnswer>;
  invokeJson(request: InvokeJsonRequest): Promise<InvokeJsonAnswer>;
  newInvocationId(): string;
  /** Invocations that are accepted now and run later. */
  readonly queue: AsyncQueue;
  get(name: string, options?: { tenant?: string; qualifier?: string }): FunctionRecord;
  list(query?: Partial<ListQuery>): FunctionPage;
  delete(name: string, options?: { tenant?: string }): Promise<FunctionRecord>;
  /** @throws StrataError `not_found` when unknown, of another tenant, or no longer kept. */
  invocation(invocationId: string, options?: { tenant?: string }): InvocationRecord;
  /** The newest lines of a function, oldest first; `limit` 1 to 1,000, 100 unless told. */
  logs(name: string, options?: { tenant?: string; limit?: number }): readonly FunctionLogLine[];
  /** Everything, as it is now: for the operator. */
  pools(): PoolsView;
  /** What one tenant may see, as it was less than 250 ms ago. */
  poolsOf(tenant: string): TenantPoolsView;
  /** How untrusted code is confined on this machine, by runtime: those that are served. */
  confinement(): Readonly<Record<string, Confinement>>;
  /** Every runtime there is, and why one is not served here. */
  runtimes(): readonly RuntimeView[];
  /** Whether new work is taken; `starting` until every pool has had what its configuration asks for. */
  state(): ReadyState;
  /** Resolves when every pool has what its configuration asks for. */
  ready(): Promise<void>;
  /** Prometheus text. */
  metrics(): Promise<{ contentType: string; body: string }>;
  /** Takes no new work and resolves when nothing is in flight, or after `timeoutMs`. */
  drain(timeoutMs?: number): Promise<void>;
  /** Drains, then ends every sandbox and closes the store. */
  close(): Promise<void>;
}
