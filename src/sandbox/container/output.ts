/**
 * What a container's function has logged, until the call ends that it goes to.
 *
 * Owns the lines and their bound. Lines that the function's shim sent are of their call. What processes wrote to the
 * standard streams belongs to the call that ends next, because a stream does not say who wrote. Invariant: what is
 * kept for a call is within the log limit, whatever the container sends.
 */
import type { OutcomeTail } from '../protocol/messages.ts';

export type LogEntry = OutcomeTail['logs'][number];

/** Lines within a number of characters, a line's end counted as one. */
interface Log {
  readonly lines: LogEntry[];
  chars: number;
  truncated: boolean;
}

const LAST_LINES = 40;
/** A line's share of what an answer may carry. */
const LINE_MAX_CHARS = 32_000;

const newLog = (): Log => ({ lines: [], chars: 0, truncated: false });

export class ContainerOutput {
  #streams = newLog();
  readonly #calls = new Map<number, Log>();
  #maxChars = 0;

  /** An instance starts: what came before is nobody's. */
  begin(maxChars: number): void {
    this.#maxChars = maxChars;
    this.#streams = newLog();
    this.#calls.clear();
  }

  /** A line from a stream. */
  add(level: LogEntry[0], timeMs: number, text: string): void {
    this.#keep(this.#streams, level, timeMs, text);
  }

  /** A line of a call. */
  addTo(call: number, level: LogEntry[0], timeMs: number, text: string): void {
    this.#keep(this.#logOf(call), level, timeMs, text);
  }

  /** Lines were dropped inside the container already: of a call, or of a stream. */
  dropped(call: number | null): void {
    (call === null ? this.#streams : this.#logOf(call)).truncated = true;
  }

  /** The newest lines of the streams as one text: evidence after a crash. */
  lastWords(): string {
    return this.#streams.lines
      .slice(-LAST_LINES)
      .map(([, , text]) => text)
      .join('\n');
  }

  /** The tail of a finished call with its lines and those of the streams, in the order of their times. */
  joinTo(call: number, tail: OutcomeTail | null): OutcomeTail | null {
    const [own, streams] = [this.#calls.get(call) ?? newLog(), this.#streams];
    this.#calls.delete(call);
    this.#streams = newLog();
    const truncated = own.truncated || streams.truncated;
    if (own.lines.length + streams.lines.length === 0 && !truncated) return tail;
    const joined = [...own.lines, ...streams.lines, ...(tail?.logs ?? [])].sort((a, b) => a[1] - b[1]);
    let chars = 0;
    const logs = joined.filter(([, , text]) => {
      chars += text.length + 1;
      return chars <= this.#maxChars;
    });
    const cut = logs.length < joined.length;
    return {
      failure: tail?.failure ?? null,
      logs,
      logTruncated: truncated || cut || tail?.logTruncated === true,
    };
  }

  #logOf(call: number): Log {
    let log = this.#calls.get(call);
    if (log === undefined) {
      log = newLog();
      this.#calls.set(call, log);
    }
    return log;
  }

  #keep(log: Log, level: LogEntry[0], timeMs: number, text: string): void {
    const line = text.slice(0, LINE_MAX_CHARS);
    log.chars += line.length + 1;
    if (log.chars > this.#maxChars) log.truncated = true;
    else log.lines.push([level, timeMs, line]);
  }
}
