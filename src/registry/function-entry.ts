/**
 * One function in memory: its `$LATEST`, its published versions and its aliases.
 *
 * Owns what a qualifier means, and which of its two versions an alias gives to an invocation. Never writes to a store.
 * Invariants: an alias always points to versions that are here; versions are kept in the order of their numbers; what
 * `choose` does for `$LATEST` and for an alias with one version allocates nothing.
 */
import { type AliasRecord, type FunctionRecord, LATEST } from '../core/spec.ts';
import type { Random } from '../ports/random.ts';
import { fractionOf } from './session-key.ts';

/** An alias with the records that it points to. */
interface Route {
  readonly alias: AliasRecord;
  /** Null for `$LATEST`, which is looked up when it is needed. */
  readonly primary: FunctionRecord | null;
  readonly second: FunctionRecord | null;
  /** Of the second one. */
  readonly weight: number;
}

export class FunctionEntry {
  latest: FunctionRecord;
  /** The highest number that was ever given to a version of a function of this name. */
  lastVersion: number;
  readonly #versions = new Map<string, FunctionRecord>();
  readonly #routes = new Map<string, Route>();

  constructor(latest: FunctionRecord, lastVersion: number) {
    this.latest = latest;
    this.lastVersion = lastVersion;
  }

  /** In the order of their numbers. */
  get versions(): ReadonlyMap<string, FunctionRecord> {
    return this.#versions;
  }

  get aliasCount(): number {
    return this.#routes.size;
  }

  /** By name. */
  aliases(): AliasRecord[] {
    const all = [...this.#routes.values()].map(({ alias }) => alias);
    return all.sort((one, other) => (one.alias < other.alias ? -1 : 1));
  }

  alias(name: string): AliasRecord | undefined {
    return this.#routes.get(name)?.alias;
  }

  /** A version, or that which an alias points to first. */
  find(qualifier: string): FunctionRecord | undefined {
    if (qualifier === LATEST) return this.latest;
    const route = this.#routes.get(qualifier);
    if (route !== undefined) return route.primary ?? this.latest;
    return this.#versions.get(qualifier);
  }

  /**
   * What an invocation runs.
   * @param sessionKey callers with the same one stay at one version of an alias, and at the second one when its weight
   *   grows.
   */
  choose(qualifier: string, sessionKey: string | undefined, random: Random): FunctionRecord | undefined {
    const route = this.#routes.get(qualifier);
    if (route === undefined) return this.find(qualifier);
    const { alias, primary, second, weight } = route;
    if (second === null) return primary ?? this.latest;
    const at =
      sessionKey === undefined ? random.fraction() : fractionOf(this.latest.id, alias.alias, sessionKey);
    return at < weight ? second : (primary ?? this.latest);
  }

  /** A version with a higher number than all others. */
  addVersion(record: FunctionRecord): void {
    this.#versions.set(record.version, record);
    this.lastVersion = Math.max(this.lastVersion, Number(record.version));
  }

  removeVersion(version: string): void {
    this.#versions.delete(version);
  }

  /** @returns false when it points to a version that is not here; nothing is changed then. */
  setAlias(alias: AliasRecord): boolean {
    const [secondVersion, weight = 0] = Object.entries(alias.weights)[0] ?? [];
    const primary = alias.version === LATEST ? null : this.#versions.get(alias.version);
    const second = secondVersion === undefined ? null : this.#versions.get(secondVersion);
    if (primary === undefined || second === undefined) return false;
    this.#routes.set(alias.alias, { alias, primary, second, weight });
    return true;
  }

  removeAlias(name: string): void {
    this.#routes.delete(name);
  }

  /** The published versions that aliases point to, without one of the aliases. */
  pointed(exceptAlias?: string): Set<FunctionRecord> {
    const pointed = new Set<FunctionRecord>();
    for (const { alias, primary, second } of this.#routes.values()) {
      if (alias.alias === exceptAlias) continue;
      if (primary !== null) pointed.add(primary);
      if (second !== null) pointed.add(second);
    }
    return pointed;
  }

  /** The names of the aliases that point to a version. */
  aliasesOf(record: FunctionRecord): string[] {
    const names: string[] = [];
    for (const { alias, primary, second } of this.#routes.values())
      if (primary === record || second === record) names.push(alias.alias);
    return names.sort();
  }
}
