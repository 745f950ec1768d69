/**
 * The executor as its users see it: the library's interface, and what the HTTP API and the CLI are built on.
 *
 * Owns the shapes of requests and answers. Refusals and faults are thrown as `StrataError`; a function's own
 * failure is an answer with status `failed`.
 */
import type { Accounts } from '../accounts/api.ts';
import type { Usage } from '../billing/api.ts';
import type { Caller } from '../core/caller.ts';
import type { Failure } from '../core/errors.ts';
import type { Credential } from '../core/identity.ts';
import type { LogLine, Receipt, Start } from '../core/receipt.ts';
import type {
  AliasInput,
  AliasRecord,
  FunctionRecord,
  FunctionSpecInput,
  Runtime,
  Tier,
} from '../core/spec.ts';
import type { PoolsView, TenantPoolsView } from '../pool/api.ts';
import type { AsyncQueue } from '../queue/api.ts';
import type {
  AliasPage,
  Deployment,
  FunctionPage,
  ListQuery,
  Precondition,
  Publication,
  PublishOptions,
  VersionPage,
} from '../registry/api.ts';
import type { Confinement } from '../sandbox/api.ts';
import type { Stats } from '../stats/api.ts';

export interface InvokeRequest {
  readonly function: string;
  /** Anything that JSON can carry; `{}` unless told. */
  readonly event?: unknown;
  readonly tenant?: string;
  /** A version or alias; `$LATEST` unless told. */
  readonly qualifier?: string;
  /**
   * Of an alias with two versions, callers with the same key have the same one; without a key it is drawn for each
   * invocation. 1 to 256 characters.
   */
  readonly sessionKey?: string;
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
  /** By what the caller is known, to be held against the function's `auth`; left out, nothing is asked for. */
  readonly credential?: Credential;
  /** What the function is told of how it was called. */
  readonly caller?: Caller;
  /** From `newInvocationId`, for callers who want to know it also of what is refused; made up unless given. */
  readonly invocationId?: string;
  /** Which try of this id it is, from 1; 1 unless told. Each has a receipt of its own. */
  readonly attempt?: number;
  /** Answer only when the receipt is on the disk, whatever `ledger.durability` says. */
  readonly durable?: boolean;
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

/** Log lines of a function, oldest first, for somebody who goes on from there. */
export interface LogPage {
  readonly logs: readonly FunctionLogLine[];
  /** Pass as `after` for what comes behind these lines. */
  readonly cursor: string;
  /** Lines may be missing before the last of these, forgotten before they were asked for. */
  readonly gap: boolean;
  /** There are more already. */
  readonly more: boolean;
}

export type { FunctionStats, Percentiles, Stats } from '../stats/api.ts';

export interface RuntimeView {
  readonly runtime: Runtime;
  readonly tier: Tier;
  readonly available: boolean;
  /** Why it is not available, and what to do; null when it is. */
  readonly reason: string | null;
}

export type { AsyncPage, AsyncQueue, AsyncView } from '../queue/api.ts';

export type ReadyState = 'ready' | 'starting' | 'draining';

/** Whose it is, and what a list begins behind. */
interface Paging {
  readonly tenant?: string;
  /** 1 to 1,000; 100 unless told. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** A change, of whose thing, and at which revision. */
type ChangeOptions = Precondition & { readonly tenant?: string };

/** Immutable versions of functions, and aliases: names for them that can be moved. */
export interface FunctionVersions {
  /** Freezes `$LATEST` under the next number, or finds the version that has the same content. */
  publish(name: string, options?: PublishOptions & { tenant?: string }): Promise<Publication>;
  /** Published versions, in the order of their numbers. */
  list(name: string, options?: Paging): VersionPage;
  /** @throws StrataError `conflict` while an alias points to it. */
  delete(name: string, version: string, options?: ChangeOptions): Promise<FunctionRecord>;
  /** Creates an alias or moves it. */
  putAlias(
    name: string,
    alias: string,
    input: AliasInput,
    options?: ChangeOptions,
  ): Promise<{ readonly alias: AliasRecord; readonly created: boolean }>;
  alias(name: string, alias: string, options?: { tenant?: string }): AliasRecord;
  /** By name. */
  aliases(name: string, options?: Paging): AliasPage;
  deleteAlias(name: string, alias: string, options?: ChangeOptions): Promise<AliasRecord>;
  /**
   * Keeps so many instances of a published version ready until the server ends, or as many as its `minInstances` say
   * where those are more; 0 for no others.
   * @throws StrataError `not_found`, `conflict` where the tenant would keep more ready than it may.
   */
  provision(
    name: string,
    version: string,
    instances: number,
    options?: { readonly tenant?: string },
  ): Promise<void>;
}

export interface Executor {
  /** Tenants, keys, the identity of requests, the audit log. */
  readonly accounts: Accounts;
  readonly versions: FunctionVersions;
  /** The ledger: what was used, by whom, and what that costs. */
  readonly usage: Usage;
  /** Counts and percentiles of functions, of the last while. */
  readonly stats: Stats;
  deploy(
    spec: FunctionSpecInput & { name: string; tenant?: string },
    precondition?: Precondition,
  ): Promise<Deployment>;
  invoke(request: InvokeRequest): Promise<InvokeAnswer>;
  invokeJson(request: InvokeJsonRequest): Promise<InvokeJsonAnswer>;
  newInvocationId(): string;
  /** Invocations that are accepted now and run later. */
  readonly queue: AsyncQueue;
  /** A version; of an alias the one that it points to first. */
  get(name: string, options?: { tenant?: string; qualifier?: string }): FunctionRecord;
  list(query?: Partial<ListQuery>): FunctionPage;
  /** Deletes a function with its versions and aliases. */
  delete(name: string, options?: ChangeOptions): Promise<FunctionRecord>;
  /** @throws StrataError `not_found` when unknown, of another tenant, or no longer kept. */
  invocation(invocationId: string, options?: { tenant?: string }): InvocationRecord;
  /** The newest lines of a function, oldest first; `limit` 1 to 1,000, 100 unless told. */
  logs(name: string, options?: { tenant?: string; limit?: number }): readonly FunctionLogLine[];
  /** The same with where they end; with `after` the lines behind it, the oldest first. */
  logPage(name: string, options?: { tenant?: string; limit?: number; after?: string }): LogPage;
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
