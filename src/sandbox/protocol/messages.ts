/**
 * The JSON parts of the protocol's frames, and their checks.
 *
 * Owns the shapes of `meta` and of the file payload. What comes from a sandbox is checked field by field: a
 * compromised host must not be able to put anything else than these shapes into the server.
 */
import type { Failure, GuestError, LimitKind } from '../../core/errors.ts';
import { failure } from '../../core/errors.ts';
import type { LogLine } from '../../core/receipt.ts';
import { FrameError } from './frames.ts';

/** meta of `load`. */
export interface LoadMeta {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly handler: string;
  readonly initializer: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly initCpuMs: number;
  readonly resultMaxBytes: number;
  readonly logMaxBytes: number;
}

/** Payload of `load`: path and text of each file. */
export type LoadFiles = readonly (readonly [path: string, text: string])[];

/** The failures that a host may report; limits of wall time are the server's own to state. */
export type HostFailureCode =
  | 'function_error'
  | 'init_error'
  | 'result_invalid'
  | 'result_too_large'
  | 'memory_limit'
  | 'cpu_limit'
  | 'sandbox_lost'
  | 'sandbox_exited'
  | 'invalid_request'
  /** The host stopped the call because it was told to; the server knows why. */
  | 'terminated';

export interface HostFailure {
  readonly code: HostFailureCode;
  readonly detail: string;
  readonly error: GuestError | null;
  readonly limit: {
    readonly kind: LimitKind;
    readonly configured: number;
    readonly observed: number | null;
  } | null;
}

/** meta of `loaded` and `outcome` when the flag `hasTail` is set. */
export interface OutcomeTail {
  readonly failure: HostFailure | null;
  readonly logs: readonly [level: LogLine['level'], timeMs: number, message: string][];
  readonly logTruncated: boolean;
}

const HOST_CODES: ReadonlySet<string> = new Set<HostFailureCode>([
  'function_error',
  'init_error',
  'result_invalid',
  'result_too_large',
  'memory_limit',
  'cpu_limit',
  'sandbox_lost',
  'invalid_request',
  'terminated',
]);
const LIMIT_KINDS: ReadonlySet<string> = new Set<LimitKind>([
  ...(['cpuMs', 'initCpuMs', 'memoryMb', 'resultBytes'] as const),
]);
const LEVELS: ReadonlySet<string> = new Set<LogLine['level']>(['debug', 'info', 'warn', 'error']);

/** A host cuts each text at 8 Ki characters and adds a few words: more does not come from an honest one. */
const TEXT_MAX_CHARS = 32 * 1024;
/** JSON may escape a character to six, and gives a line, which may be empty, some forty around its message. */
const TAIL_CHARS_PER_LOG_BYTE = 46;

/**
 * @param logMaxBytes what the lines of one answer may come to, a line's end counted as one.
 * @throws FrameError when the text is not an outcome's tail, or more than one may hold.
 */
export const parseTail = (text: string, logMaxBytes: number): OutcomeTail => {
  if (text.length > logMaxBytes * TAIL_CHARS_PER_LOG_BYTE + 8 * TEXT_MAX_CHARS) {
    throw new FrameError(`the tail of an outcome has ${text.length} characters`);
  }
  refuseManyValues(text, logMaxBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FrameError('the tail of an outcome is not JSON');
  }
  const tail = record(value, 'tail');
  const logs = array(tail.logs, 'logs').map(logEntry);
  const logChars = logs.reduce((sum, [, , message]) => sum + message.length + 1, 0);
  if (logChars > logMaxBytes)
    throw new FrameError(`a log of ${logChars} characters; ${logMaxBytes} are allowed`);
  return {
    failure: tail.failure === null ? null : hostFailure(record(tail.failure, 'failure')),
    logs,
    logTruncated: tail.logTruncated === true,
  };
};

/** All names that a tail with a failure has. */
const TAIL_NAMES_MAX = 13;
const VALUES_PER_LINE = 3;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;

/**
 * Making objects of a text takes many times longer than reading it: what has more names or values than a tail is
 * refused before that.
 */
const refuseManyValues = (text: string, logMaxBytes: number): void => {
  let names = 0;
  let values = 0;
  let lists = 0;
  const valuesMax = VALUES_PER_LINE * logMaxBytes + TAIL_NAMES_MAX;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(text, at);
    else if (unit === COLON) names += 1;
    else if (unit === COMMA) values += 1;
    else if (unit === OPEN_BRACKET) lists += 1;
    if (names > TAIL_NAMES_MAX || values > valuesMax || lists > logMaxBytes + 1)
      throw new FrameError('the tail of an outcome has more values than one may have');
  }
};

/** Where the string that begins at `start` ends; the end of the text when it does not. */
const endOfString = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
};

export const toLogLines = (logs: OutcomeTail['logs']): LogLine[] =>
  logs.map(([level, timeMs, message]) => ({ level, timeMs, message }));

/** A host's report as the catalogue has it. */
export const toFailure = (reported: HostFailure): Failure =>
  failure(reported.code === 'terminated' ? 'sandbox_lost' : reported.code, reported.detail, {
    ...(reported.error === null ? {} : { error: reported.error }),
    ...(reported.limit === null ? {} : { limit: reported.limit }),
  });

const hostFailure = (value: Record<string, unknown>): HostFailure => {
  const code = string(value.code, 'failure.code');
  if (!HOST_CODES.has(code)) throw new FrameError(`a host may not report ${code}`);
  const error = value.error === null ? null : record(value.error, 'failure.error');
  const limit = value.limit === null ? null : record(value.limit, 'failure.limit');
  return {
    code: code as HostFailureCode,
    detail: string(value.detail, 'failure.detail'),
    error:
      error === null
        ? null
        : {
            type: string(error.type, 'error.type'),
            message: string(error.message, 'error.message'),
            stack: string(error.stack, 'error.stack'),
          },
    limit: limit === null ? null : hostLimit(limit),
  };
};

const hostLimit = (value: Record<string, unknown>): NonNullable<HostFailure['limit']> => {
  const kind = string(value.kind, 'limit.kind');
  if (!LIMIT_KINDS.has(kind)) throw new FrameError(`a host may not report the limit ${kind}`);
  return {
    kind: kind as LimitKind,
    configured: number(value.configured, 'limit.configured'),
    observed: value.observed === null ? null : number(value.observed, 'limit.observed'),
  };
};

const logEntry = (value: unknown): OutcomeTail['logs'][number] => {
  const [level, timeMs, message] = array(value, 'log line');
  if (typeof level !== 'string' || !LEVELS.has(level)) throw new FrameError('a log line without a level');
  return [level as LogLine['level'], number(timeMs, 'log time'), string(message, 'log message')];
};

const record = (value: unknown, name: string): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FrameError(`${name} is not an object`);
  }
  return value as Record<string, unknown>;
};
const array = (value: unknown, name: string): unknown[] => {
  if (!Array.isArray(value)) throw new FrameError(`${name} is not an array`);
  return value;
};
const string = (value: unknown, name: string, maxChars = TEXT_MAX_CHARS): string => {
  if (typeof value !== 'string') throw new FrameError(`${name} is not a string`);
  if (value.length > maxChars) throw new FrameError(`${name} has ${value.length} characters`);
  return value;
};
const number = (value: unknown, name: string): number => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new FrameError(`${name} is not a number`);
  return value;
};
