/**
 * The newest finished invocations, in memory: for receipts and logs.
 *
 * Owns a ring. Bounded in entries, of which the oldest goes first, and in characters of log, of which the oldest of a
 * tenant that has more than its equal part goes first: a flood of lines costs whoever makes it. Never persists. Adding
 * is on the path of every invocation and costs a store; finding is rare and looks through all.
 */
import type { Finished } from '../billing/receipts.ts';
import { StrataError } from '../core/errors.ts';
import type { FunctionLogLine } from './api.ts';
import type { LogPlace } from './log-cursor.ts';

export interface RecordLimits {
  readonly maxInvocations: number;
  /** Log lines given out for one function at most. */
  readonly maxLogLines: number;
}

/** Lines of a function, oldest first, and where the next ones will be. */
export interface LogLines {
  readonly logs: readonly FunctionLogLine[];
  readonly next: LogPlace;
  /** Lines may be missing before the last of these: they were forgotten before they were asked for. */
  readonly gap: boolean;
  /** There are more already. */
  readonly more: boolean;
}

/** What a line costs beside its message. */
const LINE_CHARS = 64;
/** Characters of log kept over all invocations. */
const LOG_MAX_CHARS = 32 * 1024 * 1024;
/** Characters in one answer to somebody who follows; one line may go beyond. */
const PAGE_MAX_CHARS = 1024 * 1024;

/** What a tenant has of logs: places in the ring, the oldest first. */
interface TenantLogs {
  chars: number;
  readonly places: number[];
  /** Where in `places` those begin that still count. */
  first: number;
}

/** Places that no longer count are given up when there are so many. */
const SPENT_PLACES_MAX = 1_024;

export class Records {
  readonly #limits: RecordLimits;
  /** A ring: the invocation that was added as number n is at n modulo its length, over the oldest when it is full. */
  readonly #ring: (Finished | undefined)[] = [];
  #added = 0;
  #logChars = 0;
  /** Tenants that have logs. */
  readonly #logs = new Map<string, TenantLogs>();
  /** Who gave up a log last, and does so again while it has more than its part. */
  #heaviest: TenantLogs | null = null;

  constructor(limits: RecordLimits) {
    this.#limits = limits;
  }

  add(finished: Finished): void {
    const { maxInvocations } = this.#limits;
    if (maxInvocations === 0) return;
    const at = this.#added % maxInvocations;
    const replaced = this.#ring[at];
    // The oldest of all is the oldest of its tenant.
    if (replaced !== undefined && replaced.logs.length > 0) this.#forgetLog(replaced);
    this.#ring[at] = finished;
    this.#added += 1;
    if (finished.logs.length === 0) return;
    const { tenant } = finished.function;
    let own = this.#logs.get(tenant);
    if (own === undefined) {
      own = { chars: 0, places: [], first: 0 };
      this.#logs.set(tenant, own);
    }
    const chars = charsOf(finished);
    own.places.push(at);
    own.chars += chars;
    this.#logChars += chars;
    while (this.#logChars > LOG_MAX_CHARS) this.#dropLog();
  }

  /** The newest of an id; null when it is not kept here, also for what belongs to another tenant. */
  find(invocationId: string, tenant: string): Finished | null {
    let found: Finished | null = null;
    // The ring is in no order of age, and an invocation that was tried again is in it more than once.
    for (const entry of this.#ring)
      if (entry?.invocationId === invocationId && (entry.attempt ?? 1) > (found?.attempt ?? 0)) found = entry;
    return found?.function.tenant === tenant ? found : null;
  }

  /** What somebody is told who asks for an id that is not kept, or is another tenant's. */
  unknown(invocationId: string): StrataError {
    return new StrataError(
      'not_found',
      `No finished invocation ${invocationId.slice(0, 64)} is known for this tenant; the newest ${this.#limits.maxInvocations} are kept, ` +
        'and receipts as long as the ledger keeps them.',
    );
  }

  /** The newest lines of a function, oldest first. */
  logs(tenant: string, name: string, limit: number): FunctionLogLine[] {
    const newestFirst: FunctionLogLine[] = [];
    const wanted = Math.min(limit, this.#limits.maxLogLines);
    for (let number = this.#added - 1; number >= this.#oldest; number -= 1) {
      const finished = this.#finishedOf(number, tenant, name);
      if (finished === null) continue;
      const { logs, invocationId } = finished;
      for (let index = logs.length - 1; index >= 0; index -= 1) {
        const line = logs[index];
        if (newestFirst.length >= wanted) return newestFirst.reverse();
        if (line !== undefined) newestFirst.push({ ...line, invocationId });
      }
    }
    return newestFirst.reverse();
  }

  /** Where the next line will be. */
  get logEnd(): LogPlace {
    return { invocation: this.#added, line: 0 };
  }

  /** Lines of a function from a place on; null is a place that is not known any more. */
  logsFrom(tenant: string, name: string, from: LogPlace | null, limit: number): LogLines {
    const logs: FunctionLogLine[] = [];
    const wanted = Math.min(limit, this.#limits.maxLogLines);
    const { invocation, line } = from ?? START;
    let gap = from === null || invocation < this.#oldest;
    let chars = 0;
    for (let number = Math.max(invocation, this.#oldest); number < this.#added; number += 1) {
      const finished = this.#finishedOf(number, tenant, name);
      if (finished === null) continue;
      gap ||= finished.logs.length === 0 && finished.logTruncated;
      for (let index = number === invocation ? line : 0; index < finished.logs.length; index += 1) {
        const one = finished.logs[index];
        if (one === undefined) continue;
        if (logs.length >= wanted || chars >= PAGE_MAX_CHARS)
          return { logs, next: { invocation: number, line: index }, gap, more: wanted > 0 };
        logs.push({ ...one, invocationId: finished.invocationId });
        chars += one.message.length + LINE_CHARS;
      }
    }
    return { logs, next: this.logEnd, gap, more: false };
  }

  /** The number of the oldest invocation that is kept. */
  get #oldest(): number {
    return Math.max(0, this.#added - this.#limits.maxInvocations);
  }

  #finishedOf(number: number, tenant: string, name: string): Finished | null {
    const finished = this.#ring[number % this.#limits.maxInvocations];
    const isIts = finished?.function.name === name && finished.function.tenant === tenant;
    return isIts ? finished : null;
  }

  /** Takes the oldest log of who has the most; its receipt stays, marked as truncated. */
  #dropLog(): void {
    const victim = this.#victim();
    const at = victim.places[victim.first] ?? 0;
    const oldest = this.#ring[at] as Finished;
    this.#forgetLog(oldest);
    this.#ring[at] = { ...oldest, logs: [], logTruncated: true };
  }

  /** The tenant with the most, looked for only when the last one has come down to its equal part. */
  #victim(): TenantLogs {
    const partChars = this.#logChars / this.#logs.size;
    if (this.#heaviest !== null && this.#heaviest.chars > partChars) return this.#heaviest;
    let heaviest: TenantLogs = NO_LOGS;
    for (const one of this.#logs.values()) if (one.chars > heaviest.chars) heaviest = one;
    this.#heaviest = heaviest;
    return heaviest;
  }

  /** The oldest log of its tenant no longer counts. */
  #forgetLog(oldest: Finished): void {
    const { tenant } = oldest.function;
    const own = this.#logs.get(tenant);
    if (own === undefined) return;
    const chars = charsOf(oldest);
    this.#logChars -= chars;
    own.chars -= chars;
    own.first += 1;
    if (own.first >= SPENT_PLACES_MAX && own.first * 2 > own.places.length) {
      own.places.splice(0, own.first);
      own.first = 0;
    }
    if (own.first < own.places.length) return;
    this.#logs.delete(tenant);
    if (this.#heaviest === own) this.#heaviest = null;
  }
}

const START: LogPlace = { invocation: 0, line: 0 };

const NO_LOGS: TenantLogs = { chars: -1, places: [], first: 0 };

const charsOf = ({ logs }: Finished): number => {
  let chars = 0;
  for (const { message } of logs) chars += message.length + LINE_CHARS;
  return chars;
};
