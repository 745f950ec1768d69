/**
 * What a function is: the spec a caller deploys, and the deployed record made from it.
 *
 * Owns the shapes only; bounds are in `limits.ts`, validation in the registry.
 */

export type Tier = 'isolate' | 'container';
export const RUNTIMES = ['isolate', 'nodejs24', 'python3', 'provided'] as const;
export type Runtime = (typeof RUNTIMES)[number];
export type ProcessModel = 'resident' | 'ephemeral';

/** What an invocation over HTTP has to carry: nothing, anything that the server takes, or one of its kinds alone. */
export const FUNCTION_AUTHS = ['none', 'key', 'signature', 'jwt'] as const;
export type FunctionAuth = (typeof FUNCTION_AUTHS)[number];

/** The code as it is uploaded: one file, several, or an archive. Exactly one key is present. */
export type CodeUpload =
  | { readonly source: string }
  | { readonly files: Readonly<Record<string, string>> }
  | { readonly zip: string }
  /** The code that the function has already, by its digest; another one is a conflict. */
  | { readonly digest: string };

/** Where the record of an asynchronous invocation goes when it has ended. */
export type Destination =
  /** `name` or `name:qualifier`, of the same tenant. */
  { readonly function: string } | { readonly webhook: string } | { readonly deadLetter: true };

export const DELIVERIES = ['at-least-once', 'at-most-once'] as const;

/** What becomes of a function's asynchronous invocations. */
export interface AsyncPolicy {
  /** Further attempts after one that the function failed. */
  readonly maxRetries: number;
  /** An event that has not ended by then is given up. */
  readonly maxEventAgeMs: number;
  readonly delivery: (typeof DELIVERIES)[number];
  readonly onSuccess: Destination | null;
  /** Null for the list of dead letters. */
  readonly onFailure: Destination | null;
}

/** What `PUT /v1/functions/{name}` and `executor.deploy` take; everything but runtime and code has a default. */
export interface FunctionSpecInput {
  readonly runtime: Runtime;
  readonly code: CodeUpload;
  readonly handler?: string;
  readonly memoryMb?: number;
  readonly timeoutMs?: number;
  readonly cpuMs?: number;
  readonly processModel?: ProcessModel;
  readonly concurrency?: number;
  readonly initializer?: string | null;
  readonly initTimeoutMs?: number;
  readonly minInstances?: number;
  readonly maxInstances?: number;
  readonly reservedConcurrency?: number;
  readonly idleTimeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly description?: string;
  readonly network?: { readonly allow: readonly string[] };
  readonly async?: Partial<AsyncPolicy>;
  readonly enabled?: boolean;
  readonly auth?: FunctionAuth;
}

/** A complete spec: every default filled in, the code replaced by the digest of its stored artifact. */
export interface FunctionSpec {
  readonly runtime: Runtime;
  readonly handler: string;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly cpuMs: number;
  readonly processModel: ProcessModel;
  readonly concurrency: number;
  readonly initializer: string | null;
  readonly initTimeoutMs: number;
  readonly minInstances: number;
  readonly maxInstances: number;
  readonly reservedConcurrency: number;
  readonly idleTimeoutMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** What others keep beside a function; nothing here goes by it. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly description: string;
  readonly network: { readonly allow: readonly string[] };
  readonly async: AsyncPolicy;
  /** False refuses invocations, of the versions and aliases too; what is stored of a version says nothing. */
  readonly enabled: boolean;
  readonly auth: FunctionAuth;
}

/** The state of a function that a deployment changes; published versions have numbers. */
export const LATEST = '$LATEST';

/** One deployed version of a function. */
export interface FunctionRecord extends FunctionSpec {
  /** Stable over updates; new after delete and create. */
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  /** `$LATEST`, or the number of a published version as text. */
  readonly version: string;
  /** Changes with every update, so that instances of an older state are never used for a newer one. */
  readonly revision: string;
  /** SHA-256 of the stored artifact, lower-case hex. */
  readonly codeDigest: string;
  readonly codeBytes: number;
  /** ISO 8601, wall clock. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** What an alias is to be. */
export interface AliasInput {
  /** The version that it points to: a number, or `$LATEST`. */
  readonly version: string;
  /** At most one other version, by its number, and the share of the invocations that it is to have, from 0 to 1. */
  readonly weights?: Readonly<Record<string, number>>;
  readonly description?: string;
}

/** A name for a version, or for two of them that share the invocations. */
export interface AliasRecord extends Required<AliasInput> {
  readonly tenant: string;
  /** The name of the function. */
  readonly function: string;
  readonly alias: string;
  /** Changes with every update. */
  readonly revision: string;
  /** ISO 8601, wall clock. */
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** One file of a function's code, byte for byte as it was deployed. */
export interface CodeFile {
  readonly bytes: Uint8Array;
  /** It may be started as a program; only the container tier's runtimes have a use for that. */
  readonly executable: boolean;
}

/** The files of a function by normalised relative path. */
export type CodeFiles = ReadonlyMap<string, CodeFile>;

/** The file and the export in it that a handler or an initializer means. */
export interface CodeEntry {
  /** The normalised path of the file. */
  readonly path: string;
  readonly exportName: string;
}

/** The file that the runtime `provided` starts. */
export const BOOTSTRAP = 'bootstrap';

/** Files that came as text, which carries no mode: only a `bootstrap` at the root can be meant to be started. */
export const textFiles = (texts: Readonly<Record<string, string>>): CodeFiles =>
  new Map(Object.entries(texts).map(([path, text]) => [path, textFile(path, text)]));

export const textFile = (path: string, text: string): CodeFile => ({
  bytes: new TextEncoder().encode(text),
  executable: path === BOOTSTRAP,
});

/** The runtimes of the container tier. */
export type ContainerRuntime = Exclude<Runtime, 'isolate'>;
export const CONTAINER_RUNTIMES = ['nodejs24', 'python3', 'provided'] as const satisfies ContainerRuntime[];

export const tierOf = (runtime: Runtime): Tier => (runtime === 'isolate' ? 'isolate' : 'container');
