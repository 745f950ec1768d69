/**
 * JSON as a request body, read strictly: what two readers could understand differently is refused.
 *
 * Refuses text that is not UTF-8, duplicate keys (`JSON.parse` would keep the last and drop the first in silence),
 * the keys `__proto__`, `constructor` and `prototype` (they poison objects they are merged into), and nesting
 * that no request of this API needs. Never knows what the body means.
 */
import { StrataError } from '../core/errors.ts';

const MAX_DEPTH = 32;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;

/** @throws StrataError `invalid_request` that names what is wrong. */
export const parseStrictJson = (body: Uint8Array): unknown => {
  const text = decode(body);
  const value = parse(text);
  checkKeys(text);
  return value;
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
      if (open.length > MAX_DEPTH) {
        throw new StrataError(
          'invalid_request',
          `The body nests deeper than ${MAX_DEPTH} levels; flatten it.`,
        );
      }
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
