import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CodeFiles, textFiles } from '../core/spec.ts';
import { decodeArtifact, encodeArtifact } from './artifact-format.ts';

const plain = (files: CodeFiles) =>
  [...files].map(([path, { bytes, executable }]) => [path, Buffer.from(bytes).toString('hex'), executable]);

describe('an artifact', () => {
  it('gives equal code an equal digest, in whatever order its files come', async () => {
    const files = textFiles({ 'lib/b.js': '\ufeffé \0', 'a.js': '' });
    const { digest } = await encodeArtifact(files);
    expect((await encodeArtifact(new Map([...files].reverse()))).digest).toBe(digest);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('has another digest when a byte, a path or the right to be started differs', async () => {
    const bytes = new Uint8Array([0xff]);
    const digests = await Promise.all(
      [
        [['a', { bytes, executable: false }]],
        [['a', { bytes, executable: true }]],
        [['b', { bytes, executable: false }]],
        [['a', { bytes: new Uint8Array([0xfe]), executable: false }]],
      ].map(async (entries) => (await encodeArtifact(new Map(entries as never))).digest),
    );
    expect(new Set(digests).size).toBe(4);
  });

  it('gives back what was put in, whatever it is', async () => {
    const file = fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), executable: fc.boolean() });
    const entries = fc.uniqueArray(fc.tuple(fc.string({ unit: 'grapheme' }), file), {
      selector: ([path]) => path,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(entries, async (list) => {
        const files = new Map(list);
        const sorted = new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
        const { bytes, digest } = await encodeArtifact(files);
        expect(plain(decodeArtifact(bytes))).toEqual(plain(sorted));
        expect(digest).toBe(createHash('sha256').update(bytes).digest('hex'));
      }),
      { numRuns: 100 },
    );
  });

  it('of an earlier version, JSON pairs of path and text, is still read', () => {
    const files = decodeArtifact(Buffer.from('[["index.js","é"],["bootstrap","#!/bin/sh"]]'));
    expect(plain(files)).toEqual(plain(textFiles({ 'index.js': 'é', bootstrap: '#!/bin/sh' })));
    expect(files.get('bootstrap')?.executable).toBe(true);
  });

  it('that is cut off is no artifact', async () => {
    const { bytes } = await encodeArtifact(textFiles({ 'a.js': 'hello', 'b.js': 'x' }));
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => decodeArtifact(bytes.subarray(0, length))).toThrow();
  });
});
