import { createHash } from 'node:crypto';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { extract, type Headers } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveOf } from './archive.ts';
import { emptyRootfs, Rootfs } from './rootfs.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strata-archive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bytes = (text: string) => ({ bytes: Buffer.from(text) });

const unpack = async (archive: Buffer): Promise<{ headers: Headers[]; texts: Map<string, string> }> => {
  const headers: Headers[] = [];
  const texts = new Map<string, string>();
  const reader = extract();
  reader.on('entry', (header, content, next) => {
    headers.push(header);
    void buffer(content).then((read) => {
      texts.set(header.name, read.toString());
      next();
    });
  });
  const ended = new Promise((resolve) => reader.on('finish', resolve));
  reader.end(archive);
  await ended;
  return { headers, texts };
};

describe('archiveOf', () => {
  it('writes the same bytes whatever the order of adding and the times of the files', async () => {
    const source = join(folder, 'source');
    await writeFile(source, 'a'.repeat(100_000));
    const file = { kind: 'file', executable: true, content: { source, sizeBytes: 100_000 } } as const;
    const text = { kind: 'file', executable: false, content: bytes('text') } as const;
    const one = new Rootfs();
    one.add('/b/file', file);
    one.add('/b-c', text);
    const two = new Rootfs();
    two.add('/b-c', text);
    two.add('/b/file', file);
    const first = archiveOf(one);
    const archive = await buffer(first.stream);
    await utimes(source, 1, 1);
    expect((await buffer(archiveOf(two).stream)).equals(archive)).toBe(true);
    expect(await first.digest).toBe(`sha256:${createHash('sha256').update(archive).digest('hex')}`);
  });

  it('gives everything to root, without times, and the modes that its entries can have', async () => {
    const rootfs = emptyRootfs();
    rootfs.add('/opt/strata/agent', { kind: 'file', executable: true, content: bytes('x') });
    rootfs.add('/empty', { kind: 'file', executable: false, content: { source: '/dev/null', sizeBytes: 0 } });
    const { headers, texts } = await unpack(await buffer(archiveOf(rootfs).stream));
    for (const { uid, gid, mtime, mode = 0 } of headers) {
      expect([uid, gid, mtime?.getTime(), mode & 0o6000]).toEqual([0, 0, 0, 0]);
    }
    const modes = new Map(headers.map(({ name, mode }) => [name.replace(/\/$/, ''), mode]));
    expect(modes.get('tmp')).toBe(0o1777);
    expect(modes.get('code')).toBe(0o755);
    expect(modes.get('opt/strata/agent')).toBe(0o755);
    expect(modes.get('etc/passwd')).toBe(0o644);
    expect(texts.get('etc/passwd')?.split('\n')).toHaveLength(1_002);
    expect(texts.get('etc/group')).toMatch(/^root:x:0:\nfunction:x:20000:\n/);
    expect(texts.get('etc/passwd')).toContain('function:x:20999:20999:function:/tmp:/usr/sbin/nologin\n');
  });

  it('fails on both ends when a file is not as long as it was', async () => {
    const source = join(folder, 'source');
    await writeFile(source, 'short');
    const rootfs = new Rootfs();
    rootfs.add('/file', { kind: 'file', executable: false, content: { source, sizeBytes: 50 } });
    const { stream, digest } = archiveOf(rootfs);
    await expect(buffer(stream)).rejects.toThrow();
    await expect(digest).rejects.toThrow();
  });

  it('fails on both ends when a file is gone', async () => {
    const rootfs = new Rootfs();
    const source = join(folder, 'nothing');
    rootfs.add('/file', { kind: 'file', executable: false, content: { source, sizeBytes: 50 } });
    const { stream, digest } = archiveOf(rootfs);
    await expect(buffer(stream)).rejects.toThrow(/ENOENT/);
    await expect(digest).rejects.toThrow();
  });
});

describe('Rootfs', () => {
  it('refuses a path that is not plain, or leads through a link', () => {
    const rootfs = new Rootfs();
    const text = { kind: 'file', executable: false, content: bytes('text') } as const;
    for (const path of ['a', '/', '/a/', '/a/../b', '//a', '/a\0']) {
      expect(() => rootfs.add(path, text), path).toThrow(/contradict/);
    }
    rootfs.add('/bin', { kind: 'link', target: '/etc' });
    expect(() => rootfs.add('/bin/sh', text)).toThrow(/is a link/);
    expect(() => rootfs.add('/bin', text)).toThrow(/is a link and a file/);
  });
});
