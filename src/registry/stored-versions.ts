/**
 * Published versions and aliases: how they are made, moved and removed.
 *
 * Owns the numbers and the limits. Never changes `$LATEST`, and never a version once it is published. Invariants: a
 * number is given once; a change is visible only when it is on the disk; what an alias points to is not removed; equal
 * content has one version.
 */
import { type ErrorCode, type LimitKind, StrataError } from '../core/errors.ts';
import { type AliasInput, type AliasRecord, type FunctionRecord, LATEST } from '../core/spec.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { checkAliasName, completeAlias, isAliasName, isVersion } from './alias-input.ts';
import type {
  Accept,
  AcceptPointing,
  AliasChange,
  AliasPage,
  Pointing,
  Precondition,
  Publication,
  PublishOptions,
  VersionPage,
  VersionRegistry,
} from './api.ts';
import type { FunctionEntry } from './function-entry.ts';
import type { FunctionTable } from './function-table.ts';
import { checkedLimit, decodeCursor, firstBehind, type PageQuery, pageOf } from './paging.ts';
import { checkPublished, frozen, isSameContent } from './publication.ts';
import type { References } from './references.ts';
import { refuseMismatch } from './revision.ts';
import { shown } from './spec-errors.ts';
import type { FunctionStore } from './store.ts';

export interface VersionLimits {
  /** Published versions of one function, and its aliases. */
  readonly maxVersions: number;
  readonly maxAliases: number;
}

export interface StoredVersionsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: VersionLimits;
  readonly store: FunctionStore;
  readonly table: FunctionTable;
  readonly references: References;
  /** Runs a change of a function after all its earlier ones. */
  readonly inTurn: <Result>(tenant: string, name: string, change: () => Promise<Result>) => Promise<Result>;
}

const ANYWAY: AcceptPointing = () => () => {};

export class StoredVersions implements VersionRegistry {
  readonly #options: StoredVersionsOptions;

  constructor(options: StoredVersionsOptions) {
    this.#options = options;
  }

  /** What was stored, beside the functions that are in the table already. */
  async load(records: readonly FunctionRecord[]): Promise<void> {
    const { store, table } = this.#options;
    for (const { tenant, name, version } of await store.lastVersions()) {
      const entry = table.get(tenant, name);
      if (entry !== undefined) entry.lastVersion = version;
    }
    const inOrder = records.toSorted((one, other) => Number(one.version) - Number(other.version));
    for (const record of inOrder) {
      const entry = table.get(record.tenant, record.name);
      if (entry === undefined) throw orphan(`version ${record.version}`, record.tenant, record.name);
      entry.addVersion(record);
    }
    for (const alias of await store.loadAliases()) {
      const loaded = Object.freeze({ ...alias, weights: Object.freeze(alias.weights) });
      const isSet = table.get(alias.tenant, alias.function)?.setAlias(loaded) ?? false;
      if (!isSet) throw orphan(`alias ${alias.alias}`, alias.tenant, alias.function);
    }
  }

  async publish(
    tenant: string,
    name: string,
    options: PublishOptions = {},
    accept: Accept = () => () => {},
  ): Promise<Publication> {
    const { description, codeDigest } = options;
    checkPublished(options);
    return this.#options.inTurn(tenant, name, async () => {
      const entry = this.#entry(tenant, name);
      const { latest } = entry;
      refuseMismatch(`The function ${shown(name)}`, latest.revision, options);
      if (codeDigest !== undefined && codeDigest !== latest.codeDigest)
        throw new StrataError(
          'revision_mismatch',
          `The code of ${shown(name)} has the digest ${latest.codeDigest}, and the request expects ${shown(codeDigest)}.`,
        );
      for (const version of entry.versions.values())
        if (isSameContent(version, latest)) return { function: version, created: false };
      this.#refuseMore(name, 'maxVersions', entry.versions.size);
      const { references, store, random } = this.#options;
      const record = frozen(latest, {
        ...{ version: String(entry.lastVersion + 1), revision: random.uuid(), at: this.#now() },
        ...(description === undefined ? {} : { description }),
      });
      const settle = accept(record);
      references.retain(record.codeDigest);
      try {
        await store.publish(record);
      } catch (error) {
        references.release(record.codeDigest);
        settle(false);
        throw error;
      }
      entry.addVersion(record);
      settle(true);
      return { function: record, created: true };
    });
  }

  list(tenant: string, name: string, query: PageQuery = {}): VersionPage {
    const limit = checkedLimit(query.limit);
    const after = decodeCursor(query.cursor, isVersion);
    const versions = [...this.#entry(tenant, name).versions.values()];
    const from = after === null ? 0 : firstBehind(versions, ({ version }) => Number(version) > Number(after));
    const { items, nextCursor } = pageOf(versions, from, limit, ({ version }) => version);
    return { versions: items, nextCursor };
  }

  delete(
    tenant: string,
    name: string,
    version: string,
    precondition: Precondition = {},
  ): Promise<FunctionRecord> {
    return this.#options.inTurn(tenant, name, async () => {
      const entry = this.#entry(tenant, name);
      const record = entry.versions.get(version);
      if (record === undefined) {
        if (version === LATEST)
          throw refusal(
            'invalid_request',
            `${LATEST} is not a published version; delete the function instead.`,
          );
        throw refusal('not_found', `The function ${shown(name)} has no version ${shown(version)}.`);
      }
      refuseMismatch(`Version ${version} of ${shown(name)}`, record.revision, precondition);
      const [alias, ...more] = entry.aliasesOf(record);
      if (alias !== undefined)
        throw refusal(
          'conflict',
          `The alias ${shown(alias)}${more.length === 0 ? '' : ` and ${more.length} more`} of ${shown(name)} points to ` +
            `version ${version}. Move it to another version, or delete it, first.`,
        );
      await this.#options.store.remove(tenant, name, version);
      entry.removeVersion(version);
      this.#options.references.release(record.codeDigest);
      return record;
    });
  }

  async putAlias(
    tenant: string,
    name: string,
    alias: string,
    input: AliasInput,
    accept: AcceptPointing = ANYWAY,
    precondition: Precondition = {},
  ): Promise<AliasChange> {
    checkAliasName(alias);
    const wanted = completeAlias(input);
    return this.#options.inTurn(tenant, name, async () => {
      const entry = this.#entry(tenant, name);
      const previous = entry.alias(alias);
      refuseMismatch(`The alias ${shown(alias)}`, previous?.revision ?? null, precondition);
      for (const version of [wanted.version, ...Object.keys(wanted.weights)])
        if (version !== LATEST && !entry.versions.has(version))
          throw refusal('not_found', `The function ${shown(name)} has no version ${shown(version)}.`);
      if (previous === undefined) this.#refuseMore(name, 'maxAliases', entry.aliasCount);
      const now = this.#now();
      const record: AliasRecord = Object.freeze({
        ...{ tenant, function: name, alias, ...wanted, revision: this.#options.random.uuid() },
        ...{ createdAt: previous?.createdAt ?? now, updatedAt: now },
      });
      const pointing = pointingOf(entry, alias, record);
      await this.#store(accept(pointing), (store) => store.putAlias(record));
      entry.setAlias(record);
      return { alias: record, created: previous === undefined, ...pointing };
    });
  }

  alias(tenant: string, name: string, alias: string): AliasRecord {
    return this.#entry(tenant, name).alias(alias) ?? noAlias(name, alias);
  }

  aliases(tenant: string, name: string, query: PageQuery = {}): AliasPage {
    const limit = checkedLimit(query.limit);
    const after = decodeCursor(query.cursor, isAliasName);
    const all = this.#entry(tenant, name).aliases();
    const from = after === null ? 0 : firstBehind(all, ({ alias }) => alias > after);
    const { items, nextCursor } = pageOf(all, from, limit, ({ alias }) => alias);
    return { aliases: items, nextCursor };
  }

  deleteAlias(
    tenant: string,
    name: string,
    alias: string,
    accept: AcceptPointing = ANYWAY,
    precondition: Precondition = {},
  ): Promise<AliasChange> {
    return this.#options.inTurn(tenant, name, async () => {
      const entry = this.#entry(tenant, name);
      const record = entry.alias(alias) ?? noAlias(name, alias);
      refuseMismatch(`The alias ${shown(alias)}`, record.revision, precondition);
      const pointing = pointingOf(entry, alias, null);
      await this.#store(accept(pointing), (store) => store.removeAlias(tenant, name, alias));
      entry.removeAlias(alias);
      return { alias: record, created: false, ...pointing };
    });
  }

  pointed(tenant: string, name: string): Iterable<FunctionRecord> {
    return this.#options.table.get(tenant, name)?.pointed() ?? [];
  }

  isPointed(record: FunctionRecord): boolean {
    const entry = this.#options.table.get(record.tenant, record.name);
    return entry !== undefined && entry.aliasesOf(record).length > 0;
  }

  /** @throws StrataError `not_found`. */
  #entry(tenant: string, name: string): FunctionEntry {
    const entry = this.#options.table.get(tenant, name);
    if (entry !== undefined) return entry;
    throw refusal('not_found', `There is no function ${shown(name)}; list shows what is deployed.`);
  }

  async #store(
    settle: (stored: boolean) => void,
    write: (store: FunctionStore) => Promise<unknown>,
  ): Promise<void> {
    try {
      await write(this.#options.store);
    } catch (error) {
      settle(false);
      throw error;
    }
    settle(true);
  }

  #refuseMore(name: string, kind: LimitKind & keyof VersionLimits, observed: number): void {
    const configured = this.#options.limits[kind];
    if (observed < configured) return;
    const things = kind === 'maxVersions' ? 'versions' : 'aliases';
    throw new StrataError(
      'conflict',
      `The function ${shown(name)} has ${observed} ${things}, and limits.${kind} allows ${configured}; delete one that ` +
        'is not needed any more.',
      { limit: { kind, configured, observed } },
    );
  }

  #now(): string {
    return new Date(this.#options.clock.wallMs()).toISOString();
  }
}

/** What a change of one alias does to the set of versions that aliases point to. */
const pointingOf = (entry: FunctionEntry, alias: string, wanted: AliasRecord | null): Pointing => {
  const before = entry.pointed();
  const after = entry.pointed(alias);
  if (wanted !== null)
    for (const version of [wanted.version, ...Object.keys(wanted.weights)]) {
      const record = entry.versions.get(version);
      if (record !== undefined) after.add(record);
    }
  return {
    joined: [...after].filter((record) => !before.has(record)),
    left: [...before].filter((record) => !after.has(record)),
  };
};

const refusal = (code: ErrorCode, detail: string): StrataError => new StrataError(code, detail);

const noAlias = (name: string, alias: string): never => {
  throw refusal('not_found', `The function ${shown(name)} has no alias ${shown(alias)}.`);
};

const orphan = (what: string, tenant: string, name: string): StrataError =>
  refusal(
    'internal_error',
    `The database holds ${what} of ${tenant}/${name}, and not what belongs to it. Restore it from a copy.`,
  );
