import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONTAINER_RUNTIMES } from '../../../core/spec.ts';
import { parseManifest } from './manifest.ts';
import { basesOf, checkBases, contextOf } from './registry-build.ts';
import { IMAGES_FOLDER, readSources, tagOf } from './sources.ts';

const part = (...entries: [string, string][]): Map<string, Uint8Array> =>
  new Map(entries.map(([name, text]) => [name, Buffer.from(text)]));

describe('tagOf', () => {
  it('is the same for the same parts in any order', () => {
    expect(tagOf(part(['a', '1'], ['b', '2']))).toBe(tagOf(part(['b', '2'], ['a', '1'])));
    expect(tagOf(part(['a', '1']))).toMatch(/^[0-9a-f]{16}$/);
  });

  it('is another one when a name, a content, or the border between two of them differs', () => {
    const tags = [
      part(['a', '1'], ['b', '2']),
      part(['a', '1'], ['c', '2']),
      part(['a', '1'], ['b', '3']),
      part(['a', '1b2']),
      part(['a1', ''], ['b', '2']),
    ].map(tagOf);
    expect(new Set(tags).size).toBe(tags.length);
  });
});

describe('readSources', () => {
  it('gives each runtime a tag of its own, the same each time', async () => {
    const tags = async (): Promise<string[]> =>
      Promise.all(CONTAINER_RUNTIMES.map(async (runtime) => (await readSources(runtime)).tag));
    const first = await tags();
    expect(new Set(first).size).toBe(CONTAINER_RUNTIMES.length);
    expect(await tags()).toEqual(first);
  });

  it('changes the tags of exactly those images into which a changed file goes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strata-sources-'));
    try {
      await cp(join(IMAGES_FOLDER, 'agent'), join(folder, 'agent'), { recursive: true });
      await cp(join(IMAGES_FOLDER, 'scripts'), join(folder, 'scripts'), { recursive: true });
      for (const runtime of ['python3', 'provided']) {
        await cp(join(IMAGES_FOLDER, runtime), join(folder, runtime), { recursive: true });
      }
      const tagsOf = async () => [
        (await readSources('python3', folder)).tag,
        (await readSources('provided', folder)).tag,
      ];
      const [python, provided] = await tagsOf();
      await writeFile(join(folder, 'python3', 'more.py'), '');
      const [changed, same] = await tagsOf();
      expect([changed === python, same === provided]).toEqual([false, true]);
      await writeFile(join(folder, 'agent', 'more.c'), '');
      const [third, other] = await tagsOf();
      expect([third === changed, other === same]).toEqual([false, false]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says what is missing in an incomplete package', async () => {
    await expect(readSources('python3', '/nonexistent')).rejects.toThrow(/is missing or empty/);
  });
});

describe('the Dockerfiles', () => {
  it('copy only what the context has, and start the agent', async () => {
    for (const runtime of CONTAINER_RUNTIMES) {
      const sources = await readSources(runtime);
      const context = contextOf(sources);
      const copied = [...sources.dockerfile.matchAll(/^COPY ([^-]\S*) /gm)].map(([, path]) => `/${path}`);
      expect(copied.length).toBeGreaterThan(0);
      for (const path of copied)
        expect(context.get(path.replace(/\/$/, '')), `${runtime} ${path}`).toBeDefined();
      expect(sources.dockerfile).toMatch(/\nFROM scratch\n.*\nENTRYPOINT \["\/opt\/strata\/agent"\]\n$/);
    }
  });

  it('name their bases where others can be given', () => {
    const dockerfile = 'ARG A_BASE=a:1\nARG B_BASE=b:2\nARG OTHER=c\nFROM $A_BASE AS a\n';
    const bases = basesOf(dockerfile, { B_BASE: 'mirror/b:2' });
    expect([...bases]).toEqual([
      ['A_BASE', 'a:1'],
      ['B_BASE', 'mirror/b:2'],
    ]);
    expect(() => checkBases({ C_BASE: 'x' }, [dockerfile])).toThrow(/"C_BASE"; there are A_BASE, B_BASE/);
  });
});

describe('parseManifest', () => {
  it('refuses an unknown field and a path that is not absolute', () => {
    const manifest = { packages: [], keep: [], programs: [] };
    expect(parseManifest(JSON.stringify(manifest), 'm')).toMatchObject({ node: false, follow: null });
    expect(() => parseManifest(JSON.stringify({ ...manifest, kept: [] }), 'm')).toThrow(
      /m is not a manifest/,
    );
    expect(() => parseManifest(JSON.stringify({ ...manifest, keep: ['usr'] }), 'm')).toThrow(/keep/);
    expect(() => parseManifest('{', 'm')).toThrow(/m is not a manifest/);
  });
});
