/**
 * Where function records are kept: the port, and the implementation in memory.
 *
 * Owns the promises that every implementation keeps, and `store.contract.test.ts` checks. Never sees code.
 * What every implementation promises:
 * - when `put` or `remove` resolves, the change survives a crash of the process (in memory: the process's life);
 * - a record comes back equal to what was put, whatever its texts hold;
 * - after `close` every call is rejected, and `close` may be called again.
 */
import { StrataError } from '../core/errors.ts';
import type { FunctionRecord } from '../core/spec.ts';

export interface FunctionStore {
  /** Every record, in no particular order. @throws StrataError `internal_error` when one cannot be read. */
  load(): Promise<readonly FunctionRecord[]>;
  /** Inserts, or replaces the record with the same tenant, name and version. */
  put(record: FunctionRecord): Promise<void>;
  /** True when there was such a record. */
  remove(tenant: string, name: string, version: string): Promise<boolean>;
  close(): void;
}

/** A store that forgets everything at exit. */
export const openMemoryStore = (): FunctionStore => {
  const records = new Map<string, FunctionRecord>();
  let closed = false;
  const refuseClosed = (): void => {
    if (closed) throw new StrataError('internal_error', 'The function store is closed; nothing can be read.');
  };
  return {
    async load() {
      refuseClosed();
      return [...records.values()];
    },
    async put(record) {
      refuseClosed();
      records.set(keyOf(record.tenant, record.name, record.version), record);
    },
    async remove(tenant, name, version) {
      refuseClosed();
      return records.delete(keyOf(tenant, name, version));
    },
    close() {
      closed = true;
    },
  };
};

const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);
