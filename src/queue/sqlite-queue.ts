/**
 * The queue's database: applies operations, many in one transaction, and reads.
 *
 * Owns the statements. Decides nothing about retries or destinations. Synchronous, because node:sqlite is: for a file it
 * runs in a thread of its own. Invariants: the operations of a batch are on the disk together when `apply` returns; one
 * that cannot be applied is refused alone; an invocation's key is taken by one event only.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { StrataError } from '../core/errors.ts';
import { attemptOn, openDatabase } from '../ports/database.ts';
import type {
  AcceptOperation,
  AgainOperation,
  AttemptRow,
  DeadOperation,
  FinishOperation,
  FullRow,
  ListQuery,
  LiveRow,
  Operation,
  Outcome,
  ShownRow,
} from './operations.ts';
import { fullOf, liveOf, shownOf } from './rows.ts';
import { MIGRATIONS } from './schema.ts';
import { sweep } from './sweep.ts';

/** A transaction is bounded in operations, so that nobody waits for a long one. */
export const BATCH_MAX = 512;
/** Receipts kept of one invocation. */
const ATTEMPTS_KEPT = 20;
const NOTHING: Outcome = {};

export class SqliteQueue {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** @throws StrataError as `openDatabase` does. */
  constructor(path: string) {
    this.#path = path;
    this.#database = openDatabase(path, MIGRATIONS);
  }

  /**
   * One transaction for all; if it fails for one of them, each gets one of its own.
   * @throws StrataError when nothing can be written.
   */
  apply(operations: readonly Operation[]): (Outcome | StrataError)[] {
    try {
      return this.#transaction(operations);
    } catch (thrown) {
      const only = operations.length === 1;
      if (only || (thrown as StrataError).code === 'storage_full') throw thrown;
    }
    return operations.map((operation) => {
      try {
        return this.#transaction([operation])[0] ?? NOTHING;
      } catch (thrown) {
        return thrown as StrataError;
      }
    });
  }

  /** Those that have not ended or are to be delivered, the oldest first; a page, because there may be many. */
  live(after: { readonly id: string } | null, limit: number): LiveRow[] {
    const rows = this.#all(
      `SELECT * FROM (SELECT ${LIVE}, seq FROM invocations INDEXED BY live
       WHERE (finished_ms IS NULL OR delivery = 'pending')
       AND seq > coalesce((SELECT seq FROM invocations WHERE id = ?), 0) ORDER BY seq LIMIT ?)`,
      [after?.id ?? '', limit],
    );
    return rows.map(liveOf);
  }

  event(id: string): Uint8Array | null {
    const row = this.#all('SELECT event FROM invocations WHERE id = ?', [id])[0];
    return row?.event instanceof Uint8Array ? row.event : null;
  }

  get(id: string): FullRow | null {
    const row = this.#all(`SELECT ${SHOWN}, event, result, result_dropped FROM invocations WHERE id = ?`, [
      id,
    ])[0];
    if (row === undefined) return null;
    return fullOf(
      row,
      this.#all('SELECT attempt, receipt FROM attempts WHERE id = ? ORDER BY attempt', [id]),
    );
  }

  list({ tenant, function: name, status, deadOnly, before, limit }: ListQuery): ShownRow[] {
    const where = `tenant = ? AND function = ? AND seq < ?${status === null ? '' : ' AND status = ?'}${deadOnly ? ' AND dead = 1' : ''}`;
    const values: SQLInputValue[] = [tenant, name, before ?? Number.MAX_SAFE_INTEGER];
    if (status !== null) values.push(status);
    const index = deadOnly ? 'dead_letters' : 'by_function';
    const sql = `SELECT ${SHOWN} FROM invocations INDEXED BY ${index} WHERE ${where} ORDER BY seq DESC LIMIT ?`;
    return this.#all(sql, [...values, limit]).map(shownOf);
  }

  /** The secret of that name; made of these bytes when there is none. */
  secret(name: string, fresh: Uint8Array): Uint8Array {
    return attemptOn(this.#path, () => {
      this.#run('INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING', [name, fresh]);
      return this.#all('SELECT value FROM secrets WHERE name = ?', [name])[0]?.value as Uint8Array;
    });
  }

  close(): void {
    this.#database.close();
  }

  #transaction(operations: readonly Operation[]): Outcome[] {
    return attemptOn(this.#path, () => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const outcomes = operations.map((operation) => this.#apply(operation));
        this.#database.exec('COMMIT');
        return outcomes;
      } catch (thrown) {
        // A full disk may have rolled it back already.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw thrown;
      }
    });
  }

  #apply(operation: Operation): Outcome {
    switch (operation.op) {
      case 'accept':
        return this.#accept(operation);
      case 'start':
        return this.#one(
          "UPDATE invocations SET status = 'running' WHERE id = ? AND status = 'queued' AND attempts = ?",
          [operation.id, operation.attempt - 1],
        );
      case 'again':
        return this.#again(operation);
      case 'finish':
        return this.#finish(operation);
      case 'askCancel':
        return this.#one('UPDATE invocations SET cancel = 1 WHERE id = ?', [operation.id]);
      case 'delivered':
        return this.#delivered(operation);
      case 'deliverAgain':
        return this.#one(
          'UPDATE invocations SET delivery_due_ms = ?, delivery_tries = ?, delivery_error = ? WHERE id = ?',
          [operation.dueAtMs, operation.tries, operation.error, operation.id],
        );
      case 'redrive':
        return this.#redrive(operation);
      case 'discard':
        return this.#discard(operation);
      case 'sweep':
        return { count: sweep(operation, this.#sql) };
    }
  }

  #accept({ id, tenant, function: name, qualifier, event, key, digest, ...row }: AcceptOperation): Outcome {
    if (key !== null) {
      const known = this.#all(
        'SELECT id, digest FROM invocations WHERE tenant = ? AND function = ? AND key = ?',
        [tenant, name, key],
      )[0];
      if (known !== undefined)
        return { existing: { id: String(known.id), digest: known.digest as Uint8Array } };
    }
    this.#run(INSERT, [
      ...[id, tenant, name, qualifier, event, event.length, row.policy, row.hops],
      ...[row.atMs, row.atMs, row.atMs, key, digest],
    ]);
    if (row.relayOf !== null) this.#delivered({ id: row.relayOf, error: null, dead: false, tries: null });
    return NOTHING;
  }

  #again({ id, dueAtMs, attempts, retries, interruptions, attempt }: AgainOperation): Outcome {
    this.#noteAttempt(id, attempt);
    return this.#one(
      `UPDATE invocations SET status = 'queued', due_ms = ?, attempts = ?, retries = ?, interruptions = ? WHERE id = ?`,
      [dueAtMs, attempts, retries, interruptions, id],
    );
  }

  #finish(row: FinishOperation): Outcome {
    this.#noteAttempt(row.id, row.attempt);
    const keepsEvent = row.deliver || row.dead;
    return this.#one(FINISH, [
      ...[row.status, row.atMs, row.attempts, row.retries, row.result, row.resultDropped ? 1 : 0],
      ...[row.failure === null ? null : JSON.stringify(row.failure), row.dead ? 1 : 0],
      ...[keepsEvent ? 1 : 0, row.result?.length ?? 0, keepsEvent ? 1 : 0],
      ...[row.deliver ? 'pending' : null, row.deliver ? row.atMs : 0, row.id],
    ]);
  }

  #delivered(row: { id: string; tries: number | null; error: string | null; dead: boolean }): Outcome {
    return this.#one(DELIVERED, [
      ...[row.error === null ? 'delivered' : 'failed', row.error, row.tries, row.dead ? 1 : 0],
      ...[row.dead ? 1 : 0, row.dead ? 1 : 0, row.id],
    ]);
  }

  #noteAttempt(id: string, attempt: AttemptRow | null): void {
    if (attempt === null) return;
    // The same attempt may end twice, when the server was killed between its end and its note: the first one counts.
    this.#run('INSERT INTO attempts (id, attempt, receipt) VALUES (?, ?, ?) ON CONFLICT DO NOTHING', [
      ...[id, attempt.attempt, attempt.receipt],
    ]);
    if (attempt.attempt > ATTEMPTS_KEPT)
      this.#run('DELETE FROM attempts WHERE id = ? AND attempt <= ?', [id, attempt.attempt - ATTEMPTS_KEPT]);
  }

  #redrive(operation: DeadOperation & { readonly atMs: number; readonly maxBytes: number }): Outcome {
    const rows: LiveRow[] = [];
    let bytes = 0;
    const dead = this.#dead(operation);
    for (const seq of dead) {
      const row = this.#all(`SELECT ${LIVE} FROM invocations WHERE seq = ?`, [seq]).map(liveOf)[0];
      if (row === undefined) break;
      bytes += row.eventBytes;
      if (bytes > operation.maxBytes) break;
      this.#run(REDRIVE, [operation.atMs, operation.atMs, seq]);
      rows.push(...this.#all(`SELECT ${LIVE} FROM invocations WHERE seq = ?`, [seq]).map(liveOf));
    }
    return { rows, count: dead.length };
  }

  #discard(operation: DeadOperation): Outcome {
    const seqs = this.#dead(operation);
    for (const seq of seqs) this.#run(DISCARD, [seq]);
    return { count: seqs.length };
  }

  /** The oldest dead letters of a function, or the one that is asked for if it is one. */
  #dead({ tenant, function: name, id, limit }: DeadOperation): number[] {
    const rows = this.#all(
      `SELECT seq FROM invocations INDEXED BY dead_letters
       WHERE tenant = ? AND function = ? AND dead = 1 AND delivery IS NOT 'pending'
       AND (?3 IS NULL OR id = ?3) ORDER BY seq LIMIT ?4`,
      [tenant, name, id, limit],
    );
    return rows.map(({ seq }) => Number(seq));
  }

  #one(sql: string, values: readonly SQLInputValue[]): Outcome {
    this.#run(sql, values);
    return NOTHING;
  }

  #run(sql: string, values: readonly SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  #all(sql: string, values: readonly SQLInputValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values) as Record<string, unknown>[];
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  readonly #sql = {
    run: (sql: string, ...values: SQLInputValue[]): number => this.#run(sql, values),
    all: (sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] => this.#all(sql, values),
  };
}

const LIVE = `id, tenant, function, qualifier, event_bytes, policy, hops, status, accepted_ms, queued_ms, due_ms,
  attempts, retries, interruptions, cancel, delivery_tries, delivery_due_ms`;
const SHOWN = `${LIVE}, seq, finished_ms, failure, dead, delivery, delivery_error`;

const INSERT = `INSERT INTO invocations (id, tenant, function, qualifier, event, event_bytes, policy, hops, status,
  accepted_ms, queued_ms, due_ms, key, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)`;
/** What a row takes beside its event and its result, about. */
const ROW_BYTES = 2_048;
const FINISH = `UPDATE invocations SET status = ?, finished_ms = ?, attempts = ?, retries = ?, result = ?,
  result_dropped = ?, failure = ?, dead = ?, event = CASE WHEN ? THEN event END,
  kept_bytes = ${ROW_BYTES} + ? + (SELECT coalesce(sum(length(receipt)), 0) FROM attempts WHERE id = invocations.id) +
  CASE WHEN ? THEN event_bytes ELSE 0 END, delivery = ?, delivery_due_ms = ?
  WHERE id = ?`;
const DELIVERED = `UPDATE invocations SET delivery = ?, delivery_error = ?,
  delivery_tries = coalesce(?, delivery_tries + 1), dead = ?, event = CASE WHEN ? THEN event END,
  kept_bytes = kept_bytes - CASE WHEN ? THEN 0 ELSE event_bytes END WHERE id = ? AND delivery = 'pending'`;
const REDRIVE = `UPDATE invocations SET status = 'queued', queued_ms = ?, due_ms = ?, retries = 0, interruptions = 0,
  cancel = 0, finished_ms = NULL, failure = NULL, dead = 0, kept_bytes = 0, delivery = NULL, delivery_tries = 0,
  delivery_error = NULL WHERE seq = ?`;
const DISCARD =
  'UPDATE invocations SET dead = 0, event = NULL, kept_bytes = kept_bytes - event_bytes WHERE seq = ?';
