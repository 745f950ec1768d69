/**
 * Functions that look for a way out, and functions that change the language under the bootstrap's feet.
 */
import { expect } from 'vitest';
import type { HostileCase } from './arena.ts';

const plain = (body: string): string => `exports.handler = (event, context) => { ${body} };`;
const handler = (body: string): string => `exports.handler = async (event, context) => { ${body} };`;

const ok = { expected: 'succeeded', lives: true } as const;

/** What the engine and the bootstrap give: names that lead to the host are not among them. */
const FORBIDDEN = [
  ...['ivm', 'isolate', 'global.process.binding', '$0', 'Deno', 'Bun', 'WebAssembly', 'SharedArrayBuffer'],
  ...['Atomics', 'module.parent', 'require.main', 'require.cache', '_ivm', 'internalBinding', 'primordials'],
];

/** Walks everything that can be reached and names what does not belong to this realm. */
const WALK = `
exports.handler = (event, context, callback) => {
  const seen = new Set();
  const foreign = [];
  const roots = { globalThis, event, context, callback, exports, require, module, args: arguments };
  try { null.x; } catch (error) { roots.engineError = error; }
  try { require('fs'); } catch (error) { roots.requireError = error; }
  try { setTimeout(1); } catch (error) { roots.timerError = error; }
  try { structuredClone(() => 1); } catch (error) { roots.cloneError = error; }
  try { new URL('::'); } catch (error) { roots.urlError = error; }
  try { atob('*'); } catch (error) { roots.atobError = error; }
  try { crypto.getRandomValues(new Uint8Array(1e6)); } catch (error) { roots.quotaError = error; }
  roots.timer = setTimeout(() => {}, 1000);
  clearTimeout(roots.timer);
  const queue = Object.entries(roots);
  const visit = (path, value) => {
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return;
    if (seen.has(value)) return;
    seen.add(value);
    queue.push([path, value]);
  };
  while (queue.length > 0) {
    const [path, value] = queue.pop();
    if ((typeof value !== 'object' || value === null) && typeof value !== 'function') continue;
    let top = value;
    for (let proto = Object.getPrototypeOf(top); proto !== null; proto = Object.getPrototypeOf(top)) top = proto;
    const bare = top === value && Object.getPrototypeOf(value) === null;
    if (top !== Object.prototype && !bare) foreign.push(path + ' ends elsewhere');
    if (typeof value === 'function' && value.constructor?.constructor !== undefined && value.constructor.constructor !== Function) foreign.push(path + ' has another Function');
    visit(path + '.__proto__', Object.getPrototypeOf(value));
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key);
      const at = path + '.' + String(key);
      for (const part of ['value', 'get', 'set']) if (descriptor && part in descriptor) visit(at, descriptor[part]);
      if (descriptor?.get) { try { visit(at + '()', descriptor.get.call(value)); } catch (error) { visit(at + '!', error); } }
    }
  }
  callback(null, { foreign, reached: seen.size > 500 });
};`;

export const PROBE_CASES: readonly HostileCase[] = [
  { name: 'a walk over everything reachable', source: WALK, ...ok, result: { foreign: [], reached: true } },
  {
    name: "constructors of constructors that ask for the host's process",
    source: plain(
      'const all = [event, context, context.getRemainingTimeInMillis, console.log, setTimeout, require, URL, crypto.randomUUID, new Error("x"), Promise.resolve()];' +
        'return all.map((value) => { try { const p = value.constructor.constructor("return process")(); return typeof p.binding + typeof p.mainModule + typeof p.pid + typeof p.exit + typeof p.dlopen; } catch (error) { return "ReferenceError" === error.name ? "none" : error.name; } }).filter((seen, index, list) => list.indexOf(seen) === index);',
    ),
    ...ok,
    // `process` is not there, or it is the guest's own with nothing of these in it.
    result: [expect.stringMatching(/^none$|^(?:undefined){5}$/)],
  },
  {
    name: 'call sites that hand out what called',
    source: plain(
      'Error.prepareStackTrace = (error, sites) => sites.map((site) => [typeof site.getThis(), typeof site.getFunction()]);' +
        'const sites = []; const take = () => sites.push(...new Error("x").stack); [1].map(take); JSON.stringify({ toJSON: take }); try { structuredClone({ get a() { take(); return 1; } }); } catch {} console.log({ get a() { take(); } }); Promise.resolve().then(take); Error.prepareStackTrace = undefined;' +
        'return sites.every(([self, called]) => self !== "object" || called === "function") ? "no host" : sites;',
    ),
    ...ok,
  },
  {
    name: 'call sites of the frames below the handler',
    source:
      '"use strict"; exports.handler = () => { Error.prepareStackTrace = (error, sites) => sites; const sites = new Error("x").stack; Error.prepareStackTrace = undefined;' +
      'return sites.slice(1).map((site) => [typeof site.getThis(), typeof site.getFunction()].join()).filter((seen) => seen !== "undefined,undefined"); };',
    ...ok,
    result: [],
  },
  {
    name: 'stack overflows inside what the runtime offers',
    source: plain(
      'const found = []; const look = (error) => { if (!(error instanceof RangeError) || error.constructor.constructor !== Function) found.push(String(error)); };' +
        'const dive = (call) => { const down = () => { try { call(); } catch (error) { look(error); throw error; } down(); }; try { down(); } catch (error) { look(error); } };' +
        'dive(() => console.log({ a: [1] })); dive(() => new URL("http://a/b?c#d")); dive(() => structuredClone({ a: [1] })); dive(() => clearTimeout(setTimeout(() => {}, 1))); dive(() => crypto.randomUUID()); dive(() => context.getRemainingTimeInMillis());' +
        'return found.filter((text, index) => found.indexOf(text) === index);',
    ),
    spec: { timeoutMs: 20_000 },
    ...ok,
    result: [],
  },
  {
    name: 'callers through arguments.callee',
    source: plain(
      'const who = function () { try { return arguments.callee.caller; } catch { return null; } }; const read = () => { try { return exports.handler.caller; } catch { return null; } };' +
        'return [read(), [1].map(who)[0] ?? null].map((caller) => caller === null || caller === exports.handler);',
    ),
    ...ok,
    result: [true, true],
  },
  {
    name: 'names that lead out',
    source: plain(
      `return ${JSON.stringify(FORBIDDEN)}.filter((name) => { try { return (0, eval)(name) !== undefined; } catch { return false; } });`,
    ),
    ...ok,
    result: [],
  },
  ...[
    'fs',
    'node:fs',
    'child_process',
    'worker_threads',
    'isolated-vm',
    '/etc/passwd',
    '../../../etc/passwd',
    'vm',
  ].map(
    (name): HostileCase => ({
      name: `require of ${name}`,
      source: plain(`return require(${JSON.stringify(name)});`),
      expected: 'function_error',
      error: { message: new RegExp(`Cannot find module '${name.replaceAll('.', '\\.')}'`) },
      lives: true,
    }),
  ),
  {
    name: 'import() of a built-in',
    source: handler('return import("node:fs");'),
    expected: 'function_error',
    lives: true,
  },
  {
    name: 'a built-in imported by an ES module',
    source: 'import fs from "node:fs"; export const handler = () => typeof fs;',
    expected: 'init_error',
    error: { message: /Cannot find module 'node:fs'/ },
    lives: false,
  },
];

/** Each replaces something that a careless bootstrap would use; the result must come out all the same. */
const PATCHES: readonly (readonly [name: string, patch: string])[] = [
  ['JSON', 'JSON.stringify = () => "1"; JSON.parse = () => ({}); globalThis.JSON = null;'],
  [
    'Promise',
    'Promise.prototype.then = () => { throw 1; }; Promise.resolve = () => { throw 2; }; globalThis.Promise = null;',
  ],
  [
    'Array.prototype',
    'for (const key of Reflect.ownKeys(Array.prototype)) if (key !== "length" && key !== "constructor") Array.prototype[key] = () => { throw 3; };',
  ],
  [
    'Map, Set and WeakMap',
    'for (const C of [Map, Set, WeakMap]) for (const key of Reflect.ownKeys(C.prototype)) { try { C.prototype[key] = () => { throw 4; }; } catch {} }',
  ],
  [
    'String.prototype',
    'for (const key of Reflect.ownKeys(String.prototype)) if (key !== "length" && key !== "constructor") String.prototype[key] = () => { throw 5; };',
  ],
  [
    'setters on Object.prototype',
    'for (const key of ["R", "X", "error", "then", "lines", "code", "owner", "ended", "timers", "0", "1", "get", "set", "value"]) Object.defineProperty(Object.prototype, key, { set() { throw 6; }, get() { return undefined; }, configurable: true });',
  ],
  [
    'values on Object.prototype',
    'Object.prototype.ended = true; Object.prototype.code = "x"; Object.prototype.detail = 1; Object.prototype.toJSON = undefined;',
  ],
  [
    'Function.prototype',
    'Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 7; }; Function.prototype[Symbol.hasInstance];',
  ],
  [
    'Symbol.species',
    'Object.defineProperty(Array, Symbol.species, { get() { throw 8; } }); Object.defineProperty(Promise, Symbol.species, { get() { throw 9; } });',
  ],
  [
    'Error',
    'Error.prototype.toString = () => { throw 10; }; Object.defineProperty(Error.prototype, "name", { get() { throw 11; } }); globalThis.Error = null; ',
  ],
  [
    'Date and Math',
    'Date.now = () => { throw 12; }; Math.floor = Math.ceil = Math.max = () => { throw 13; }; globalThis.Date = null;',
  ],
  [
    'Reflect and Object',
    'for (const O of [Reflect, Object]) for (const key of Reflect.ownKeys(O)) { try { if (typeof O[key] === "function" && key !== "ownKeys") O[key] = () => { throw 14; }; } catch {} }',
  ],
  [
    'iterators',
    'const proto = Object.getPrototypeOf([][Symbol.iterator]()); proto.next = () => { throw 15; }; Array.prototype[Symbol.iterator] = () => { throw 16; };',
  ],
  [
    'globalThis itself',
    'for (const key of ["console", "setTimeout", "queueMicrotask", "structuredClone", "URL"]) { try { globalThis[key] = null; } catch {} } Object.freeze(globalThis);',
  ],
];

export const PATCH_CASES: readonly HostileCase[] = PATCHES.map(([name, patch]) => ({
  name,
  source: `let log; try { log = console.log; } catch {} let later; try { later = setTimeout; } catch {}
exports.handler = async (event) => { ${patch}
  log(event);
  await null;
  await { then(resolve) { later(resolve, 1); } };
  return { echo: event, list: [1, "2", null] };
};`,
  event: { deep: { a: [1, 2] } },
  expected: 'succeeded',
  result: { echo: { deep: { a: [1, 2] } }, list: [1, '2', null] },
  lives: true,
}));
