/**
 * Code that cannot be deployed or loaded in a container: each a typed error, nothing written, and the next works.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { FunctionSpecInput, Runtime } from '../../src/core/spec.ts';
import { describeContainers } from './availability.ts';
import { zipOfEntries, zipOfZeros } from './bad-zips.ts';
import { type Code, type ContainerBench, executable, openContainerBench, zipOf } from './bench.ts';

let bench: ContainerBench;

const MIB = 1024 * 1024;
const SYMLINK = 0o120777;
const DEVICE = 0o020666;
const HANDLER = 'exports.handler = () => 1;';

const WORKS: Readonly<Record<string, string>> = {
  nodejs24: 'exports.handler = (event) => event;',
  python3: 'def handler(event, context):\n  return event\n',
  provided: `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while event="$(curl -sS -D /tmp/head "$api/invocation/next")"; do
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  curl -sS -o /dev/null --data-binary "$event" "$api/invocation/$id/response"
done
`,
};

const expectWorking = async (): Promise<void> => {
  for (const runtime of Object.keys(WORKS))
    expect(await bench.result(`good-${runtime}`, { n: 1 })).toEqual({ n: 1 });
};

const storedCode = (): readonly string[] =>
  readdirSync(bench.dataDir, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.startsWith('code/'),
  );

const nodeZip = (path: string, mode?: number, bytes = 'x'): Code =>
  zipOf({ 'index.js': HANDLER, [path]: mode === undefined ? bytes : { bytes, mode } });

const UPLOADS: [what: string, runtime: Runtime, code: () => Code, error: ErrorCode, detail: RegExp][] = [
  [
    'text instead of an archive',
    'nodejs24',
    () => base64('not a zip at all'),
    'code_invalid',
    /not a ZIP archive/,
  ],
  ['nothing as an archive', 'nodejs24', () => ({ zip: '' }), 'code_invalid', /not a ZIP archive/],
  ['what is not base64', 'nodejs24', () => ({ zip: '%%%%' }), 'code_invalid', /not base64/],
  [
    'half an archive',
    'nodejs24',
    () => half(zipOf({ 'index.js': HANDLER })),
    'code_invalid',
    /not a ZIP archive/,
  ],
  ['an archive without a file', 'python3', () => zipOf({}), 'code_invalid', /no file/],
  ['a path that leads out', 'nodejs24', () => nodeZip('../out.js'), 'code_invalid', /"\.\."/],
  ['a path that leads out further in', 'python3', () => nodeZip('a/../../out'), 'code_invalid', /"\.\."/],
  [
    'a path that leads out by backslashes',
    'nodejs24',
    () => nodeZip('..\\out.js'),
    'code_invalid',
    /backslash/,
  ],
  ['an absolute path', 'nodejs24', () => nodeZip('/etc/passwd'), 'code_invalid', /absolute/],
  ['a path with NUL', 'nodejs24', () => nodeZip('a\0b'), 'code_invalid', /NUL/],
  ['a path of 300 characters', 'nodejs24', () => nodeZip('p'.repeat(300)), 'code_invalid', /300 characters/],
  ['a file below a file', 'nodejs24', () => nodeZip('index.js/inner.js'), 'code_invalid', /folder/],
  ['two names for one file', 'nodejs24', () => nodeZip('INDEX.js'), 'code_invalid', /collides/],
  [
    'a symbolic link',
    'nodejs24',
    () => nodeZip('link', SYMLINK, '/etc/passwd'),
    'code_invalid',
    /symbolic link/,
  ],
  ['a bootstrap that is a link', 'provided', () => linked('bootstrap'), 'code_invalid', /symbolic link/],
  ['a device', 'python3', () => nodeZip('null', DEVICE), 'code_invalid', /device/],
  [
    'more entries than are allowed',
    'nodejs24',
    () => zipOfEntries(20_001, 20_001),
    'code_invalid',
    /20001 entries/,
  ],
  ['a million entries', 'nodejs24', () => zipOfEntries(1e6, 0xffff), 'code_invalid', /65535 entries/],
  [
    'a million entries, fewer declared',
    'provided',
    () => zipOfEntries(1e6, 1e6 % 65_536),
    'code_invalid',
    /directory/,
  ],
  [
    'a bomb',
    'nodejs24',
    () => zipOfZeros('index.js', 32 * MIB, 32 * MIB),
    'code_invalid',
    /at most 100 times/,
  ],
  [
    'a bomb that lies',
    'python3',
    () => zipOfZeros('index.py', 32 * MIB, 1_000),
    'code_invalid',
    /more than the 1000/,
  ],
  [
    'more than may be unpacked',
    'nodejs24',
    () => zipOfZeros('a', 65 * MIB, 65 * MIB),
    'payload_too_large',
    /67108864/,
  ],
  [
    'no file of the handler',
    'nodejs24',
    () => ({ 'other.js': HANDLER }),
    'code_invalid',
    /index\.js, index\.cjs/,
  ],
  ['no file of the handler in Python', 'python3', () => ({ 'other.py': '' }), 'code_invalid', /index\.py/],
  ['no bootstrap', 'provided', () => ({ 'main.sh': '' }), 'code_invalid', /"bootstrap"/],
  ['a folder as the bootstrap', 'provided', () => ({ 'bootstrap/main': '' }), 'code_invalid', /"bootstrap"/],
  [
    'a bootstrap that is not executable',
    'provided',
    () => zipOf({ bootstrap: '#!/bin/sh\n' }),
    'code_invalid',
    /not executable/,
  ],
];

const base64 = (text: string): Code => ({ zip: Buffer.from(text).toString('base64') });
const half = ({ zip }: { zip: string }): Code => {
  const bytes = Buffer.from(zip, 'base64');
  return { zip: bytes.subarray(0, bytes.length / 2).toString('base64') };
};
const linked = (path: string): Code => zipOf({ [path]: { bytes: '/bin/sh', mode: SYMLINK } });

/** What is deployed, and fails when it is first needed. */
const LOADS: [
  what: string,
  runtime: Runtime,
  code: Code,
  code_: ErrorCode,
  problem: object,
  spec?: Partial<FunctionSpecInput>,
][] = [
  ['no export of the handler in Node', 'nodejs24', 'exports.other = 1;', 'init_error', {}],
  ['no export of the handler in Python', 'python3', 'x = 1\n', 'init_error', {}],
  [
    'bytes that are no program in Node',
    'nodejs24',
    binary('index.js'),
    'init_error',
    { error: { type: 'SyntaxError' } },
  ],
  [
    'bytes that are no program in Python',
    'python3',
    binary('index.py'),
    'init_error',
    { error: { type: expect.stringMatching(/^(?:Syntax|Value)Error$/) } },
  ],
  [
    'a bad indentation',
    'python3',
    'def handler(event, context):\nreturn 1\n',
    'init_error',
    { error: { type: 'IndentationError' } },
  ],
  [
    'a module that is not there',
    'python3',
    'import numpy\n',
    'init_error',
    { error: { type: 'ModuleNotFoundError' } },
  ],
  [
    'a package that is not there',
    'nodejs24',
    'require("left-pad");',
    'init_error',
    { error: { type: 'Error' } },
  ],
  [
    'a program that ends while it loads',
    'nodejs24',
    'process.exit(0);',
    'init_error',
    { detail: expect.stringContaining('exit code 0') },
  ],
  [
    'a Python program that ends while it loads',
    'python3',
    'import os\nos._exit(0)\n',
    'init_error',
    { detail: expect.stringContaining('exit code 0') },
  ],
  [
    'a program that kills itself while it loads',
    'python3',
    'import os\nos.kill(os.getpid(), 9)\n',
    'init_error',
    { detail: expect.stringContaining('signal 9') },
  ],
  [
    'code that does not end',
    'nodejs24',
    'for (;;);',
    'init_timeout',
    { limit: { kind: 'initTimeoutMs', configured: 500 } },
    { initTimeoutMs: 500 },
  ],
  [
    'a promise at the top that never settles',
    'nodejs24',
    { 'index.mjs': 'await new Promise(() => setInterval(() => {}, 1000)); export const handler = () => 1;' },
    'init_timeout',
    {},
    { initTimeoutMs: 500 },
  ],
  [
    'a bootstrap that ends at once',
    'provided',
    '#!/bin/sh\nexit 0\n',
    'init_error',
    { error: { type: 'Runtime.ExitError' }, detail: expect.stringContaining('exit status 0') },
  ],
  [
    'a bootstrap that fails at once',
    'provided',
    '#!/bin/sh\necho sorry >&2\nexit 7\n',
    'init_error',
    { error: { type: 'Runtime.ExitError' }, detail: expect.stringContaining('7') },
  ],
  [
    'a bootstrap that kills itself',
    'provided',
    '#!/bin/sh\nkill -SEGV $$\n',
    'init_error',
    { error: { type: 'Runtime.ExitError' }, detail: expect.stringContaining('11') },
  ],
  [
    'a bootstrap that never asks for work',
    'provided',
    '#!/bin/sh\nsleep 600\n',
    'init_timeout',
    { limit: { kind: 'initTimeoutMs', configured: 500 } },
    { initTimeoutMs: 500 },
  ],
  [
    'a bootstrap with an interpreter that is not there',
    'provided',
    '#!/no/such/interpreter\n',
    'init_error',
    { detail: expect.stringContaining('cannot be executed') },
  ],
  [
    'a bootstrap written on Windows',
    'provided',
    '#!/bin/sh\r\nexit 0\r\n',
    'init_error',
    { detail: expect.stringContaining('cannot be executed') },
  ],
  [
    'a bootstrap that is no program',
    'provided',
    zipOf({ bootstrap: executable(Buffer.from([0, 1, 2, 3])) }),
    'init_error',
    { detail: expect.stringContaining('cannot be executed') },
  ],
  ['an empty bootstrap', 'provided', zipOf({ bootstrap: executable('') }), 'init_error', {}],
  [
    'a bootstrap that is cut off',
    'provided',
    zipOf({ bootstrap: executable(Buffer.from('\x7fELF\x02\x01\x01', 'latin1')) }),
    'init_error',
    { detail: expect.stringContaining('cannot be executed') },
  ],
  [
    'a program that needs too much memory while it loads',
    'python3',
    'kept = []\nwhile True: kept.append(b"x" * 1000000)\n',
    'memory_limit',
    { limit: { kind: 'memoryMb', configured: 64 } },
    { memoryMb: 64 },
  ],
  [
    'a bootstrap that needs too much memory before it asks',
    'provided',
    '#!/usr/bin/perl\nmy $kept = ""; $kept .= "x" x 1e6 while 1;\n',
    'memory_limit',
    { limit: { kind: 'memoryMb', configured: 64 } },
    { memoryMb: 64 },
  ],
  [
    'a bootstrap that is killed',
    'provided',
    '#!/bin/sh\nkill -9 $$\n',
    'init_error',
    { detail: expect.stringContaining('signal 9') },
  ],
];

function binary(path: string): Code {
  return zipOf({ [path]: Uint8Array.from({ length: 500 }, (_, index) => (index * 97 + 13) % 256) });
}

await describeContainers('bad code for a container', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(async () => {
    bench = await openContainerBench();
    for (const [runtime, source] of Object.entries(WORKS))
      await bench.deploy(`good-${runtime}`, runtime as Runtime, source);
    await expectWorking();
  });
  afterAll(() => bench.close());

  describe('is refused when it is deployed:', () => {
    afterEach(expectWorking);

    it.each(UPLOADS)('%s', async (_what, runtime, code, error, detail) => {
      const before = storedCode();
      const deployed = bench.deploy('bad', runtime, code());
      await expect(deployed).rejects.toMatchObject({ code: error, message: expect.stringMatching(detail) });
      expect(storedCode()).toEqual(before);
      expect(() => bench.executor.get('bad')).toThrow(/bad/);
    });
  });

  describe('fails when it is loaded:', () => {
    afterEach(expectWorking);

    it.each(LOADS)('%s', async (_what, runtime, code, error, problem, spec = {}) => {
      await bench.deploy('unloadable', runtime, code, spec);
      // The second time shows that the first left nothing in between.
      for (const _time of [1, 2]) {
        const { failure, receipt } = await bench.failure('unloadable');
        expect(failure).toMatchObject({ ...problem, code: error });
        expect(receipt.start).not.toBe('code');
      }
    });
  });
});

await describeContainers('code that fills a container', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(async () => {
    bench = await openContainerBench({ limits: { containerCodeMaxBytes: MIB } });
  });
  afterAll(() => bench.close());

  it('is told that it does not fit, each time, and is no burden to other code of its tenant', async () => {
    const crumbs = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`crumbs/${index}`, 'x']));
    await bench.deploy('crumbs', 'python3', zipOf({ ...crumbs, 'index.py': WORKS.python3 ?? '' }));
    await bench.deploy('small', 'python3', WORKS.python3 ?? '');
    for (const _time of [1, 2]) {
      expect((await bench.failure('crumbs')).failure).toMatchObject({
        ...{ code: 'init_error', detail: expect.stringContaining('does not fit') },
      });
      expect(await bench.result('small', { n: 1 })).toEqual({ n: 1 });
    }
  });

  it('makes room for itself where other code of its tenant was', async () => {
    const large = (): Code => zipOf({ 'index.py': `${WORKS.python3}`, 'data.bin': randomBytes(900_000) });
    for (const n of [1, 2, 3, 4]) await bench.deploy(`large-${n}`, 'python3', large());
    for (const n of [1, 2, 3, 4, 1, 4]) expect(await bench.result(`large-${n}`, n)).toBe(n);
  });
});
