/**
 * How this API names things: accounts, ARNs, and the many forms of a function's name.
 *
 * Owns the forms. Invariant: a name of another region or account finds nothing, so that no caller learns whether
 * something of that name exists there.
 */
import { createHash } from 'node:crypto';
import { FUNCTION_NAME_PATTERN } from '../../core/limits.ts';
import { invalidParameter, notFound, violated } from './errors.ts';

/** Where the functions of a caller are. */
export interface Place {
  readonly tenant: string;
  readonly region: string;
}

export interface FunctionReference {
  readonly tenant: string;
  readonly name: string;
  /** A version or an alias; null for what was asked for without one. */
  readonly qualifier: string | null;
  /** As the caller meant it, qualifier included. */
  readonly arn: string;
}

export const LATEST = '$LATEST';

const DEFAULT_TENANT = 'default';
const DEFAULT_ACCOUNT = '000000000000';
const ACCOUNTS = 10n ** 12n;
const REFERENCE_MAX_CHARS = 256;
const NAME = new RegExp(FUNCTION_NAME_PATTERN);
const QUALIFIER = /^(?:\$LATEST|[A-Za-z0-9_-]{1,128})$/;
const FULL_ARN = /^arn:aws[a-z-]*:lambda:([^:]*):([^:]*):function:([^:]+)(?::([^:]+))?$/;
const PARTIAL_ARN = /^(?:(\d{12}):)?function:([^:]+)(?::([^:]+))?$/;
const PLAIN = /^([^:]+)(?::([^:]+))?$/;
const NAME_RULE =
  'Member must be a name of 1 to 64 letters, digits, hyphens and underscores that begins with a letter or digit, a partial ARN or an ARN';
const QUALIFIER_RULE = 'Member must satisfy regular expression pattern: (\\$LATEST|[a-zA-Z0-9-_]+)';

/** Each tenant is an account of its own, so that the ARNs of two never meet. */
export const accountOf = (tenant: string): string => {
  if (tenant === DEFAULT_TENANT) return DEFAULT_ACCOUNT;
  if (/^\d{12}$/.test(tenant)) return tenant;
  const digest = createHash('sha256').update(tenant).digest();
  return String(digest.readBigUInt64BE() % ACCOUNTS).padStart(12, '0');
};

export const arnOf = ({ tenant, region }: Place, name: string, qualifier: string | null = null): string =>
  `arn:aws:lambda:${region}:${accountOf(tenant)}:function:${name}${qualifier === null ? '' : `:${qualifier}`}`;

/**
 * The function that a path means.
 * @param given the name, as it is in the path after decoding.
 * @param queried the parameter `Qualifier`, where there is one.
 * @throws LambdaError
 */
export const referenceOf = (place: Place, given: string, queried?: string): FunctionReference => {
  if (given.length > REFERENCE_MAX_CHARS) throw violated(given, 'functionName', NAME_RULE);
  const { region, account, name, qualifier: derived } = splitName(given);
  if (!NAME.test(name)) throw violated(given, 'functionName', NAME_RULE);
  if (derived !== undefined) checkQualifier(derived);
  if (queried !== undefined) checkQualifier(queried);
  if (derived !== undefined && queried !== undefined && derived !== queried)
    throw invalidParameter(
      'The derived qualifier from the function name does not match the specified qualifier.',
    );
  const foreign =
    (region !== undefined && region !== place.region) ||
    (account !== undefined && account !== accountOf(place.tenant));
  if (foreign) throw notFound(`Function not found: ${given}`);
  const qualifier = queried ?? derived ?? null;
  return { tenant: place.tenant, name, qualifier, arn: arnOf(place, name, qualifier) };
};

/** `name` or `name:qualifier`, of an ARN that was checked when it was stored. */
export const functionInArn = (arn: string): string => arn.split(':').slice(6).join(':');

/** The ARN of what a path means, as errors show it. */
export const functionArnOf = (place: Place, given: string, queried: string | undefined): string =>
  referenceOf(place, given, queried).arn;

/** @throws LambdaError `ValidationException`. */
const checkQualifier = (qualifier: string): string => {
  if (QUALIFIER.test(qualifier)) return qualifier;
  throw violated(qualifier, 'qualifier', QUALIFIER_RULE);
};

interface NameParts {
  readonly region?: string | undefined;
  readonly account?: string | undefined;
  readonly name: string;
  readonly qualifier?: string | undefined;
}

const splitName = (given: string): NameParts => {
  const full = FULL_ARN.exec(given);
  if (full !== null) return { region: full[1], account: full[2], name: full[3] ?? '', qualifier: full[4] };
  const partial = PARTIAL_ARN.exec(given);
  if (partial !== null) return { account: partial[1], name: partial[2] ?? '', qualifier: partial[3] };
  const plain = PLAIN.exec(given);
  return { name: plain?.[1] ?? '', qualifier: plain?.[2] };
};
