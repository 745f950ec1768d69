/**
 * Attacks on what stands on the stack beside the function: call sites, callers, overflows, traps, setters that wait.
 */
import { type AttackCase, type Expectation, file, onBothNodes, once, plainJs } from '../case.ts';

const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });

const STACKS: readonly AttackCase[] = [
  {
    id: 52,
    group: 'escape',
    name: 'call sites that hand out what called',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: file(`"use strict";
exports.handler = () => {
  const found = []; let taken = 0;
  const take = () => {
    Error.prepareStackTrace = (error, sites) => sites;
    const sites = new Error('x').stack; Error.prepareStackTrace = undefined;
    if (!Array.isArray(sites)) return;
    taken += 1;
    for (const site of sites) { const seen = [site.getThis(), site.getFunction()]; for (const value of seen) if (value !== undefined && value !== null && !(value instanceof Object)) found.push(String(site)); if (typeof seen[1] === 'function' && seen[1].constructor !== Function) found.push(String(site)); if (seen[0] !== undefined && seen[0] !== globalThis) found.push(typeof seen[0]); }
  };
  take(); [1].map(take); JSON.stringify({ toJSON: take }); 'a'.replace(/a/, take); [2, 1].sort(take);
  try { structuredClone({ get a() { take(); return 1; } }); } catch {}
  console.log({ get a() { take(); } });
  return { found, taken: taken >= 5 };
};`),
        calls: once(ok({ found: [], taken: true })),
      }),
    },
  },
  {
    id: 53,
    group: 'escape',
    name: 'stack overflows inside what the runtime offers',
    attacks: {
      isolate: {
        code: plainJs(`
const found = new Set();
const look = (error) => { if (!(error instanceof RangeError) || error.constructor.constructor !== Function || error.message !== 'Maximum call stack size exceeded') found.add(String(error)); };
const calls = [() => console.log({ a: [1] }), () => new URL('http://a/b?c#d'), () => structuredClone({ a: [1] }), () => clearTimeout(setTimeout(() => {}, 1)), () => crypto.randomUUID(), () => context.getRemainingTimeInMillis(), () => new Headers({ a: 'b' }), () => AbortSignal.abort(), () => queueMicrotask(() => {})];
// Arguments make frames large, so that few of them almost fill the stack; then small ones, with a call in each.
let reached = 0;
const fill = (depth, then, ...padding) => { reached += 1; if (depth > 0) fill(depth - 1, then, ...padding); else then(); };
const padding = new Array(4000).fill(0);
try { fill(Infinity, null, ...padding); } catch (error) { look(error); }
const deepest = reached;
let overflows = 0;
const dive = (call) => { try { call(); } catch (error) { overflows += 1; look(error); throw error; } dive(call); };
for (const call of calls) { try { fill(deepest - 2, () => dive(call), ...padding); } catch (error) { look(error); } }
return [...found, overflows];`),
        calls: once(ok([9])),
      },
    },
  },
  {
    id: 56,
    group: 'escape',
    name: 'callers through arguments.callee',
    harmless: true,
    attacks: onBothNodes({
      code: file(`const loader = (() => { try { return arguments.callee.caller; } catch { return null; } })();
exports.handler = function (event, context) {
  const who = function () { try { return arguments.callee.caller; } catch { return null; } };
  const read = (value) => { try { return value.caller; } catch { return null; } };
  const above = [loader, read(exports.handler), read(arguments.callee), [1].map(who)[0], JSON.parse('1', who), read(who)];
  return above.map((caller) => caller === null || caller === undefined || caller === exports.handler || caller === 1);
};`),
      calls: once(ok([true, true, true, true, true, true])),
    }),
  },
  {
    id: 296,
    group: 'escape',
    name: 'a stack trace without limit',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs(
          `Error.stackTraceLimit = Infinity; const stacks = [new Error('x').stack]; for (const call of [() => null.x, () => require('fs'), () => setTimeout(1), () => new URL('::'), () => structuredClone(() => 1), () => context.getRemainingTimeInMillis.call(1n)]) { try { call(); } catch (error) { stacks.push(error.stack); } } const target = {}; Error.captureStackTrace(target); stacks.push(target.stack); return stacks.join('\\n').split('\\n').filter((line) => /^ {4}at /.test(line)).map((line) => /\\(?([^ (]*?):\\d+:\\d+\\)?$/.exec(line)?.[1] ?? line).filter((place, index, all) => all.indexOf(place) === index);`,
        ),
        // Of the runtime its own name is told, of the host nothing.
        calls: once(ok(['index.js', 'strata:bootstrap'])),
      },
    },
  },
  {
    id: 297,
    group: 'escape',
    name: 'an error that carries what the host should not read',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: plainJs(
          `const error = new Error('own'); error.cause = new Proxy({}, { get() { throw new Error('cause'); } }); Object.defineProperty(error, 'toString', { get() { throw new Error('toString'); } }); Object.setPrototypeOf(error, new Proxy(TypeError.prototype, { getPrototypeOf() { throw new Error('prototype'); } })); error.stack = 'Error: own\\n    at forged (/nowhere/secret.js:1:1)'; error.name = '__proto__'; throw error;`,
        ),
        calls: once({ code: 'function_error', error: { type: '__proto__', message: 'own' } }),
      }),
    },
  },
];

const TRAPS: readonly AttackCase[] = [
  {
    id: 54,
    group: 'escape',
    name: 'classes that say what is made of them',
    harmless: true,
    attacks: onBothNodes({
      code: file(`const made = []; let patched = 0;
class Mine extends Promise { static get [Symbol.species]() { made.push('Promise'); return Mine; } constructor(run) { super(run); } }
class List extends Array { static get [Symbol.species]() { return function (n) { made.push('Array'); return new Proxy([], {}); }; } toJSON() { return [...this]; } }
exports.handler = (event) => {
  if (event.kind === 'promise') return Mine.resolve({ a: 1 });
  if (event.kind === 'list') return new List(3).fill(1);
  Object.defineProperty(Array, Symbol.species, { get() { patched += 1; return Object; }, configurable: true });
  patched = 0;
  console.log(List.from([1]));
  return patched;
};`),
      calls: [
        { event: { kind: 'promise' }, expect: ok({ a: 1 }) },
        { event: { kind: 'list' }, expect: ok([1, 1, 1]) },
        { event: {}, expect: { ...ok(0), logs: [/^List\(1\) \[ 1 \]$/] } },
      ],
    }),
  },
  {
    id: 55,
    group: 'escape',
    name: 'proxies handed to all that the runtime offers',
    harmless: true,
    attacks: {
      isolate: {
        code: file(`exports.handler = async () => {
  const strangers = []; let traps = 0;
  const look = (name, value) => { if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return; let top = value; try { for (let up = Object.getPrototypeOf(top); up !== null; up = Object.getPrototypeOf(top)) top = up; } catch { return; } if (top !== Object.prototype && top !== value) strangers.push(name); };
  const handler = Object.fromEntries(Reflect.ownKeys(Reflect).filter((key) => typeof key === 'string').map((key) => [key, (...args) => { traps += 1; args.forEach((value) => look(key, value)); return Reflect[key](...args); }]));
  const proxied = (target) => new Proxy(target, handler);
  const calls = [(p) => console.log(p), (p) => console.table([p]), (p) => structuredClone(p), (p) => setTimeout(p, p), (p) => clearTimeout(p), (p) => new URL(p, p), (p) => new URLSearchParams(p), (p) => new Headers(p), (p) => new Request('http://a/', p), (p) => new Response(p, p), (p) => fetch(p), (p) => new TextEncoder().encode(p), (p) => new TextDecoder(p, p), (p) => atob(p), (p) => crypto.getRandomValues(p), (p) => new Event('a', p), (p) => new EventTarget().addEventListener('a', p, p), (p) => AbortSignal.any([p]), (p) => AbortSignal.timeout(p), (p) => new ReadableStream(p), (p) => queueMicrotask(p), (p) => require(p), (p) => new DOMException(p, p)];
  for (const call of calls) for (const target of [{}, [], function () {}, new Map(), new Uint8Array(2), new Error('x')]) { try { const made = await call(proxied(target)); look(String(call), made); } catch (error) { look('error of ' + call, error); } }
  return { strangers: [...new Set(strangers)], traps: traps > 100 };
};`),
        calls: once(ok({ strangers: [], traps: true })),
      },
    },
  },
  {
    id: 59,
    group: 'escape',
    name: 'setters and getters on Object.prototype that wait for the runtime',
    harmless: true,
    attacks: {
      // Node's own streams in a container do set such properties; they are the function's own process.
      isolate: {
        code: file(`let taken = '';
const KEYS = ['0', '1', '2', 'R', 'X', 'error', 'lines', 'code', 'owner', 'ended', 'timers', 'value', 'get', 'set', 'writable', 'enumerable', 'kind', 'payload', 'meta', 'flags', 'nonce', 'callback', 'detail', 'number', 'logs', 'failure', 'instance', 'handler', 'state'];
const define = Reflect.defineProperty;
const plain = (fields) => Object.setPrototypeOf(fields, null);
const say = console.log; const later = setTimeout;
exports.handler = async (event) => {
  if (event.plant) for (let i = 0; i < KEYS.length; i += 1) { const key = KEYS[i]; define(Object.prototype, key, plain({ set(value) { taken += key + ' was set to a ' + typeof value + '; '; define(this, key, plain({ value, writable: true, configurable: true, enumerable: true })); }, configurable: true })); }
  say('said');
  await { then(resolve) { later(resolve, 1); } };
  if (event.plant) return 'planted';
  for (let i = 0; i < KEYS.length; i += 1) delete Object.prototype[KEYS[i]];
  return taken;
};`),
        calls: [
          { event: { plant: true }, expect: { ...ok('planted'), logs: ['said'] } },
          { event: {}, expect: { ...ok(''), logs: ['said'] } },
        ],
      },
    },
  },
  {
    id: 60,
    group: 'escape',
    name: 'WebAssembly’s exceptions and stacks, disposal and suppressed errors',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs(
          `const seen = [typeof WebAssembly]; if (typeof SuppressedError === 'function') { const error = new SuppressedError(new Error('inner'), null, 'outer'); seen.push(error.error.constructor === Error && error.constructor.constructor === Function); } else seen.push(true);
           if (typeof DisposableStack === 'function') { const stack = new DisposableStack(); stack.defer(() => { throw new RangeError('first'); }); stack.defer(() => { null.x; }); try { stack.dispose(); } catch (error) { seen.push(error.constructor.constructor === Function && error.error.constructor === RangeError && error.suppressed instanceof TypeError); } } else seen.push(true); return seen;`,
        ),
        calls: once(ok(['undefined', true, true])),
      },
      // WebAssembly is a container's own affair: its memory is the container's.
      nodejs24: {
        code: plainJs(
          `const empty = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); return [typeof WebAssembly.JSTag, Object.keys(new WebAssembly.Instance(empty).exports)];`,
        ),
        calls: once(ok(['object', []])),
      },
    },
  },
];

export const STACK_CASES: readonly AttackCase[] = [...STACKS, ...TRAPS];
