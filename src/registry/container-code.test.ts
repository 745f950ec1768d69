import { strToU8, type Zippable, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { StrataError } from '../core/errors.ts';
import { CONTAINER_CODE_MAX_FILES } from '../core/limits.ts';
import { type CodeUpload, type Runtime, textFiles } from '../core/spec.ts';
import { type Code, readCode } from './code.ts';
import { entryFile } from './entry.ts';

const LIMITS = { codeMaxBytes: 1_000, containerCodeMaxBytes: 32 * 1024 * 1024 };

const read = (upload: CodeUpload, runtime: Runtime = 'nodejs24', handler = 'index.handler'): Promise<Code> =>
  readCode(upload, { runtime, handler, initializer: null }, LIMITS);

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const zipped = (files: Zippable): string => base64(zipSync(files));

const refusal = async (work: Promise<unknown>, code = 'code_invalid'): Promise<string> => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof StrataError)) throw new Error('was not refused');
  expect(error.code).toBe(code);
  return error.message;
};

/** A file as an archive made on Unix has it. */
const unix = (text: string, mode: number): Zippable[string] => [strToU8(text), { os: 3, attrs: mode << 16 }];
const BOOTSTRAP = '#!/bin/sh\necho hi\n';

/** The same tree, `bootstrap` of mode 755 and the bytes ff 00 fe in `lib/a.bin`, as tools make archives of it. */
const ARCHIVES = {
  'zip -r':
    'UEsDBAoAAAAAAHZOdV0AAAAAAAAAAAAAAAAEAAAAbGliL1BLAwQKAAAAAAAAACFQ5DLcGwMAAAADAAAACQAAAGxpYi9hLmJpbv8A/lBLAwQKAAAAAAAAACFQLzra6RIAAAASAAAACQAAAGJvb3RzdHJhcCMhL2Jpbi9zaAplY2hvIGhpClBLAQIeAwoAAAAAAHZOdV0AAAAAAAAAAAAAAAAEAAAAAAAAAAAAEADtQQAAAABsaWIvUEsBAh4DCgAAAAAAAAAhUOQy3BsDAAAAAwAAAAkAAAAAAAAAAAAAAKSBIgAAAGxpYi9hLmJpblBLAQIeAwoAAAAAAAAAIVAvOtrpEgAAABIAAAAJAAAAAAAAAAEAAADtgUwAAABib290c3RyYXBQSwUGAAAAAAMAAwCgAAAAhQAAAAAA',
  'zipfile of Python':
    'UEsDBBQAAAAIAAAAIVAvOtrpFAAAABIAAAAJAAAAYm9vdHN0cmFwU1bUT8rM0y/O4EpNzshXyMjkAgBQSwMEFAAAAAgAAAAhUOQy3BsFAAAAAwAAAAkAAABsaWIvYS5iaW77z/APAFBLAwQUAAAACAB2TnVdA4pirAYAAAAyAAAACAAAAGRhdGEudHh0q6ggFQAAUEsBAhQDFAAAAAgAAAAhUC862ukUAAAAEgAAAAkAAAAAAAAAAAAAAO2BAAAAAGJvb3RzdHJhcFBLAQIUAxQAAAAIAAAAIVDkMtwbBQAAAAMAAAAJAAAAAAAAAAAAAACkgTsAAABsaWIvYS5iaW5QSwECFAMUAAAACAB2TnVdA4pirAYAAAAyAAAACAAAAAAAAAAAAAAAgAFnAAAAZGF0YS50eHRQSwUGAAAAAAMAAwCkAAAAkwAAAAAA',
  'zipfile of Python, streamed with data descriptors':
    'UEsDBBQACAAIAAAAIVAAAAAAAAAAAAAAAAAJAAAAYm9vdHN0cmFwU1bUT8rM0y/O4EpNzshXyMjkAgBQSwcILzra6RQAAAASAAAAUEsDBBQACAAIAHZOdV0AAAAAAAAAAAAAAAAJAAAAbGliL2EuYmlu+8/wDwBQSwcI5DLcGwUAAAADAAAAUEsBAhQDFAAIAAgAAAAhUC862ukUAAAAEgAAAAkAAAAAAAAAAAAAAO2BAAAAAGJvb3RzdHJhcFBLAQIUAxQACAAIAHZOdV3kMtwbBQAAAAMAAAAJAAAAAAAAAAAAAACAAUsAAABsaWIvYS5iaW5QSwUGAAAAAAIAAgBuAAAAhwAAAAAA',
};

describe('an archive for a container', () => {
  it.each(Object.entries(ARCHIVES))('made by %s keeps its bytes and modes', async (_, zip) => {
    const { files } = await read({ zip }, 'provided', 'anything');
    expect(Buffer.from(files.get('bootstrap')?.bytes ?? []).toString()).toBe(BOOTSTRAP);
    expect(files.get('bootstrap')?.executable).toBe(true);
    expect([...(files.get('lib/a.bin')?.bytes ?? [])]).toEqual([0xff, 0, 0xfe]);
    expect(files.get('lib/a.bin')?.executable).toBe(false);
  });

  it('without modes has an executable bootstrap at its root, and nothing else that can be started', async () => {
    const zip = zipped({ bootstrap: strToU8(BOOTSTRAP), 'bin/bootstrap': strToU8(''), tool: strToU8('') });
    const { files } = await read({ zip }, 'provided', 'x');
    expect([...files].filter(([, { executable }]) => executable).map(([path]) => path)).toEqual([
      'bootstrap',
    ]);
  });

  it('has the larger limit on bytes and files, which isolates do not have', async () => {
    const tree = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, n) => [`node_modules/p${n}/index.js`, strToU8('x')]),
      );
    const zip = zipped({ 'index.js': strToU8('1'), ...tree(3_000) });
    expect((await read({ zip })).files.size).toBe(3_001);
    await refusal(read({ zip }, 'isolate'), 'payload_too_large');
    const many = zipped(tree(CONTAINER_CODE_MAX_FILES + 1));
    expect(await refusal(read({ zip: many }))).toContain(`at most ${CONTAINER_CODE_MAX_FILES}`);
    const large = zipped({ 'index.js': [new Uint8Array(LIMITS.containerCodeMaxBytes + 1), { level: 1 }] });
    expect(await refusal(read({ zip: large }), 'payload_too_large')).toContain(
      'limits.containerCodeMaxBytes',
    );
  });

  it('is refused when its paths make more folders than anybody needs', async () => {
    const deep = (n: number) => `${n}/${'a/'.repeat(120)}x.js`;
    const files = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [deep(n), strToU8('x')]));
    expect(await refusal(read({ zip: zipped({ 'index.js': strToU8('1'), ...files }) }))).toContain(
      '20000 folders',
    );
  });

  it('is refused when a name is longer than a folder holds', async () => {
    for (const name of ['x'.repeat(256), '文'.repeat(86)])
      expect(await refusal(read({ zip: zipped({ 'index.js': strToU8(''), [name]: strToU8('') }) }))).toMatch(
        /has a name of 25[68] bytes; at most 255/,
      );
    const longest = zipped({ 'index.js': strToU8(''), [`lib/${'文'.repeat(85)}`]: strToU8('') });
    expect((await read({ zip: longest })).files.size).toBe(2);
  });

  it('says what to do about a symbolic link, as npm makes them', async () => {
    const files = { 'index.js': strToU8('1'), 'node_modules/.bin/tsc': unix('../x', 0o120777) };
    const message = await refusal(read({ zip: zipped(files) }));
    expect(message).toContain('"node_modules/.bin/tsc"');
    expect(message).toContain('-x "node_modules/.bin/*"');
  });

  it.each([0o020666, 0o060666, 0o010666, 0o140777])(
    'is refused with a file of mode %o in it',
    async (mode) => {
      await refusal(read({ zip: zipped({ 'index.js': strToU8('1'), a: unix('', mode) }) }));
    },
  );

  it('lets the server do other things while it is read', async () => {
    const half = Buffer.from(Array.from({ length: 2_000_000 }, (_, n) => (n * 7919) % 251));
    const zip = zipped({
      'index.js': strToU8('1'),
      a: [half, { level: 1 }],
      b: [half, { level: 0 }],
      c: half,
    });
    let turns = 0;
    let reading = true;
    const turn = (): void => {
      turns += 1;
      if (reading) setImmediate(turn);
    };
    setImmediate(turn);
    await read({ zip });
    reading = false;
    expect(turns).toBeGreaterThan(2);
  });
});

describe('the code of provided', () => {
  it('as text is a bootstrap that may be started', async () => {
    const { files } = await read({ source: BOOTSTRAP }, 'provided', 'x');
    expect([...files]).toEqual([...textFiles({ bootstrap: BOOTSTRAP })]);
    expect(files.get('bootstrap')?.executable).toBe(true);
  });

  it('must hold a bootstrap at its root', async () => {
    const message = await refusal(read({ files: { 'app/bootstrap': '' } }, 'provided', 'x'));
    expect(message).toContain('the code, which has ["app/bootstrap"]');
  });

  it('must have the right to start it', async () => {
    const zip = zipped({ bootstrap: unix(BOOTSTRAP, 0o100644) });
    expect(await refusal(read({ zip }, 'provided', 'x'))).toContain('chmod +x bootstrap');
  });
});

describe('the handler’s file in Python', () => {
  const files = textFiles({ 'index.py': '', 'pkg/mod.py': '', 'a.b.py': '' });

  it.each([
    ['index.run', 'index.py'],
    ['pkg/mod.run', 'pkg/mod.py'],
    ['pkg.mod.run', 'pkg/mod.py'],
    ['a.b.run', 'a.b.py'],
  ])('of %s is %s', (handler, path) => {
    expect(entryFile(files, handler, 'python3')).toEqual({ path, exportName: 'run' });
  });

  it('is named in both spellings when it is missing', async () => {
    expect(await refusal(read({ source: '' }, 'python3', 'a.b.run'))).toContain('a.b.py, a/b.py');
  });
});
