import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import type { AliasRecord, FunctionRecord } from '../core/spec.ts';
import { completeSpec } from './spec.ts';
import { openSqliteStore } from './sqlite-store.ts';
import { FORMER_NUMBERS_MAX, type FunctionStore, openMemoryStore } from './store.ts';

const record = (extra: Partial<FunctionRecord> = {}): FunctionRecord => ({
  ...completeSpec('hello', { runtime: 'isolate', code: { source: '' } }),
  id: 'id-1',
  tenant: 'default',
  name: 'hello',
  version: '$LATEST',
  revision: 'r1',
  codeDigest: 'a'.repeat(64),
  codeBytes: 12,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  ...extra,
});

const alias = (extra: Partial<AliasRecord> = {}): AliasRecord => ({
  ...{ tenant: 'default', function: 'hello', alias: 'live', version: '1', weights: { 2: 0.1 } },
  ...{ description: '', revision: 'r1' },
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  ...extra,
});

const folder = (): string => mkdtempSync(join(tmpdir(), 'strata-store-'));
let folders: string[] = [];
let path = '';
beforeEach(() => {
  const made = folder();
  folders.push(made);
  path = join(made, 'strata.db');
});
afterEach(() => {
  for (const made of folders) rmSync(made, { recursive: true });
  folders = [];
});

const refused = async (work: () => unknown): Promise<StrataError> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof StrataError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

describe.each<[string, () => FunctionStore]>([
  ['in memory', () => openMemoryStore()],
  ['in SQLite', () => openSqliteStore(path)],
])('a store %s', (_, open) => {
  it('gives back what was put, whatever its texts hold', async () => {
    const store = open();
    const odd = record({
      name: 'constructor',
      tenant: '__proto__',
      description: `'; DROP TABLE functions; -- \0 \ud800 😀 \u2028`,
      env: { toString: 'x', A: 'é' },
      labels: { hasOwnProperty: '1' },
      initializer: 'index.init',
      codeBytes: 2 ** 40,
    });
    await store.put(record());
    await store.put(odd);
    const loaded = await store.load();
    expect(loaded).toHaveLength(2);
    expect(loaded).toContainEqual(record());
    expect(loaded).toContainEqual(odd);
    store.close();
  });

  it('replaces by tenant, name and version together', async () => {
    const store = open();
    const others = [record({ tenant: 'b' }), record({ name: 'b' }), record({ version: '1' })];
    for (const each of [record(), ...others, record({ revision: 'r2' })]) await store.put(each);
    const loaded = await store.load();
    expect(loaded).toHaveLength(4);
    for (const each of [...others, record({ revision: 'r2' })]) expect(loaded).toContainEqual(each);
    store.close();
  });

  it('removes exactly one, and says whether there was one', async () => {
    const store = open();
    await store.put(record());
    await store.put(record({ tenant: 'b' }));
    expect(await store.remove('c', 'hello', '$LATEST')).toBe(false);
    expect(await store.remove('default', 'hello', '$LATEST')).toBe(true);
    expect(await store.remove('default', 'hello', '$LATEST')).toBe(false);
    expect(await store.load()).toEqual([record({ tenant: 'b' })]);
    store.close();
  });

  it('gives back aliases as they were put, and replaces by tenant, function and name together', async () => {
    const store = open();
    const odd = alias({ alias: '__proto__', weights: {}, description: `'; -- \0 \ud800 😀` });
    const others = [alias({ tenant: 'b' }), alias({ function: 'b' }), odd];
    const moved = alias({ version: '2', weights: {}, revision: 'r2' });
    for (const each of [alias(), ...others, moved]) await store.putAlias(each);
    const loaded = await store.loadAliases();
    expect(loaded).toHaveLength(4);
    for (const each of [...others, moved]) expect(loaded).toContainEqual(each);
    expect(await store.removeAlias('default', 'hello', 'other')).toBe(false);
    expect(await store.removeAlias('default', 'hello', 'live')).toBe(true);
    expect(await store.loadAliases()).toHaveLength(3);
    store.close();
  });

  it('removes a function with its versions and aliases, and nothing of others', async () => {
    const store = open();
    const kept = [record({ tenant: 'b' }), record({ name: 'b' })];
    for (const each of [record(), ...kept]) await store.put(each);
    await store.publish(record({ version: '1' }));
    for (const each of [alias(), alias({ alias: 'next' }), alias({ tenant: 'b' })])
      await store.putAlias(each);
    expect(await store.removeFunction('default', 'hello')).toBe(true);
    expect(await store.removeFunction('default', 'hello')).toBe(false);
    const loaded = await store.load();
    expect(loaded).toHaveLength(2);
    for (const each of kept) expect(loaded).toContainEqual(each);
    expect(await store.loadAliases()).toEqual([alias({ tenant: 'b' })]);
    store.close();
  });

  it('knows the highest number of a function’s versions, whatever of it was removed', async () => {
    const store = open();
    await store.put(record());
    expect(await store.lastVersion('default', 'hello')).toBe(0);
    for (const version of ['1', '2', '10']) await store.publish(record({ version }));
    expect(await store.remove('default', 'hello', '10')).toBe(true);
    expect(await store.lastVersion('default', 'hello')).toBe(10);
    expect(await store.lastVersions()).toEqual([{ tenant: 'default', name: 'hello', version: 10 }]);
    await store.removeFunction('default', 'hello');
    expect(await store.lastVersions()).toEqual([]);
    expect(await store.lastVersion('default', 'hello')).toBe(10);
    expect(await store.lastVersion('b', 'hello')).toBe(0);
    await store.put(record());
    expect(await store.lastVersions()).toEqual([{ tenant: 'default', name: 'hello', version: 10 }]);
    store.close();
  });

  it('forgets the numbers of functions that were removed longest ago, of each tenant by itself', async () => {
    const store = open();
    for (const tenant of ['a', 'b'])
      for (let index = 0; index <= (tenant === 'a' ? FORMER_NUMBERS_MAX : 1); index += 1) {
        await store.publish(record({ tenant, name: `f${index}`, version: '7' }));
        await store.removeFunction(tenant, `f${index}`);
      }
    const known = [store.lastVersion('a', 'f0'), store.lastVersion('a', 'f1'), store.lastVersion('b', 'f0')];
    expect(await Promise.all(known)).toEqual([0, 7, 7]);
    store.close();
  }, 20_000);

  it('refuses every call after close, and closes twice', async () => {
    const store = open();
    store.close();
    store.close();
    for (const call of [
      ...[store.load(), store.put(record()), store.remove('a', 'b', 'c'), store.publish(record())],
      ...[store.loadAliases(), store.putAlias(alias()), store.removeAlias('a', 'b', 'c')],
      ...[store.lastVersion('a', 'b'), store.lastVersions(), store.removeFunction('a', 'b')],
    ])
      expect((await refused(() => call)).code).toBe('internal_error');
  });
});

describe('the SQLite store', () => {
  it('keeps records over closing and opening', async () => {
    const first = openSqliteStore(path);
    await first.put(record());
    first.close();
    const second = openSqliteStore(path);
    expect(await second.load()).toEqual([record()]);
    second.close();
  });

  it('reads a spec that was stored before a field was known', async () => {
    const first = openSqliteStore(path);
    await first.put(record({ reservedConcurrency: 7, auth: 'none' }));
    first.close();
    const database = new DatabaseSync(path);
    const strip =
      "UPDATE functions SET spec = json_remove(spec, '$.reservedConcurrency', '$.auth', '$.async')";
    expect(database.prepare(strip).run().changes).toBe(1);
    database.close();
    const second = openSqliteStore(path);
    expect(await second.load()).toEqual([record({ reservedConcurrency: 0, auth: 'key' })]);
    second.close();
  });

  it('keeps its file and journal readable by the owner alone, also when it was not so before', async () => {
    writeFileSync(path, '', { mode: 0o644 });
    const store = openSqliteStore(path);
    await store.put(record());
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    store.close();
  });

  it('is refused to a second opener while the first has it', async () => {
    const first = openSqliteStore(path);
    const error = await refused(() => openSqliteStore(path, { busyTimeoutMs: 0 }));
    expect(error.code).toBe('conflict');
    expect(error.message).toContain(path);
    first.close();
    openSqliteStore(path, { busyTimeoutMs: 0 }).close();
  });

  it('names the file when it is not a database', async () => {
    writeFileSync(path, 'garbage '.repeat(1_000));
    const error = await refused(() => openSqliteStore(path));
    expect(error.code).toBe('internal_error');
    expect(error.message).toContain(path);
    expect(error.message).toContain('not a database');
  });

  it('names the file when a page inside is damaged', async () => {
    const store = openSqliteStore(path);
    for (let n = 0; n < 50; n += 1) await store.put(record({ name: `f${n}`, description: 'x'.repeat(500) }));
    store.close();
    const size = statSync(path).size;
    const raw = Buffer.alloc(size - 8_192, 0xff);
    const fd = openSync(path, 'r+');
    writeSync(fd, raw, 0, raw.length, 8_192);
    closeSync(fd);
    const error = await refused(async () => {
      const damaged = openSqliteStore(path);
      await damaged.load().finally(() => damaged.close());
    });
    expect(error.code).toBe('internal_error');
    expect(error.message).toContain(path);
  });

  it('names the function whose stored spec is not JSON', async () => {
    const store = openSqliteStore(path);
    await store.put(record());
    store.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE functions SET spec = '{'");
    database.close();
    const again = openSqliteStore(path);
    expect((await refused(() => again.load())).message).toContain('default/hello');
    again.close();
  });

  it('refuses a database of a newer Strata and leaves it unchanged', async () => {
    openSqliteStore(path).close();
    const database = new DatabaseSync(path);
    database.exec('UPDATE schema_version SET version = 99');
    database.close();
    expect((await refused(() => openSqliteStore(path))).message).toContain('version 99');
    const after = new DatabaseSync(path);
    expect(after.prepare('SELECT version FROM schema_version').get()?.version).toBe(99);
    after.close();
  });

  it('brings a database of the first schema to the present one, with what is in it', async () => {
    const first = openSqliteStore(path);
    await first.put(record());
    first.close();
    const database = new DatabaseSync(path);
    database.exec('DROP TABLE aliases; DROP TABLE version_numbers; UPDATE schema_version SET version = 1');
    database.close();
    const second = openSqliteStore(path);
    expect(await second.load()).toEqual([record()]);
    await second.publish(record({ version: '1' }));
    await second.putAlias(alias());
    second.close();
    const third = openSqliteStore(path);
    expect(await third.loadAliases()).toEqual([alias()]);
    expect(await third.lastVersion('default', 'hello')).toBe(1);
    third.close();
  });

  it('makes all of a change or nothing of it', async () => {
    const store = openSqliteStore(path);
    await store.put(record());
    await store.publish(record({ version: '1' }));
    await store.putAlias(alias());
    store.close();
    const database = new DatabaseSync(path);
    database.exec(
      "CREATE TRIGGER keep BEFORE DELETE ON aliases BEGIN SELECT RAISE(ABORT, 'kept'); END; " +
        "CREATE TRIGGER stay BEFORE INSERT ON version_numbers BEGIN SELECT RAISE(ABORT, 'stays'); END",
    );
    database.close();
    const again = openSqliteStore(path);
    await expect(again.removeFunction('default', 'hello')).rejects.toMatchObject({ code: 'internal_error' });
    await expect(again.publish(record({ version: '2' }))).rejects.toMatchObject({ code: 'internal_error' });
    expect(await again.load()).toHaveLength(2);
    expect(await again.lastVersion('default', 'hello')).toBe(1);
    await again.put(record({ revision: 'r2' }));
    again.close();
  });
});
