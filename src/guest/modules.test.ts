/** require between a function's own files, and resolution. */
import { describe, expect, it } from 'vitest';
import { OP } from './contract.ts';
import { resolveSpecifier } from './resolve.ts';
import { failureOf, GuestIsolate } from './testing.ts';

const run = async (files: Record<string, string>): Promise<unknown> =>
  (await GuestIsolate.load(files)).result();

describe('require', () => {
  it('loads files, folders and JSON, once each', async () => {
    const result = await run({
      'index.js': `const a = require('./lib'); const b = require('./lib/index.js'); const data = require('/data.json');
        exports.handler = () => [a === b, a.name, data.n, a.up(), require.resolve('./lib'), __filename, __dirname];`,
      'lib/index.js': `exports.name = __filename + ' in ' + __dirname; exports.up = () => require('../other.cjs').x;`,
      'other.cjs': 'exports.x = module.id;',
      'data.json': '{"n": 42}',
    });
    expect(result).toEqual([
      true,
      '/lib/index.js in /lib',
      42,
      '/other.cjs',
      '/lib/index.js',
      '/index.js',
      '/',
    ]);
  });

  it('shows a cycle the exports made so far', async () => {
    const result = await run({
      'index.js': `exports.early = 'a'; const b = require('./b'); exports.handler = () => [b.seen, b.late()];`,
      'b.js': `const a = require('./index'); exports.seen = Object.keys(a); exports.late = () => typeof a.handler;`,
    });
    expect(result).toEqual([['early'], 'function']);
  });

  it('evaluates a file again that threw', async () => {
    const result = await run({
      'index.js': `const tries = []; for (let i = 0; i < 2; i++) { try { require('./bad'); } catch (e) { tries.push(e.message); } }
        exports.handler = () => tries;`,
      'bad.js': 'globalThis.n = (globalThis.n ?? 0) + 1; throw new Error("try " + n);',
    });
    expect(result).toEqual(['try 1', 'try 2']);
  });

  it.each(['fs', 'node:path', '@scope/x', ''])('says that there is no %j', async (name) => {
    const guest = await GuestIsolate.load(`require(${JSON.stringify(name)});`);
    const { message } = failureOf(guest.loadRecords).error ?? { message: '' };
    expect(message).toContain(`Cannot find module '${name}'`);
    expect(message).toContain('no Node.js built-ins');
    expect(message).toContain('esbuild');
  });

  it('names the specifier that is no string and the JSON that is none', async () => {
    const guest = await GuestIsolate.load({ 'index.js': 'require(42);' });
    expect(failureOf(guest.loadRecords).error?.message).toBe('require needs a string, not 42');
    const other = await GuestIsolate.load({ 'index.js': 'require("./x.json");', 'x.json': '{' });
    expect(failureOf(other.loadRecords).error?.message).toMatch(/^x\.json: /);
  });
});

describe('bridges to ES modules', () => {
  it('lists the names of exports and hands the exports over', async () => {
    const guest = await GuestIsolate.boot();
    await guest.define({
      'a.js': 'exports.x = 1; exports.y = 2; exports["\\ud800"] = 3;',
      'bad.js': 'throw new Error("no");',
    });
    expect(await guest.apply([OP.EXPORT_NAMES, 'a.js'])).toBe('{"names":["x","y"]}');
    expect(JSON.parse(String(await guest.apply([OP.EXPORT_NAMES, 'bad.js'])))).toMatchObject({
      error: { type: 'Error', message: 'no' },
    });
    const set = await guest.context.eval('(exports) => { globalThis.got = exports.x; }', { reference: true });
    await guest.apply([OP.EXPORT_TO, 'a.js', set.derefInto()]);
    expect(await guest.context.eval('got')).toBe(1);
  });
});

describe('resolveSpecifier', () => {
  const files = new Set(['index.js', 'a/b.js', 'a/index.mjs', 'c.json', 'a/d/index.json']);
  const has = (path: string): boolean => files.has(path);

  it.each([
    ['./a/b', '', 'a/b.js'],
    ['../c', 'a/b.js', 'c.json'],
    ['.', 'a/b.js', 'a/index.mjs'],
    ['..', 'a/b.js', 'index.js'],
    ['/a//./b.js', 'x/y.js', 'a/b.js'],
    ['./d', 'a/b.js', 'a/d/index.json'],
  ])('finds %s from %j', (specifier, from, path) => {
    expect(resolveSpecifier(specifier, from, has)).toBe(path);
  });

  it.each(['../../c', './missing', '/', 'a/b.js', '.hidden'])('refuses %s from the root', (specifier) => {
    if (specifier === '/') expect(resolveSpecifier('/', '', has)).toBe('index.js');
    else expect(() => resolveSpecifier(specifier, '', has)).toThrow(`Cannot find module '${specifier}'`);
  });
});
