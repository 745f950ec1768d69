/**
 * The registry: deployed functions and their code.
 *
 * Owns what is deployed, in memory for reading and in the store for keeps; published versions and aliases are
 * `stored-versions.ts`'s. Never runs code. Invariants: a record is visible only after it and its code are on the disk;
 * changes of one function, its versions and its aliases happen one after the other; code is removed only when no record
 * uses it, and after a grace period, because an invocation that still waits may need it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StrataError } from '../core/errors.ts';
import {
  type CodeFiles,
  type FunctionAuth,
  type FunctionRecord,
  type FunctionSpecInput,
  LATEST,
} from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { storageError } from '../ports/storage-errors.ts';
import type { Accept, Deletion, Deployment, FunctionPage, ListQuery, Precondition, Registry } from './api.ts';
import { encodeArtifact } from './artifact-format.ts';
import { type ArtifactStore, openArtifactStore, openMemoryArtifactStore } from './artifact-store.ts';
import { type CodeLimits, readCode } from './code.ts';
import { FunctionEntry } from './function-entry.ts';
import { FunctionTable } from './function-table.ts';
import type { NetworkRules } from './network.ts';
import { References } from './references.ts';
import { refuseMismatch } from './revision.ts';
import { checkSessionKey } from './session-key.ts';
import { checkFunctionName, checkTenantName, completeSpec } from './spec.ts';
import { shown } from './spec-errors.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { type FunctionStore, openMemoryStore } from './store.ts';
import { StoredVersions, type VersionLimits } from './stored-versions.ts';
import { Turns } from './turns.ts';

export interface RegistryOptions {
  /** The folder for the database and the code, or `:memory:`. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: CodeLimits & Partial<VersionLimits>;
  /** What functions may list; public hosts unless told. */
  readonly network?: NetworkRules;
  /** How long code that no function uses any more can still be loaded; 60,000 unless told. */
  readonly codeGraceMs?: number;
  /** How long to wait for another process that still has the data folder; 5,000 unless told. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens what was deployed before.
 * @throws StrataError `conflict` when another process has the folder, `storage_full` when there is no space for a new
 *   one, `internal_error` when it cannot be used.
 */
export const openRegistry = async (options: RegistryOptions): Promise<Registry> => {
  const { store, artifacts } = openStores(options);
  try {
    const registry = new StoredRegistry(options, store, artifacts);
    await registry.load();
    return registry;
  } catch (error) {
    store.close();
    throw error;
  }
};

/** The data folder of a server that keeps nothing. */
export const MEMORY = ':memory:';
const CODE_GRACE_MS = 60_000;
const VERSION_LIMITS: VersionLimits = { maxVersions: 100, maxAliases: 50 };
const CODE_CACHE_BYTES = 64 * 1024 * 1024;

const openStores = (options: RegistryOptions): { store: FunctionStore; artifacts: ArtifactStore } => {
  const { dataDir, random, busyTimeoutMs } = options;
  if (dataDir === MEMORY) return { store: openMemoryStore(), artifacts: openMemoryArtifactStore() };
  // The largest code fits beside what else is in use, or each start of it would read the disk.
  const cacheMaxBytes = CODE_CACHE_BYTES + options.limits.containerCodeMaxBytes;
  let store: FunctionStore | null = null;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    store = openSqliteStore(join(dataDir, 'strata.db'), busyTimeoutMs === undefined ? {} : { busyTimeoutMs });
    return { store, artifacts: openArtifactStore({ folder: join(dataDir, 'code'), random, cacheMaxBytes }) };
  } catch (cause) {
    store?.close();
    if (cause instanceof StrataError) throw cause;
    throw storageError(`The data folder ${dataDir}`, dataDir, cause);
  }
};

class StoredRegistry implements Registry {
  readonly versions: StoredVersions;
  readonly #options: RegistryOptions;
  readonly #store: FunctionStore;
  readonly #artifacts: ArtifactStore;
  readonly #references: References;
  readonly #table = new FunctionTable();
  readonly #turns = new Turns();

  constructor(options: RegistryOptions, store: FunctionStore, artifacts: ArtifactStore) {
    this.#options = options;
    this.#store = store;
    this.#artifacts = artifacts;
    const graceMs = options.codeGraceMs ?? CODE_GRACE_MS;
    this.#references = new References(options.clock, graceMs, (digest) => artifacts.remove(digest));
    this.versions = new StoredVersions({
      ...{ clock: options.clock, random: options.random, limits: { ...VERSION_LIMITS, ...options.limits } },
      ...{ store, table: this.#table, references: this.#references },
      inTurn: (tenant, name, change) => this.#inTurn(tenant, name, change),
    });
  }

  async load(): Promise<void> {
    const records = await this.#store.load();
    for (const record of records) {
      Object.freeze(record);
      this.#references.retain(record.codeDigest);
      if (record.version === LATEST) this.#table.add(new FunctionEntry(record, 0));
    }
    await this.versions.load(records.filter(({ version }) => version !== LATEST));
    // An empty database beside stored code may be a lost one that is about to be restored: its code stays.
    if (records.length > 0) this.#artifacts.sweep(this.#references.used);
  }

  async deploy(
    tenant: string,
    name: string,
    input: FunctionSpecInput,
    accept: Accept = () => () => {},
    precondition: Precondition = {},
  ): Promise<Deployment> {
    checkTenantName(tenant);
    const spec = completeSpec(name, input, this.#options.network);
    return this.#inTurn(tenant, name, async () => {
      const entry = this.#table.get(tenant, name);
      const previous = entry?.latest;
      refuseMismatch(`The function ${shown(name)}`, previous?.revision ?? null, precondition);
      const stored = (digest: string): Promise<CodeFiles> => this.#storedFiles(name, previous, digest);
      const code = await readCode(input.code, spec, this.#options.limits, stored);
      const artifact = await encodeArtifact(code.files);
      const now = new Date(this.#options.clock.wallMs()).toISOString();
      const record: FunctionRecord = Object.freeze({
        ...spec,
        id: previous?.id ?? this.#options.random.uuid(),
        tenant,
        name,
        version: LATEST,
        revision: this.#options.random.uuid(),
        codeDigest: artifact.digest,
        codeBytes: code.bytes,
        createdAt: previous?.createdAt ?? now,
        updatedAt: now,
      });
      const settle = accept(record);
      this.#references.retain(artifact.digest);
      let lastVersion = 0;
      try {
        // Numbers go on where a function of this name had left off.
        if (entry === undefined) lastVersion = await this.#store.lastVersion(tenant, name);
        await this.#artifacts.put(artifact);
        await this.#store.put(record);
      } catch (error) {
        this.#references.release(artifact.digest);
        settle(false);
        throw error;
      }
      if (entry === undefined) this.#table.add(new FunctionEntry(record, lastVersion));
      else entry.latest = record;
      if (previous !== undefined) this.#references.release(previous.codeDigest);
      settle(true);
      return { function: record, created: previous === undefined };
    });
  }

  resolve(tenant: string, name: string, qualifier: string = LATEST, sessionKey?: string): FunctionRecord {
    if (sessionKey !== undefined) checkSessionKey(sessionKey);
    const entry = this.#table.get(tenant, name);
    const record =
      qualifier === LATEST ? entry?.latest : entry?.choose(qualifier, sessionKey, this.#options.random);
    return record ?? unknown(name, entry, qualifier);
  }

  get(tenant: string, name: string, qualifier: string = LATEST): FunctionRecord {
    const entry = this.#table.get(tenant, name);
    return entry?.find(qualifier) ?? unknown(name, entry, qualifier);
  }

  isEnabled(record: FunctionRecord): boolean {
    if (record.version === LATEST) return record.enabled;
    return this.#table.get(record.tenant, record.name)?.latest.enabled ?? true;
  }

  authOf(record: FunctionRecord): FunctionAuth {
    if (record.version === LATEST) return record.auth;
    return this.#table.get(record.tenant, record.name)?.latest.auth ?? 'key';
  }

  isCurrent(record: FunctionRecord): boolean {
    const current = this.#table.get(record.tenant, record.name)?.find(record.version);
    return current?.revision === record.revision;
  }

  *all(): Generator<FunctionRecord> {
    for (const { latest } of this.#table.all()) yield latest;
  }

  *stored(): Generator<FunctionRecord> {
    for (const { latest, versions } of this.#table.all()) {
      yield latest;
      yield* versions.values();
    }
  }

  *kept(): Generator<FunctionRecord> {
    for (const entry of this.#table.all()) {
      yield entry.latest;
      yield* entry.pointed();
    }
  }

  list(query: ListQuery): FunctionPage {
    return this.#table.list(query);
  }

  async delete(tenant: string, name: string, precondition: Precondition = {}): Promise<Deletion> {
    checkTenantName(tenant);
    checkFunctionName(name);
    return this.#inTurn(tenant, name, async () => {
      const record = this.get(tenant, name);
      refuseMismatch(`The function ${shown(name)}`, record.revision, precondition);
      const versions = [...(this.#table.get(tenant, name)?.versions.values() ?? [])];
      await this.#store.removeFunction(tenant, name);
      this.#table.delete(tenant, name);
      for (const { codeDigest } of [record, ...versions]) this.#references.release(codeDigest);
      return { function: record, versions };
    });
  }

  async codeFiles(record: FunctionRecord): Promise<CodeFiles> {
    try {
      return await this.#artifacts.load(record.codeDigest);
    } catch (cause) {
      if (this.isCurrent(record)) throw cause;
      throw new StrataError(
        'conflict',
        `The function ${record.name} was changed or deleted, and its former code is gone; send the request again.`,
        { cause },
      );
    }
  }

  close(): void {
    this.#references.flush();
    this.#store.close();
  }

  /** The code that a function has, for who knows which that is. */
  #storedFiles(name: string, record: FunctionRecord | undefined, digest: string): Promise<CodeFiles> {
    if (record?.codeDigest === digest) return this.#artifacts.load(digest);
    const has = record === undefined ? 'has no code yet' : `has the code ${record.codeDigest}`;
    throw new StrataError(
      'conflict',
      `code.digest: the function ${shown(name)} ${has}, not ${shown(digest)}; read it again, or send the code itself.`,
    );
  }

  /** Runs a change of a function after all its earlier ones, whether they worked or not. */
  #inTurn<Result>(tenant: string, name: string, change: () => Promise<Result>): Promise<Result> {
    return this.#turns.take(`${tenant}/${name}`, change);
  }
}

const unknown = (name: string, entry: FunctionEntry | undefined, qualifier: string): never => {
  if (entry === undefined)
    throw new StrataError('not_found', `There is no function ${shown(name)}; list shows what is deployed.`);
  throw new StrataError(
    'not_found',
    `The function ${shown(name)} has no version or alias ${shown(qualifier)}; leave the qualifier out for ${LATEST}.`,
  );
};
