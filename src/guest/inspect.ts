/**
 * Values as text for people, in the manner of Node's util.inspect.
 *
 * Owns the format and its bounds: depth, items, characters. Never invokes a getter; traps of a Proxy do run, so
 * callers expect a throw. Invariant: the text stays within a small multiple of `BUDGET_CHARS`.
 */
import { inspectBuiltIn } from './inspect-builtin.ts';
import { constructorName, type Inspection, ITEMS_MAX, propertyText } from './inspection.ts';
import {
  ArrayIsArray,
  append,
  BigIntToString,
  cut,
  type List,
  newList,
  ReflectGetOwnPropertyDescriptor,
  ReflectOwnKeys,
  StringCharCodeAt,
  StringIndexOf,
  StringOf,
  StringSlice,
  SymbolToString,
} from './primordials.ts';

const DEPTH_DEFAULT = 2;
const LINE_WIDTH = 80;
const NESTING_ON_ONE_LINE = 3;
const STRING_MAX_CHARS = 10_000;
const BUDGET_CHARS = 32_768;
const BRIEF_MAX_CHARS = 120;

/** @param depthMax how many levels below the value are shown. */
export const inspect = (value: unknown, depthMax: number = DEPTH_DEFAULT): string =>
  inspectValue(
    { depthMax, path: newList(), indentation: 0, deepest: 0, spent: 0, show: inspectValue },
    value,
  );

/** A value in a few words for a message; never throws. */
export const brief = (value: unknown): string => {
  try {
    return cut(inspect(value, 0), BRIEF_MAX_CHARS);
  } catch {
    return `an unreadable ${typeof value}`;
  }
};

const inspectValue = (run: Inspection, value: unknown): string => {
  const text =
    typeof value === 'object' && value !== null ? inspectObject(run, value) : inspectOther(run, value);
  run.spent += text.length;
  return text;
};

const inspectOther = (run: Inspection, value: unknown): string => {
  if (typeof value === 'string') return quoteString(value);
  if (typeof value === 'bigint') return `${BigIntToString(value)}n`;
  if (typeof value === 'symbol') return SymbolToString(value);
  if (typeof value === 'function') return inspectObject(run, value);
  if (value === 0 && 1 / value < 0) return '-0';
  return StringOf(value);
};

const inspectObject = (run: Inspection, value: object): string => {
  const { path } = run;
  for (let index = 0; index < path.length; index += 1) if (path[index] === value) return '[Circular *1]';
  const name = constructorName(value);
  if (path.length > run.depthMax) {
    return ArrayIsArray(value) ? '[Array]' : `[${name ?? 'Object: null prototype'}]`;
  }
  if (run.spent > BUDGET_CHARS) return '…';
  run.deepest = path.length;
  append(path, value);
  const items = newList<string>();
  const builtIn = inspectBuiltIn(run, value, name, items);
  if (builtIn.properties !== 'none') addProperties(run, value, builtIn.properties === 'named', items);
  path.length -= 1;
  const prefix = builtIn.prefix;
  if (items.length === 0 && builtIn.alone) return prefix;
  const open = builtIn.square ? '[' : '{';
  const close = builtIn.square ? ']' : '}';
  if (items.length === 0) return `${prefix === '' ? '' : `${prefix} `}${open}${close}`;
  return arrange(run, path.length, items, prefix, open, close);
};

const addProperties = (run: Inspection, value: object, skipsIndices: boolean, items: List<string>): void => {
  const keys = ReflectOwnKeys(value);
  let shown = 0;
  for (let index = 0; index < keys.length; index += 1) {
    const key = keys[index] as string | symbol;
    if (skipsIndices && typeof key === 'string' && isIndex(key)) continue;
    const property = ReflectGetOwnPropertyDescriptor(value, key);
    if (property === undefined || !property.enumerable) continue;
    if (shown >= ITEMS_MAX || run.spent > BUDGET_CHARS) {
      append(items, '… more properties');
      return;
    }
    shown += 1;
    append(items, `${keyText(key)}: ${propertyText(run, property)}`);
  }
};

const arrange = (
  run: Inspection,
  depth: number,
  items: List<string>,
  prefix: string,
  open: string,
  close: string,
): string => {
  const start = prefix === '' ? open : `${prefix} ${open}`;
  let width = 2 * items.length + run.indentation + start.length + 10;
  let inline = '';
  let block = '';
  const margin = spaces(run.indentation);
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index] as string;
    width += item.length;
    if (StringIndexOf(item, '\n') >= 0) width += LINE_WIDTH;
    inline += (index === 0 ? '' : ', ') + item;
    block += `${index === 0 ? '' : ','}\n${margin}  ${item}`;
  }
  const shallow = run.deepest - depth < NESTING_ON_ONE_LINE;
  if (shallow && width <= LINE_WIDTH && StringIndexOf(prefix, '\n') < 0) return `${start} ${inline} ${close}`;
  return `${start}${block}\n${margin}${close}`;
};

const quoteString = (text: string): string => {
  const shown = text.length > STRING_MAX_CHARS ? StringSlice(text, 0, STRING_MAX_CHARS) : text;
  const mark =
    StringIndexOf(shown, "'") < 0
      ? "'"
      : StringIndexOf(shown, '"') < 0
        ? '"'
        : StringIndexOf(shown, '`') < 0
          ? '`'
          : "'";
  let result = mark;
  for (let index = 0; index < shown.length; index += 1) {
    const char = shown[index] as string;
    if (char === '\n') result += '\\n';
    else if (char === '\t') result += '\\t';
    else if (char === '\r') result += '\\r';
    else if (char === '\\') result += '\\\\';
    else if (char === mark) result += `\\${mark}`;
    else result += char;
  }
  const rest = text.length - shown.length;
  return rest > 0 ? `${result}${mark}... ${rest} more characters` : result + mark;
};

const keyText = (key: string | symbol): string => {
  if (typeof key === 'symbol') return SymbolToString(key);
  return isIdentifier(key) ? key : quoteString(key);
};

const isIdentifier = (key: string): boolean => {
  for (let index = 0; index < key.length; index += 1) {
    const code = StringCharCodeAt(key, index);
    const letter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code === 36;
    if (!letter && (index === 0 || code < 48 || code > 57)) return false;
  }
  return key.length > 0;
};

const isIndex = (key: string): boolean => {
  for (let index = 0; index < key.length; index += 1) {
    const code = StringCharCodeAt(key, index);
    if (code < 48 || code > 57) return false;
  }
  return key.length > 0;
};

const spaces = (count: number): string => {
  let text = '';
  for (let index = 0; index < count && index < LINE_WIDTH; index += 1) text += ' ';
  return text;
};
