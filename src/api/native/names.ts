/**
 * Names as they come in paths, headers and queries: checked against their rule before anything looks them up.
 *
 * Owns the checks only; the rules are in `core/limits.ts`. A refusal names the rule and shows what was seen, cut.
 */
import { StrataError } from '../../core/errors.ts';
import { ALIAS_NAME_PATTERN, FUNCTION_NAME_PATTERN, MAX_WAIT_MS } from '../../core/limits.ts';
import { STARTS, type Start } from '../../core/receipt.ts';

const FUNCTION_NAME = new RegExp(FUNCTION_NAME_PATTERN);
const ALIAS_NAME = new RegExp(ALIAS_NAME_PATTERN);
const INVOCATION_ID = /^[A-Za-z0-9_-]{1,64}$/;
const QUALIFIER = /^[A-Za-z0-9$_-]{1,64}$/;
const DIGITS = /^\d{1,6}$/;
const SHOWN_MAX = 64;

/** @throws StrataError `invalid_request`. */
export const checkFunctionName = (name: string): string => {
  if (FUNCTION_NAME.test(name)) return name;
  throw new StrataError(
    'invalid_request',
    `A function's name starts with a letter or digit and has at most 64 letters, digits, "-" and "_"; ` +
      `this one is ${shown(name)}.`,
  );
};

/** @throws StrataError `invalid_request`. */
export const checkAliasName = (alias: string): string => {
  if (ALIAS_NAME.test(alias)) return alias;
  throw new StrataError(
    'invalid_request',
    `An alias has 1 to 64 letters, digits, "-" and "_", and not digits alone; this one is ${shown(alias)}.`,
  );
};

/** @throws StrataError `invalid_request`. */
export const checkInvocationId = (id: string): string => {
  if (INVOCATION_ID.test(id)) return id;
  throw new StrataError(
    'invalid_request',
    `An invocation id has 1 to 64 letters, digits, "-" and "_"; this one is ${shown(id)}. ` +
      'Take it from the header Strata-Invocation-Id.',
  );
};

/** @throws StrataError `invalid_request`. */
export const checkQualifier = (qualifier: string): string => {
  if (QUALIFIER.test(qualifier)) return qualifier;
  throw new StrataError(
    'invalid_request',
    `A qualifier is a version or an alias of at most 64 letters, digits, "$", "-" and "_"; this one is ` +
      `${shown(qualifier)}.`,
  );
};

/** @throws StrataError `invalid_request`. */
export const checkStart = (start: string): Start => {
  const known = STARTS.find((candidate) => candidate === start);
  if (known !== undefined) return known;
  throw new StrataError(
    'invalid_request',
    `Strata-Require-Start is one of ${STARTS.join(', ')}; this one is ${shown(start)}.`,
  );
};

/** @throws StrataError `invalid_request`. */
export const checkMaxWait = (text: string): number => {
  const waitMs = DIGITS.test(text) ? Number(text) : Number.NaN;
  if (waitMs >= MAX_WAIT_MS.min && waitMs <= MAX_WAIT_MS.max) return waitMs;
  throw new StrataError(
    'invalid_request',
    `Strata-Max-Wait-Ms is a whole number of milliseconds from ${MAX_WAIT_MS.min} to ${MAX_WAIT_MS.max}; this one ` +
      `is ${shown(text)}.`,
  );
};

/** A value as a message shows it: quoted, control characters escaped, cut with its length named. */
export const shown = (value: string): string =>
  value.length <= SHOWN_MAX
    ? JSON.stringify(value)
    : `${JSON.stringify(value.slice(0, SHOWN_MAX))}… (${value.length} characters)`;
