import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textFiles } from '../core/spec.ts';
import { seededRandom } from '../ports/random.ts';
import { encodeArtifact } from './artifact-format.ts';
import { type ArtifactStore, openArtifactStore, openMemoryArtifactStore } from './artifact-store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-code-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (cacheMaxBytes?: number): ArtifactStore =>
  openArtifactStore({
    folder: join(folder, 'code'),
    random: seededRandom(1),
    ...(cacheMaxBytes === undefined ? {} : { cacheMaxBytes }),
  });
const files = textFiles({ 'lib/b.js': '\ufeffé \0 \u2028 "', 'a.js': '' });
const artifact = await encodeArtifact(files);
const pathOf = (digest: string): string => join(folder, 'code', digest.slice(0, 2), digest);

describe.each<[string, () => ArtifactStore]>([
  ['in memory', openMemoryArtifactStore],
  ['on disk', () => open()],
  ['on disk without a cache', () => open(0)],
])('an artifact store %s', (_, openStore) => {
  it('gives back what was put', async () => {
    const store = openStore();
    await store.put(artifact);
    await store.put(artifact);
    for (let n = 0; n < 2; n += 1)
      expect(await encodeArtifact(await store.load(artifact.digest))).toEqual(artifact);
  });

  it('says so when an artifact is gone, and removes twice without complaint', async () => {
    const store = openStore();
    await store.put(artifact);
    store.remove(artifact.digest);
    store.remove(artifact.digest);
    await expect(store.load(artifact.digest)).rejects.toMatchObject({ code: 'internal_error' });
  });

  it('sweeps what is not used and nothing else', async () => {
    const store = openStore();
    const other = await encodeArtifact(textFiles({ 'x.js': '' }));
    await store.put(artifact);
    await store.put(other);
    store.sweep(new Set([artifact.digest]));
    expect((await store.load(artifact.digest)).size).toBe(2);
    await expect(store.load(other.digest)).rejects.toMatchObject({ code: 'internal_error' });
  });
});

describe('the artifact store on disk', () => {
  it('keeps its files readable by the owner alone, and leaves no part behind', async () => {
    await open().put(artifact);
    expect(statSync(pathOf(artifact.digest)).mode & 0o777).toBe(0o600);
    for (const path of [join(folder, 'code'), join(pathOf(artifact.digest), '..')])
      expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(pathOf(artifact.digest), '..'))).toEqual([artifact.digest]);
  });

  it('refuses what was tampered with, and mends it when it is put again', async () => {
    await open().put(artifact);
    writeFileSync(pathOf(artifact.digest), '[["index.js","evil"]]');
    await expect(open().load(artifact.digest)).rejects.toMatchObject({
      code: 'internal_error',
      message: expect.stringContaining(artifact.digest),
    });
    await open().put(artifact);
    expect((await open().load(artifact.digest)).get('a.js')).toMatchObject({ executable: false });
  });

  it('sweeps what a crash left half written, and leaves files of others alone', async () => {
    const store = open();
    await store.put(artifact);
    const bucket = join(pathOf(artifact.digest), '..');
    writeFileSync(join(bucket, `${artifact.digest}.${seededRandom(2).uuid()}.part`), 'half');
    writeFileSync(join(bucket, 'README'), 'mine');
    store.sweep(new Set([artifact.digest]));
    expect(readdirSync(bucket).sort()).toEqual([artifact.digest, 'README'].sort());
  });

  it('drops what was used longest ago from memory when the bytes run out', async () => {
    const many = await Promise.all(
      ['1', '2', '3'].map((text) => encodeArtifact(textFiles({ 'a.js': text }))),
    );
    const store = open(2 * (many[0]?.bytes.length ?? 0));
    const digests = many.map((each) => each.digest);
    const [first = '', second = '', third = ''] = digests;
    for (const each of many) await store.put(each);
    for (const digest of [first, second, first, third]) await store.load(digest);
    for (const digest of digests) rmSync(pathOf(digest));
    await expect(store.load(first)).resolves.toBeDefined();
    await expect(store.load(third)).resolves.toBeDefined();
    await expect(store.load(second)).rejects.toMatchObject({ code: 'internal_error' });
  });

  it('reports where it could not write', async () => {
    const store = open();
    rmSync(join(folder, 'code'), { recursive: true });
    writeFileSync(join(folder, 'code'), 'a file in the way');
    chmodSync(join(folder, 'code'), 0o600);
    await expect(store.put(artifact)).rejects.toMatchObject({
      code: 'internal_error',
      message: expect.stringContaining(join(folder, 'code')),
    });
  });
});
