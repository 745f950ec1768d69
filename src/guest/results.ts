/**
 * What a handler returned, as JSON text, or in what words it is refused; the same in every tier.
 */

import { ArrayIsArray, cut, JSONStringify } from './primordials.ts';
import { describeError } from './thrown.ts';

const DETAIL_MAX_CHARS = 1_000;

/** The JSON text of a handler's result, or why it has none. `undefined` is `null`. */
export const resultText = (value: unknown): string | { readonly invalid: string } => {
  let text: string | undefined;
  try {
    text = value === undefined ? 'null' : JSONStringify(value);
  } catch (thrown) {
    const { message } = describeError(thrown);
    return {
      invalid: cut(`The handler returned ${kindOf(value)} that is not JSON: ${message}`, DETAIL_MAX_CHARS),
    };
  }
  if (text !== undefined) return text;
  return { invalid: `The handler returned ${kindOf(value)}, which is not JSON; return plain data.` };
};

/** Of a result with more characters than there may be bytes. */
export const tooManyCharacters = (chars: number, max: number): string =>
  `The result has ${chars} characters of JSON; the limit is ${max}.`;

const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value === 'bigint' ? 'a BigInt' : `a ${typeof value}`;
  try {
    return ArrayIsArray(value) ? 'an array' : 'an object';
  } catch {
    return 'a revoked Proxy';
  }
};
