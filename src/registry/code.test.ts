import { strToU8, type Zippable, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, StrataError } from '../core/errors.ts';
import { type CodeUpload, type Runtime, textFiles } from '../core/spec.ts';
import { type Code, readCode } from './code.ts';
import { entryFile } from './entry.ts';

const MAX = 5 * 1024 * 1024;

const read = (
  upload: CodeUpload,
  options: { max?: number; runtime?: Runtime; handler?: string } = {},
): Promise<Code> => {
  const { max = MAX, runtime = 'isolate', handler = 'index.handler' } = options;
  const limits = { codeMaxBytes: max, containerCodeMaxBytes: max };
  return readCode(upload, { runtime, handler, initializer: null }, limits);
};

const refusal = async (run: () => Promise<unknown>, code: ErrorCode = 'code_invalid'): Promise<string> => {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof StrataError)) throw error;
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(500);
    return error.message;
  }
  throw new Error('was not refused');
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const zipped = (files: Zippable): Buffer => Buffer.from(zipSync({ 'index.js': strToU8('x'), ...files }));
const readZipped = (bytes: Uint8Array, max = MAX): Promise<Code> => read({ zip: base64(bytes) }, { max });

/** The files of code as text. */
const texts = ({ files }: Code): Record<string, string> =>
  Object.fromEntries([...files].map(([path, { bytes }]) => [path, Buffer.from(bytes).toString('utf8')]));

const LIMITS = { codeMaxBytes: MAX, containerCodeMaxBytes: MAX };
const END = 0x06054b50;
const DIRECTORY = 0x02014b50;

/** The offset of the n-th directory entry, found by its signature. */
const directoryEntry = (zip: Buffer, n: number): number => {
  let offset = zip.readUInt32LE(zip.length - 6);
  for (let index = 0; index < n; index += 1)
    offset +=
      46 + zip.readUInt16LE(offset + 28) + zip.readUInt16LE(offset + 30) + zip.readUInt16LE(offset + 32);
  expect(zip.readUInt32LE(offset)).toBe(DIRECTORY);
  return offset;
};

describe('source and files', () => {
  it('become index.js, index.py for python3, bootstrap for provided', async () => {
    expect(texts(await read({ source: 'é' }))).toEqual({ 'index.js': 'é' });
    expect((await read({ source: 'é' })).bytes).toBe(2);
    const paths = { python3: 'index.py', nodejs24: 'index.js', provided: 'bootstrap' } as const;
    for (const [runtime, path] of Object.entries(paths))
      expect(texts(await read({ source: '' }, { runtime: runtime as Runtime }))).toEqual({ [path]: '' });
  });

  it('keep their text byte for byte, a byte order mark included', async () => {
    const text = '\ufeff// \u2028 \0 😀\r\n';
    expect(texts(await read({ source: text }))['index.js']).toBe(text);
    expect(texts(await readZipped(zipped({ 'a.js': strToU8(text) })))['a.js']).toBe(text);
  });

  it('are counted in bytes of UTF-8 against the limit', async () => {
    expect((await read({ source: 'éé' }, { max: 4 })).bytes).toBe(4);
    expect(await refusal(() => read({ source: 'ééa' }, { max: 4 }), 'payload_too_large')).toContain(
      'at most 4',
    );
    await refusal(() => read({ files: { 'index.js': 'aaa', b: 'bb' } }, { max: 4 }), 'payload_too_large');
  });

  it('are refused with half a surrogate pair', async () => {
    expect(await refusal(() => read({ source: 'a\ud800' }))).toContain('not valid Unicode');
  });

  it('have their paths normalised to NFC', async () => {
    const code = await read({ files: { 'index.js': '', 'cafe\u0301/x.js': '1' } });
    expect(texts(code)['caf\u00e9/x.js']).toBe('1');
  });

  const badPaths = [
    '../evil.js',
    'a/../../evil.js',
    'a/..',
    './a.js',
    'a/./b',
    '/etc/passwd',
    '//a',
    'a//b',
    'a/',
  ];
  const oddPaths = [
    'a\0.js',
    'a\n.js',
    'a\u0085',
    'a\\b.js',
    'C:/a.js',
    'node:fs',
    '',
    'x'.repeat(10_000),
    'a\ud800',
  ];
  it.each([...badPaths, ...oddPaths, 'x'.repeat(257)])('are refused under the path %j', async (path) => {
    await refusal(() => read({ files: { 'index.js': '', [path]: '' } }));
    if (path.isWellFormed() && path !== '') await refusal(() => readZipped(zipped({ [path]: strToU8('x') })));
  });

  it.each(['__proto__', 'constructor', 'prototype'])('are refused under the path %s', async (path) => {
    await refusal(() => read({ files: JSON.parse(`{"index.js":"","${path}":""}`) }));
  });

  it.each([
    ['Index.js', 'index.js'],
    ['caf\u00e9', 'cafe\u0301'],
    ['stra\u00dfe', 'STRASSE'],
    ['a', 'a/b'],
    ['A', 'a/b'],
    ['a/x', 'A/y'],
    ['\u212a', 'k'],
  ])('are refused when %s and %s could be one file', async (first, second) => {
    await refusal(() => read({ files: { 'index.js': '', [first]: '', [second]: '' } }));
    await refusal(() => read({ files: { 'index.js': '', [second]: '', [first]: '' } }));
  });

  it('may be 1,000, and not one more', async () => {
    const files = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [n === 0 ? 'index.js' : `f${n}`, '']));
    expect((await read({ files: files(1_000) })).files.size).toBe(1_000);
    expect(await refusal(() => read({ files: files(1_001) }))).toContain('at most 1000');
  });
});

describe('the handler’s file', () => {
  const files = textFiles({
    'index.mjs': '',
    'index.cjs': '',
    'lib/app.js': '',
    'a.b.js': '',
    'main.py': '',
  });

  it.each([
    ['index.handler', 'index.cjs', 'handler'],
    ['lib/app.main', 'lib/app.js', 'main'],
    ['a.b.$run', 'a.b.js', '$run'],
  ])('%s is in %s', async (handler, path, exportName) => {
    expect(entryFile(files, handler, 'isolate')).toEqual({ path, exportName });
  });

  it('is a .py file for python3 only', async () => {
    expect(entryFile(files, 'main.run', 'python3')?.path).toBe('main.py');
    expect(entryFile(files, 'main.run', 'isolate')).toBeNull();
  });

  it('must exist, for the initializer as well', async () => {
    expect(await refusal(() => read({ files: { 'main.js': '' } }))).toContain(
      'index.js, index.cjs, index.mjs',
    );
    const spec = { runtime: 'isolate', handler: 'index.handler', initializer: 'boot.init' } as const;
    expect(await refusal(() => readCode({ source: '' }, spec, LIMITS))).toContain('initializer');
  });
});

describe('an archive', () => {
  it('gives its files, and no folder is stripped', async () => {
    const zip = zipped({ lib: { 'a.js': strToU8('1') }, 'top/': new Uint8Array(0) });
    expect(Object.entries(texts(await readZipped(zip)))).toEqual([
      ['index.js', 'x'],
      ['lib/a.js', '1'],
    ]);
  });

  it('may have stored entries, a Unix mode and a comment', async () => {
    const plain = zipped({ 'a.js': [strToU8('1'), { level: 0, os: 3, attrs: 0o100755 << 16 }] });
    expect(texts(await readZipped(plain))['a.js']).toBe('1');
    const commented = Buffer.concat([plain, Buffer.from('hello')]);
    commented.writeUInt16LE(5, plain.length - 2);
    expect((await readZipped(commented)).files.size).toBe(2);
  });

  it.each([
    ['a symbolic link', 0o120777],
    ['a character device', 0o020666],
    ['a block device', 0o060666],
    ['a pipe', 0o010666],
    ['a socket', 0o140777],
    ['a folder posing as a file', 0o040755],
  ])('is refused with %s in it', async (_, mode) => {
    const link = zipped({ 'a.js': [strToU8('/etc/passwd'), { os: 3, attrs: mode << 16 }] });
    expect(await refusal(() => readZipped(link))).toContain('only files are allowed');
    link[directoryEntry(link, 1) + 5] = 0;
    await refusal(() => readZipped(link));
  });

  it('is refused when a folder’s name leads outside', async () => {
    await refusal(() => readZipped(zipped({ '../out/': new Uint8Array(0) })));
  });

  it('is refused when it would unpack past the limit, before anything is inflated', async () => {
    const bomb = zipped({ 'a.js': new Uint8Array(4_096) });
    expect(await refusal(() => readZipped(bomb, 4_096), 'payload_too_large')).toContain(
      'limits.codeMaxBytes',
    );
    expect((await readZipped(bomb, 4_097)).bytes).toBe(4_097);
  });

  it('is refused when it unpacks to over a hundred times its size', async () => {
    expect(await refusal(() => readZipped(zipped({ 'a.js': new Uint8Array(4_000_000) })))).toContain(
      '100 times',
    );
  });

  it.each([
    ['less', 10, 'more than the 10 bytes'],
    ['more', 2_000_000, 'but declares 2000000'],
  ])('is refused when it declares %s than it holds', async (_, declared, part) => {
    const liar = zipped({ 'a.js': Buffer.from(Array.from({ length: 1e5 }, (__, n) => `${n} `).join('')) });
    liar.writeUInt32LE(declared, directoryEntry(liar, 1) + 24);
    expect(await refusal(() => readZipped(liar))).toContain(part);
  });

  it('is refused with a wrong checksum, damaged data, another name inside, or encryption', async () => {
    const patched = (patch: (zip: Buffer, entry: number) => void): Promise<string> => {
      const zip = zipped({ 'a.js': Buffer.from('hello '.repeat(50)) });
      patch(zip, directoryEntry(zip, 1));
      return refusal(() => readZipped(zip));
    };
    const local = (zip: Buffer, entry: number): number => zip.readUInt32LE(entry + 42);
    expect(await patched((zip, entry) => zip.writeUInt32LE(1, entry + 16))).toContain('checksum');
    expect(
      await patched((zip, entry) => zip.fill(0xff, local(zip, entry) + 34, local(zip, entry) + 40)),
    ).toContain('damaged');
    expect(await patched((zip, entry) => zip.write('b', local(zip, entry) + 30))).toContain('differently');
    for (const [at, value] of [
      [8, 0],
      [14, 1],
      [18, 1],
      [22, 1],
      [6, 1],
    ] as const)
      expect(await patched((zip, entry) => zip.writeUInt16LE(value, local(zip, entry) + at))).toContain(
        'describes "a.js" differently',
      );
    for (const flags of [1, 0x40, 0x2000])
      expect(await patched((zip, entry) => zip.writeUInt16LE(flags, entry + 8))).toContain('encrypted');
    expect(await patched((zip, entry) => zip.writeUInt16LE(14, entry + 10))).toContain('method 14');
    expect(await patched((zip, entry) => zip.writeUInt32LE(0xffffffff, entry + 24))).toContain('ZIP64');
    expect(await patched((zip, entry) => zip.writeUInt32LE(zip.length, entry + 42))).toContain('no data');
    expect(await patched((zip, entry) => zip.writeUInt32LE(zip.length, entry + 20))).toContain('cut off');
    expect(await patched((zip, entry) => zip.writeUInt16LE(0xffff, entry + 28))).toContain(
      'broken directory',
    );
  });

  it('is refused when a folder’s own header makes it something else', async () => {
    const folder: Zippable = { 'a/': [new Uint8Array(), { os: 3, attrs: 0o040755 << 16 }] };
    const zip = zipped(folder);
    expect([...(await readZipped(zip)).files.keys()]).toEqual(['index.js']);
    const local = zip.readUInt32LE(directoryEntry(zip, 1) + 42);
    zip.write('b', local + 31);
    expect(await refusal(() => readZipped(zip))).toContain('differently');
  });

  it('is read when the header at its data leaves open what was not known yet', async () => {
    const zip = zipped({ 'index.js': Buffer.from('hello '.repeat(50)) });
    const local = zip.readUInt32LE(directoryEntry(zip, 0) + 42);
    const [streamed, wide] = [Buffer.from(zip), Buffer.from(zip)];
    streamed.writeUInt16LE(8, local + 6);
    streamed.fill(0, local + 14, local + 26);
    wide.fill(0xff, local + 18, local + 26);
    for (const bytes of [streamed, wide])
      expect([...(await readZipped(bytes)).files.keys()]).toEqual(['index.js']);
  });

  it('is refused when its comment reads as another end, which some readers would take', async () => {
    const zip = zipped({ 'index.js': Buffer.from('1') });
    const other = Buffer.concat([Buffer.from('x'), zip.subarray(-22), Buffer.from('y')]);
    zip.writeUInt16LE(other.length, zip.length - 2);
    expect(await refusal(() => readZipped(Buffer.concat([zip, other])))).toContain('another end');
  });

  it('is refused with more entries than are allowed, or more than it declares', async () => {
    const many = (count: number): Buffer =>
      zipped(Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}`, new Uint8Array(0)])));
    expect(await refusal(() => readZipped(many(1_000)))).toContain('1001 entries');
    const hidden = many(20);
    expect(hidden.readUInt32LE(hidden.length - 22)).toBe(END);
    for (const offset of [14, 12]) hidden.writeUInt16LE(5, hidden.length - offset);
    expect(await refusal(() => readZipped(hidden))).toContain('than the 5 entries it declares');
  });

  it('with a hundred thousand entries is refused by its size', async () => {
    const hundred = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, n) => [`${n}`, new Uint8Array(0)]),
    );
    await refusal(() => readZipped(Buffer.from(zipSync(hundred, { level: 0 }))), 'payload_too_large');
  });

  it('is refused with two entries of one name', async () => {
    const zip = zipped({ 'a.js': strToU8('1'), 'b.js': strToU8('2') });
    const twice = Buffer.from(zip.toString('latin1').replaceAll('b.js', 'a.js'), 'latin1');
    expect(await refusal(() => readZipped(twice))).toContain('collides');
  });

  it('is refused with text that is not UTF-8, or without any file', async () => {
    expect(await refusal(() => readZipped(zipped({ 'a.js': Uint8Array.of(0xff, 0xfe) })))).toContain(
      'not UTF-8',
    );
    expect(await refusal(() => readZipped(Buffer.from(zipSync({}))))).toContain('no file');
  });

  it('is refused when it is none, cut off, or not base64', async () => {
    const zip = zipped({});
    await refusal(() => read({ zip: '' }));
    await refusal(() => read({ zip: 'aGVsbG8=' }));
    for (let length = 0; length < zip.length; length += 1)
      await refusal(() => readZipped(zip.subarray(0, length)));
    for (const text of ['%%%%', 'abc', 'a===', 'ab\ncd', base64(zip).replaceAll('A', '-')])
      await refusal(() => read({ zip: text }));
  });

  it('never fails otherwise than by a refusal when any one byte is changed', async () => {
    const zip = zipped({ 'lib/a.js': strToU8('hello '.repeat(20)) });
    for (let index = 0; index < zip.length; index += 1)
      for (const mask of [0x01, 0x80, 0xff]) {
        const broken = Buffer.from(zip);
        broken[index] = (broken[index] ?? 0) ^ mask;
        try {
          await readZipped(broken);
        } catch (error) {
          expect(error).toBeInstanceOf(StrataError);
        }
      }
  });
});
