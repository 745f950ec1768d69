/**
 * What this API keeps of a function beside the registry: tags, function URLs, configurations of single qualifiers.
 *
 * Owns `lambda.db`. Everything is in memory for reading; a write is on the disk before it is visible. Settings belong
 * to a function's id, which no later function of the same name has, so that what a deletion leaves behind is never
 * seen again; it is swept at the next start. Never keeps what belongs to a version: that is in the function's record.
 */
import { join } from 'node:path';
import { attemptOn, IN_MEMORY, openDatabase } from '../../ports/database.ts';

export type SettingKind = 'tags' | 'url' | 'event-invoke' | 'provisioned' | 'concurrency';

export interface SettingOwner {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
}

export interface Setting {
  readonly owner: SettingOwner;
  readonly kind: SettingKind;
  /** A version or alias; empty for the function as a whole. */
  readonly qualifier: string;
  readonly value: unknown;
}

export interface Settings {
  get(functionId: string, kind: SettingKind, qualifier?: string): unknown;
  list(functionId: string, kind: SettingKind): readonly Setting[];
  /** The function URL of that id: whoever reaches the port may ask for any. */
  url(id: string): Setting | null;
  /** Every setting of one kind, of all functions. */
  all(kind: SettingKind): Iterable<Setting>;
  put(owner: SettingOwner, kind: SettingKind, qualifier: string, value: unknown): void;
  /** False when there was none. */
  remove(functionId: string, kind: SettingKind, qualifier?: string): boolean;
  /** Everything of a function that is no more. */
  forget(functionId: string): void;
  /** Forgets what belongs to functions that are no more. */
  sweep(exists: (owner: SettingOwner) => boolean): void;
  close(): void;
}

/**
 * @param dataDir the folder of the server's databases, or `:memory:`.
 * @throws StrataError `conflict`, `storage_full`, `internal_error`.
 */
export const openSettings = (dataDir: string): Settings => {
  const path = dataDir === IN_MEMORY ? IN_MEMORY : join(dataDir, 'lambda.db');
  const database = openDatabase(path, MIGRATIONS);
  const attempt = <Result>(run: () => Result): Result => attemptOn(path, run);
  const functions = new Map<string, Map<string, Setting>>();
  const urls = new Map<string, Setting>();
  const keep = (setting: Setting): void => {
    const own = functions.get(setting.owner.id) ?? new Map<string, Setting>();
    const key = keyOf(setting.kind, setting.qualifier);
    unlist(own.get(key));
    own.set(key, setting);
    functions.set(setting.owner.id, own);
    if (setting.kind === 'url') urls.set(urlIdOf(setting), setting);
  };
  const unlist = (setting: Setting | undefined): void => {
    if (setting?.kind === 'url') urls.delete(urlIdOf(setting));
  };
  for (const row of attempt(() => database.prepare(SELECT).all())) {
    const owner = { id: String(row.function_id), tenant: String(row.tenant), name: String(row.name) };
    const kind = String(row.kind) as SettingKind;
    keep({ owner, kind, qualifier: String(row.qualifier), value: JSON.parse(String(row.value)) });
  }
  const forget = (id: string): void => {
    if (!functions.has(id)) return;
    attempt(() => database.prepare(FORGET).run(id));
    for (const setting of functions.get(id)?.values() ?? []) unlist(setting);
    functions.delete(id);
  };
  return {
    get: (id, kind, qualifier = '') => functions.get(id)?.get(keyOf(kind, qualifier))?.value,
    list: (id, kind) => [...(functions.get(id)?.values() ?? [])].filter((setting) => setting.kind === kind),
    url: (id) => urls.get(id) ?? null,
    *all(kind) {
      for (const own of functions.values())
        for (const setting of own.values()) if (setting.kind === kind) yield setting;
    },
    put(owner, kind, qualifier, value) {
      const { id, tenant, name } = owner;
      attempt(() => database.prepare(UPSERT).run(id, kind, qualifier, tenant, name, JSON.stringify(value)));
      keep({ owner: { id, tenant, name }, kind, qualifier, value });
    },
    remove(id, kind, qualifier = '') {
      const key = keyOf(kind, qualifier);
      if (functions.get(id)?.has(key) !== true) return false;
      attempt(() => database.prepare(DELETE).run(id, kind, qualifier));
      unlist(functions.get(id)?.get(key));
      return functions.get(id)?.delete(key) === true;
    },
    forget,
    sweep(exists) {
      for (const [id, own] of [...functions]) {
        const [first] = own.values();
        if (first === undefined || !exists(first.owner)) forget(id);
      }
    },
    close: () => database.close(),
  };
};

/** Forgets what belongs to a version or an alias that is no more. */
export const forgetQualifier = (
  { settings }: { readonly settings: Settings },
  functionId: string,
  qualifier: string,
): void => {
  for (const kind of ['url', 'event-invoke', 'provisioned'] as const)
    settings.remove(functionId, kind, qualifier);
};

/** The steps from each version to the next. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE settings (
    function_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    qualifier TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (function_id, kind, qualifier)
  ) STRICT, WITHOUT ROWID`,
];

const SELECT = 'SELECT function_id, kind, qualifier, tenant, name, value FROM settings';
const UPSERT =
  'INSERT OR REPLACE INTO settings (function_id, kind, qualifier, tenant, name, value) VALUES (?, ?, ?, ?, ?, ?)';
const DELETE = 'DELETE FROM settings WHERE function_id = ? AND kind = ? AND qualifier = ?';
const FORGET = 'DELETE FROM settings WHERE function_id = ?';

const urlIdOf = ({ value }: Setting): string => (value as { readonly id: string }).id;

const keyOf = (kind: SettingKind, qualifier: string): string => `${kind} ${qualifier}`;
