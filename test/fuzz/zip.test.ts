/**
 * Code from strangers: archives that lie, stored artifacts that were damaged, and the archives written for containers.
 */
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { extract } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../../src/core/errors.ts';
import { ZIP_MAX_RATIO } from '../../src/core/limits.ts';
import type { CodeFile } from '../../src/core/spec.ts';
import { decodeArtifact, encodeArtifact } from '../../src/registry/artifact-format.ts';
import { readCode } from '../../src/registry/code.ts';
import { readZip, type ZipFile } from '../../src/registry/zip.ts';
import { archiveOf } from '../../src/sandbox/container/images/archive.ts';
import { type Entry, Rootfs } from '../../src/sandbox/container/images/rootfs.ts';
import { FOUND_ARCHIVES } from './found.ts';
import { type Dice, fuzz, hex, mutate } from './mutator.ts';

const LIMITS = { maxBytes: 20_000, maxFiles: 12, setting: 'limits.codeMaxBytes' };
const NAMES = [
  ...[
    'index.js',
    'lib/a.js',
    'lib/b/c.js',
    'é.js',
    'e\u0301.js',
    'A.js',
    'a.js',
    'lib',
    'lib/',
    '../x',
    '/x',
    'a//b',
  ],
  ...['.', 'a/./b', 'a\\b', 'c:d', '__proto__', 'con\u0000trol', 'x'.repeat(300), 'bootstrap', '\u202ejs.x'],
];

const text = (dice: Dice): Buffer =>
  dice.once(3) ? Buffer.alloc(dice.size(9_000), 'a') : dice.bytes(dice.size(600));

const archive = (dice: Dice): Buffer => {
  const files: Zippable = {};
  for (let count = dice.int(5); count >= 0; count -= 1) {
    const picked = dice.once(3) ? dice.pick(NAMES) : dice.pick(NAMES.slice(0, 4));
    // The writer would take it for a prototype.
    const name = picked === '__proto__' ? '_' : picked;
    const mode = dice.pick([0o100644, 0o100755, 0o120777, 0o040755, 0o020666, 0]);
    const level = dice.pick([0, 1, 9]) as 0 | 1 | 9;
    files[name] = [name.endsWith('/') ? new Uint8Array() : text(dice), { level, os: 3, attrs: mode << 16 }];
  }
  return Buffer.from(
    zipSync(files, { comment: dice.once(4) ? 'a comment' : '' } as Parameters<typeof zipSync>[1]),
  );
};

const SIGNATURES = ['504b0304', '504b0102', '504b0506'].map((signature) => Buffer.from(signature, 'hex'));

/** Changes one field of one header: what byte flips find late. */
const twist = (dice: Dice, bytes: Buffer): Buffer => {
  const places = SIGNATURES.flatMap((signature) => {
    const found: number[] = [];
    for (let at = bytes.indexOf(signature); at >= 0; at = bytes.indexOf(signature, at + 4)) found.push(at);
    return found;
  });
  if (places.length === 0) return bytes;
  const twisted = Buffer.from(bytes);
  const at = dice.pick(places) + 4 + 2 * dice.int(21);
  if (at + 4 > twisted.length) return twisted;
  const value = dice.pick([
    0,
    1,
    8,
    0xffff,
    0x10000,
    0x7fffffff,
    0xffffffff,
    twisted.readUInt32LE(at) + 1,
    dice.pick(places),
  ]);
  if (dice.once(2)) twisted.writeUInt16LE(value & 0xffff, at);
  else twisted.writeUInt32LE(value >>> 0, at);
  return twisted;
};

const hostileArchive = (dice: Dice): Buffer => {
  const honest = archive(dice);
  const kind = dice.int(6);
  if (kind === 0) return honest;
  if (kind === 1) return mutate(dice, honest, [archive(dice)]);
  // A second end behind the first one, in what is its comment.
  if (kind === 2)
    return commented(
      honest,
      Buffer.concat([dice.bytes(dice.int(4)), archive(dice).subarray(-22), dice.bytes(dice.int(4))]),
    );
  return twist(dice, kind === 3 ? twist(dice, honest) : honest);
};

const commented = (bytes: Buffer, comment: Buffer): Buffer => {
  const changed = Buffer.from(bytes);
  changed.writeUInt16LE(comment.length, bytes.length - 2);
  return Buffer.concat([changed, comment]);
};

/** The files as another reader has them; null where it has no opinion. */
const secondOpinion = (
  bytes: Buffer,
  files: readonly ZipFile[],
): Readonly<Record<string, Uint8Array>> | null => {
  try {
    return unzipSync(bytes);
  } catch (cause) {
    // The other reader cannot inflate nothing.
    const hasEmpty = files.some((file) => file.bytes.length === 0);
    if (hasEmpty && String(cause).includes('unexpected EOF')) return null;
    throw new Error(`another reader refuses ${hex(bytes)}: ${String(cause)}`, { cause });
  }
};

const isAscii = (name: string): boolean => /^[\x20-\x7e]*$/.test(name);

const refusalOf = async <T>(reading: Promise<T>): Promise<T | null> => {
  try {
    return await reading;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(StrataError);
    const { code, message } = thrown as StrataError;
    expect(['code_invalid', 'payload_too_large']).toContain(code);
    expect(message.length).toBeLessThan(600);
    return null;
  }
};

/** What a reader that goes from the front sees of the first entry, in files that were not written as a stream. */
const checkFirstHeader = (bytes: Buffer): void => {
  const end = bytes.lastIndexOf(Buffer.from('504b0506', 'hex'));
  const start = bytes.readUInt32LE(end + 16);
  if (bytes.readUInt16LE(end + 10) === 0) return;
  const local = bytes.readUInt32LE(start + 42);
  if (bytes.subarray(start + 28, start + 30).equals(Buffer.alloc(2))) return;
  expect(bytes.readUInt16LE(local + 8), hex(bytes)).toBe(bytes.readUInt16LE(start + 10));
  if ((bytes.readUInt16LE(local + 6) & 8) !== 0 || bytes.readUInt32LE(local + 22) === 0xffffffff) return;
  expect(bytes.subarray(local + 14, local + 26).toString('hex'), hex(bytes)).toBe(
    bytes.toString('hex', start + 16, start + 28),
  );
};

const checkFiles = (bytes: Buffer, files: readonly ZipFile[]): void => {
  const total = files.reduce((sum, file) => sum + file.bytes.length, 0);
  expect(total).toBeLessThanOrEqual(LIMITS.maxBytes);
  expect(total).toBeLessThanOrEqual(bytes.length * ZIP_MAX_RATIO);
  expect(files.length).toBeLessThanOrEqual(LIMITS.maxFiles);
  if (files.length > 0 && !bytes.toString('latin1', bytes.length - 22 - 40).includes('/PK'))
    checkFirstHeader(bytes);
  const other = secondOpinion(bytes, files);
  if (other === null) return;
  const named = files.filter(({ path }) => isAscii(path));
  for (const { path, bytes: content } of named) {
    // Of two entries of one name the other reader keeps the last; paths are compared elsewhere.
    if (named.filter((file) => file.path === path).length > 1) continue;
    expect(Object.hasOwn(other, path), `${path} in ${hex(bytes)}`).toBe(true);
    expect(Buffer.from(other[path] ?? []).equals(content), `${path} in ${hex(bytes)}`).toBe(true);
  }
};

describe('an archive', () => {
  it('is refused in words, or read within its limits as another reader reads it', async () => {
    let taken = 0;
    await fuzz('zip', 1_500, async (dice) => {
      const bytes = hostileArchive(dice);
      const files = await refusalOf(readZip(bytes, LIMITS));
      if (files === null) return;
      taken += 1;
      checkFiles(bytes, files);
    });
    expect(taken).toBeGreaterThan(0);
  });

  it.each(Object.entries(FOUND_ARCHIVES))('is refused with %s', async (_what, base64) => {
    expect(await refusalOf(readZip(Buffer.from(base64, 'base64'), LIMITS))).toBeNull();
  });

  it('becomes code only under paths that mean one file on every disk', async () => {
    await fuzz('code', 600, async (dice) => {
      const runtime = dice.pick(['isolate', 'nodejs24', 'python3', 'provided'] as const);
      const zip = hostileArchive(dice).toString('base64');
      const upload = { zip: dice.once(8) ? mutate(dice, Buffer.from(zip)).toString('latin1') : zip };
      const spec = { runtime, handler: 'index.handler', initializer: null };
      const limits = { codeMaxBytes: 20_000, containerCodeMaxBytes: 20_000 };
      const code = await refusalOf(readCode(upload, spec, limits));
      if (code === null) return;
      const folded = [...code.files.keys()].map((path) => path.normalize('NFC').toLowerCase());
      expect(new Set(folded).size).toBe(folded.length);
      for (const path of code.files.keys()) {
        expect(
          path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
          path,
        ).toBe(true);
        expect(path).not.toMatch(/[\p{Cc}\\:]/u);
      }
    });
  });
});

const someFiles = (dice: Dice): Map<string, CodeFile> =>
  new Map(
    Array.from({ length: dice.int(6) }, () => [
      dice.pick(NAMES.slice(0, 7)),
      { bytes: dice.bytes(dice.size(300)), executable: dice.once(2) },
    ]),
  );

describe('a stored artifact', () => {
  it('is read as it was written, and damaged it is files or an error', async () => {
    await fuzz('artifact', 2_000, async (dice) => {
      const files = someFiles(dice);
      const { bytes } = await encodeArtifact(files);
      const read = decodeArtifact(bytes);
      expect([...read].map(([path, file]) => [path, file.executable, hex(file.bytes)]).sort()).toEqual(
        [...files].map(([path, file]) => [path, file.executable, hex(file.bytes)]).sort(),
      );
      const damaged = mutate(dice, bytes, [(await encodeArtifact(someFiles(dice))).bytes]);
      try {
        const found = decodeArtifact(damaged);
        const total = [...found.values()].reduce((sum, file) => sum + file.bytes.length, 0);
        expect(total).toBeLessThanOrEqual(damaged.length);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error);
      }
    });
  });
});

const PARTS = [
  'a',
  'usr',
  'lib',
  'é',
  'x'.repeat(120),
  'y'.repeat(200),
  'with space',
  'new\nline',
  '..x',
  'PaxHeader',
];

const someRootfs = (dice: Dice): Map<string, Entry> => {
  const rootfs = new Rootfs();
  for (let count = 1 + dice.int(8); count > 0; count -= 1) {
    const path = `/${Array.from({ length: 1 + dice.int(4) }, () => dice.pick(PARTS)).join('/')}`;
    const entry: Entry = dice.pick([
      { kind: 'folder', sticky: dice.once(2) },
      { kind: 'link', target: dice.pick(['../a', 'z'.repeat(150)]) },
      { kind: 'file', executable: dice.once(2), content: { bytes: dice.bytes(dice.size(1_200)) } },
    ]);
    try {
      rootfs.add(path, entry);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(StrataError);
    }
  }
  return new Map(rootfs.sorted());
};

/** What unpacking would make: path, kind, content. */
const unpacked = (stream: NodeJS.ReadableStream): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const seen: string[] = [];
    const reader = extract();
    reader.on('entry', (header, content, next) => {
      const parts: Buffer[] = [];
      content.on('data', (part: Buffer) => parts.push(part));
      content.on('end', () => {
        const name = `/${header.name.replace(/\/$/, '')}`;
        const what = header.linkname ?? hex(Buffer.concat(parts));
        seen.push(`${header.type} ${header.uid}:${header.gid} ${header.mode?.toString(8)} ${name} ${what}`);
        next();
      });
    });
    reader.on('finish', () => resolve(seen));
    reader.on('error', reject);
    stream.pipe(reader);
  });

const listed = ([path, entry]: [string, Entry]): string => {
  if (entry.kind === 'folder') return `directory 0:0 ${entry.sticky ? '1777' : '755'} ${path} `;
  if (entry.kind === 'link') return `symlink 0:0 777 ${path} ${entry.target}`;
  const bytes = 'bytes' in entry.content ? entry.content.bytes : new Uint8Array();
  return `file 0:0 ${entry.executable ? '755' : '644'} ${path} ${hex(bytes)}`;
};

describe('an archive for a container', () => {
  it('unpacks to exactly the files that it was made of, twice with the same digest', async () => {
    await fuzz('tar', 150, async (dice) => {
      const entries = someRootfs(dice);
      const rootfs = new Rootfs();
      for (const [path, entry] of entries) rootfs.add(path, entry);
      const [first, second] = [archiveOf(rootfs), archiveOf(rootfs)];
      expect(await unpacked(first.stream)).toEqual(
        [...entries].map(listed).map((line) => line.replace(/null$/, '')),
      );
      second.stream.resume();
      expect(await first.digest).toBe(await second.digest);
    });
  });
});
