/**
 * Turns what comes of a call into the owner's one final record.
 *
 * Owns which record that is. Invariant: what a promise or a callback brings after the owner's end is ignored.
 */
import type { Outcome } from './dialects.ts';
import { failThrown } from './errors.ts';
import { JSONParse } from './primordials.ts';
import { limits, type Owner, settle, settleFailure } from './records.ts';
import { resultText, tooManyCharacters } from './results.ts';
import { describeError } from './thrown.ts';

/** The handler's outcome: `R` with the JSON text of what it returned, or `X`. */
export const HANDLER_OUTCOME: Outcome<Owner> = {
  returned: (owner, value) => settleResult(owner, value),
  threw: (owner, thrown) => failThrown(owner, 'function_error', 'The handler failed with', thrown),
};

export const INITIALIZER_OUTCOME: Outcome<Owner> = {
  returned: (owner) => settle(owner, 'I', ''),
  threw: (owner, thrown) => failThrown(owner, 'init_error', 'The initializer failed with', thrown),
};

/** Parses the event. A failure is settled, and the answer is `undefined`, which no JSON text means. */
export const parseEvent = (owner: Owner, eventJson: string): unknown => {
  try {
    return JSONParse(eventJson);
  } catch (thrown) {
    settleFailure(owner, 'event_invalid', `The event is not JSON: ${describeError(thrown).message}`);
    return undefined;
  }
};

const settleResult = (owner: Owner, value: unknown): void => {
  if (owner.ended) return;
  const text = resultText(value);
  if (typeof text !== 'string') settleFailure(owner, 'result_invalid', text.invalid);
  else if (text.length > limits.resultMaxChars) {
    const detail = tooManyCharacters(text.length, limits.resultMaxChars);
    settleFailure(owner, 'result_too_large', detail, null, text.length);
  } else settle(owner, 'R', text);
};
