/**
 * Attacks on the runtime through the language that it shares with the function: built-ins that are replaced before the
 * runtime uses them. The answer comes out all the same.
 */
import { type AttackCase, type Call, file } from '../case.ts';

/** Each replaces something that a careless runtime would use. `every` replaces all methods of an object. */
const PATCHES: Readonly<Record<string, string>> = {
  JSON: 'JSON.stringify = () => "1"; JSON.parse = () => ({}); globalThis.JSON = null;',
  'Symbol.species':
    'define(Array, Symbol.species, { get() { throw 1; }, configurable: true }); define(Promise, Symbol.species, { get() { throw 2; }, configurable: true });',
  Promise:
    'Promise.prototype.then = () => { throw 3; }; Promise.resolve = () => { throw 4; }; globalThis.Promise = null;',
  'Map, Set and WeakMap':
    'every(Map.prototype, () => { throw 5; }); every(Set.prototype, () => { throw 6; }); every(WeakMap.prototype, () => { throw 7; });',
  'String.prototype': 'every(String.prototype, () => { throw 8; });',
  'values on Object.prototype':
    'Object.prototype.ended = true; Object.prototype.code = "x"; Object.prototype.detail = 1; Object.prototype.toJSON = undefined;',
  Error:
    'Error.prototype.toString = () => { throw 9; }; define(Error.prototype, "name", { get() { throw 10; } }); globalThis.Error = null;',
  'Date and Math':
    'Date.now = () => { throw 11; }; Math.floor = Math.ceil = Math.max = () => { throw 12; }; globalThis.Date = null;',
  iterators:
    'const proto = Object.getPrototypeOf([][Symbol.iterator]()); proto.next = () => { throw 13; }; Array.prototype[Symbol.iterator] = () => { throw 14; };',
  'Array.prototype': 'every(Array.prototype, () => { throw 15; });',
  'Function.prototype':
    'Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { throw 16; };',
  'Reflect and Object': 'every(Reflect, () => { throw 17; }); every(Object, () => { throw 18; });',
  globalThis:
    'const names = ["console", "setTimeout", "queueMicrotask", "structuredClone", "URL"]; for (let i = 0; i < names.length; i += 1) { try { globalThis[names[i]] = null; } catch {} } freeze(globalThis);',
};
/** A process of Node's own runs on these itself: a function that takes them away ends its process. */
const DEADLY_FOR_NODE: readonly string[] = [
  'Array.prototype',
  'Function.prototype',
  'Reflect and Object',
  'globalThis',
];

const patchingHandler = (said: string, wait: string) =>
  file(`const say = console.log; const later = setTimeout; const { ownKeys, defineProperty: define } = Reflect; const { freeze } = Object;
const every = (target, replacement) => { const keys = ownKeys(target); for (let i = 0; i < keys.length; i += 1) if (keys[i] !== 'length' && keys[i] !== 'constructor' && keys[i] !== 'prototype') { try { target[keys[i]] = replacement; } catch {} } };
const patches = {
${Object.entries(PATCHES)
  .map(([name, patch]) => `  ${JSON.stringify(name)}() { ${patch} },`)
  .join('\n')}
};
exports.handler = async (event) => {
  patches[event.patch]();
  say(${said});
  await ${wait};
  return { echo: event, list: [1, "2", null] };
};`);

const callsFor = (patches: readonly string[], logs: readonly string[]): readonly Call[] =>
  patches.map((patch) => {
    const event = { patch, deep: { a: [1, 2] } };
    return {
      event,
      expect: { code: 'succeeded', result: { echo: event, list: [1, '2', null] }, logs, logTruncated: false },
    };
  });

export const PATCH_CASES: readonly AttackCase[] = [
  {
    id: 58,
    group: 'escape',
    name: 'built-ins that are replaced, one after the other',
    harmless: true,
    attacks: {
      // In a resident instance each call adds its patch to those before it.
      isolate: {
        code: patchingHandler('"said", { n: 1 }', '{ then(resolve) { later(resolve, 1); } }'),
        calls: callsFor(Object.keys(PATCHES), ['said { n: 1 }']),
      },
      // Node's own formatting and timers lean on built-ins, so a text alone is said, and nothing waited for; and each
      // fresh process takes longer than all these calls in one.
      nodejs24: {
        code: patchingHandler('"said"', 'null'),
        calls: callsFor(
          Object.keys(PATCHES).filter((patch) => !DEADLY_FOR_NODE.includes(patch)),
          ['said'],
        ),
        models: ['resident'],
      },
    },
  },
];
