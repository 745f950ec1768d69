import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CodeFile, FunctionRecord, FunctionSpecInput } from '../core/spec.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import type { Registry } from './api.ts';
import { openRegistry } from './registry.ts';

let dataDir = '';
let clock = new ManualClock();
let open: Registry[] = [];
beforeEach(() => {
  dataDir = join(mkdtempSync(join(tmpdir(), 'strata-registry-')), 'data');
  clock = new ManualClock();
});
afterEach(() => {
  for (const registry of open) registry.close();
  open = [];
  rmSync(join(dataDir, '..'), { recursive: true });
});

let seed = 1;
const openAt = async (folder: string): Promise<Registry> => {
  seed += 1;
  const random = seededRandom(seed);
  const registry = await openRegistry({
    dataDir: folder,
    clock,
    random,
    limits: { codeMaxBytes: 1_000, containerCodeMaxBytes: 10_000 },
    busyTimeoutMs: 0,
  });
  open.push(registry);
  return registry;
};

const spec = (source: string, extra: Partial<FunctionSpecInput> = {}): FunctionSpecInput => ({
  runtime: 'isolate',
  code: { source },
  ...extra,
});
const textOf = (file: CodeFile | undefined): string | undefined =>
  file === undefined ? undefined : Buffer.from(file.bytes).toString('utf8');
const sourceOf = async (registry: Registry, record: FunctionRecord): Promise<string | undefined> =>
  textOf((await registry.codeFiles(record)).get('index.js'));
const artifactsOnDisk = (): string[] =>
  readdirSync(join(dataDir, 'code'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.length > 60,
  );

describe.each([
  ['in memory', () => ':memory:'],
  ['on disk', () => dataDir],
])('a registry %s', (_, folder) => {
  it('creates, then updates: the id and the creation time stay, the revision changes', async () => {
    const registry = await openAt(folder());
    const first = await registry.deploy('t', 'f', spec('1'));
    await clock.advance(1_000);
    const second = await registry.deploy('t', 'f', spec('1'));
    expect([first.created, second.created]).toEqual([true, false]);
    expect(first.function).toMatchObject({ tenant: 't', name: 'f', version: '$LATEST', codeBytes: 1 });
    expect(second.function).toMatchObject({ id: first.function.id, createdAt: first.function.createdAt });
    expect(second.function.updatedAt).toBe('2026-01-01T00:00:01.000Z');
    expect(second.function.revision).not.toBe(first.function.revision);
    expect(registry.resolve('t', 'f')).toBe(second.function);
    expect(await sourceOf(registry, second.function)).toBe('1');
    expect(Object.isFrozen(second.function)).toBe(true);
  });

  it('keeps tenants apart, and knows no name that was not deployed', async () => {
    const registry = await openAt(folder());
    await registry.deploy('a', 'f', spec('1'));
    for (const [tenant, name] of [
      ['b', 'f'],
      ['a', 'g'],
      ['a', '__proto__'],
      ['constructor', 'f'],
    ] as const) {
      expect(() => registry.resolve(tenant, name)).toThrow(expect.objectContaining({ code: 'not_found' }));
    }
    await expect(registry.delete('b', 'f')).rejects.toMatchObject({ code: 'not_found' });
    expect(registry.list({ tenant: 'b' }).functions).toEqual([]);
  });

  it('says which qualifier it does not know', async () => {
    const registry = await openAt(folder());
    await registry.deploy('t', 'f', spec('1'));
    expect(registry.resolve('t', 'f', '$LATEST').name).toBe('f');
    expect(() => registry.resolve('t', 'f', '3')).toThrow('has no version or alias "3"');
  });

  it('changes nothing when a deployment is refused', async () => {
    const registry = await openAt(folder());
    const { function: before } = await registry.deploy('t', 'f', spec('1'));
    const refusals = [
      [spec('x'.repeat(1_001)), 'payload_too_large'],
      [spec('1', { handler: 'other.handler' }), 'code_invalid'],
      [spec('1', { memoryMb: 1 }), 'invalid_request'],
    ] as const;
    for (const [bad, code] of refusals)
      await expect(registry.deploy('t', 'f', bad)).rejects.toMatchObject({ code });
    for (const tenant of ['', '../t', 'a\0', 't'.repeat(65)])
      await expect(registry.deploy(tenant, 'f', spec('1'))).rejects.toMatchObject({
        code: 'invalid_request',
      });
    expect(registry.resolve('t', 'f')).toBe(before);
  });

  it('deletes, and a function of that name is a new one afterwards', async () => {
    const registry = await openAt(folder());
    const { function: first } = await registry.deploy('t', 'f', spec('1'));
    expect(await registry.delete('t', 'f')).toEqual({ function: first, versions: [] });
    expect(() => registry.resolve('t', 'f')).toThrow(expect.objectContaining({ code: 'not_found' }));
    const again = await registry.deploy('t', 'f', spec('1'));
    expect(again.created).toBe(true);
    expect(again.function.id).not.toBe(first.id);
  });

  it('lists by name in pages, each function once, while others come and go', async () => {
    const registry = await openAt(folder());
    for (const name of ['d', 'B', 'a', 'c', 'e']) await registry.deploy('t', name, spec(name));
    const first = registry.list({ tenant: 't', limit: 2 });
    expect(first.functions.map((each) => each.name)).toEqual(['B', 'a']);
    await registry.delete('t', 'a');
    await registry.deploy('t', 'A', spec('A'));
    const second = registry.list({ tenant: 't', limit: 2, cursor: first.nextCursor ?? '' });
    expect(second.functions.map((each) => each.name)).toEqual(['c', 'd']);
    const third = registry.list({ tenant: 't', limit: 2, cursor: second.nextCursor ?? '' });
    expect(third.functions.map((each) => each.name)).toEqual(['e']);
    expect(third.nextCursor).toBeNull();
    expect(registry.list({ tenant: 't', limit: 5 }).nextCursor).toBeNull();
  });

  it('lists by label: every one given must match', async () => {
    const registry = await openAt(folder());
    await registry.deploy('t', 'a', spec('', { labels: { team: 'x', stage: 'prod' } }));
    await registry.deploy('t', 'b', spec('', { labels: { team: 'x' } }));
    const names = (labels: Record<string, string>) =>
      registry.list({ tenant: 't', labels }).functions.map((each) => each.name);
    expect(names({ team: 'x' })).toEqual(['a', 'b']);
    expect(names({ team: 'x', stage: 'prod' })).toEqual(['a']);
    expect(names({ toString: 'x' })).toEqual([]);
  });

  it('refuses limits and cursors that are none', async () => {
    const registry = await openAt(folder());
    await registry.deploy('t', 'a', spec(''));
    for (const limit of [0, 1_001, 1.5, Number.NaN, '5' as never])
      expect(() => registry.list({ tenant: 't', limit })).toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      );
    for (const cursor of ['', '%', 'YQ==', 'Li4v', 'x'.repeat(10_000)])
      expect(() => registry.list({ tenant: 't', cursor })).toThrow(
        expect.objectContaining({ code: 'invalid_request' }),
      );
    expect(registry.list({ tenant: 't', limit: 1_000 }).functions).toHaveLength(1);
  });

  it('serialises changes of one function: one creation, and the last call wins', async () => {
    const registry = await openAt(folder());
    const texts = Array.from({ length: 20 }, (_unused, n) => String(n));
    const deployments = await Promise.all(texts.map((text) => registry.deploy('t', 'f', spec(text))));
    expect(deployments.map((each) => each.created)).toEqual(texts.map((_text, n) => n === 0));
    expect(await sourceOf(registry, registry.resolve('t', 'f'))).toBe('19');
  });

  it('serves former code to invocations that still wait, and drops it after the grace period', async () => {
    const registry = await openAt(folder());
    const { function: former } = await registry.deploy('t', 'f', spec('old'));
    await registry.deploy('t', 'f', spec('new'));
    await clock.advance(59_999);
    expect(await sourceOf(registry, former)).toBe('old');
    await clock.advance(1);
    await expect(registry.codeFiles(former)).rejects.toMatchObject({ code: 'conflict' });
    expect(await sourceOf(registry, registry.resolve('t', 'f'))).toBe('new');
  });

  it('keeps code that another function uses, or that is deployed again in time', async () => {
    const registry = await openAt(folder());
    await registry.deploy('t', 'f', spec('same'));
    await registry.deploy('u', 'g', spec('same'));
    await registry.delete('t', 'f');
    await clock.advance(100_000);
    expect(await sourceOf(registry, registry.resolve('u', 'g'))).toBe('same');
    await registry.delete('u', 'g');
    await clock.advance(30_000);
    const { function: again } = await registry.deploy('t', 'f', spec('same'));
    await clock.advance(100_000);
    expect(await sourceOf(registry, again)).toBe('same');
  });
});

describe('a registry on disk', () => {
  it('asks who accepts before anything is stored, and tells whether it was', async () => {
    const registry = await openAt(dataDir);
    const before = readdirSync(join(dataDir, 'code'), { recursive: true });
    const refuse = (): never => {
      throw new Error('no room');
    };
    await expect(registry.deploy('t', 'f', spec('1'), refuse)).rejects.toThrow('no room');
    expect(readdirSync(join(dataDir, 'code'), { recursive: true })).toEqual(before);
    expect(registry.list({ tenant: 't' }).functions).toEqual([]);
    const told: [string, boolean][] = [];
    const accept = (record: FunctionRecord) => (stored: boolean) => void told.push([record.name, stored]);
    await registry.deploy('t', 'f', spec('1'), accept);
    registry.close();
    await expect(registry.deploy('t', 'g', spec('1'), accept)).rejects.toThrow();
    expect(told).toEqual([
      ['f', true],
      ['g', false],
    ]);
  });

  it('survives a restart: records and code are equal', async () => {
    const first = await openAt(dataDir);
    const extra = { env: { A: 'é' }, labels: { a: 'b' }, description: 'd', initializer: 'index.init' };
    const { function: deployed } = await first.deploy('t', 'f', spec('é\0', extra));
    await first.deploy('t', 'gone', spec('gone'));
    await first.delete('t', 'gone');
    first.close();
    expect(artifactsOnDisk()).toHaveLength(1);
    const second = await openAt(dataDir);
    expect(second.resolve('t', 'f')).toEqual(deployed);
    expect(await sourceOf(second, second.resolve('t', 'f'))).toBe('é\0');
    expect(second.list({ tenant: 't' }).functions).toHaveLength(1);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  });

  it('refuses code that was tampered with', async () => {
    const first = await openAt(dataDir);
    await first.deploy('t', 'f', spec('good'));
    first.close();
    writeFileSync(join(dataDir, 'code', artifactsOnDisk()[0] ?? ''), '[["index.js","evil"]]');
    const second = await openAt(dataDir);
    await expect(second.codeFiles(second.resolve('t', 'f'))).rejects.toMatchObject({
      code: 'internal_error',
    });
  });

  it('sweeps unused code at open, but not beside a database that is empty', async () => {
    const first = await openAt(dataDir);
    await first.deploy('t', 'f', spec('good'));
    first.close();
    const stray = join(dataDir, 'code', 'ab', `ab${'0'.repeat(62)}`);
    mkdirSync(join(stray, '..'), { recursive: true });
    writeFileSync(stray, 'stray');
    (await openAt(dataDir)).close();
    expect(artifactsOnDisk()).toHaveLength(1);
    rmSync(join(dataDir, 'strata.db'));
    (await openAt(dataDir)).close();
    expect(artifactsOnDisk()).toHaveLength(1);
  });

  it('is refused to a second process, and to a folder that cannot be made', async () => {
    await openAt(dataDir);
    await expect(openAt(dataDir)).rejects.toMatchObject({ code: 'conflict' });
    const blocked = join(dataDir, 'strata.db', 'below-a-file');
    await expect(openAt(blocked)).rejects.toMatchObject({
      code: 'internal_error',
      message: expect.stringContaining(blocked),
    });
  });

  it('has everything that was acknowledged before a SIGKILL in the middle of writing', async () => {
    const acknowledged = await killAfter(15);
    expect(acknowledged.length).toBeGreaterThanOrEqual(15);
    const registry = await openAt(dataDir);
    for (const line of acknowledged) {
      const record = registry.resolve('t', `f${line}`);
      expect(await sourceOf(registry, record)).toBe(`${line} of f`);
    }
    for (const record of registry.list({ tenant: 't', limit: 1_000 }).functions)
      await expect(registry.codeFiles(record)).resolves.toBeDefined();
    expect(artifactsOnDisk().filter((path) => path.endsWith('.part'))).toEqual([]);
  });
});

/** Deploys in a child process without end, kills it after so many acknowledgements, and gives those it printed. */
const killAfter = async (count: number): Promise<string[]> => {
  const url = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    const { openRegistry } = await import(${url('registry.ts')});
    const { systemClock } = await import(${url('../ports/clock.ts')});
    const { systemRandom } = await import(${url('../ports/random.ts')});
    const options = { clock: systemClock, random: systemRandom, limits: { codeMaxBytes: 1000, containerCodeMaxBytes: 1000 } };
    const registry = await openRegistry({ ...options, dataDir: ${JSON.stringify(dataDir)} });
    for (let n = 0; ; n += 1) {
      await registry.deploy('t', 'f' + n, { runtime: 'isolate', code: { source: n + ' of f' } });
      console.log(n);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === count) child.kill('SIGKILL');
  }
  return lines;
};
