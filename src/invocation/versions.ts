/**
 * Versions and aliases as the executor offers them: what a change of them means for the pools.
 *
 * Owns when a version's `minInstances` are kept: while an alias points to it and the function is enabled; those of
 * `$LATEST` are kept in any case. Never stores anything itself. Invariant: what the pools are told is read from the
 * registry when they are told, so that changes that overtake each other end in what is stored.
 */
import type { Logger } from 'pino';
import { StrataError } from '../core/errors.ts';
import { type AliasInput, type AliasRecord, type FunctionRecord, LATEST } from '../core/spec.ts';
import type {
  AliasPage,
  Deletion,
  Pointing,
  Precondition,
  Publication,
  PublishOptions,
  Registry,
  VersionPage,
} from '../registry/api.ts';
import type { FunctionVersions } from './api.ts';
import type { Lanes } from './lanes.ts';
import { keptPlacementOf, placementOf } from './placement.ts';
import type { Provisions } from './provisions.ts';

export interface VersionsParts {
  readonly registry: Registry;
  readonly lanes: Pick<Lanes, 'deployed' | 'supersede'>;
  readonly provisions: Provisions;
  readonly logger: Logger;
  /** Makes a change that closing waits for; refuses it while draining. */
  readonly change: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** Refuses when closed. */
  readonly read: () => void;
}

type Tenanted = { readonly tenant?: string };

const DEFAULT_TENANT = 'default';

export class LocalVersions implements FunctionVersions {
  readonly #parts: VersionsParts;

  constructor(parts: VersionsParts) {
    this.#parts = parts;
  }

  async publish(name: string, options: PublishOptions & Tenanted = {}): Promise<Publication> {
    const { tenant = DEFAULT_TENANT, ...rest } = options;
    const { registry, logger } = this.#parts;
    const published = await this.#parts.change(() => registry.versions.publish(tenant, name, rest));
    const { version, codeDigest } = published.function;
    logger.info({ tenant, function: name, version, codeDigest, created: published.created }, 'published');
    return published;
  }

  list(name: string, options: Tenanted & { limit?: number; cursor?: string } = {}): VersionPage {
    const { tenant = DEFAULT_TENANT, ...query } = options;
    this.#parts.read();
    return this.#parts.registry.versions.list(tenant, name, query);
  }

  async delete(
    name: string,
    version: string,
    options: Precondition & Tenanted = {},
  ): Promise<FunctionRecord> {
    const { tenant = DEFAULT_TENANT, ...precondition } = options;
    const { registry, lanes, logger } = this.#parts;
    const record = await this.#parts.change(() =>
      registry.versions.delete(tenant, name, version, precondition),
    );
    lanes.supersede(placementOf(record).group, null);
    logger.info({ tenant, function: name, version }, 'version deleted');
    return record;
  }

  async putAlias(
    name: string,
    alias: string,
    input: AliasInput,
    options: Precondition & Tenanted = {},
  ): Promise<{ readonly alias: AliasRecord; readonly created: boolean }> {
    const { tenant = DEFAULT_TENANT, ...precondition } = options;
    const { registry, provisions, logger } = this.#parts;
    const changed = await this.#parts.change(() =>
      registry.versions.putAlias(tenant, name, alias, input, provisions.acceptPointing, precondition),
    );
    this.#moved(changed);
    const { version, weights } = changed.alias;
    logger.info({ tenant, function: name, alias, version, weights }, 'alias set');
    return { alias: changed.alias, created: changed.created };
  }

  alias(name: string, alias: string, { tenant = DEFAULT_TENANT }: Tenanted = {}): AliasRecord {
    this.#parts.read();
    return this.#parts.registry.versions.alias(tenant, name, alias);
  }

  aliases(name: string, options: Tenanted & { limit?: number; cursor?: string } = {}): AliasPage {
    const { tenant = DEFAULT_TENANT, ...query } = options;
    this.#parts.read();
    return this.#parts.registry.versions.aliases(tenant, name, query);
  }

  async deleteAlias(
    name: string,
    alias: string,
    options: Precondition & Tenanted = {},
  ): Promise<AliasRecord> {
    const { tenant = DEFAULT_TENANT, ...precondition } = options;
    const { registry, provisions, logger } = this.#parts;
    const changed = await this.#parts.change(() =>
      registry.versions.deleteAlias(tenant, name, alias, provisions.acceptPointing, precondition),
    );
    this.#moved(changed);
    logger.info({ tenant, function: name, alias }, 'alias deleted');
    return changed.alias;
  }

  async provision(
    name: string,
    version: string,
    instances: number,
    { tenant = DEFAULT_TENANT }: Tenanted = {},
  ): Promise<void> {
    this.#parts.read();
    const { registry, provisions, lanes, logger } = this.#parts;
    const record = registry.get(tenant, name, version);
    if (record.version === LATEST)
      throw new StrataError(
        'invalid_request',
        `${LATEST} keeps what its minInstances say; publish a version, or deploy it with others.`,
      );
    const wanted = Object.freeze({ ...record, minInstances: Math.max(record.minInstances, instances) });
    if (instances > 0) {
      provisions.accept(wanted)(true);
      lanes.deployed(record.runtime, keptPlacementOf(wanted));
    } else {
      if (!registry.versions.isPointed(record)) provisions.drop(record);
      lanes.deployed(record.runtime, placementOf(record));
      this.#review(record);
    }
    logger.info({ tenant, function: name, version: record.version, instances }, 'provisioned');
  }

  /** A deployment may have enabled the function or disabled it, which its versions go by. */
  functionDeployed(tenant: string, name: string): void {
    for (const record of this.#parts.registry.versions.pointed(tenant, name)) this.#review(record);
  }

  /** Everything of it ends: what is idle now, what is busy when it is done. */
  functionDeleted({ function: latest, versions }: Deletion): void {
    for (const record of [latest, ...versions]) {
      this.#parts.lanes.supersede(placementOf(record).group, null);
      this.#parts.provisions.drop(record);
    }
  }

  #moved({ joined, left }: Pointing): void {
    for (const record of joined) this.#review(record);
    for (const record of left) this.#review(record);
  }

  /** Tells the pool whether a version's `minInstances` are kept. What asks for none is like any other throughout. */
  #review(record: FunctionRecord): void {
    const { registry, lanes } = this.#parts;
    if (record.minInstances === 0 || !registry.isCurrent(record)) return;
    const isKept = registry.isEnabled(record) && registry.versions.isPointed(record);
    lanes.deployed(record.runtime, isKept ? keptPlacementOf(record) : placementOf(record));
  }
}

/** When a server starts: whatever was deployed with `minInstances` gets them. */
export const keepStored = (registry: Registry, lanes: Pick<Lanes, 'deployed'>): void => {
  for (const record of registry.kept())
    if (record.minInstances > 0 && registry.isEnabled(record))
      lanes.deployed(record.runtime, keptPlacementOf(record));
};
