/**
 * What the registry offers to its siblings: deployed functions, their versions and aliases, and their code.
 *
 * Owns the shapes and the promise that what `codeFiles` returns is byte for byte what was deployed.
 */
import type {
  AliasInput,
  AliasRecord,
  CodeFiles,
  FunctionAuth,
  FunctionRecord,
  FunctionSpecInput,
} from '../core/spec.ts';

export interface Deployment {
  readonly function: FunctionRecord;
  /** False when an existing `$LATEST` was updated. */
  readonly created: boolean;
}

export interface FunctionPage {
  readonly functions: readonly FunctionRecord[];
  /** Pass as `cursor` for the next page; null on the last. */
  readonly nextCursor: string | null;
}

export interface ListQuery {
  readonly tenant: string;
  /** Every label given must match. */
  readonly labels?: Readonly<Record<string, string>>;
  /** 1 to 1,000; 100 unless told. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** What must hold of the present state for a change to be made. */
export interface Precondition {
  /** The revisions that it may be at; `*` for any, as long as it exists. */
  readonly ifMatch?: readonly string[];
}

/**
 * Whether a function may become what the record says; throws when it may not. What it returns is called with whether
 * the record was stored, before the function's next change begins.
 */
export type Accept = (record: FunctionRecord) => Settle;

export type Settle = (stored: boolean) => void;

/** What was deleted: a function, with its published versions. */
export interface Deletion {
  readonly function: FunctionRecord;
  readonly versions: readonly FunctionRecord[];
}

export interface PublishOptions extends Precondition {
  /** That of the function unless told. */
  readonly description?: string;
  /** The digest that the code must have. */
  readonly codeDigest?: string;
}

export interface Publication {
  readonly function: FunctionRecord;
  /** False when there was a version of the same content before: then it is that one. */
  readonly created: boolean;
}

export interface VersionPage {
  /** In the order of their numbers. */
  readonly versions: readonly FunctionRecord[];
  readonly nextCursor: string | null;
}

export interface AliasPage {
  /** By name. */
  readonly aliases: readonly AliasRecord[];
  readonly nextCursor: string | null;
}

/** Published versions that an alias points to since a change, and did not before, and the other way round. */
export interface Pointing {
  readonly joined: readonly FunctionRecord[];
  readonly left: readonly FunctionRecord[];
}

/** Like `Accept`, of a change of what aliases point to. */
export type AcceptPointing = (pointing: Pointing) => Settle;

export interface AliasChange extends Pointing {
  readonly alias: AliasRecord;
  readonly created: boolean;
}

export interface Registry {
  /** Published versions and aliases. */
  readonly versions: VersionRegistry;
  /**
   * Validates and stores a function as `$LATEST`.
   * @param accept asked once everything else is checked, before anything is stored.
   * @throws StrataError `invalid_request`, `code_invalid`, `payload_too_large`, `revision_mismatch`, `storage_full`, and
   *   what `accept` throws.
   */
  deploy(
    tenant: string,
    name: string,
    spec: FunctionSpecInput,
    accept?: Accept,
    precondition?: Precondition,
  ): Promise<Deployment>;
  /**
   * The version that an invocation runs. Synchronous and cached: it is on the path of every invocation.
   * @param qualifier version or alias; `$LATEST` unless told.
   * @param sessionKey keeps a caller at one version of an alias that has two; without one it is drawn.
   * @throws StrataError `not_found`, `invalid_request` for a session key out of bounds.
   */
  resolve(tenant: string, name: string, qualifier?: string, sessionKey?: string): FunctionRecord;
  /**
   * A version to look at; of an alias the one that it points to first.
   * @throws StrataError `not_found`.
   */
  get(tenant: string, name: string, qualifier?: string): FunctionRecord;
  /** Whether the function of this record takes invocations: what its `$LATEST` says holds for every version. */
  isEnabled(record: FunctionRecord): boolean;
  /** What the function of this record asks of its callers: what its `$LATEST` says holds for every version. */
  authOf(record: FunctionRecord): FunctionAuth;
  /** Whether the record is what is deployed or published now. */
  isCurrent(record: FunctionRecord): boolean;
  /** @throws StrataError `invalid_request` for a bad cursor or limit. */
  list(query: ListQuery): FunctionPage;
  /** `$LATEST` of every function of every tenant: what a server looks through when it starts. */
  all(): Iterable<FunctionRecord>;
  /** The same with every published version. */
  stored(): Iterable<FunctionRecord>;
  /** Whatever keeps its `minInstances`: each `$LATEST`, and each published version that an alias points to. */
  kept(): Iterable<FunctionRecord>;
  /**
   * Deletes a function with its versions and aliases.
   * @throws StrataError `not_found`, `revision_mismatch`, `storage_full`.
   */
  delete(tenant: string, name: string, precondition?: Precondition): Promise<Deletion>;
  /**
   * The files of a version, verified against the digest.
   * @throws StrataError `internal_error` when the stored code does not match its digest.
   */
  codeFiles(record: FunctionRecord): Promise<CodeFiles>;
  close(): void;
}

/** Published versions never change; aliases are names for them that do. */
export interface VersionRegistry {
  /**
   * Freezes `$LATEST` under the next number, or finds the version that has the same content.
   * @throws StrataError `not_found`, `revision_mismatch`, `invalid_request`, `conflict` at the limit, `storage_full`.
   */
  publish(tenant: string, name: string, options?: PublishOptions, accept?: Accept): Promise<Publication>;
  /** @throws StrataError `not_found`, `invalid_request` for a bad cursor or limit. */
  list(tenant: string, name: string, query?: Omit<ListQuery, 'tenant' | 'labels'>): VersionPage;
  /** @throws StrataError `not_found`, `revision_mismatch`, `conflict` while an alias points to it, `storage_full`. */
  delete(tenant: string, name: string, version: string, precondition?: Precondition): Promise<FunctionRecord>;
  /**
   * Creates or moves an alias.
   * @param accept asked once everything else is checked, before anything is stored.
   * @throws StrataError `not_found`, `revision_mismatch`, `invalid_request`, `conflict` at the limit, `storage_full`, and
   *   what `accept` throws.
   */
  putAlias(
    tenant: string,
    name: string,
    alias: string,
    input: AliasInput,
    accept?: AcceptPointing,
    precondition?: Precondition,
  ): Promise<AliasChange>;
  /** @throws StrataError `not_found`. */
  alias(tenant: string, name: string, alias: string): AliasRecord;
  /** @throws StrataError `not_found`, `invalid_request` for a bad cursor or limit. */
  aliases(tenant: string, name: string, query?: Omit<ListQuery, 'tenant' | 'labels'>): AliasPage;
  /** @throws StrataError `not_found`, `revision_mismatch`, `storage_full`. */
  deleteAlias(
    tenant: string,
    name: string,
    alias: string,
    accept?: AcceptPointing,
    precondition?: Precondition,
  ): Promise<AliasChange>;
  /** The published versions of a function that its aliases point to; none of a function that there is not. */
  pointed(tenant: string, name: string): Iterable<FunctionRecord>;
  /** Whether an alias points to the version. */
  isPointed(record: FunctionRecord): boolean;
}
