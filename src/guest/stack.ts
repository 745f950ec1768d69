/**
 * Stack traces as guest code may see them: without the frames of the bootstrap and of the engine's binding.
 */
import { StringIndexOf, StringSlice } from './primordials.ts';

/** The file name under which the host compiles the bootstrap. */
const SCRIPT_NAME = 'strata:bootstrap';
/** How much of a stack is looked at. */
const LOOKED_AT_MAX_CHARS = 65_536;

export const withoutBootstrap = (stack: string): string => {
  const text = stack.length > LOOKED_AT_MAX_CHARS ? StringSlice(stack, 0, LOOKED_AT_MAX_CHARS) : stack;
  let result = '';
  let start = 0;
  while (start < text.length) {
    const newline = StringIndexOf(text, '\n', start);
    const end = newline < 0 ? text.length : newline;
    const line = StringSlice(text, start, end);
    if (!isInternal(line)) result += start === 0 ? line : `\n${line}`;
    start = end + 1;
  }
  return result;
};

const isInternal = (line: string): boolean =>
  StringSlice(line, 0, 7) === '    at ' &&
  (StringIndexOf(line, `${SCRIPT_NAME}:`) >= 0 || StringIndexOf(line, '(<isolated-vm boundary>)') >= 0);
