/**
 * Where function records and aliases are kept: the port, and the implementation in memory.
 *
 * Owns the promises that every implementation keeps, and `store.contract.test.ts` checks. Never sees code.
 * What every implementation promises:
 * - when a change resolves, it survives a crash of the process (in memory: the process's life); a crash before leaves
 *   all of it or none;
 * - a record comes back equal to what was put, whatever its texts hold;
 * - the highest number of a function's versions is known as long as the function is, and after that for the
 *   `FORMER_NUMBERS_MAX` functions of its tenant that were removed last;
 * - after `close` every call is rejected, and `close` may be called again.
 */
import { StrataError } from '../core/errors.ts';
import type { AliasRecord, FunctionRecord } from '../core/spec.ts';

export interface FunctionStore {
  /** Every record, in no particular order. @throws StrataError `internal_error` when one cannot be read. */
  load(): Promise<readonly FunctionRecord[]>;
  /** Every alias, in no particular order. */
  loadAliases(): Promise<readonly AliasRecord[]>;
  /** The highest number that a version of a function of this name ever had; 0 for none. */
  lastVersion(tenant: string, name: string): Promise<number>;
  /** The same of every function that there is and that has had a version. */
  lastVersions(): Promise<readonly LastVersion[]>;
  /** Inserts, or replaces the record with the same tenant, name and version. */
  put(record: FunctionRecord): Promise<void>;
  /** The same of a published version, whose number is the highest now. */
  publish(record: FunctionRecord): Promise<void>;
  /** Removes one version. True when there was such a record. */
  remove(tenant: string, name: string, version: string): Promise<boolean>;
  /** Removes a function with all its versions and aliases; true when there was anything. */
  removeFunction(tenant: string, name: string): Promise<boolean>;
  /** Inserts, or replaces the alias with the same tenant, function and name. */
  putAlias(alias: AliasRecord): Promise<void>;
  /** True when there was such an alias. */
  removeAlias(tenant: string, name: string, alias: string): Promise<boolean>;
  close(): void;
}

export interface LastVersion {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
}

/** Of one tenant: whose numbers are remembered must be bounded, because anybody may delete what he makes. */
export const FORMER_NUMBERS_MAX = 1_000;

/** A store that forgets everything at exit. */
export const openMemoryStore = (): FunctionStore => {
  const records = new Map<string, FunctionRecord>();
  const aliases = new Map<string, AliasRecord>();
  const numbers = new MemoryNumbers();
  let closed = false;
  const refuseClosed = (): void => {
    if (closed) throw new StrataError('internal_error', 'The function store is closed; nothing can be read.');
  };
  return {
    async load() {
      refuseClosed();
      return [...records.values()];
    },
    async loadAliases() {
      refuseClosed();
      return [...aliases.values()];
    },
    async lastVersion(tenant, name) {
      refuseClosed();
      return numbers.of(tenant, name);
    },
    async lastVersions() {
      refuseClosed();
      return numbers.living();
    },
    async put(record) {
      refuseClosed();
      records.set(keyOf(record.tenant, record.name, record.version), record);
      numbers.revive(record.tenant, record.name);
    },
    async publish(record) {
      refuseClosed();
      records.set(keyOf(record.tenant, record.name, record.version), record);
      numbers.set(record.tenant, record.name, Number(record.version));
    },
    async remove(tenant, name, version) {
      refuseClosed();
      return records.delete(keyOf(tenant, name, version));
    },
    async removeFunction(tenant, name) {
      refuseClosed();
      let removed = 0;
      for (const [key, record] of records)
        if (record.tenant === tenant && record.name === name && records.delete(key)) removed += 1;
      for (const [key, alias] of aliases)
        if (alias.tenant === tenant && alias.function === name && aliases.delete(key)) removed += 1;
      numbers.retire(tenant, name);
      return removed > 0;
    },
    async putAlias(alias) {
      refuseClosed();
      aliases.set(keyOf(alias.tenant, alias.function, alias.alias), alias);
    },
    async removeAlias(tenant, name, alias) {
      refuseClosed();
      return aliases.delete(keyOf(tenant, name, alias));
    },
    close() {
      closed = true;
    },
  };
};

const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);

/** The highest numbers, of functions that there are and of those that were removed last. */
class MemoryNumbers {
  readonly #living = new Map<string, LastVersion>();
  /** By tenant; those that were removed last come last. */
  readonly #former = new Map<string, Map<string, LastVersion>>();

  of(tenant: string, name: string): number {
    const known = this.#living.get(keyOf(tenant, name)) ?? this.#former.get(tenant)?.get(name);
    return known?.version ?? 0;
  }

  living(): readonly LastVersion[] {
    return [...this.#living.values()];
  }

  set(tenant: string, name: string, version: number): void {
    this.#living.set(keyOf(tenant, name), { tenant, name, version });
    this.#former.get(tenant)?.delete(name);
  }

  revive(tenant: string, name: string): void {
    const former = this.#former.get(tenant)?.get(name);
    if (former !== undefined) this.set(tenant, name, former.version);
  }

  retire(tenant: string, name: string): void {
    const key = keyOf(tenant, name);
    const last = this.#living.get(key);
    if (last === undefined) return;
    this.#living.delete(key);
    const former = this.#former.get(tenant) ?? new Map<string, LastVersion>();
    this.#former.set(tenant, former.set(name, last));
    if (former.size <= FORMER_NUMBERS_MAX) return;
    for (const [oldest] of former) {
      former.delete(oldest);
      return;
    }
  }
}
