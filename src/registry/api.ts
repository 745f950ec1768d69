/**
 * What the registry offers to its siblings: deployed functions and their code.
 *
 * Owns the shapes and the promise that what `codeFiles` returns is byte for byte what was deployed.
 */
import type { CodeFiles, FunctionRecord, FunctionSpecInput } from '../core/spec.ts';

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

/**
 * Whether a function may become what the record says; throws when it may not. What it returns is called with whether
 * the record was stored, before the function's next change begins.
 */
export type Accept = (record: FunctionRecord) => (stored: boolean) => void;

export interface Registry {
  /**
   * Validates and stores a function as `$LATEST`.
   * @param accept asked once everything else is checked, before anything is stored.
   * @throws StrataError `invalid_request`, `code_invalid`, `payload_too_large`, `storage_full`, and what `accept` throws.
   */
  deploy(tenant: string, name: string, spec: FunctionSpecInput, accept?: Accept): Promise<Deployment>;
  /**
   * A deployed version. Synchronous and cached: it is on the path of every invocation.
   * @param qualifier version or alias; `$LATEST` unless told.
   * @throws StrataError `not_found`.
   */
  resolve(tenant: string, name: string, qualifier?: string): FunctionRecord;
  /** @throws StrataError `invalid_request` for a bad cursor or limit. */
  list(query: ListQuery): FunctionPage;
  /** Every function of every tenant: what a server looks through when it starts. */
  all(): Iterable<FunctionRecord>;
  /** @throws StrataError `not_found`, `storage_full`. */
  delete(tenant: string, name: string): Promise<FunctionRecord>;
  /**
   * The files of a version, verified against the digest.
   * @throws StrataError `internal_error` when the stored code does not match its digest.
   */
  codeFiles(record: FunctionRecord): Promise<CodeFiles>;
  close(): void;
}
