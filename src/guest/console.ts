/**
 * The guest's console: every call becomes a line in the log of the owner it runs for.
 *
 * Owns groups, counters and stopwatches, one set an owner, so that nothing passes from one invocation to the next.
 * Never throws: what cannot be formatted becomes a line that says so.
 */

import { now } from './clock.ts';
import type { GuestLog } from './contract.ts';
import { format, safeLine } from './format.ts';
import { inspect } from './inspect.ts';
import {
  append,
  defineValue,
  ErrorOf,
  joinList,
  type List,
  MathFloor,
  newList,
  newTable,
  ObjectKeys,
  StringIndexOf,
  StringOf,
  StringSlice,
} from './primordials.ts';
import { addLine, liveOwner, type Owner } from './records.ts';
import { withoutBootstrap } from './stack.ts';

type Level = GuestLog['lines'][number][0];

const INDENT_MAX_CHARS = 40;
const LABELS_MAX = 1_000;

export const createConsole = (): object => {
  const console = {};
  const add = (name: string, call: (owner: Owner, args: unknown[]) => void): void => {
    const method = (...args: unknown[]): void => {
      const owner = liveOwner();
      if (owner === null || owner.truncated) return;
      try {
        call(owner, args);
      } catch {
        addLine('error', `console.${name}: an argument could not be read`);
      }
    };
    defineValue(method, 'name', name);
    defineValue(console, name, method, true);
  };
  addWriters(add);
  addGroups(add);
  addCounters(add);
  addStopwatches(add);
  return console;
};

type Add = (name: string, call: (owner: Owner, args: unknown[]) => void) => void;

const addWriters = (add: Add): void => {
  const writer = (name: string, level: Level): void =>
    add(name, (owner, args) => write(owner, level, format(args)));
  writer('log', 'info');
  writer('info', 'info');
  writer('debug', 'debug');
  writer('warn', 'warn');
  writer('error', 'error');
  add('dir', (owner, args) => write(owner, 'info', inspect(args[0])));
  add('table', (owner, args) => write(owner, 'info', tableText(args[0])));
  add('trace', (owner, args) => {
    const stack = new ErrorOf().stack;
    const frames = typeof stack === 'string' ? framesOf(withoutBootstrap(stack)) : '';
    const text = format(args);
    write(owner, 'error', `Trace${text === '' ? '' : `: ${text}`}${frames}`);
  });
  add('assert', (owner, args) => {
    if (args[0]) return;
    const text = format(withoutFirst(args));
    write(owner, 'warn', `Assertion failed${text === '' ? '' : `: ${text}`}`);
  });
};

const addGroups = (add: Add): void => {
  const open = (owner: Owner, args: unknown[]): void => {
    if (args.length > 0) write(owner, 'info', format(args));
    if (owner.indent.length < INDENT_MAX_CHARS) owner.indent += '  ';
  };
  add('group', open);
  add('groupCollapsed', open);
  add('groupEnd', (owner) => {
    owner.indent = StringSlice(owner.indent, 2);
  });
};

const addCounters = (add: Add): void => {
  add('count', (owner, args) => {
    const counts = owner.counts ?? newTable<number>();
    owner.counts = counts;
    const label = labelOf(args);
    const count = (counts[label] ?? 0) + 1;
    if (count > 1 || hasRoom(counts)) counts[label] = count;
    write(owner, 'info', `${label}: ${count}`);
  });
  add('countReset', (owner, args) => {
    if (owner.counts !== null) owner.counts[labelOf(args)] = 0;
  });
};

const addStopwatches = (add: Add): void => {
  add('time', (owner, args) => {
    const started = owner.stopwatches ?? newTable<number>();
    owner.stopwatches = started;
    const label = labelOf(args);
    if (started[label] === undefined && hasRoom(started)) started[label] = now();
  });
  const tell = (owner: Owner, args: unknown[]): string | null => {
    const label = labelOf(args);
    const started = owner.stopwatches?.[label];
    if (started === undefined) {
      write(owner, 'warn', `No such label '${label}' for console.time()`);
      return null;
    }
    const rest = format(withoutFirst(args));
    write(owner, 'info', `${label}: ${MathFloor(now() - started)}ms${rest === '' ? '' : ` ${rest}`}`);
    return label;
  };
  add('timeLog', tell);
  add('timeEnd', (owner, args) => {
    const label = tell(owner, args);
    if (label !== null && owner.stopwatches !== null) delete owner.stopwatches[label];
  });
};

const write = (owner: Owner, level: Level, text: string): void => {
  addLine(level, safeLine(owner.indent === '' ? text : indented(text, owner.indent)));
};

const indented = (text: string, indent: string): string => {
  let result = indent;
  let start = 0;
  for (let at = StringIndexOf(text, '\n'); at >= 0; at = StringIndexOf(text, '\n', start)) {
    result += StringSlice(text, start, at + 1) + indent;
    start = at + 1;
  }
  return result + StringSlice(text, start);
};

const labelOf = (args: unknown[]): string => (args[0] === undefined ? 'default' : StringOf(args[0]));

const hasRoom = (table: Record<string, number>): boolean => ObjectKeys(table).length < LABELS_MAX;

const withoutFirst = (args: unknown[]): unknown[] => {
  const rest: unknown[] = [];
  for (let index = 1; index < args.length; index += 1) defineValue(rest, index - 1, args[index], true);
  return rest;
};

/** The frames of a stack, with the newline in front of each. */
const framesOf = (stack: string): string => {
  const at = StringIndexOf(stack, '\n');
  return at < 0 ? '' : StringSlice(stack, at);
};

/** Rows as lines of `index: value`; a simple table, one row a line. */
const tableText = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return inspect(value);
  const keys = ObjectKeys(value);
  const lines: List<string> = newList();
  for (let index = 0; index < keys.length && index < 100; index += 1) {
    const key = keys[index] as string;
    append(lines, `${key} │ ${inspect((value as Record<string, unknown>)[key], 1)}`);
  }
  return joinList(lines, '\n');
};
