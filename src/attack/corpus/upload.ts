/**
 * Uploads that would write where they must not, grow when they are unpacked, or be one thing to the server and another to
 * whoever checks them.
 *
 * Each archive is sent for an isolate and for every runtime of containers that the server has, over a working function, which
 * has to work unchanged afterwards: nothing of a refused upload is kept.
 */
import type { Runtime } from '../../core/spec.ts';
import { type ArchiveEntry, archive, directoryAlone, directoryPieces } from '../archive.ts';
import { type AttackCase, holds } from '../case.ts';
import type { Reply, Target } from '../target.ts';
import { answersIn, isRefusal, PLAIN, type Refusal, replyOf, succeeds, withOwn } from '../wire.ts';
import { UPLOAD_CONTENT_CASES } from './upload-content.ts';

const NAME = 'uploaded';
const HANDLERS: readonly ArchiveEntry[] = [
  { name: 'index.js', data: 'exports.handler = () => "other";' },
  { name: 'index.py', data: 'def handler(event, context): return "other"\n' },
  { name: 'bootstrap', data: '#!/bin/sh\n', mode: 0o100755 },
];
const INVALID: Refusal = { code: 'code_invalid', status: 400 };
const TOO_LARGE: Refusal = { code: 'payload_too_large', status: 413 };
const MIB = 1024 * 1024;
const ALMOST_4_GIB = 0xffff_fffe;
const LINK = 0o120777;

type Archives = Readonly<Record<string, Buffer>>;

/** The runtimes that this server has. */
const runtimesOf = async (target: Target): Promise<readonly Runtime[]> => {
  const { json } = await target.request('GET', '/v1/pools');
  return Object.keys((json as { tiers: Record<string, unknown> }).tiers) as Runtime[];
};

/** @throws Breach unless every archive is refused with each runtime, and what was deployed before is there unchanged. */
const refusesArchives = async (
  target: Target,
  archives: Archives,
  refusal: Refusal,
  runtimes?: readonly Runtime[],
): Promise<void> => {
  for (const runtime of runtimes ?? (await runtimesOf(target)))
    await withOwn(target, NAME, async () => {
      const before = await target.request('GET', `/v1/functions/${NAME}`);
      for (const [what, bytes] of Object.entries(archives)) {
        const reply = await target.deploy(NAME, { runtime, code: { zip: bytes.toString('base64') } });
        isRefusal(`${what} for ${runtime}`, reply, refusal);
      }
      const after = await target.request('GET', `/v1/functions/${NAME}`);
      holds(after.text === before.text, `a refused upload changed the function: ${after.text.slice(0, 200)}`);
      const called = await target.invoke(NAME, [1]);
      holds(called.text === '[1]', `a refused upload changed the answer: ${called.text.slice(0, 200)}`);
    });
};

/** As many as a server takes to read: sent as they are made, so that sending keeps nobody waiting. */
const MILLION = directoryPieces(1_000_000, 1_000_000);

const uploaded = async (target: Target, runtime: Runtime, zip: readonly Buffer[]): Promise<Reply> => {
  const start = `{"runtime":"${runtime}","code":{"zip":"`;
  const length = zip.reduce((sum, piece) => sum + piece.length, start.length + 3);
  const head = `PUT /v1/functions/${NAME} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n`;
  const [answer] = answersIn(await target.raw([head, start, ...zip, '"}}']));
  holds(answer !== undefined, 'an upload was not answered');
  return replyOf(answer ?? { status: 0, head: '', body: '' });
};

/** Beside files that are good. */
const withFile = (entry: ArchiveEntry): Buffer => archive([...HANDLERS, entry]);
const named = (names: readonly (string | Uint8Array)[]): Archives =>
  Object.fromEntries(names.map((name) => [JSON.stringify(String(name)), withFile({ name, data: 'x' })]));
const both = (...names: readonly string[]): Buffer =>
  archive([...HANDLERS, ...names.map((name) => ({ name, data: 'x' }))]);

const ABSOLUTE = ['/etc/cron.d/x', '//server/share/x', '/', '/../x'];
const UP = ['../x', '../../../../tmp/x', 'a/../../x', 'a/b/../../../x', '..', 'a/..', './x', 'a/./x', '.'];
const FOREIGN = ['..\\x', 'a\\..\\..\\x', 'C:\\x', 'C:/x', 'x:stream', '\\\\server\\share'];

export const UPLOAD_CASES: readonly AttackCase[] = [
  {
    ...{ id: 101, group: 'upload', name: 'paths that lead out of the folder', harmless: true },
    async wire(target) {
      await refusesArchives(target, named([...ABSOLUTE, ...UP, ...FOREIGN]), {
        ...INVALID,
        detail: /^code: the path |^code\.zip: has /,
      });
      const folders = ['../', '/etc/', 'a/../../b/'].map(
        (name) => [name, withFile({ name, mode: 0o040755 })] as const,
      );
      await refusesArchives(target, Object.fromEntries(folders), { ...INVALID, detail: /^code: the path / });
    },
  },
  {
    ...{ id: 102, group: 'upload', name: 'links', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          'to a file': withFile({ name: 'link', data: '/etc/passwd', mode: LINK }),
          'to a folder, and a file below it': archive([
            ...HANDLERS,
            { name: 'link', data: '/tmp', mode: LINK },
            { name: 'link/x', data: 'x' },
          ]),
          'stored as it is': withFile({ name: 'link', data: '/etc/passwd', mode: LINK, method: 0 }),
          'as the handler': archive([
            { ...HANDLERS[0], name: 'index.js', data: '/etc/passwd', mode: LINK },
            ...HANDLERS.slice(1),
          ]),
          'named as a folder': withFile({ name: 'link/', mode: LINK }),
        },
        { ...INVALID, detail: /which is a symbolic link; only files are allowed/ },
      ),
  },
  {
    ...{ id: 105, group: 'upload', name: 'devices, pipes and sockets', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        Object.fromEntries(
          [0o020666, 0o060666, 0o010666, 0o140777, 0o040755, 0o150000].map((mode) => [
            mode.toString(8),
            withFile({ name: 'x', mode }),
          ]),
        ),
        { ...INVALID, detail: /which is a device or of another kind than its name says/ },
      ),
  },
  {
    ...{ id: 103, group: 'upload', name: 'archives that grow without end', harmless: true },
    async wire(target) {
      const zeros = Buffer.alloc(2 * MIB);
      const lies = (size: number): Buffer => withFile({ name: 'x', data: zeros, declared: { size } });
      await refusesArchives(
        target,
        { 'two megabytes of zeros': withFile({ name: 'x', data: zeros }) },
        { ...INVALID, detail: /at most 100 times its size is allowed/ },
      );
      await refusesArchives(
        target,
        { 'declared as little': lies(10), 'declared as nothing': lies(0), 'one byte less': lies(2000) },
        { ...INVALID, detail: /with more than the \d+ bytes it declares|but declares 0/ },
      );
      await refusesArchives(
        target,
        { 'declared as four gigabytes': lies(ALMOST_4_GIB) },
        { ...TOO_LARGE, detail: /unpacks to more than \d+ bytes/ },
      );
      const many = Array.from({ length: 3 }, (_, at) => ({
        name: `x${at}`,
        declared: { size: ALMOST_4_GIB },
      }));
      await refusesArchives(target, { 'many of them': archive([...HANDLERS, ...many]) }, TOO_LARGE);
      // Entries that share their data cost no room in the archive.
      const shared = Array.from({ length: 50 }, (_, at) => ({
        name: `y${at}`,
        data: '',
        declared: { offset: 0, size: 32, packedSize: 34 },
      }));
      await refusesArchives(
        target,
        { 'one piece of data for all': archive([...HANDLERS, ...shared]) },
        { ...INVALID, detail: /differently in two places/ },
      );
    },
  },
  {
    ...{ id: 104, group: 'upload', name: 'a million entries' },
    async wire(target) {
      const [container] = (await runtimesOf(target)).filter((runtime) => runtime !== 'isolate');
      isRefusal('a million for an isolate', await uploaded(target, 'isolate', MILLION), TOO_LARGE);
      if (container === undefined) return;
      const refusal = { ...INVALID, detail: /has more in its directory than the 16960 entries/ };
      isRefusal(`a million for ${container}`, await uploaded(target, container, MILLION), refusal);
    },
  },
  {
    ...{ id: 410, group: 'upload', name: 'more entries than may be', harmless: true },
    async wire(target) {
      const tooMany = { ...INVALID, detail: /^code\.zip: has \d+ entries; at most \d+ are allowed/ };
      await refusesArchives(target, { 'as many as can be declared': directoryAlone(1, 0xffff) }, tooMany);
      await refusesArchives(target, { 'one too many': directoryAlone(1_001, 1_001) }, tooMany, ['isolate']);
      const fewer = { ...INVALID, detail: /has more in its directory than the 10 entries it declares/ };
      await refusesArchives(target, { 'more than declared': directoryAlone(50_000, 10) }, fewer);
    },
  },
  {
    ...{ id: 106, group: 'upload', name: 'names that are another to someone else', harmless: true },
    async wire(target) {
      const odd = [
        'a\0.js',
        'a\n',
        'a\x1b[2J',
        '\x7f',
        'a\u0085b',
        '__proto__',
        'constructor',
        'prototype',
        'a//b',
        `${'x'.repeat(257)}`,
        `${'\u00e9'.repeat(128)}`,
      ];
      await refusesArchives(target, named(odd), INVALID);
      const latin = Uint8Array.from([0x61, 0xe9, 0x2e, 0x6a, 0x73]);
      const overlong = Uint8Array.from([0xc0, 0xae, 0xc0, 0xae, 0xc0, 0xaf, 0x78]);
      await refusesArchives(target, named([latin, overlong]), {
        ...INVALID,
        detail: /has a file name that is not UTF-8/,
      });
      await refusesArchives(
        target,
        {
          'the same': both('a', 'a'),
          'capital letters': both('lib.js', 'LIB.js'),
          'composed otherwise': both('caf\u00e9', 'cafe\u0301'),
          'a letter of two': both('stra\u00dfe', 'STRASSE'),
          'a file and a folder': both('a', 'a/b'),
          'a folder and a file': both('a/b', 'A'),
          'folders in capital letters': both('a/b', 'A/c'),
        },
        { ...INVALID, detail: /collides with|needs .+ to be a folder, but it is a file|collides/ },
      );
    },
  },
  {
    ...{ id: 411, group: 'upload', name: 'archives that two readers see differently', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          'another name in front of the data': withFile({ name: 'x', localName: 'y', data: 'x' }),
          'an archive in front': archive(HANDLERS, {
            before: Buffer.from('#!/bin/sh\nexit\n'),
            directoryOffset: 0,
          }),
          'something between directory and end': archive(HANDLERS, { between: Buffer.from('between') }),
          'another archive in the comment': archive(HANDLERS, {
            comment: archive([{ name: 'index.js', data: 'other' }]),
          }),
          'fewer entries than there are': archive(HANDLERS, { entries: 1 }),
          'more entries than there are': archive(HANDLERS, { entries: 9 }),
          'a directory of another length': archive(HANDLERS, { directoryBytes: 46 }),
          'a directory somewhere else': archive(HANDLERS, { directoryOffset: 1 }),
          'something behind the end': Buffer.concat([archive(HANDLERS), Buffer.from('behind')]),
        },
        { ...INVALID, detail: /^code\.zip: / },
      ),
  },
  {
    ...{ id: 412, group: 'upload', name: 'forms of archives that are not read', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          encrypted: withFile({ name: 'x', data: 'x', flags: 1 }),
          'encrypted strongly': withFile({ name: 'x', data: 'x', flags: 0x41 }),
          'with its directory encrypted': withFile({ name: 'x', data: 'x', flags: 0x2001 }),
          'packed in another way': withFile({ name: 'x', data: 'x', method: 12 }),
          'packed in a way of nobody': withFile({ name: 'x', data: 'x', method: 0xffff }),
          'with sizes of 64 bits': withFile({
            name: 'x',
            data: 'x',
            declared: { size: 0xffff_ffff, packedSize: 0xffff_ffff },
          }),
          'with an offset of 64 bits': withFile({ name: 'x', data: 'x', declared: { offset: 0xffff_ffff } }),
          'one of several disks': archive(HANDLERS, { disk: 1 }),
          'none at all': Buffer.from('\x1f\x8b not a zip'),
          empty: Buffer.alloc(0),
          'an end alone': archive([]),
        },
        { ...INVALID, detail: /^code(?:\.zip)?: / },
      ),
  },
  {
    ...{ id: 413, group: 'upload', name: 'entries whose data is not what they say', harmless: true },
    wire: (target) =>
      refusesArchives(
        target,
        {
          'another checksum': withFile({ name: 'x', data: 'x', declared: { crc: 1 } }),
          'more than there is': withFile({ name: 'x', data: 'x', declared: { size: 2 } }),
          'less than there is': withFile({ name: 'x', data: 'xx', declared: { size: 1 } }),
          'stored, and less': withFile({ name: 'x', data: 'xx', method: 0, declared: { size: 1 } }),
          'beyond the end': withFile({ name: 'x', data: 'x', declared: { packedSize: 0x7fff_ffff } }),
          'far behind the end': withFile({ name: 'x', data: 'x', declared: { offset: 0xffff_fff0 } }),
          'in the directory': withFile({ name: 'x', data: 'x', declared: { offset: 60 } }),
          'cut short': withFile({ name: 'x', data: 'x'.repeat(1_000), declared: { packedSize: 3 } }),
          'a folder with content': withFile({ name: 'x/', data: 'x', mode: 0o040755 }),
        },
        { ...INVALID, detail: /^code\.zip: / },
      ),
  },
  {
    ...{ id: 414, group: 'upload', name: 'an archive cut off or changed anywhere', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const whole = archive(HANDLERS);
        const broken: Buffer[] = [];
        for (let at = 0; at < whole.length; at += 11) broken.push(whole.subarray(0, at));
        for (let at = 0; at < whole.length; at += 5) {
          const changed = Buffer.from(whole);
          changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
          broken.push(changed);
        }
        for (const [at, bytes] of broken.entries()) {
          const { status, text } = await target.deploy(NAME, {
            ...PLAIN,
            code: { zip: bytes.toString('base64') },
          });
          holds([200, 400, 413].includes(status), `change ${at}: ${status} ${text.slice(0, 200)}`);
        }
      }),
  },
  {
    ...{ id: 415, group: 'upload', name: 'texts that are not base64', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const good = archive(HANDLERS).toString('base64');
        const texts = [
          good.replaceAll('A', '-'),
          `${good}\n`,
          ` ${good}`,
          good.slice(1),
          `${good.slice(0, 8)}\0${good.slice(8)}`,
          `data:application/zip;base64,${good}`,
          '====',
          '\u{1f4a3}',
        ];
        for (const [at, zip] of texts.entries())
          isRefusal(`text ${at}`, await target.deploy(NAME, { ...PLAIN, code: { zip } }), {
            ...INVALID,
            detail: /^code\.zip: /,
          });
        for (const code of [
          { zip: good, source: '1' },
          { zip: 1 },
          { zip: [good] },
          { zip: null },
          {},
          { files: {} },
          { url: 'file:///etc/passwd' },
          [],
          'x',
        ])
          isRefusal(
            JSON.stringify(code).slice(0, 40),
            await target.request('PUT', `/v1/functions/${NAME}`, { body: { ...PLAIN, code } }),
            { code: 'invalid_request', status: 400 },
          );
        const called = await target.invoke(NAME, [1]);
        holds(called.text === '[1]', `a refused upload changed the answer: ${called.text.slice(0, 200)}`);
      }),
  },
  {
    ...{ id: 416, group: 'upload', name: 'paths in files that lead out of the folder', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        for (const path of [...ABSOLUTE, ...UP, ...FOREIGN, 'a\0', 'a//b', ''])
          isRefusal(
            path,
            await target.deploy(NAME, {
              ...PLAIN,
              code: { files: { 'index.js': 'exports.handler = () => 1;', [path]: 'x' } },
            }),
            { ...INVALID, detail: /^code: the path / },
          );
        const called = await target.invoke(NAME, [1]);
        holds(called.text === '[1]', `a refused upload changed the answer: ${called.text.slice(0, 200)}`);
      }),
  },
  {
    ...{ id: 417, group: 'upload', name: 'folders within folders without end', harmless: true },
    async wire(target) {
      const deep = (at: number): ArchiveEntry => ({ name: `${at}/${'a/'.repeat(120)}x`, data: '' });
      const archives = {
        folders: archive([...HANDLERS, ...Array.from({ length: 180 }, (_, at) => deep(at))]),
      };
      await refusesArchives(target, archives, { ...INVALID, detail: /has more than \d+ folders; bundle it/ });
    },
  },
  {
    ...{ id: 418, group: 'upload', name: 'handlers that lead out of the code', harmless: true },
    wire: (target) =>
      withOwn(target, NAME, async () => {
        const spec = {
          code: {
            invalid_request: [
              '../index.handler',
              '/etc/passwd.handler',
              'a/../../index.handler',
              'index',
              '',
              'index.',
              '.handler',
              'index.a b',
              'index.handler\0',
              'http://evil.example/index.handler',
            ],
            code_invalid: ['..index.handler', 'other.handler', '...handler', 'a/index.handler'],
          },
        } as const;
        for (const [code, handlers] of Object.entries(spec.code) as [
          'invalid_request' | 'code_invalid',
          readonly string[],
        ][])
          for (const handler of handlers)
            isRefusal(handler, await target.deploy(NAME, { ...PLAIN, handler }), { code, status: 400 });
        succeeds('a good one', await target.deploy(NAME, { ...PLAIN, handler: 'index.handler' }));
      }),
  },
  ...UPLOAD_CONTENT_CASES,
];
