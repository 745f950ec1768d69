/**
 * Uploads that are taken, and try to be more than code once they are there.
 */
import { archive } from '../archive.ts';
import { type AttackCase, js, onBothNodes, once } from '../case.ts';

const zipOf = (...entries: Parameters<typeof archive>[0]): { readonly zip: string } => ({
  zip: archive(entries).toString('base64'),
});

/** Names that a careless program would take for something else than a name. */
const ODD_NAMES = [
  '$(touch x)',
  '%2e%2e',
  '-rf',
  '..a',
  '...',
  '; rm -rf x',
  '`id`',
  'a b',
  'con',
  'x\u202egnp.exe',
  '~',
];
const LIST = `const fs = require('fs'); const path = require('path');
exports.handler = async () => {
  const own = fs.readdirSync(__dirname).sort();
  const modes = own.filter((name) => name.startsWith('mode')).map((name) => [name, (fs.statSync(path.join(__dirname, name)).mode & 0o7777).toString(8)]);
  return { own: own.filter((name) => !name.startsWith('mode')), tmp: fs.readdirSync('/tmp'), modes };
};`;

export const UPLOAD_CONTENT_CASES: readonly AttackCase[] = [
  {
    ...{ id: 419, group: 'upload', name: 'names that a shell or a log would read otherwise', harmless: true },
    attacks: {
      nodejs24: {
        code: zipOf({ name: 'index.js', data: LIST }, ...ODD_NAMES.map((name) => ({ name, data: 'x' }))),
        calls: once({
          code: 'succeeded',
          result: { own: [...ODD_NAMES, 'index.js'].sort(), tmp: [], modes: [] },
        }),
      },
    },
  },
  {
    ...{ id: 420, group: 'upload', name: 'modes that give a file its owner’s rights', harmless: true },
    attacks: {
      nodejs24: {
        code: zipOf(
          { name: 'index.js', data: LIST },
          { name: 'mode-4755', data: '#!/bin/sh\n', mode: 0o104755 },
          { name: 'mode-2755', data: '#!/bin/sh\n', mode: 0o102755 },
          { name: 'mode-1777', data: 'x', mode: 0o101777 },
          { name: 'mode-0000', data: 'x', mode: 0o100000 },
          { name: 'mode-0666', data: 'x', mode: 0o100666 },
        ),
        calls: once({
          ...{ code: 'succeeded' },
          result: {
            ...{ own: ['index.js'], tmp: [] },
            modes: [
              ['mode-0000', '644'],
              ['mode-0666', '644'],
              ['mode-1777', '755'],
              ['mode-2755', '755'],
              ['mode-4755', '755'],
            ],
          },
        }),
      },
    },
  },
  {
    ...{ id: 421, group: 'upload', name: 'programs in the code of an isolate', harmless: true },
    attacks: {
      isolate: {
        code: zipOf(
          { name: 'index.js', data: 'exports.handler = () => 1;' },
          { name: 'x.node', data: Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 0xff]) },
        ),
        calls: [],
        refused: { code: 'code_invalid', detail: /"x\.node" is not UTF-8 text; only text can be deployed/ },
      },
    },
  },
  {
    ...{ id: 422, group: 'upload', name: 'files that are asked for outside of the code', harmless: true },
    attacks: {
      isolate: {
        code: {
          files: {
            'index.js': `exports.handler = async () => ['../../etc/passwd', '/etc/passwd', 'file:///etc/passwd', './a/../../../../etc/passwd', 'leads-out', '#x'].map((name) => { try { require(name); return 'loaded'; } catch (error) { return error.code ?? error.name; } });`,
            'node_modules/leads-out/package.json': '{"main":"../../../../../etc/passwd"}',
            'package.json': '{"imports":{"#x":"../../../etc/passwd"}}',
          },
        },
        calls: once({ code: 'succeeded', result: Array(6).fill('MODULE_NOT_FOUND') }),
      },
    },
  },
  {
    ...{ id: 423, group: 'upload', name: 'a handler that is part of every object', harmless: true },
    attacks: onBothNodes({
      code: js('return 1;'),
      spec: { handler: 'index.__proto__' },
      calls: once({ code: 'init_error' }),
    }),
  },
];
