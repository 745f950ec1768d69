/**
 * What the processes of a container wrote to their standard streams, until a call ends that it goes to.
 *
 * Owns the lines and their bound. The rule: they belong to the call that ends next, because a stream does not say who
 * wrote. Invariant: what is kept is within the log limit, whatever the container sends.
 */
import type { OutcomeTail } from '../protocol/messages.ts';

export type LogEntry = OutcomeTail['logs'][number];

const LAST_LINES = 40;

export class ContainerOutput {
  #lines: LogEntry[] = [];
  #chars = 0;
  #maxChars = 0;
  #truncated = false;

  /** An instance starts: what came before is nobody's. */
  begin(maxChars: number): void {
    this.#maxChars = maxChars;
    this.#take();
  }

  add(level: LogEntry[0], timeMs: number, text: string): void {
    this.#chars += text.length + 1;
    if (this.#chars > this.#maxChars) this.#truncated = true;
    else this.#lines.push([level, timeMs, text]);
  }

  /** Lines were dropped inside the container already. */
  dropped(): void {
    this.#truncated = true;
  }

  /** The newest lines as one text: evidence after a crash. */
  lastWords(): string {
    return this.#lines
      .slice(-LAST_LINES)
      .map(([, , text]) => text)
      .join('\n');
  }

  /** The lines of a finished call with those of the streams, in the order of their times, within the bound. */
  joinTo(tail: OutcomeTail | null): OutcomeTail | null {
    const { lines, truncated } = this.#take();
    if (lines.length === 0 && !truncated) return tail;
    const joined = [...lines, ...(tail?.logs ?? [])].sort((a, b) => a[1] - b[1]);
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

  #take(): { readonly lines: LogEntry[]; readonly truncated: boolean } {
    const taken = { lines: this.#lines, truncated: this.#truncated };
    this.#lines = [];
    this.#chars = 0;
    this.#truncated = false;
    return taken;
  }
}
