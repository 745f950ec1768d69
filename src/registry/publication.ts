/**
 * What is published: which part of `$LATEST` a version freezes, and when two of them are the same.
 *
 * Owns the comparison and the checks of what a publication asks for. Never gives out numbers.
 */
import { isDeepStrictEqual } from 'node:util';
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';
import { checkDescription } from './alias-input.ts';
import type { PublishOptions } from './api.ts';
import { shown } from './spec-errors.ts';

export interface NewVersion {
  readonly version: string;
  readonly revision: string;
  /** ISO 8601. */
  readonly at: string;
  /** That of the function unless told. */
  readonly description?: string;
}

/** `$LATEST` under a number. What holds for the function as a whole is not of the version. */
export const frozen = (
  latest: FunctionRecord,
  { version, revision, at, description = latest.description }: NewVersion,
): FunctionRecord =>
  Object.freeze({
    ...latest,
    ...{ version, revision, description, createdAt: at, updatedAt: at },
    ...OF_THE_FUNCTION,
  });

/** All are asked of `$LATEST`, whichever version runs, so that they neither count twice nor freeze. */
const OF_THE_FUNCTION = { reservedConcurrency: 0, enabled: true, auth: 'key' } as const;

const DIGEST = /^[0-9a-f]{64}$/;

/** @throws StrataError `invalid_request`. */
export const checkPublished = ({ description, codeDigest }: PublishOptions): void => {
  if (description !== undefined && typeof description !== 'string')
    throw refusal(`description: must be a string; seen ${shown(description)}.`);
  checkDescription(description);
  if (codeDigest !== undefined && !(typeof codeDigest === 'string' && DIGEST.test(codeDigest)))
    throw refusal(
      `codeDigest: must be a SHA-256 in 64 lower-case hexadecimal digits; seen ${shown(codeDigest)}.`,
    );
};

/** Whether a version is what `$LATEST` would be published as, whatever either is called and described. */
export const isSameContent = (version: FunctionRecord, latest: FunctionRecord): boolean =>
  version.codeDigest === latest.codeDigest && isDeepStrictEqual(contentOf(version), contentOf(latest));

const contentOf = (record: FunctionRecord): Record<string, unknown> => {
  const { version: _version, revision: _revision, description: _description, ...rest } = record;
  return { ...rest, ...OF_THE_FUNCTION, createdAt: null, updatedAt: null };
};

const refusal = (detail: string): StrataError => new StrataError('invalid_request', detail);
