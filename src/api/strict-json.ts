/**
 * JSON as a request body, read strictly: what two readers could understand differently is refused.
 *
 * Refuses text that is not UTF-8, duplicate keys (`JSON.parse` would keep the last and drop the first in silence),
 * the keys `__proto__`, `constructor` and `prototype` (they poison objects they are merged into), and nesting or
 * numbers of values that no request of this API needs. Never knows what the body means.
 * Invariant: what parsing costs grows with values, so they are counted before anything is parsed; a body that is
 * refused for them costs one pass over its bytes.
 */
import { StrataError } from '../core/errors.ts';

const MAX_DEPTH = 32;
/** A function of the most files, with the most variables and labels, has an eighth of this. */
const MAX_VALUES = 20_000;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;

/** @throws StrataError `invalid_request` that names what is wrong. */
export const parseStrictJson = (body: Uint8Array): unknown => {
  refuseExcess(body);
  const text = decode(body);
  const value = parse(text);
  checkKeys(text);
  return value;
};

/**
 * Counts values and nesting in bytes of which nothing is known yet: outside strings every value but the first of
 * its array or object comes after a comma. Every byte of UTF-8 beyond ASCII is above the signs looked for.
 */
const refuseExcess = (body: Uint8Array): void => {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === QUOTE) {
      at = endOfBytesString(body, at);
    } else if (byte === COMMA) {
      values++;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      values++;
      depth++;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--;
    }
    if (depth > MAX_DEPTH) {
      throw new StrataError('invalid_request', `The body nests deeper than ${MAX_DEPTH} levels; flatten it.`);
    }
    if (values > MAX_VALUES) {
      throw new StrataError('invalid_request', `The body has more than ${MAX_VALUES} values; send fewer.`);
    }
  }
};

const endOfBytesString = (body: Uint8Array, start: number): number => {
  let end = body.indexOf(QUOTE, start + 1);
  while (end !== -1) {
    let first = end;
    while (body[first - 1] === BACKSLASH) first--;
    if ((end - first) % 2 === 0) return end;
    end = body.indexOf(QUOTE, end + 1);
  }
  return body.length;
};

const decode = (body: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (cause) {
    throw new StrataError('invalid_request', 'The body is not UTF-8 text; send JSON in UTF-8.', { cause });
  }
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.slice(0, 200) : 'unreadable';
    throw new StrataError('invalid_request', `The body is not JSON: ${reason}.`, { cause });
  }
};

/** Walks text that is known to be JSON, and looks only at the keys of its objects. */
const checkKeys = (text: string): void => {
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      open.push(char === OPEN_BRACE ? new Set() : null);
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      open.pop();
    } else if (char === QUOTE) {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (keys && isKey(text, end)) checkKey(JSON.parse(text.slice(at, end + 1)) as string, keys);
      at = end;
    }
  }
};

const endOfString = (text: string, start: number): number => {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length - 1 : end;
};

const isEscaped = (text: string, at: number): boolean => {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
};

/** A string is a key when a colon follows it; in JSON nothing else can be before a colon. */
const isKey = (text: string, end: number): boolean => {
  let next = end + 1;
  while (' \t\r\n'.includes(text.charAt(next)) && next < text.length) next++;
  return text.charCodeAt(next) === COLON;
};

const checkKey = (key: string, seen: Set<string>): void => {
  const shown = JSON.stringify(key.slice(0, 64));
  if (FORBIDDEN_KEYS.has(key)) {
    throw new StrataError(
      'invalid_request',
      `The key ${shown} is not allowed in a body; rename or remove it.`,
    );
  }
  if (seen.has(key)) {
    throw new StrataError(
      'invalid_request',
      `The key ${shown} occurs twice in one object; keep one of the two.`,
    );
  }
  seen.add(key);
};
