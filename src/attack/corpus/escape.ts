/**
 * Looking for a way out: names, constructors, call sites, traps and errors that could lead to what runs the function.
 */
import {
  type AttackCase,
  type Call,
  type Expectation,
  file,
  js,
  onBothNodes,
  once,
  plainJs,
  python,
} from '../case.ts';
import { PATCH_CASES } from './escape-patches.ts';
import { REACH_CASES } from './escape-reach.ts';
import { STACK_CASES } from './escape-stacks.ts';

const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });

/** What no engine has and no isolate gives. */
const OUTWARD = [
  ...['ivm', '_ivm', 'isolate', '$0', 'Deno', 'Bun', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Buffer'],
  ...[
    'process.binding',
    'process.mainModule',
    'process.exit',
    'process.pid',
    'process.dlopen',
    'process.kill',
  ],
  ...[
    'module.parent',
    'require.main',
    'require.cache',
    'require.extensions',
    'internalBinding',
    'primordials',
  ],
  ...['gc', 'load', 'read', 'print', 'quit', 'version', 'd8', 'importScripts', 'ShadowRealm', 'Worker'],
  ...['std', 'os', 'scriptArgs', '__filename.constructor.prototype.host', 'XMLHttpRequest', 'WebSocket'],
] as const;

const BUILT_IN = [
  'fs',
  'node:fs',
  'child_process',
  'worker_threads',
  'isolated-vm',
  'vm',
  'module',
  'v8',
] as const;
const OUTSIDE = [
  '/etc/passwd',
  '../../../etc/passwd',
  './../index.js',
  'file:///etc/passwd',
  '\\0',
  '',
] as const;

const requires = (name: string): Call => ({
  event: { name },
  expect: {
    code: 'function_error',
    error: { type: 'Error', message: new RegExp(`^Cannot find module '${escaped(name)}'`) },
  },
});
const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');

const NAMES: readonly AttackCase[] = [
  {
    id: 51,
    group: 'escape',
    name: 'constructors of constructors that ask for the process of the host',
    harmless: true,
    attacks: {
      isolate: {
        code: file(`exports.handler = (event, context, callback) => {
  const all = { event, context, remaining: context.getRemainingTimeInMillis, callback, log: console.log, setTimeout, require, module, URL, uuid: crypto.randomUUID, fetch, error: new Error('x'), promise: Promise.resolve(), async: async () => {}, generator: function* () {}, url: new URL('http://a/b'), signal: AbortSignal.abort() };
  for (const [name, call] of Object.entries({ nullish: () => null.x, require: () => require('fs'), timer: () => setTimeout(1), clone: () => structuredClone(() => 1), url: () => new URL('::'), atob: () => atob('*'), quota: () => crypto.getRandomValues(new Uint8Array(1e6)) })) { try { call(); } catch (error) { all['error of ' + name] = error; } }
  const found = [];
  for (const [name, value] of Object.entries(all)) {
    for (const make of [value.constructor.constructor, value.constructor.constructor.constructor, value.constructor]) {
      for (const text of ['return process', 'return this', 'return globalThis.process']) {
        try { const got = make(text)(); const p = got?.process ?? got; for (const key of ['binding', 'mainModule', 'pid', 'exit', 'dlopen', 'versions', 'kill', '_linkedBinding']) if (p?.[key] !== undefined) found.push(name + '.' + key); } catch (error) { if (!(error instanceof Error || error instanceof DOMException)) found.push(name + ' threw a stranger'); }
      }
    }
  }
  callback(null, { found, asked: Object.keys(all).length });
};`),
        calls: once(ok({ found: [], asked: 24 })),
      },
      // A container's function has its own process and may well ask for it; there is nothing else to be found.
      nodejs24: {
        code: plainJs(
          `const own = context.constructor.constructor('return process')(); return [own === process, own.getuid() >= 20000 && own.getuid() < 21000, Object.keys(own.env).sort()];`,
        ),
        calls: once(ok([true, true, ['HOME', 'LAMBDA_TASK_ROOT', 'LANG', 'PATH', 'TMPDIR', 'TZ']])),
      },
      python3: {
        code: python(
          'found = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "_wrap_close"]\nown = found[0].__init__.__globals__["environ"]\nreturn [20000 <= os.getuid() < 21000, sorted(own)]',
        ),
        calls: once(ok([true, ['HOME', 'LAMBDA_TASK_ROOT', 'LANG', 'PATH', 'TMPDIR', 'TZ']])),
      },
    },
  },
  {
    id: 57,
    group: 'escape',
    name: 'names that lead out',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs(
          'return event.names.filter((name) => { for (const look of [(text) => (0, eval)(text), (text) => Function("return " + text)(), (text) => eval(text)]) { try { if (look(name) !== undefined) return true; } catch (error) { if (!(error instanceof Error)) return true; } } return false; });',
        ),
        calls: [{ event: { names: OUTWARD }, expect: ok([]) }],
      },
    },
  },
  {
    id: 290,
    group: 'escape',
    name: 'modules that are not the function’s own',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs('return require(event.name);'),
        calls: [...BUILT_IN, ...OUTSIDE].map(requires),
      },
    },
  },
  {
    id: 291,
    group: 'escape',
    name: 'import() of built-ins, files and data',
    harmless: true,
    attacks: {
      isolate: {
        code: js(
          `const seen = []; for (const name of ['node:fs', './index.js', 'file:///etc/passwd', 'data:text/javascript,export default process', '/etc/passwd', 'http://127.0.0.1/', '']) { try { seen.push(Object.keys(await import(name))); } catch (error) { seen.push(error instanceof Error && !/\\/(?:etc|tmp|home)\\/[^p]/.test(String(error.stack))); } } return seen;`,
        ),
        calls: once(ok([true, true, true, true, true, true, true])),
      },
    },
  },
  {
    id: 292,
    group: 'escape',
    name: 'a built-in imported by an ES module',
    harmless: true,
    attacks: {
      isolate: {
        code: file('import fs from "node:fs"; export const handler = () => typeof fs;'),
        calls: once({ code: 'init_error', error: { message: /^Cannot find module 'node:fs'/ } }),
      },
    },
  },
  {
    id: 293,
    group: 'escape',
    name: 'what an ES module is told of where it lies',
    harmless: true,
    attacks: {
      isolate: {
        code: file(
          'export const handler = () => [Reflect.ownKeys(import.meta).filter((key) => !["url", "filename", "dirname"].includes(key)), /home|tmp|usr|node_modules/.test(JSON.stringify(import.meta)), typeof this, typeof require, typeof module];',
        ),
        calls: once(ok([[], false, 'undefined', 'undefined', 'undefined'])),
      },
    },
  },
  {
    id: 294,
    group: 'escape',
    name: 'code that closes the function that it is wrapped in',
    harmless: true,
    attacks: onBothNodes({
      code: file('}); globalThis.outside = 1; (function () { exports.handler = () => 1;'),
      calls: once({
        code: 'init_error',
        error: { type: 'SyntaxError', message: /^Unexpected token '[})]'/ },
      }),
    }),
  },
  {
    id: 295,
    group: 'escape',
    name: 'words of the engine’s own language, and the debugger',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs(
          `const seen = []; for (const text of ['%DebugPrint(1)', '%SystemBreak()', '%GetOptimizationStatus(() => 1)', 'debugger; 1', '#!/bin/sh']) { try { seen.push((0, eval)(text)); } catch (error) { seen.push(error.name); } } return seen;`,
        ),
        calls: once(ok(['SyntaxError', 'SyntaxError', 'SyntaxError', 1, null])),
      },
    },
  },
];

export const ESCAPE_CASES: readonly AttackCase[] = [...NAMES, ...STACK_CASES, ...REACH_CASES, ...PATCH_CASES];
