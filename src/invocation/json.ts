/**
 * Events and results as bytes: the checks on what comes in, and the ways between values and JSON text.
 *
 * Owns the refusals of events. Invariant: nothing here trusts that bytes are JSON.
 */
import { isUtf8 } from 'node:buffer';
import { StrataError } from '../core/errors.ts';

export const EMPTY_EVENT: Uint8Array = Buffer.from('{}');

/** @throws StrataError `invalid_request` for what JSON cannot carry. */
export const encodeEvent = (event: unknown): Uint8Array => {
  if (event === undefined) return EMPTY_EVENT;
  let text: string | undefined;
  try {
    text = JSON.stringify(event);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new StrataError('invalid_request', `The event cannot be written as JSON: ${why}`);
  }
  if (text === undefined) {
    throw new StrataError('invalid_request', `The event is a ${typeof event}, which JSON cannot carry.`);
  }
  return Buffer.from(text, 'utf8');
};

/** @throws StrataError `payload_too_large`, `invalid_request`. */
export const refuseEvent = (eventJson: Uint8Array, eventMaxBytes: number): void => {
  if (eventJson.length <= eventMaxBytes) {
    if (isUtf8(eventJson)) return;
    throw new StrataError('invalid_request', 'The event is not UTF-8, which JSON text has to be.');
  }
  throw new StrataError(
    'payload_too_large',
    `The event has ${eventJson.length} bytes; ${eventMaxBytes} are allowed. Send less, or raise limits.eventMaxBytes.`,
    { limit: { kind: 'eventBytes', configured: eventMaxBytes, observed: eventJson.length } },
  );
};

/** Null for what is not JSON: the bytes come from the sandbox, which may have been taken over. */
export const parseResult = (resultJson: Uint8Array): { readonly result: unknown } | null => {
  if (!isUtf8(resultJson)) return null;
  try {
    const { buffer, byteOffset, byteLength } = resultJson;
    return { result: JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString('utf8')) };
  } catch {
    return null;
  }
};
