/**
 * The registry: deployed functions and their code.
 *
 * Owns what is deployed, in memory for reading and in the store for keeps. Never runs code. Invariants: a record is
 * visible only after it and its code are on the disk; changes of one function happen one after the other; code is
 * removed only when no record uses it, and after a grace period, because an invocation that still waits may need it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StrataError } from '../core/errors.ts';
import type { CodeFiles, FunctionRecord, FunctionSpecInput } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { storageError } from '../ports/storage-errors.ts';
import type { Accept, Deployment, FunctionPage, ListQuery, Registry } from './api.ts';
import { encodeArtifact } from './artifact-format.ts';
import { type ArtifactStore, openArtifactStore, openMemoryArtifactStore } from './artifact-store.ts';
import { type CodeLimits, readCode } from './code.ts';
import { FunctionTable } from './function-table.ts';
import type { NetworkRules } from './network.ts';
import { References } from './references.ts';
import { checkFunctionName, checkTenantName, completeSpec } from './spec.ts';
import { shown } from './spec-errors.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { type FunctionStore, openMemoryStore } from './store.ts';

export interface RegistryOptions {
  /** The folder for the database and the code, or `:memory:`. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: CodeLimits;
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

const LATEST = '$LATEST';

/** The data folder of a server that keeps nothing. */
export const MEMORY = ':memory:';
const CODE_GRACE_MS = 60_000;
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
  readonly #options: RegistryOptions;
  readonly #store: FunctionStore;
  readonly #artifacts: ArtifactStore;
  readonly #references: References;
  readonly #table = new FunctionTable();
  /** The last change of each function that has one under way. */
  readonly #changes = new Map<string, Promise<unknown>>();

  constructor(options: RegistryOptions, store: FunctionStore, artifacts: ArtifactStore) {
    this.#options = options;
    this.#store = store;
    this.#artifacts = artifacts;
    const graceMs = options.codeGraceMs ?? CODE_GRACE_MS;
    this.#references = new References(options.clock, graceMs, (digest) => artifacts.remove(digest));
  }

  async load(): Promise<void> {
    const records = await this.#store.load();
    for (const record of records) {
      this.#table.set(Object.freeze(record));
      this.#references.retain(record.codeDigest);
    }
    // An empty database beside stored code may be a lost one that is about to be restored: its code stays.
    if (records.length > 0) this.#artifacts.sweep(this.#references.used);
  }

  async deploy(
    tenant: string,
    name: string,
    input: FunctionSpecInput,
    accept: Accept = () => () => {},
  ): Promise<Deployment> {
    checkTenantName(tenant);
    const spec = completeSpec(name, input, this.#options.network);
    return this.#inTurn(tenant, name, async () => {
      const code = await readCode(input.code, spec, this.#options.limits);
      const artifact = await encodeArtifact(code.files);
      const previous = this.#table.get(tenant, name);
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
      try {
        await this.#artifacts.put(artifact);
        await this.#store.put(record);
      } catch (error) {
        this.#references.release(artifact.digest);
        settle(false);
        throw error;
      }
      this.#table.set(record);
      if (previous !== undefined) this.#references.release(previous.codeDigest);
      settle(true);
      return { function: record, created: previous === undefined };
    });
  }

  resolve(tenant: string, name: string, qualifier: string = LATEST): FunctionRecord {
    const record = this.#table.get(tenant, name);
    if (record === undefined)
      throw new StrataError('not_found', `There is no function ${shown(name)}; list shows what is deployed.`);
    if (qualifier !== LATEST)
      throw new StrataError(
        'not_found',
        `The function ${shown(name)} has no version or alias ${shown(qualifier)}: there is only ${LATEST} so far; ` +
          'leave the qualifier out.',
      );
    return record;
  }

  all(): Iterable<FunctionRecord> {
    return this.#table.all();
  }

  list(query: ListQuery): FunctionPage {
    return this.#table.list(query);
  }

  async delete(tenant: string, name: string): Promise<FunctionRecord> {
    checkTenantName(tenant);
    checkFunctionName(name);
    return this.#inTurn(tenant, name, async () => {
      const record = this.resolve(tenant, name);
      await this.#store.remove(tenant, name, record.version);
      this.#table.delete(tenant, name);
      this.#references.release(record.codeDigest);
      return record;
    });
  }

  async codeFiles(record: FunctionRecord): Promise<CodeFiles> {
    try {
      return await this.#artifacts.load(record.codeDigest);
    } catch (cause) {
      if (this.#table.get(record.tenant, record.name)?.revision === record.revision) throw cause;
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

  /** Runs a change of a function after all its earlier ones, whether they worked or not. */
  async #inTurn<Result>(tenant: string, name: string, change: () => Promise<Result>): Promise<Result> {
    const key = `${tenant}/${name}`;
    const turn = (this.#changes.get(key) ?? Promise.resolve()).then(change, change);
    this.#changes.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#changes.get(key) === turn) this.#changes.delete(key);
    }
  }
}
