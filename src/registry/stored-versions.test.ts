import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AliasInput, FunctionRecord, FunctionSpecInput } from '../core/spec.ts';
import { ManualClock } from '../ports/manual-clock.ts';
import { seededRandom } from '../ports/random.ts';
import type { Pointing, Registry } from './api.ts';
import { MEMORY, openRegistry } from './registry.ts';

let folder = '';
let clock = new ManualClock();
let open: Registry[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-versions-'));
  clock = new ManualClock();
});
afterEach(() => {
  for (const registry of open) registry.close();
  open = [];
  rmSync(folder, { recursive: true });
});

let seed = 1;
const openAt = async (dataDir: string, limits: { maxVersions?: number; maxAliases?: number } = {}) => {
  seed += 1;
  const registry = await openRegistry({
    ...{ dataDir, clock, random: seededRandom(seed), busyTimeoutMs: 0 },
    limits: { codeMaxBytes: 1_000, containerCodeMaxBytes: 10_000, ...limits },
  });
  open.push(registry);
  return registry;
};

const spec = (source: string, extra: Partial<FunctionSpecInput> = {}): FunctionSpecInput => ({
  ...{ runtime: 'isolate', code: { source } },
  ...extra,
});
const numbers = (registry: Registry, name = 'f'): string[] =>
  registry.versions.list('t', name, { limit: 1_000 }).versions.map(({ version }) => version);
const codeOf = async (registry: Registry, record: FunctionRecord): Promise<string> =>
  Buffer.from((await registry.codeFiles(record)).get('index.js')?.bytes ?? []).toString();
const refusal = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe.each([
  ['in memory', () => MEMORY],
  ['on disk', () => folder],
])('versions %s', (_, dataDir) => {
  it('freeze code, configuration and environment, whatever is deployed afterwards', async () => {
    const registry = await openAt(dataDir());
    await registry.deploy('t', 'f', spec('one', { env: { A: '1' }, memoryMb: 64, description: 'd' }));
    const { function: first, created } = await registry.versions.publish('t', 'f', { description: 'first' });
    await registry.deploy('t', 'f', spec('two', { env: { A: '2' } }));
    await clock.advance(100_000);
    expect(created).toBe(true);
    expect(registry.get('t', 'f', '1')).toBe(first);
    expect(first).toMatchObject({ version: '1', env: { A: '1' }, memoryMb: 64, description: 'first' });
    expect(await codeOf(registry, first)).toBe('one');
    expect(registry.get('t', 'f')).toMatchObject({ version: '$LATEST', env: { A: '2' } });
    expect(Object.isFrozen(first)).toBe(true);
  });

  it('are the same for the same content, also when something else came between', async () => {
    const registry = await openAt(dataDir());
    const publish = async (input: FunctionSpecInput) => {
      await registry.deploy('t', 'f', input);
      const { function: record, created } = await registry.versions.publish('t', 'f', {
        description: input.description ?? '',
      });
      return [record.version, created];
    };
    expect(await publish(spec('one', { env: { A: '1', B: '2' } }))).toEqual(['1', true]);
    expect(await publish(spec('one', { env: { B: '2', A: '1' } }))).toEqual(['1', false]);
    expect(await publish(spec('two'))).toEqual(['2', true]);
    expect(await publish(spec('one', { env: { A: '1', B: '2' }, description: 'said otherwise' }))).toEqual([
      '1',
      false,
    ]);
    expect(await publish(spec('one', { env: { A: '1' } }))).toEqual(['3', true]);
    const ofFunction = { enabled: false, reservedConcurrency: 1, auth: 'none' } as const;
    expect(await publish(spec('one', { env: { A: '1' }, ...ofFunction }))).toEqual(['3', false]);
    expect(numbers(registry)).toEqual(['1', '2', '3']);
  });

  it('are listed by number in pages, while others come and go', async () => {
    const registry = await openAt(dataDir());
    for (let number = 1; number <= 12; number += 1) {
      await registry.deploy('t', 'f', spec(String(number)));
      await registry.versions.publish('t', 'f');
    }
    const first = registry.versions.list('t', 'f', { limit: 5 });
    expect(first.versions.map(({ version }) => version)).toEqual(['1', '2', '3', '4', '5']);
    await registry.versions.delete('t', 'f', '5');
    await registry.versions.delete('t', 'f', '6');
    const second = registry.versions.list('t', 'f', { limit: 6, cursor: first.nextCursor ?? '' });
    expect(second.versions.map(({ version }) => version)).toEqual(['7', '8', '9', '10', '11', '12']);
    expect(second.nextCursor).toBeNull();
    for (const cursor of ['', 'MA', 'YQ', 'x'.repeat(500)])
      expect(() => registry.versions.list('t', 'f', { cursor })).toThrow(refusal('invalid_request'));
  });

  it('are refused at the limit, with both numbers, and fit again when one is deleted', async () => {
    const registry = await openAt(dataDir(), { maxVersions: 2 });
    for (const source of ['one', 'two']) {
      await registry.deploy('t', 'f', spec(source));
      await registry.versions.publish('t', 'f');
    }
    expect((await registry.versions.publish('t', 'f')).created).toBe(false);
    await registry.deploy('t', 'f', spec('three'));
    await expect(registry.versions.publish('t', 'f')).rejects.toMatchObject({
      ...{ code: 'conflict', limit: { kind: 'maxVersions', configured: 2, observed: 2 } },
    });
    await registry.versions.delete('t', 'f', '1');
    expect((await registry.versions.publish('t', 'f')).function.version).toBe('3');
  });

  it('have numbers that are never used again, whatever is deleted, the function too', async () => {
    const registry = await openAt(dataDir());
    const publish = async (source: string) => {
      await registry.deploy('t', 'f', spec(source));
      return (await registry.versions.publish('t', 'f')).function.version;
    };
    expect([await publish('a'), await publish('b')]).toEqual(['1', '2']);
    await registry.versions.delete('t', 'f', '2');
    await registry.versions.delete('t', 'f', '1');
    expect(await publish('a')).toBe('3');
    await registry.delete('t', 'f');
    expect(await publish('a')).toBe('4');
    await registry.deploy('t', 'g', spec('a'));
    expect((await registry.versions.publish('t', 'g')).function.version).toBe('1');
    await registry.deploy('u', 'f', spec('a'));
    expect((await registry.versions.publish('u', 'f')).function.version).toBe('1');
  });

  it('are deleted with their function and its aliases, and their code after the grace period', async () => {
    const registry = await openAt(dataDir());
    await registry.deploy('t', 'f', spec('one'));
    const { function: first } = await registry.versions.publish('t', 'f');
    await registry.versions.putAlias('t', 'f', 'live', { version: '1' });
    await registry.deploy('t', 'f', spec('two'));
    const { versions } = await registry.delete('t', 'f');
    expect(versions).toEqual([first]);
    expect(() => registry.resolve('t', 'f', '1')).toThrow(refusal('not_found'));
    expect(await codeOf(registry, first)).toBe('one');
    await clock.advance(60_000);
    await expect(registry.codeFiles(first)).rejects.toMatchObject({ code: 'conflict' });
    await registry.deploy('t', 'f', spec('one'));
    expect(numbers(registry)).toEqual([]);
    expect(registry.versions.aliases('t', 'f').aliases).toEqual([]);
  });

  it('of one tenant are nobody else’s', async () => {
    const registry = await openAt(dataDir());
    await registry.deploy('t', 'f', spec('one'));
    await registry.versions.publish('t', 'f');
    await registry.versions.putAlias('t', 'f', 'live', { version: '1' });
    const calls = [
      async () => registry.resolve('u', 'f', '1'),
      async () => registry.resolve('u', 'f', 'live'),
      async () => registry.versions.list('u', 'f'),
      async () => registry.versions.alias('u', 'f', 'live'),
      async () => registry.versions.aliases('u', 'f'),
      () => registry.versions.publish('u', 'f'),
      () => registry.versions.delete('u', 'f', '1'),
      () => registry.versions.putAlias('u', 'f', 'live', { version: '1' }),
      () => registry.versions.deleteAlias('u', 'f', 'live'),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'not_found' });
    expect(registry.resolve('t', 'f', 'live').version).toBe('1');
  });
});

describe('aliases', () => {
  const withVersions = async (count: number, limits = {}) => {
    const registry = await openAt(MEMORY, limits);
    for (let number = 1; number <= count; number += 1) {
      await registry.deploy('t', 'f', spec(String(number)));
      await registry.versions.publish('t', 'f');
    }
    return registry;
  };
  const put = (registry: Registry, input: AliasInput, alias = 'live') =>
    registry.versions.putAlias('t', 'f', alias, input);

  it('point to a version, move, and follow $LATEST when they name it', async () => {
    const registry = await withVersions(2);
    const first = await put(registry, { version: '1', description: 'd' });
    expect(first).toMatchObject({ created: true, alias: { version: '1', weights: {}, description: 'd' } });
    expect(registry.resolve('t', 'f', 'live').version).toBe('1');
    const second = await put(registry, { version: '2' });
    expect(second).toMatchObject({ created: false, alias: { version: '2', description: '' } });
    expect(second.alias.revision).not.toBe(first.alias.revision);
    expect(registry.resolve('t', 'f', 'live').version).toBe('2');
    await put(registry, { version: '$LATEST' });
    await registry.deploy('t', 'f', spec('newer'));
    expect(registry.resolve('t', 'f', 'live')).toBe(registry.get('t', 'f'));
    await registry.versions.deleteAlias('t', 'f', 'live');
    expect(() => registry.resolve('t', 'f', 'live')).toThrow(refusal('not_found', '"live"'));
  });

  it.each<[string, unknown]>([
    ['no version', {}],
    ['a version that is a number', { version: 1 }],
    ['a version with zeros before it', { version: '01' }],
    ['another alias', { version: 'other' }],
    ['two weights', { version: '1', weights: { 2: 0.1, 3: 0.1 } }],
    ['a weight above 1', { version: '1', weights: { 2: 1.01 } }],
    ['a weight below 0', { version: '1', weights: { 2: -0.01 } }],
    ['a weight that is no number', { version: '1', weights: { 2: Number.NaN } }],
    ['a weight of itself', { version: '1', weights: { 1: 0.5 } }],
    ['a weight of $LATEST', { version: '1', weights: { $LATEST: 0.5 } }],
    ['a weight beside $LATEST', { version: '$LATEST', weights: { 2: 0.5 } }],
    ['a weight of an inherited name', { version: '1', weights: JSON.parse('{"__proto__":0.5}') }],
    ['an unknown field', { version: '1', other: 1 }],
    ['a long description', { version: '1', description: 'x'.repeat(1_025) }],
    ['a description of half a character', { version: '1', description: '\ud800' }],
    ['nothing', null],
    ['a list', []],
  ])('are refused with %s', async (_, input) => {
    const registry = await withVersions(3);
    await expect(put(registry, input as AliasInput)).rejects.toMatchObject({ code: 'invalid_request' });
    expect(registry.versions.aliases('t', 'f').aliases).toEqual([]);
  });

  it('have names that are no versions', async () => {
    const registry = await withVersions(1);
    for (const alias of ['', '1', '007', '$LATEST', 'a.b', 'a b', 'x'.repeat(65), '../x'])
      await expect(put(registry, { version: '1' }, alias)).rejects.toMatchObject({ code: 'invalid_request' });
    for (const alias of ['v1', '-', '__proto__', 'constructor', 'x'.repeat(64)])
      await put(registry, { version: '1' }, alias);
    expect(registry.resolve('t', 'f', '__proto__').version).toBe('1');
  });

  it('point to versions that there are', async () => {
    const registry = await withVersions(1);
    await expect(put(registry, { version: '2' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(put(registry, { version: '1', weights: { 2: 0 } })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('keep what they point to, at whatever weight, and say which alias does', async () => {
    const registry = await withVersions(3);
    await put(registry, { version: '1', weights: { 2: 0 } });
    await put(registry, { version: '2' }, 'other');
    await expect(registry.versions.delete('t', 'f', '1')).rejects.toThrow(refusal('conflict', '"live"'));
    await expect(registry.versions.delete('t', 'f', '2')).rejects.toThrow(refusal('conflict', 'and 1 more'));
    await registry.versions.delete('t', 'f', '3');
    await expect(registry.versions.delete('t', 'f', '3')).rejects.toMatchObject({ code: 'not_found' });
    await expect(registry.versions.delete('t', 'f', '$LATEST')).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await put(registry, { version: '2' });
    await registry.versions.delete('t', 'f', '1');
    expect(numbers(registry)).toEqual(['2']);
  });

  it('are refused at the limit, and listed by name in pages', async () => {
    const registry = await withVersions(1, { maxAliases: 3 });
    for (const alias of ['c', 'a', 'b']) await put(registry, { version: '1' }, alias);
    await expect(put(registry, { version: '1' }, 'd')).rejects.toMatchObject({
      ...{ code: 'conflict', limit: { kind: 'maxAliases', configured: 3, observed: 3 } },
    });
    await put(registry, { version: '$LATEST' }, 'a');
    const first = registry.versions.aliases('t', 'f', { limit: 2 });
    expect(first.aliases.map(({ alias }) => alias)).toEqual(['a', 'b']);
    const second = registry.versions.aliases('t', 'f', { cursor: first.nextCursor ?? '' });
    expect(second.aliases.map(({ alias }) => alias)).toEqual(['c']);
    expect(second.nextCursor).toBeNull();
  });

  it('tell which versions they point to since a change, and which no longer', async () => {
    const registry = await withVersions(3);
    const told: unknown[] = [];
    const accept = ({ joined, left }: Pointing) => {
      const names = [joined, left].map((records) => records.map(({ version }) => version));
      return (stored: boolean) => void told.push([...names, stored]);
    };
    const move = (alias: string, input: AliasInput) =>
      registry.versions.putAlias('t', 'f', alias, input, accept);
    await move('live', { version: '1', weights: { 2: 0.5 } });
    await move('next', { version: '2' });
    await move('live', { version: '3' });
    await registry.versions.deleteAlias('t', 'f', 'next', accept);
    const refuse = () => {
      throw new Error('no room');
    };
    await expect(registry.versions.putAlias('t', 'f', 'live', { version: '1' }, refuse)).rejects.toThrow(
      'no room',
    );
    expect(registry.resolve('t', 'f', 'live').version).toBe('3');
    registry.close();
    await expect(move('live', { version: '1' })).rejects.toMatchObject({ code: 'internal_error' });
    expect(told).toEqual([
      [['1', '2'], [], true],
      [[], [], true],
      [['3'], ['1'], true],
      [[], ['2'], true],
      [['1'], ['3'], false],
    ]);
    expect(registry.resolve('t', 'f', 'live').version).toBe('3');
  });
});

describe('the versions of an alias', () => {
  const weighted = async (weight: number) => {
    const registry = await openAt(MEMORY);
    for (const source of ['one', 'two']) {
      await registry.deploy('t', 'f', spec(source));
      await registry.versions.publish('t', 'f');
    }
    const setWeight = (to: number) =>
      registry.versions.putAlias('t', 'f', 'live', { version: '1', weights: { 2: to } });
    await setWeight(weight);
    return { registry, setWeight };
  };

  it('share the calls by their weights, and 0 and 1 are nobody and everybody', async () => {
    const { registry, setWeight } = await weighted(0.1);
    const share = (key?: (index: number) => string): number => {
      let second = 0;
      for (let index = 0; index < 5_000; index += 1)
        if (registry.resolve('t', 'f', 'live', key?.(index)).version === '2') second += 1;
      return second / 5_000;
    };
    expect(share()).toBeCloseTo(0.1, 1.5);
    expect(share((index) => `user-${index}`)).toBeCloseTo(0.1, 1.5);
    await setWeight(0);
    expect([share(), share(String)]).toEqual([0, 0]);
    await setWeight(1);
    expect([share(), share(String)]).toEqual([1, 1]);
  });

  it('stay with a session key, and nobody goes back while a weight grows', async () => {
    const { registry, setWeight } = await weighted(0);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 256 }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 }),
        async (keys, weights) => {
          const moved = new Set<string>();
          for (const weight of weights.toSorted((one, other) => one - other)) {
            await setWeight(weight);
            for (const key of keys) {
              const { version } = registry.resolve('t', 'f', 'live', key);
              expect(registry.resolve('t', 'f', 'live', key).version).toBe(version);
              if (moved.has(key)) expect(version).toBe('2');
              if (version === '2') moved.add(key);
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are not chosen by a session key out of bounds, whether there is a choice or not', async () => {
    const { registry } = await weighted(0.5);
    for (const key of ['', 'x'.repeat(257), 5 as never, null as never])
      for (const qualifier of ['live', '$LATEST', '1'])
        expect(() => registry.resolve('t', 'f', qualifier, key)).toThrow(
          refusal('invalid_request', '1 to 256'),
        );
  });

  it('are not drawn for who only looks', async () => {
    const { registry } = await weighted(1);
    expect(registry.get('t', 'f', 'live').version).toBe('1');
  });
});

describe('a revision that is expected', () => {
  it('is asked for in the turn of the change: of two deployments at one revision one is made', async () => {
    const registry = await openAt(MEMORY);
    const { function: former } = await registry.deploy('t', 'f', spec('one'));
    const both = ['two', 'three'].map((source) =>
      registry.deploy('t', 'f', spec(source), undefined, { ifMatch: [former.revision] }),
    );
    const [second, third] = await Promise.allSettled(both);
    expect(second).toMatchObject({ status: 'fulfilled' });
    expect(third).toMatchObject({ status: 'rejected', reason: { code: 'revision_mismatch', status: 412 } });
    expect(await codeOf(registry, registry.get('t', 'f'))).toBe('two');
  });

  it('holds for every change of a function, a version and an alias', async () => {
    const registry = await openAt(MEMORY);
    const stale = { ifMatch: ['stale'] };
    const { versions } = registry;
    await expect(registry.deploy('t', 'f', spec('1'), undefined, { ifMatch: ['*'] })).rejects.toThrow(
      refusal('revision_mismatch', 'does not exist'),
    );
    const { function: latest } = await registry.deploy('t', 'f', spec('1'));
    const { function: first } = await versions.publish('t', 'f', { ifMatch: ['other', latest.revision] });
    const { alias } = await versions.putAlias('t', 'f', 'live', { version: '1' });
    const calls = [
      () => registry.deploy('t', 'f', spec('2'), undefined, stale),
      () => registry.delete('t', 'f', stale),
      () => versions.publish('t', 'f', stale),
      () => versions.publish('t', 'f', { codeDigest: 'a'.repeat(64) }),
      () => versions.delete('t', 'f', '1', stale),
      () => versions.putAlias('t', 'f', 'live', { version: '1' }, undefined, stale),
      () => versions.putAlias('t', 'f', 'new', { version: '1' }, undefined, { ifMatch: ['*'] }),
      () => versions.deleteAlias('t', 'f', 'live', undefined, stale),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'revision_mismatch' });
    await versions.putAlias('t', 'f', 'live', { version: '$LATEST' }, undefined, {
      ifMatch: [alias.revision],
    });
    await versions.delete('t', 'f', '1', { ifMatch: [first.revision] });
    await registry.delete('t', 'f', { ifMatch: ['*'] });
  });

  it('of a publication may be the digest of the code, which is checked', async () => {
    const registry = await openAt(MEMORY);
    const { function: latest } = await registry.deploy('t', 'f', spec('1'));
    const publish = (codeDigest: string) => registry.versions.publish('t', 'f', { codeDigest });
    for (const digest of ['', 'A'.repeat(64), 'a'.repeat(63), 5 as never])
      await expect(publish(digest)).rejects.toMatchObject({ code: 'invalid_request' });
    expect((await publish(latest.codeDigest)).created).toBe(true);
  });
});

/** What a registry must hold after some changes of one function, without its code. */
interface Model {
  latest: string | null;
  last: number;
  versions: Map<string, string>;
  aliases: Map<string, AliasInput>;
}

type Step =
  | { readonly kind: 'deploy'; readonly source: string }
  | { readonly kind: 'publish' | 'delete' | 'restart' }
  | { readonly kind: 'deleteVersion'; readonly version: string }
  | { readonly kind: 'putAlias'; readonly alias: string; readonly input: AliasInput }
  | { readonly kind: 'deleteAlias'; readonly alias: string };

const VERSION = fc.integer({ min: 1, max: 5 }).map(String);
const ALIAS = fc.constantFrom('live', 'next');
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('deploy' as const), source: fc.constantFrom('a', 'b', 'c') }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('publish' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'restart' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('deleteVersion' as const), version: VERSION }) },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ kind: fc.constant('putAlias' as const), alias: ALIAS },
      input: fc.oneof(
        fc.record({ version: VERSION }),
        fc.constant({ version: '$LATEST' }),
        fc.tuple(VERSION, VERSION, fc.constantFrom(0, 0.25, 1)).map(([version, second, weight]) => ({
          version,
          weights: { [second]: weight },
        })),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteAlias' as const), alias: ALIAS }) },
);

const targetsOf = ({ version, weights = {} }: AliasInput): string[] =>
  [version, ...Object.keys(weights)].filter((target) => target !== '$LATEST');

/** Does to the model what the registry is to do; answers the code of the refusal, or null. */
const play = (model: Model, step: Step): string | null => {
  if (step.kind === 'restart') return null;
  if (step.kind === 'deploy') {
    model.latest = step.source;
    return null;
  }
  if (step.kind === 'putAlias') {
    const [first, second] = targetsOf(step.input);
    if (second !== undefined && first === second) return 'invalid_request';
  }
  if (model.latest === null) return 'not_found';
  const pointed = [...model.aliases.values()].flatMap(targetsOf);
  switch (step.kind) {
    case 'publish':
      if ([...model.versions.values()].includes(model.latest)) return null;
      model.last += 1;
      model.versions.set(String(model.last), model.latest);
      return null;
    case 'delete':
      model.latest = null;
      model.versions.clear();
      model.aliases.clear();
      return null;
    case 'deleteVersion':
      if (!model.versions.has(step.version)) return 'not_found';
      if (pointed.includes(step.version)) return 'conflict';
      model.versions.delete(step.version);
      return null;
    case 'putAlias':
      if (!targetsOf(step.input).every((target) => model.versions.has(target))) return 'not_found';
      model.aliases.set(step.alias, step.input);
      return null;
    case 'deleteAlias':
      return model.aliases.delete(step.alias) ? null : 'not_found';
  }
};

const make = async (registry: Registry, step: Step): Promise<unknown> => {
  const { versions } = registry;
  if (step.kind === 'deploy') return registry.deploy('t', 'f', spec(step.source));
  if (step.kind === 'publish') return versions.publish('t', 'f');
  if (step.kind === 'delete') return registry.delete('t', 'f');
  if (step.kind === 'deleteVersion') return versions.delete('t', 'f', step.version);
  if (step.kind === 'putAlias') return versions.putAlias('t', 'f', step.alias, step.input);
  if (step.kind === 'deleteAlias') return versions.deleteAlias('t', 'f', step.alias);
  return null;
};

const codeOfRefusal = (work: Promise<unknown>): Promise<string | null> =>
  work.then(
    () => null,
    (error: { code: string }) => error.code,
  );

const expectModel = async (registry: Registry, model: Model): Promise<void> => {
  expect(registry.list({ tenant: 't' }).functions).toHaveLength(model.latest === null ? 0 : 1);
  if (model.latest === null) return;
  expect(await codeOf(registry, registry.get('t', 'f'))).toBe(model.latest);
  expect(numbers(registry)).toEqual([...model.versions.keys()]);
  for (const [version, source] of model.versions)
    expect(await codeOf(registry, registry.resolve('t', 'f', version))).toBe(source);
  const aliases = registry.versions.aliases('t', 'f').aliases;
  expect(aliases.map(({ alias }) => alias)).toEqual([...model.aliases.keys()].sort());
  for (const { alias, version, weights } of aliases)
    expect({ weights: {}, ...model.aliases.get(alias) }).toEqual({ version, weights });
};

it.each([
  ['in memory', () => MEMORY, 150],
  ['on disk, over restarts', () => mkdtempSync(join(folder, 'run-')), 12],
])('a registry %s holds what its changes say, step by step', async (_, dataDirOf, numRuns) => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 5, maxLength: 25 }), async (steps) => {
      const dataDir = dataDirOf();
      const model: Model = { latest: null, last: 0, versions: new Map(), aliases: new Map() };
      let registry = await openAt(dataDir);
      for (const step of steps) {
        if (step.kind === 'restart' && dataDir !== MEMORY) {
          registry.close();
          registry = await openAt(dataDir);
        }
        expect([step, await codeOfRefusal(make(registry, step))]).toEqual([step, play(model, step)]);
        await expectModel(registry, model);
      }
      registry.close();
      open = [];
    }),
    { numRuns },
  );
});

it('changes that come at once are made one after the other, as if each had waited for the one before', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 5, maxLength: 25 }), async (steps) => {
      const model: Model = { latest: null, last: 0, versions: new Map(), aliases: new Map() };
      const registry = await openAt(MEMORY);
      const made = await Promise.all(steps.map((step) => codeOfRefusal(make(registry, step))));
      // What is refused for its own sake is so before its turn, which changes nothing.
      expect(made).toEqual(steps.map((step) => play(model, step)));
      await expectModel(registry, model);
      registry.close();
      open = [];
    }),
    { numRuns: 60 },
  );
});

describe('versions on disk', () => {
  it('survive a restart as they were, with their aliases and numbers', async () => {
    const first = await openAt(folder);
    for (let number = 1; number <= 11; number += 1) {
      await first.deploy('t', 'f', spec(String(number)));
      await first.versions.publish('t', 'f', { description: `\0 ${number}` });
    }
    const input = { version: '2', weights: { 10: 0.25 }, description: 'é\0' };
    const { alias } = await first.versions.putAlias('t', 'f', 'live', input);
    await first.versions.delete('t', 'f', '11');
    const before = first.versions.list('t', 'f').versions;
    first.close();
    const second = await openAt(folder);
    expect(second.versions.list('t', 'f').versions).toEqual(before);
    expect(second.versions.alias('t', 'f', 'live')).toEqual(alias);
    expect(await codeOf(second, second.resolve('t', 'f', '10'))).toBe('10');
    expect([...second.kept()].map(({ version }) => version).sort()).toEqual(['$LATEST', '10', '2']);
    expect((await second.versions.publish('t', 'f')).function.version).toBe('12');
  });

  it('are all there after a SIGKILL, as far as they were acknowledged, and no number comes twice', async () => {
    const seen = await killAfter(12);
    expect(seen.length).toBeGreaterThanOrEqual(12);
    const registry = await openAt(folder);
    const last = Number(numbers(registry).at(-1));
    const acknowledged = Number(seen.at(-1));
    expect([acknowledged, acknowledged + 1]).toContain(last);
    for (const version of numbers(registry))
      expect(await codeOf(registry, registry.get('t', 'f', version))).toBe(version);
    expect([acknowledged, acknowledged + 1].map(String)).toContain(
      registry.resolve('t', 'f', 'live').version,
    );
    await registry.deploy('t', 'f', spec('after'));
    expect(Number((await registry.versions.publish('t', 'f')).function.version)).toBe(last + 1);
  });
});

/** Deploys, publishes and moves an alias in a child process without end, and kills it after so many rounds. */
const killAfter = async (count: number): Promise<string[]> => {
  const url = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    const { openRegistry } = await import(${url('registry.ts')});
    const { systemClock } = await import(${url('../ports/clock.ts')});
    const { systemRandom } = await import(${url('../ports/random.ts')});
    const options = { clock: systemClock, random: systemRandom, limits: { codeMaxBytes: 1000, containerCodeMaxBytes: 1000 } };
    const registry = await openRegistry({ ...options, dataDir: ${JSON.stringify(folder)} });
    for (let n = 1; ; n += 1) {
      await registry.deploy('t', 'f', { runtime: 'isolate', code: { source: String(n) } });
      await registry.versions.publish('t', 'f');
      await registry.versions.putAlias('t', 'f', 'live', { version: String(n) });
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
