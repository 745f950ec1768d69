/**
 * The text of a console call: printf-style directives as Node has them, and safe lines.
 *
 * Owns bounds and escaping: control characters that a terminal or a log reader would act on are shown as \xNN.
 */
import { inspect } from './inspect.ts';
import {
  BigIntToString,
  JSONStringify,
  NumberOf,
  ParseFloat,
  ParseInt,
  StringCharCodeAt,
  StringIndexOf,
  StringOf,
  StringSlice,
  SymbolToString,
} from './primordials.ts';

const LINE_MAX_CHARS = 16_384;
const DEEP = 4;

/** Arguments of a console method as one text. */
export const format = (args: readonly unknown[]): string => {
  if (args.length === 0) return '';
  const first = args[0];
  let text = '';
  let next = 1;
  if (typeof first !== 'string') text = inspect(first);
  else if (args.length === 1) return first;
  else {
    let start = 0;
    for (let at = StringIndexOf(first, '%'); at >= 0; at = StringIndexOf(first, '%', at)) {
      const directive = first[at + 1];
      if (directive === '%') {
        text += `${StringSlice(first, start, at)}%`;
        start = at + 2;
      } else if (directive !== undefined && next < args.length) {
        const shown = substitute(directive, args[next]);
        if (shown !== null) {
          text += StringSlice(first, start, at) + shown;
          start = at + 2;
          next += 1;
        }
      }
      at += 2;
    }
    text += StringSlice(first, start);
  }
  for (; next < args.length && text.length <= LINE_MAX_CHARS; next += 1) {
    const value = args[next];
    text += ` ${typeof value === 'string' ? value : inspect(value)}`;
  }
  return text;
};

const substitute = (directive: string, value: unknown): string | null => {
  switch (directive) {
    case 's':
      return asString(value);
    case 'd':
      return typeof value === 'bigint'
        ? `${BigIntToString(value)}n`
        : isOpaque(value)
          ? 'NaN'
          : `${NumberOf(value)}`;
    case 'i':
      return typeof value === 'bigint'
        ? `${BigIntToString(value)}n`
        : isOpaque(value)
          ? 'NaN'
          : `${ParseInt(value as string)}`;
    case 'f':
      return typeof value === 'symbol' ? 'NaN' : `${ParseFloat(value as string)}`;
    case 'j':
      return asJson(value);
    case 'o':
      return inspect(value, DEEP);
    case 'O':
      return inspect(value);
    case 'c':
      return '';
    default:
      return null;
  }
};

const isOpaque = (value: unknown): boolean =>
  typeof value === 'symbol' || (typeof value === 'object' && value !== null);

const asString = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (typeof value === 'symbol') return SymbolToString(value);
  if (typeof value === 'bigint') return `${BigIntToString(value)}n`;
  if (typeof value === 'number') return value === 0 && 1 / value < 0 ? '-0' : `${value}`;
  return typeof value === 'object' || typeof value === 'function' ? inspect(value, 0) : StringOf(value);
};

const asJson = (value: unknown): string => {
  try {
    return JSONStringify(value) ?? 'undefined';
  } catch {
    return '[Circular]';
  }
};

/** At most 16 KB of a text, with control characters other than newline and tab made visible. */
export const safeLine = (text: string): string => {
  const shown = text.length > LINE_MAX_CHARS ? StringSlice(text, 0, LINE_MAX_CHARS) : text;
  let result = '';
  let start = 0;
  for (let index = 0; index < shown.length; index += 1) {
    const code = StringCharCodeAt(shown, index);
    if ((code >= 32 && code < 127) || code > 159 || code === 10 || code === 9) continue;
    result += `${StringSlice(shown, start, index)}\\x${HEX[code >> 4]}${HEX[code & 15]}`;
    start = index + 1;
  }
  result = start === 0 ? shown : result + StringSlice(shown, start);
  return text.length > LINE_MAX_CHARS ? `${result}… (cut, ${text.length} characters)` : result;
};

const HEX = '0123456789abcdef';
