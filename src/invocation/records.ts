/**
 * The newest finished invocations, in memory: for receipts and logs.
 *
 * Owns a ring. Bounded in entries and in characters of log; the oldest goes first. Never persists.
 */
import type { Finished } from '../billing/receipts.ts';
import { StrataError } from '../core/errors.ts';
import type { FunctionLogLine } from './api.ts';

export interface RecordLimits {
  readonly maxInvocations: number;
  /** Log lines given out for one function at most. */
  readonly maxLogLines: number;
}

/** Characters of log kept over all invocations. */
const LOG_MAX_CHARS = 32 * 1024 * 1024;

export class Records {
  readonly #limits: RecordLimits;
  /** In the order in which they finished: a Map keeps it, and its first key is the oldest. */
  readonly #entries = new Map<string, Finished>();
  #logChars = 0;

  constructor(limits: RecordLimits) {
    this.#limits = limits;
  }

  add(finished: Finished): void {
    if (this.#limits.maxInvocations === 0) return;
    this.#entries.set(finished.invocationId, finished);
    this.#logChars += charsOf(finished);
    while (this.#entries.size > this.#limits.maxInvocations || this.#logChars > LOG_MAX_CHARS)
      this.#dropOldest();
  }

  /** @throws StrataError `not_found`, also for what belongs to another tenant. */
  get(invocationId: string, tenant: string): Finished {
    const finished = this.#entries.get(invocationId);
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
    for (const { invocationId, function: record, logs } of [...this.#entries.values()].reverse()) {
      if (record.name !== name || record.tenant !== tenant) continue;
      for (let index = logs.length - 1; index >= 0; index -= 1) {
        const line = logs[index];
        if (newestFirst.length >= wanted) return newestFirst.reverse();
        if (line !== undefined) newestFirst.push({ ...line, invocationId });
      }
    }
    return newestFirst.reverse();
  }

  #dropOldest(): void {
    for (const [id, finished] of this.#entries) {
      this.#entries.delete(id);
      this.#logChars -= charsOf(finished);
      return;
    }
  }
}

const charsOf = ({ logs }: Finished): number => {
  let chars = 0;
  for (const { message } of logs) chars += message.length;
  return chars;
};
