/** What the queue refuses, and in which words. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { StrataError } from '../core/errors.ts';
import { IDEMPOTENCY_KEY_PATTERN } from '../core/limits.ts';

const KEY = new RegExp(IDEMPOTENCY_KEY_PATTERN);

/** @throws StrataError `payload_too_large`, `invalid_request`. */
export const refuseEvent = (event: Uint8Array, maxBytes: number): void => {
  if (event.length > maxBytes)
    throw new StrataError(
      'payload_too_large',
      `The event has ${event.length} bytes; an asynchronous one may have ${maxBytes}. Send less, or raise async.eventMaxBytes.`,
      { limit: { kind: 'eventBytes', configured: maxBytes, observed: event.length } },
    );
  if (!isUtf8(event))
    throw new StrataError('invalid_request', 'The event is not UTF-8, which JSON text has to be.');
};

/** @throws StrataError `invalid_request`. */
export const refuseKey = (key: string): void => {
  if (KEY.test(key)) return;
  throw new StrataError(
    'invalid_request',
    'Strata-Idempotency-Key has 1 to 128 printable characters without blanks; this one has others, or another number.',
  );
};

/** What makes two events under one key the same. */
export const digestOf = (event: Uint8Array, qualifier = ''): Buffer =>
  createHash('sha256').update(`${qualifier}\0`).update(event).digest();

export const keyTaken = (key: string): StrataError =>
  new StrataError(
    'conflict',
    `The idempotency key ${JSON.stringify(key)} was used with another event of this function; take a new key for it.`,
  );

export const unknown = (id: string): StrataError =>
  new StrataError('not_found', `No asynchronous invocation ${id.slice(0, 64)} is known for this tenant.`);

export const notDead = (id: string): StrataError =>
  new StrataError(
    'not_found',
    `There is no dead letter ${id.slice(0, 64)} of this function; the list shows those there are.`,
  );

/** The place in a list that a cursor means. @throws StrataError `invalid_request`. */
export const placeOf = (cursor: string): number => {
  if (/^[1-9][0-9]{0,14}$/.test(cursor)) return Number(cursor);
  throw new StrataError('invalid_request', 'The cursor is not one of this list; take it from nextCursor.');
};
