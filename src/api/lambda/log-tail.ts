/**
 * The log of one invocation as this API gives it out: START, the function's lines, END and REPORT.
 *
 * Owns the text and its bound. Never holds a log: it is made from the record of a finished invocation. Invariant: what
 * comes out is valid UTF-8 of at most 4 KiB, the newest part of the log.
 */
import type { Failure } from '../../core/errors.ts';
import type { LogLine } from '../../core/receipt.ts';
import type { FunctionRecord } from '../../core/spec.ts';
import { timedOut } from './payloads.ts';

const TAIL_BYTES = 4 * 1024;
const LEVELS: Readonly<Record<LogLine['level'], string>> = {
  ...{ debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' },
};

export interface Logged {
  readonly requestId: string;
  readonly version: string;
  readonly record: FunctionRecord;
  readonly lines: readonly LogLine[];
  readonly handlerMs: number;
  /** Loading and initialising, where this invocation had to; 0 otherwise. */
  readonly initMs: number;
  readonly maxMemoryMb: number | null;
  readonly failure: Failure | null;
}

/** In base64, as the header has it. */
export const logTail = (logged: Logged): string => {
  const text = Buffer.from(logText(logged).toWellFormed());
  let start = Math.max(0, text.length - TAIL_BYTES);
  // A cut within a character would begin with the rest of it.
  while (start > 0 && ((text[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return text.subarray(start).toString('base64');
};

const logText = (logged: Logged): string => {
  const { requestId, version, record, failure } = logged;
  const lines = logged.lines.map((line) => lineText(line, requestId, record));
  const failed = failure?.code === 'function_timeout' ? [`${requestId} ${timedOut(record.timeoutMs)}\n`] : [];
  return [
    `START RequestId: ${requestId} Version: ${version}\n`,
    ...lines,
    ...failed,
    `END RequestId: ${requestId}\n`,
    reportOf(logged),
  ].join('');
};

const lineText = ({ level, timeMs, message }: LogLine, requestId: string, record: FunctionRecord): string => {
  // Runtimes of Node put this before each line; others write what the function writes.
  if (record.runtime === 'python3' || record.runtime === 'provided') return `${message}\n`;
  return `${isoOf(timeMs)}\t${requestId}\t${LEVELS[level]}\t${message}\n`;
};

/** The time is the guest's to say, and may be none. */
const isoOf = (timeMs: number): string => {
  const time = new Date(timeMs);
  return Number.isNaN(time.getTime()) ? new Date(0).toISOString() : time.toISOString();
};

const reportOf = ({ requestId, record, handlerMs, initMs, maxMemoryMb, failure }: Logged): string => {
  const fields = [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${handlerMs.toFixed(2)} ms`,
    `Billed Duration: ${Math.ceil(handlerMs + initMs)} ms`,
    `Memory Size: ${record.memoryMb} MB`,
    ...(maxMemoryMb === null ? [] : [`Max Memory Used: ${Math.ceil(maxMemoryMb)} MB`]),
    ...(initMs === 0 ? [] : [`Init Duration: ${initMs.toFixed(2)} ms`]),
    ...(failure === null ? [] : [`Status: ${failure.code === 'function_timeout' ? 'timeout' : 'error'}`]),
  ];
  return `${fields.join('\t')}\t\n`;
};
