/**
 * The calls under way in this process: the load, and each invocation; whose turn it is, and the lines they wrote.
 *
 * Owns the bounds of a call's log; a line goes out when it is written, so that it is there whatever becomes of the
 * call. Never writes frames itself. Invariants: the lines of a call come to at most `logMaxBytes`, a line's end
 * counted as one; what belongs to no call under way goes to the process's own output,
 * where the agent takes it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import {
  cut,
  DateNow,
  MapDelete,
  MapForEach,
  MapSet,
  ReflectApply,
  SafeMap,
  StringIndexOf,
  StringSlice,
} from '../../../src/guest/primordials.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';
type Output = 1 | 2;

export interface Call {
  readonly kind: 'load' | 'invocation';
  readonly instance: number;
  readonly nonce: number;
  readonly startedMs: number;
  ended: boolean;
  logBytes: number;
  truncated: boolean;
  /** What was written to each output since its last newline. */
  readonly rest: [out: Rest, err: Rest];
  indent: string;
  counts: Record<string, number> | null;
  stopwatches: Record<string, number> | null;
}

interface Rest {
  text: string;
  /** Made when bytes come: a character may lie in two writes. */
  decoder: StringDecoder | null;
}

/** What one line may have; the server takes no longer ones, and escaping may have made it longer than it was. */
const LINE_MAX_CHARS = 32_000;
/** Where a line without an end is cut. */
const WRITTEN_LINE_MAX_CHARS = 8_192;

const storage = new AsyncLocalStorage<Call>();
const storageRun = storage.run;
const storageGet = storage.getStore;
const byteLength = Buffer.byteLength;
const Decoder = StringDecoder;
const decoderWrite = StringDecoder.prototype.write;
const open = new SafeMap<Call, true>();
let logMaxBytes = 0;
let tell: TellLine = () => undefined;

/** Sends a line of a call; null says that lines were dropped. */
type TellLine = (call: Call, level: Level, timeMs: number, message: string | null) => void;

/** Says where lines go from now on. */
export const onLine = (send: TellLine): void => {
  tell = send;
};

export const setLogMaxBytes = (bytes: number): void => {
  logMaxBytes = bytes;
};

export const openCall = (kind: Call['kind'], instance: number, nonce: number, startedMs: number): Call => {
  const call: Call = {
    ...{ kind, instance, nonce, startedMs, ended: false, logBytes: 0, truncated: false },
    ...{ rest: [newRest(), newRest()], indent: '', counts: null, stopwatches: null },
  };
  MapSet(open, call, true);
  return call;
};

const newRest = (): Rest => ({ text: '', decoder: null });

/** Runs something so that it and all that comes of it belongs to a call. */
export const within = (call: Call, run: () => void): void => {
  ReflectApply(storageRun, storage, [call, run]);
};

/** The call on whose behalf code runs now, ended or not. */
export const presentCall = (): Call | undefined => ReflectApply(storageGet, storage, []) as Call | undefined;

export const endCall = (call: Call): void => {
  endLine(call, 1);
  endLine(call, 2);
  call.ended = true;
  MapDelete(open, call);
};

/** A message, which may have several lines, for the log of the present call. */
export const addMessage = (level: Level, message: string): void => {
  const call = presentCall();
  if (call === undefined || call.ended)
    writeOut(level === 'warn' || level === 'error' ? 2 : 1, `${message}\n`);
  else addLine(call, level, message);
};

/** What was written to an output: each line is a line of the log, what has no end yet waits for it. */
export const addWritten = (output: Output, written: string | Uint8Array): void => {
  const call = presentCall();
  if (call === undefined || call.ended) {
    writeOut(output, written);
    return;
  }
  const rest = call.rest[output - 1] as Rest;
  if (typeof written !== 'string') rest.decoder ??= new Decoder('utf8');
  const added = typeof written === 'string' ? written : decode(rest.decoder as StringDecoder, written);
  const text = rest.text + added;
  const level = output === 1 ? 'info' : 'error';
  let start = 0;
  for (let end = StringIndexOf(text, '\n'); end >= 0; end = StringIndexOf(text, '\n', start)) {
    addCut(call, level, StringSlice(text, start, end));
    start = end + 1;
  }
  rest.text = StringSlice(text, start);
  if (call.truncated) rest.text = '';
  else if (rest.text.length >= WRITTEN_LINE_MAX_CHARS) endLine(call, output);
};

const decode = (decoder: StringDecoder, bytes: Uint8Array): string =>
  ReflectApply(decoderWrite, decoder, [bytes]) as string;

const addCut = (call: Call, level: Level, text: string): void => {
  let start = 0;
  do {
    addLine(call, level, StringSlice(text, start, start + WRITTEN_LINE_MAX_CHARS));
    start += WRITTEN_LINE_MAX_CHARS;
  } while (start < text.length && !call.truncated);
};

const endLine = (call: Call, output: Output): void => {
  const rest = call.rest[output - 1] as Rest;
  if (rest.text === '') return;
  addCut(call, output === 1 ? 'info' : 'error', rest.text);
  rest.text = '';
};

const addLine = (call: Call, level: Level, text: string): void => {
  if (call.truncated) return;
  const message = cut(text, LINE_MAX_CHARS);
  const bytes = call.logBytes + byteLength(message) + 1;
  if (bytes > logMaxBytes) {
    call.truncated = true;
    // At once: a call that is stopped has no answer to say it with.
    tell(call, level, DateNow(), null);
    return;
  }
  call.logBytes = bytes;
  tell(call, level, DateNow(), message);
};

/** Before the end of the process: what has no newline yet is a line, too. */
export const endLines = (): void => {
  MapForEach(open, (_, call) => {
    endLine(call, 1);
    endLine(call, 2);
  });
};

/** Past the streams of Node, which would take it to a call. */
export const writeOut = (output: Output, text: string | Uint8Array): void => {
  try {
    if (typeof text === 'string') writeSync(output, text);
    else writeSync(output, text);
  } catch {
    // The function closed it, or nobody reads it any more.
  }
};
