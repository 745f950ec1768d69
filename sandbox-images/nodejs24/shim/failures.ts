/**
 * Failures as the server takes them: JSON text, put together so that no `toJSON` of the function's is asked.
 *
 * Owns which frames of a stack are the function's own, and where a syntax error says it is.
 */
import { cut, quote, StringIndexOf, StringSlice } from '../../../src/guest/primordials.ts';
import { describeError } from '../../../src/guest/thrown.ts';

export type FailureCode =
  | 'function_error'
  | 'init_error'
  | 'result_invalid'
  | 'result_too_large'
  | 'invalid_request';

const DETAIL_MAX_CHARS = 1_000;
const LOOKED_AT_MAX_CHARS = 65_536;
/** The folder of this file, as stacks name it. */
const OWN_FOLDER = import.meta.url.slice(0, import.meta.url.lastIndexOf('/') + 1);

let codePath = '';

export const setCodePath = (path: string): void => {
  codePath = path;
};

export const failureJson = (code: FailureCode, detail: string, error = 'null', limit = 'null'): string =>
  `{"code":"${code}","detail":${quote(cut(detail, DETAIL_MAX_CHARS))},"error":${error},"limit":${limit}}`;

/** @param what happened, in words that end where the error's type follows. */
export const thrownJson = (code: FailureCode, what: string, thrown: unknown): string => {
  const described = describeError(thrown, ownFrames);
  const { type, stack } = described;
  const message = type === 'SyntaxError' ? described.message + placeOf(stack) : described.message;
  const error = `{"type":${quote(type)},"message":${quote(message)},"stack":${quote(stack)}}`;
  return failureJson(code, `${what} ${type}: ${message}`, error);
};

export const describe = (thrown: unknown): string => {
  const { type, message, stack } = describeError(thrown, ownFrames);
  return stack === '' ? `${type}: ${message}` : stack;
};

/** A stack without what lies below the function's own frames, and without the frames of Node's loaders. */
export const ownFrames = (stack: string): string => {
  const text = StringSlice(stack, 0, LOOKED_AT_MAX_CHARS);
  let result = '';
  let start = 0;
  while (start < text.length) {
    const newline = StringIndexOf(text, '\n', start);
    const end = newline < 0 ? text.length : newline;
    const line = StringSlice(text, start, end);
    const frame = StringSlice(line, 0, 7) === '    at ';
    if (frame && StringIndexOf(line, OWN_FOLDER) >= 0) break;
    if (!frame || StringIndexOf(line, 'node:internal/') < 0) result += start === 0 ? line : `\n${line}`;
    start = end + 1;
  }
  return result;
};

/** ` [index.js:2:14]` of a stack that begins with a place in the code, the line and a caret; or nothing. */
const placeOf = (stack: string): string => {
  const lineEnd = StringIndexOf(stack, '\n');
  const at = StringIndexOf(stack, `${codePath}/`);
  const caretLineStart = StringIndexOf(stack, '\n', lineEnd + 1) + 1;
  if (codePath === '' || at < 0 || at > lineEnd || caretLineStart === 0) return '';
  const caret = StringIndexOf(stack, '^', caretLineStart);
  if (caret < 0) return '';
  return ` [${StringSlice(stack, at + codePath.length + 1, lineEnd)}:${caret - caretLineStart + 1}]`;
};
