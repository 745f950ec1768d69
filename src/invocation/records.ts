/**
 * The newest finished invocations, in memory: for receipts and logs.
 *
 * Owns a ring. Bounded in entries and in characters of log; the oldest goes first. Never persists. Adding is on the
 * path of every invocation and costs a store; finding is rare and looks through all.
 */
import type { Finished } from '../billing/receipts.ts';
import { StrataError } from '../core/errors.ts';
import type { FunctionLogLine } from './api.ts';

export interface RecordLimits {
  readonly maxInvocations: number;
  /** Log lines given out for one function at most. */
  readonly maxLogLines: number;
}

/** What a line costs beside its message. */
const LINE_CHARS = 64;
/** Characters of log kept over all invocations. */
const LOG_MAX_CHARS = 32 * 1024 * 1024;

export class Records {
  readonly #limits: RecordLimits;
  /** A ring: `#next` is where the next one goes, over the oldest when the ring is full. */
  readonly #ring: (Finished | undefined)[] = [];
  #next = 0;
  /** The oldest that still has its log; those before it gave theirs up. */
  #logged = 0;
  #added = 0;
  #logChars = 0;

  constructor(limits: RecordLimits) {
    this.#limits = limits;
  }

  add(finished: Finished): void {
    const { maxInvocations } = this.#limits;
    if (maxInvocations === 0) return;
    const replaced = this.#ring[this.#next];
    if (replaced !== undefined && replaced.logs.length > 0) this.#logChars -= charsOf(replaced);
    this.#ring[this.#next] = finished;
    this.#next = (this.#next + 1) % maxInvocations;
    this.#added += 1;
    if (finished.logs.length === 0) return;
    this.#logChars += charsOf(finished);
    if (this.#logChars > LOG_MAX_CHARS) this.#dropLogs();
  }

  /** @throws StrataError `not_found`, also for what belongs to another tenant. */
  get(invocationId: string, tenant: string): Finished {
    const finished = this.#ring.find((entry) => entry?.invocationId === invocationId);
    if (finished === undefined || finished.function.tenant !== tenant) {
      throw new StrataError(
        'not_found',
        `No finished invocation ${invocationId.slice(0, 64)} is known for this tenant; the newest ${this.#limits.maxInvocations} are kept.`,
      );
    }
    return finished;
  }

  /** The newest lines of a function, oldest first. */
  logs(tenant: string, name: string, limit: number): FunctionLogLine[] {
    const newestFirst: FunctionLogLine[] = [];
    const wanted = Math.min(limit, this.#limits.maxLogLines);
    for (let age = 1; age <= this.#ring.length; age += 1) {
      const finished = this.#ring[(this.#next - age + this.#ring.length) % this.#ring.length];
      if (finished === undefined || finished.function.name !== name) continue;
      if (finished.function.tenant !== tenant) continue;
      const { logs, invocationId } = finished;
      for (let index = logs.length - 1; index >= 0; index -= 1) {
        const line = logs[index];
        if (newestFirst.length >= wanted) return newestFirst.reverse();
        if (line !== undefined) newestFirst.push({ ...line, invocationId });
      }
    }
    return newestFirst.reverse();
  }

  /** Takes the logs of the oldest until the rest fits; their receipts stay, marked as truncated. */
  #dropLogs(): void {
    const { maxInvocations } = this.#limits;
    this.#logged = Math.max(this.#logged, this.#added - this.#ring.length);
    while (this.#logChars > LOG_MAX_CHARS && this.#logged < this.#added) {
      const at = this.#logged % maxInvocations;
      const oldest = this.#ring[at];
      if (oldest !== undefined && oldest.logs.length > 0) {
        this.#logChars -= charsOf(oldest);
        this.#ring[at] = { ...oldest, logs: [], logTruncated: true };
      }
      this.#logged += 1;
    }
  }
}

const charsOf = ({ logs }: Finished): number => {
  let chars = 0;
  for (const { message } of logs) chars += message.length + LINE_CHARS;
  return chars;
};
