/**
 * Uploads that would write where they must not, or be one thing to the server and another to whoever checks them.
 */
import { type ArchiveEntry, archive } from '../archive.ts';
import { type AttackCase, holds } from '../case.ts';
import { type Archives, HANDLERS, INVALID, NAME, refusesArchives, withFile } from '../uploads.ts';
import { isRefusal, PLAIN, succeeds, withOwn } from '../wire.ts';
import { UPLOAD_ARCHIVE_CASES } from './upload-archives.ts';
import { UPLOAD_CONTENT_CASES } from './upload-content.ts';

const LINK = 0o120777;

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
  ...UPLOAD_ARCHIVE_CASES,
  ...UPLOAD_CONTENT_CASES,
];
