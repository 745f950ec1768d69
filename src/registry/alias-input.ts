/**
 * Checks what an alias is to be.
 *
 * Owns every refusal that does not depend on which versions there are. Invariant: what comes out is frozen, within
 * bounds, and shares no object with what came in.
 */
import { Compile } from 'typebox/compile';
import { StrataError } from '../core/errors.ts';
import { ALIAS_NAME_PATTERN, DESCRIPTION_MAX_LENGTH, VERSION_PATTERN } from '../core/limits.ts';
import { type AliasInput, LATEST } from '../core/spec.ts';
import { ALIAS_SCHEMA } from './alias-schema.ts';
import { explain, isObject, shown } from './spec-errors.ts';

/** @throws StrataError `invalid_request` naming the field, the value and what is allowed. */
export const completeAlias = (input: AliasInput): Required<AliasInput> => {
  if (!isObject(input)) refuse(`An alias is an object with a version; seen ${shown(input)}.`);
  checkDescription(input.description);
  if (!VALIDATOR.Check(input)) refuse(explain(input, VALIDATOR.Errors(input)));
  const { version, weights = {}, description = '' } = input;
  if (version !== LATEST && !isVersion(version))
    refuse(`version: ${shown(version)} is none; give the number of a version, or ${LATEST}.`);
  const [second] = Object.keys(weights);
  if (second !== undefined) {
    if (!isVersion(second))
      refuse(
        `weights: ${shown(second)} is not the number of a version; only published versions have weights.`,
      );
    if (version === LATEST)
      refuse(
        `weights: ${LATEST} may not be weighted, because it changes; publish it and point to the version.`,
      );
    if (second === version)
      refuse(
        `weights: ${second} is the version that the alias points to; give another, or leave weights out.`,
      );
  }
  return Object.freeze({ version, weights: Object.freeze({ ...weights }), description });
};

/** @throws StrataError `invalid_request`. */
export const checkDescription = (description: unknown): void => {
  if (typeof description !== 'string') return;
  const { length } = description;
  if (length > DESCRIPTION_MAX_LENGTH)
    refuse(`description: has ${length} characters; at most ${DESCRIPTION_MAX_LENGTH} are allowed.`);
  if (!description.isWellFormed())
    refuse('description: is not valid Unicode: it holds half a surrogate pair; remove it.');
};

/** @throws StrataError `invalid_request`. */
export const checkAliasName = (alias: string): void => {
  if (isAliasName(alias)) return;
  refuse(
    `alias: ${shown(alias)} is not allowed; use 1 to 64 letters, digits, "-" and "_", and not digits alone.`,
  );
};

export const isAliasName = (text: string): boolean => text.length <= 64 && ALIAS_NAME.test(text);

export const isVersion = (text: string): boolean => text.length <= 9 && VERSION.test(text);

const VALIDATOR = Compile(ALIAS_SCHEMA);
const ALIAS_NAME = new RegExp(ALIAS_NAME_PATTERN);
const VERSION = new RegExp(VERSION_PATTERN);

const refuse: (message: string) => never = (message) => {
  throw new StrataError('invalid_request', message);
};
