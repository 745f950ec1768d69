/**
 * The console and the output streams of a function: what they are given becomes lines of the present call's log.
 *
 * Owns levels, groups, counters and stopwatches, the last three one set a call. Never throws: what cannot be
 * formatted becomes a line that says so. Values look as Node shows them.
 */
import { Writable } from 'node:stream';
import { formatWithOptions, inspect } from 'node:util';
import { safeLine } from '../../../src/guest/format.ts';
import {
  defineValue,
  newTable,
  ObjectKeys,
  ReflectApply,
  StringIndexOf,
  StringOf,
  StringSlice,
} from '../../../src/guest/primordials.ts';
import { addMessage, addWritten, type Call, type Level, presentCall, writeOut } from './calls.ts';
import { ownFrames } from './failures.ts';

const INDENT_MAX_CHARS = 40;
const LABELS_MAX = 1_000;
const PLAIN = { colors: false };

/** From the global, because importing it would make the streams that are replaced here. */
const { Console } = console;
const captureStackTrace = Error.captureStackTrace;
const now = performance.now.bind(performance);
const toFixed = Number.prototype.toFixed;

type Arguments = readonly unknown[];
type Method = (call: Call | null, args: Arguments) => void;

/** Puts console and streams in place, once, before any code of the function runs. */
export const installConsole = (): void => {
  for (const [name, method] of METHODS) {
    const installed = (...args: unknown[]): void => {
      const present = presentCall();
      const call = present === undefined || present.ended ? null : present;
      if (call?.truncated === true) return;
      try {
        method(call, args);
      } catch {
        addMessage('error', `console.${name}: an argument could not be read`);
      }
    };
    defineValue(installed, 'name', name);
    defineValue(console, name, installed, true);
  }
  installStream('stdout', 1);
  installStream('stderr', 2);
};

const installStream = (name: 'stdout' | 'stderr', fd: 1 | 2): void => {
  const stream = new Writable({
    decodeStrings: false,
    autoDestroy: false,
    write: (chunk: string | Uint8Array, encoding, done) => {
      const plain = typeof chunk !== 'string' || encoding === 'utf8';
      addWritten(fd, plain ? chunk : Buffer.from(chunk, encoding));
      done();
    },
    // Like the streams that Node makes, they cannot be ended.
    destroy: (_, done) => done(null),
  });
  defineValue(stream, 'fd', fd, true);
  defineValue(process, name, stream, true);
};

const write = (call: Call | null, level: Level, text: string): void => {
  addMessage(level, safeLine(call === null || call.indent === '' ? text : indented(text, call.indent)));
};

const format = (args: Arguments): string =>
  args.length === 1 && typeof args[0] === 'string' ? args[0] : formatWithOptions(PLAIN, ...args);

const writer =
  (level: Level): Method =>
  (call, args) =>
    write(call, level, format(args));

const openGroup: Method = (call, args) => {
  if (args.length > 0) write(call, 'info', format(args));
  if (call !== null && call.indent.length < INDENT_MAX_CHARS) call.indent += '  ';
};

const tellTime = (call: Call | null, args: Arguments): string | null => {
  const label = labelOf(args);
  const started = call?.stopwatches?.[label];
  if (started === undefined) {
    write(call, 'warn', `No such label '${label}' for console.time()`);
    return null;
  }
  const elapsed = ReflectApply(toFixed, now() - started, [3]) as string;
  const more = args.length > 1 ? ` ${format(rest(args))}` : '';
  write(call, 'info', `${label}: ${elapsed}ms${more}`);
  return label;
};

const METHODS: readonly (readonly [name: string, method: Method])[] = [
  ['log', writer('info')],
  ['info', writer('info')],
  ['dirxml', writer('info')],
  ['debug', writer('debug')],
  ['warn', writer('warn')],
  ['error', writer('error')],
  [
    'dir',
    (call, [value, options]) =>
      write(call, 'info', inspect(value, { customInspect: false, ...(options as object | undefined) })),
  ],
  [
    'trace',
    (call, args) => {
      const trace = { name: 'Trace', message: format(args), stack: '' };
      captureStackTrace(trace);
      const frames = StringIndexOf(trace.stack, '\n    at ');
      const [head, body] =
        frames < 0
          ? [trace.stack, '']
          : [StringSlice(trace.stack, 0, frames), StringSlice(trace.stack, frames)];
      write(call, 'error', head + ownFrames(withoutCaller(body)));
    },
  ],
  [
    'assert',
    (call, args) => {
      if (args[0]) return;
      const text = format(rest(args));
      write(call, 'warn', `Assertion failed${text === '' ? '' : `: ${text}`}`);
    },
  ],
  ['table', (call, args) => write(call, 'info', tableText(args))],
  ['group', openGroup],
  ['groupCollapsed', openGroup],
  [
    'groupEnd',
    (call) => {
      if (call !== null) call.indent = StringSlice(call.indent, 2);
    },
  ],
  [
    'count',
    (call, args) => {
      if (call === null) return;
      call.counts ??= newTable<number>();
      const label = labelOf(args);
      const count = (call.counts[label] ?? 0) + 1;
      if (count > 1 || hasRoom(call.counts)) call.counts[label] = count;
      write(call, 'info', `${label}: ${count}`);
    },
  ],
  [
    'countReset',
    (call, args) => {
      if (call?.counts != null) call.counts[labelOf(args)] = 0;
    },
  ],
  [
    'time',
    (call, args) => {
      if (call === null) return;
      call.stopwatches ??= newTable<number>();
      const label = labelOf(args);
      if (call.stopwatches[label] === undefined && hasRoom(call.stopwatches)) call.stopwatches[label] = now();
    },
  ],
  ['timeLog', tellTime],
  [
    'timeEnd',
    (call, args) => {
      const label = tellTime(call, args);
      if (label !== null && call?.stopwatches != null) delete call.stopwatches[label];
    },
  ],
];

/** Node's own table, drawn into a string. */
const tableText = (args: Arguments): string => {
  let text = '';
  const sink = new Writable({
    decodeStrings: false,
    write: (chunk: string, _, done) => {
      text += chunk;
      done();
    },
  });
  new Console({ stdout: sink, colorMode: false }).table(args[0], args[1] as string[] | undefined);
  return text.endsWith('\n') ? StringSlice(text, 0, text.length - 1) : text;
};

/** The frames of the console itself lie on top of a trace; those of the function follow. */
const withoutCaller = (frames: string): string => {
  let start = 0;
  for (let at = 0; at >= 0 && StringIndexOf(lineAt(frames, at), '/console.') >= 0; ) {
    at = StringIndexOf(frames, '\n', at + 1);
    start = at < 0 ? frames.length : at;
  }
  return StringSlice(frames, start);
};

const lineAt = (text: string, at: number): string => {
  const end = StringIndexOf(text, '\n', at + 1);
  return StringSlice(text, at, end < 0 ? text.length : end);
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

const labelOf = (args: Arguments): string => (args[0] === undefined ? 'default' : StringOf(args[0]));

const hasRoom = (table: Record<string, number>): boolean => ObjectKeys(table).length < LABELS_MAX;

const rest = (args: Arguments): Arguments => {
  const [, ...others] = args;
  return others;
};

/** What nobody's call is to be told: straight to the process's standard error. */
export const tellAgent = (text: string): void => writeOut(2, `${text}\n`);
