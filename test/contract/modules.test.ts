/**
 * How a function's files find each other, on real isolates: both kinds of modules, and one inside the other.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor, type Executor } from '../../src/index.ts';

const CASES: readonly { name: string; handler?: string; files: Record<string, string>; expected: unknown }[] =
  [
    {
      name: 'CommonJS files require each other, JSON and folders, with cycles',
      files: {
        'index.js':
          'const { add } = require("./lib"); const data = require("./data.json"); exports.handler = () => add(data.n, require("./lib/two.cjs"));',
        'lib/index.js': 'exports.add = (a, b) => a + b + require("../cycle.js").late();',
        'lib/two.cjs': 'module.exports = 2;',
        'cycle.js':
          'const lib = require("./lib"); exports.late = () => (typeof lib.add === "function" ? 100 : 0);',
        'data.json': '{"n":1}',
      },
      expected: 103,
    },
    {
      name: 'ES modules import each other, live bindings included',
      files: {
        'index.mjs':
          'import { count, bump } from "./counter.mjs"; import data from "./data.json"; export const handler = () => { bump(); return count + data.n; };',
        'counter.mjs': 'export let count = 0; export const bump = () => { count += 1; };',
        'data.json': '{"n":10}',
      },
      expected: 11,
    },
    {
      name: 'an ES module imports CommonJS by default and by name',
      files: {
        'index.mjs':
          'import lib, { twice } from "./lib.cjs"; export const handler = () => [lib.name, twice(4)];',
        'lib.cjs': 'exports.name = "lib"; exports.twice = (n) => n * 2;',
      },
      expected: ['lib', 8],
    },
    {
      name: 'a .js file with import or export is an ES module without being told',
      files: {
        'index.js': 'import { one } from "./one.js"; export default { handler: () => one };',
        'one.js': 'export const one = 1;',
      },
      expected: 1,
    },
    {
      name: 'package.json can make every .js file a module',
      files: {
        'index.js': 'export const handler = () => import.meta !== undefined;',
        'package.json': '{"type":"module"}',
      },
      expected: true,
    },
    {
      name: 'a top-level await is waited for, timers and several rounds of it included',
      files: {
        'index.mjs':
          'import { ready } from "./slow.mjs"; await new Promise((r) => setTimeout(r, 5)); const mine = await Promise.resolve(1); export const handler = () => ready + mine;',
        'slow.mjs':
          'export let ready = 0; for (let i = 0; i < 3; i += 1) { await new Promise((r) => setTimeout(r, 2)); ready += 10; }',
      },
      expected: 31,
    },
    {
      name: 'a handler in a folder',
      handler: 'src/app.main',
      files: {
        'src/app.js': 'exports.main = async () => require("../shared.js");',
        'shared.js': 'module.exports = "shared";',
      },
      expected: 'shared',
    },
  ];

const FAILURES: readonly { name: string; files: Record<string, string>; type: string; message: RegExp }[] = [
  {
    name: 'a syntax error names the file, line and column',
    files: { 'index.js': 'const fine = 1;\nlet broken = ;\nexports.handler = () => 1;' },
    type: 'SyntaxError',
    message: /index\.js:2:14/,
  },
  {
    name: 'a built-in that is not there is named',
    files: { 'index.js': 'require("fs");' },
    type: 'Error',
    message: /'fs'/,
  },
  {
    name: 'so it is when it is imported',
    files: { 'index.mjs': 'import "node:fs"; export const handler = 1;' },
    type: 'Error',
    message: /node:fs/,
  },
  {
    name: 'a missing file is named',
    files: { 'index.js': 'require("./gone");' },
    type: 'Error',
    message: /\.\/gone/,
  },
  {
    name: 'a rejected top-level await is told',
    files: {
      'index.mjs':
        'await new Promise((_, no) => setTimeout(no, 2, new TypeError("late"))); export const handler = () => 1;',
    },
    type: 'TypeError',
    message: /late/,
  },
  {
    name: 'requiring an ES module says what to do',
    files: { 'index.js': 'require("./m.mjs"); exports.handler = () => 1;', 'm.mjs': 'export default 1;' },
    type: 'Error',
    message: /m\.mjs.*import it/,
  },
];

describe('the files of a function', () => {
  let executor: Executor;
  beforeAll(async () => {
    executor = await createExecutor({ dataDir: ':memory:', container: { mode: 'off' } });
  });
  afterAll(() => executor.close());

  it.each(CASES)('$name', async ({ handler = 'index.handler', files, expected }) => {
    await executor.deploy({ name: 'modules', runtime: 'isolate', handler, code: { files } });
    const answer = await executor.invoke({ function: 'modules' });
    expect(answer.status === 'failed' ? answer.failure : answer.result).toEqual(expected);
  });

  it.each(FAILURES)('$name', async ({ files, type, message }) => {
    await executor.deploy({ name: 'broken', runtime: 'isolate', code: { files }, initTimeoutMs: 2_000 });
    const answer = await executor.invoke({ function: 'broken' });
    if (answer.status !== 'failed') throw new Error('it should have failed');
    expect(answer.failure.code).toBe('init_error');
    expect(answer.failure.error?.type).toBe(type);
    expect(answer.failure.error?.message).toMatch(message);
  });
});
