/**
 * One request of this API and its answer, away from HTTP, and what every operation works with.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Identity } from '../../core/identity.ts';
import type { FunctionRecord, FunctionSpecInput } from '../../core/spec.ts';
import type { Executor } from '../../invocation/api.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { type FunctionReference, type Place, referenceOf } from './names.ts';
import type { Settings } from './settings.ts';

export interface LambdaCall {
  readonly tenant: string;
  readonly caller: Identity;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  /** The parsed JSON, or the bytes where the operation takes them; undefined when there is none. */
  readonly body: unknown;
  readonly requestId: string;
  /** `http://` and the host that the caller used. */
  readonly origin: string;
  /** See `InvokeJsonRequest.onWait`. */
  readonly onWait: (cancel: () => void) => void;
}

export interface LambdaAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes as they are, anything else as JSON; null for none. */
  readonly body: Uint8Array | object | null;
}

/** An alias, as the registry has it. */
export interface Alias {
  readonly alias: string;
  readonly version: string;
  /** At most one other version and its share. */
  readonly weights: Readonly<Record<string, number>>;
  readonly description: string;
  readonly revision: string;
}

/** Published versions and aliases of a function, which its `$LATEST` stands for here. */
export interface Versions {
  publish(latest: FunctionRecord, options: { readonly description?: string }): Promise<FunctionRecord>;
  /** In the order of their numbers. */
  all(latest: FunctionRecord): readonly FunctionRecord[];
  remove(latest: FunctionRecord, version: string): Promise<void>;
  alias(latest: FunctionRecord, alias: string): Alias;
  aliases(latest: FunctionRecord): readonly Alias[];
  putAlias(latest: FunctionRecord, alias: Omit<Alias, 'revision'>, ifMatch?: string): Promise<Alias>;
  removeAlias(latest: FunctionRecord, alias: string): Promise<void>;
}

/** Instances of versions that are kept ready. */
export interface Provisioning {
  /**
   * Keeps so many of each version, and none of the others of this function.
   * @throws StrataError `conflict` where that is more than the tenant may keep.
   */
  apply(latest: FunctionRecord, wanted: ReadonlyMap<string, number>): Promise<void>;
  /** How many of so many have the code loaded now. */
  available(record: FunctionRecord, wanted: number): number;
}

export interface EnqueueRequest {
  readonly tenant: string;
  readonly function: string;
  readonly qualifier?: string;
  readonly eventJson: Uint8Array;
  readonly invocationId: string;
  /** What is to become of it, where that is another thing than the function's own settings say. */
  readonly policy: AsyncPolicy;
}

export interface AsyncPolicy {
  readonly maxRetries?: number;
  readonly maxEventAgeMs?: number;
  readonly onSuccess?: { readonly function: string };
  readonly onFailure?: { readonly function: string };
}

export interface LambdaParts {
  readonly executor: Executor;
  readonly versions: Versions;
  readonly provisioning: Provisioning;
  /** `executor.deploy`, refused where somebody else has changed the function meanwhile. */
  readonly deploy: (
    spec: FunctionSpecInput & { readonly name: string; readonly tenant: string },
    condition: { readonly ifMatch?: string },
  ) => Promise<{ readonly function: FunctionRecord }>;
  readonly settings: Settings;
  readonly region: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Accepts an asynchronous invocation: resolves when it is on the disk. */
  readonly enqueue: (request: EnqueueRequest) => Promise<unknown>;
  /** What the code of one function may be, in bytes. */
  readonly codeMaxBytes: number;
  /** Runs the changes of one function one after the other. */
  readonly inTurn: <Result>(tenant: string, name: string, change: () => Promise<Result>) => Promise<Result>;
}

export type Operation = (call: LambdaCall, parts: LambdaParts) => LambdaAnswer | Promise<LambdaAnswer>;

export const placeOf = ({ tenant }: LambdaCall, { region }: LambdaParts): Place => ({ tenant, region });

/** The function that the path and `Qualifier` name. */
export const functionOf = (call: LambdaCall, parts: LambdaParts): FunctionReference =>
  referenceOf(placeOf(call, parts), call.params.FunctionName ?? '', call.query.Qualifier);

export const ok = (body: object): LambdaAnswer => ({ status: 200, body });

export const NO_CONTENT: LambdaAnswer = { status: 204, body: null };
