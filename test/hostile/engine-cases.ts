/**
 * Functions that attack the engine, the clock and the memory; outcomes are those that the limits promise.
 */
import type { FunctionSpecInput } from '../../src/core/spec.ts';
import type { HostileCase, Status } from './arena.ts';

const handler = (body: string): string => `exports.handler = async (event, context) => { ${body} };`;
const plain = (body: string): string => `exports.handler = (event, context) => { ${body} };`;

/** Stopped by the wall: CPU time is allowed in plenty. */
const WALL: Partial<FunctionSpecInput> = { timeoutMs: 300 };
/** Stopped by CPU time: the wall is far away. */
const CPU: Partial<FunctionSpecInput> = { timeoutMs: 4_000, cpuMs: 150 };
/** Stopped by memory: time is allowed in plenty. */
const MEMORY: Partial<FunctionSpecInput> = { timeoutMs: 30_000, cpuMs: 60_000 };
/** The engine may abort before it can say why; alone in its host, the function is to blame all the same. */
const EXHAUSTED: readonly Status[] = ['memory_limit', 'sandbox_exited'];

const timeout = { spec: WALL, expected: 'function_timeout', limit: 'timeoutMs', lives: false } as const;
const cpu = { spec: CPU, expected: 'cpu_limit', limit: 'cpuMs', lives: false } as const;
const memory = { spec: MEMORY, expected: EXHAUSTED, lives: false } as const;

const SPIN = 'class Spin extends Error { get name() { for (;;); } }';

/** What hostile code did to isolated-vm, from the design. */
export const KNOWN_CRASHES: readonly HostileCase[] = [
  {
    name: 'an array that is pushed to without end',
    source: plain('const a = []; for (;;) a.push(a.length);'),
    ...memory,
  },
  {
    name: 'an array of arrays that is pushed to without end',
    source: plain('const a = []; for (;;) a.push(new Array(1000).fill(a.length));'),
    ...memory,
  },
  {
    name: 'new Array(2**32-1).fill(0)',
    source: plain('return new Array(2 ** 32 - 1).fill(0).length;'),
    ...memory,
  },
  {
    name: 'new Array(2**32-1).fill(0) at its deadline',
    source: plain('return new Array(2 ** 32 - 1).fill(0).length;'),
    spec: { timeoutMs: 500 },
    expected: ['function_timeout', ...EXHAUSTED],
    lives: false,
  },
  {
    name: 'a long string split into its characters',
    source: plain('return "a".repeat(2 ** 29 - 24).split("").length;'),
    ...memory,
  },
  {
    name: 'a Map that grows without end',
    source: plain('const map = new Map(); for (let i = 0; ; i += 1) map.set(i, { i });'),
    ...memory,
  },
  {
    name: 'a BigInt squared without end',
    source: plain('let x = 3n; for (;;) { try { x *= x; } catch { x = 3n; } }'),
    spec: { timeoutMs: 500 },
    expected: ['function_timeout', ...EXHAUSTED],
    lives: false,
  },
  {
    name: 'a large BigInt squared again and again',
    source: plain('const x = 3n ** 3_000_000n; for (;;) if (x * x === 0n) return 1;'),
    ...timeout,
  },
  { name: 'a name getter that loops, thrown', source: `${SPIN} ${plain('throw new Spin();')}`, ...timeout },
  {
    name: 'a name getter that loops, rejected',
    source: `${SPIN} ${handler('await null; throw new Spin();')}`,
    ...timeout,
  },
  {
    name: 'a name getter that loops, floating',
    source: `${SPIN} ${plain('(async () => { throw new Spin(); })(); return new Promise(() => {});')}`,
    ...timeout,
  },
  {
    name: 'a name getter that loops, floating behind a result',
    source: `${SPIN} ${plain('(async () => { throw new Spin(); })(); return 1;')}`,
    ...timeout,
  },
  {
    name: 'a name getter that loops, at load',
    source: `${SPIN} throw new Spin();`,
    spec: { initTimeoutMs: 300 },
    expected: 'init_timeout',
    limit: 'initTimeoutMs',
    lives: false,
  },
  {
    name: 'a name getter that loops, floating at load',
    source: `${SPIN} (async () => { throw new Spin(); })(); exports.handler = () => 1;`,
    spec: { initTimeoutMs: 300 },
    expected: 'init_timeout',
    limit: 'initTimeoutMs',
    lives: false,
  },
];

export const CPU_CASES: readonly HostileCase[] = [
  { name: 'an endless loop against the wall', source: plain('for (;;);'), ...timeout },
  { name: 'an endless loop against CPU time', source: plain('for (;;);'), ...cpu },
  {
    name: 'a loop that catches everything',
    source: plain('for (;;) { try { for (;;); } catch {} finally { continue; } }'),
    ...cpu,
  },
  {
    name: 'a regular expression that backtracks',
    source: plain('return /^(a+)+$/.test("a".repeat(60) + "!");'),
    ...cpu,
  },
  {
    name: 'JSON.parse of deep nesting, again and again',
    source: plain('const text = "[".repeat(50000) + "]".repeat(50000); for (;;) JSON.parse(text);'),
    ...cpu,
  },
  {
    name: 'JSON.stringify of what makes more of itself',
    source: plain(
      'const make = () => ({ toJSON: () => [make()] }); for (;;) { try { JSON.stringify(make()); } catch {} }',
    ),
    ...cpu,
  },
  { name: 'a comparator that loops', source: plain('return [3, 1, 2].sort(() => { for (;;); });'), ...cpu },
  { name: 'a BigInt power', source: plain('for (;;) if (7n ** 2_000_000n === 0n) return 1;'), ...cpu },
  {
    name: 'fill, again and again',
    source: plain('const bytes = new Uint8Array(2 ** 22); for (;;) bytes.fill(1);'),
    ...cpu,
  },
  { name: 'a loop behind an await', source: handler('await null; for (;;);'), ...cpu },
  {
    name: 'a loop behind a timer',
    source: handler('await new Promise((resolve) => setTimeout(resolve, 5)); for (;;);'),
    ...cpu,
  },
  {
    name: 'CPU time in slices between timers',
    source: handler(
      'for (;;) { const end = Date.now() + 10; while (Date.now() < end); await new Promise((resolve) => setTimeout(resolve, 1)); }',
    ),
    ...cpu,
  },
  {
    name: 'a BigInt literal that takes long to compile',
    source: `const x = ${'9'.repeat(4_500_000)}n; exports.handler = () => 1;`,
    spec: { initTimeoutMs: 100 },
    expected: 'init_timeout',
    limit: 'initTimeoutMs',
    lives: false,
  },
  {
    name: 'a loop at load',
    source: 'for (;;);',
    spec: { initTimeoutMs: 200 },
    expected: 'init_timeout',
    limit: 'initTimeoutMs',
    lives: false,
  },
  {
    name: 'Atomics.wait',
    source: plain('return Atomics.wait(new Int32Array(8), 0, 0);'),
    expected: 'function_error',
    error: { type: 'ReferenceError', message: /Atomics/ },
    lives: true,
  },
  {
    name: 'a loop in Wasm',
    source: plain('return new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));'),
    expected: 'function_error',
    error: { type: 'ReferenceError', message: /WebAssembly/ },
    lives: true,
  },
];

export const ASYNC_CASES: readonly HostileCase[] = [
  {
    name: 'a flood of microtasks',
    source: plain(
      'const again = () => { Promise.resolve().then(again); }; again(); return new Promise(() => {});',
    ),
    ...timeout,
  },
  {
    name: 'a chain of promises that wait for each other',
    source: plain(
      'const again = () => Promise.resolve().then(again); again(); return new Promise(() => {});',
    ),
    ...memory,
  },
  {
    name: 'a flood of microtasks against CPU time',
    source: plain('const again = () => queueMicrotask(again); again(); return new Promise(() => {});'),
    ...cpu,
  },
  { name: 'a promise that never settles', source: plain('return new Promise(() => {});'), ...timeout },
  {
    name: 'a thenable that resolves to itself',
    source: plain('return { then(resolve) { resolve(this); } };'),
    ...timeout,
  },
  {
    name: 'a rejection that nobody handles',
    source: plain('Promise.reject(new Error("floating")); return 1;'),
    expected: 'function_error',
    error: { type: 'Error', message: 'floating' },
    lives: true,
  },
  {
    name: 'a loop in a timer that is left behind',
    source: plain('setTimeout(() => { for (;;); }, 0); return 1;'),
    expected: 'succeeded',
    result: 1,
    lives: true,
  },
  {
    name: 'an interval that nobody clears',
    source: plain('setInterval(() => {}, 1); return new Promise(() => {});'),
    ...timeout,
  },
  {
    name: 'a loop in a microtask behind the result',
    source: plain('Promise.resolve().then(() => { for (;;); }); return 1;'),
    ...timeout,
  },
  {
    name: 'a loop in a finalizer',
    source: handler(
      'globalThis.registry = new FinalizationRegistry(() => { for (;;); }); ' +
        'for (let i = 0; i < 2000; i += 1) registry.register({ big: new Array(1000).fill(i) }, i); ' +
        'for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setTimeout(resolve, 1)); return 1;',
    ),
    spec: { timeoutMs: 1_000 },
    // Whether and when the engine calls a finalizer is its own affair.
    expected: ['succeeded', 'function_timeout', 'sandbox_exited'],
    lives: null,
  },
  {
    name: 'rejections without end',
    source: plain('for (;;) Promise.reject(new Error("x"));'),
    spec: { timeoutMs: 1_000 },
    expected: ['function_timeout', ...EXHAUSTED],
    lives: false,
  },
  {
    name: 'timers that set timers without end',
    source: plain(
      'const again = () => { for (let i = 0; i < 10; i += 1) { try { setTimeout(again, 0); } catch {} } }; again(); return new Promise(() => {});',
    ),
    ...timeout,
  },
];

export const ERROR_CASES: readonly HostileCase[] = [
  {
    name: 'a message getter that loops',
    source: plain('throw { get message() { for (;;); } };'),
    ...timeout,
  },
  {
    name: 'a stack getter that loops',
    source: plain('throw Object.defineProperty(new Error("x"), "stack", { get() { for (;;); } });'),
    ...timeout,
  },
  {
    name: 'prepareStackTrace that loops',
    source: plain('Error.prepareStackTrace = () => { for (;;); }; throw new Error("x");'),
    ...timeout,
  },
  {
    name: 'prepareStackTrace that loops, floating',
    source: plain(
      'Error.prepareStackTrace = () => { for (;;); }; (async () => { throw new Error("x"); })(); return new Promise(() => {});',
    ),
    ...timeout,
  },
  {
    name: 'getters that throw',
    source: plain('throw { get message() { throw 1; }, get name() { throw 2; }, get stack() { throw 3; } };'),
    expected: 'function_error',
    lives: true,
  },
  {
    name: 'a floating value whose getters throw',
    source: handler(
      '(async () => { throw { get message() { throw 1; }, get name() { throw 2; }, get stack() { throw 3; } }; })(); await null;',
    ),
    expected: 'function_error',
    lives: true,
  },
  ...(
    [
      ['undefined', 'undefined', 'undefined'],
      ['null', 'null', 'null'],
      ['a symbol', 'Symbol("boom")', 'symbol'],
      ['a BigInt', '10n', 'bigint'],
      ['a string', '"boom"', 'string'],
      ['a function', 'function boom() {}', undefined],
      ['a Proxy', 'new Proxy({}, { get() { throw new Error("trap"); } })', undefined],
      [
        'a revoked Proxy',
        '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()',
        undefined,
      ],
      ['an object without a prototype', 'Object.create(null)', undefined],
    ] as const
  ).flatMap(([what, expression, type]): HostileCase[] =>
    [plain(`throw ${expression};`), handler(`await null; throw ${expression};`)].map((source, index) => ({
      name: `${what} ${index === 0 ? 'thrown' : 'rejected'}`,
      source,
      expected: 'function_error',
      ...(type === undefined ? {} : { error: { type } }),
      lives: true,
    })),
  ),
  {
    name: 'a message of 100 MB',
    source: plain('throw new Error("x".repeat(1e8));'),
    spec: { memoryMb: 512 },
    expected: 'function_error',
    error: { type: 'Error', message: /^x{8000,8192}…?$/ },
    lives: true,
  },
  {
    name: 'a message of 100 MB that memory does not hold',
    source: plain('throw new Error("x".repeat(1e8));'),
    spec: MEMORY,
    expected: ['function_error', ...EXHAUSTED],
    lives: null,
  },
  {
    name: 'a SuppressedError of itself',
    source: plain(
      'const e = new Error("self"); e.cause = e; const s = new SuppressedError(e, e, "both"); s.error = s; throw s;',
    ),
    expected: 'function_error',
    error: { type: 'SuppressedError', message: 'both' },
    lives: true,
  },
];

export const MEMORY_CASES: readonly HostileCase[] = [
  { name: 'a spread of a hundred million', source: plain('return [...new Array(1e8)].length;'), ...memory },
  {
    name: 'a string doubled beyond the longest string',
    source: plain('let s = "x"; for (;;) s += s;'),
    spec: MEMORY,
    expected: 'function_error',
    error: { type: 'RangeError', message: /Invalid string length/ },
    lives: true,
  },
  {
    name: 'flat strings without end',
    source: plain(
      'const all = []; for (let i = 0; ; i += 1) { const s = "x".repeat(1e5) + i; s.charCodeAt(5e4); all.push(s); }',
    ),
    ...memory,
  },
  {
    name: 'buffers without end, each failure caught',
    source: plain('const all = []; for (;;) { try { all.push(new Uint8Array(2 ** 20).fill(1)); } catch {} }'),
    spec: { timeoutMs: 10_000, cpuMs: 3_000 },
    // The engine refuses buffers beyond the limit with an error that the guest may catch, for ever.
    expected: ['cpu_limit', ...EXHAUSTED],
    lives: false,
  },
  {
    name: 'closures without end',
    source: plain(
      'let f = () => 0; for (;;) { const g = f; const big = [1, 2, 3, 4, 5, 6, 7, 8]; f = () => [g, big]; }',
    ),
    ...memory,
  },
  {
    name: 'endless recursion',
    source: plain('const f = () => f() + 1; return f();'),
    expected: 'function_error',
    error: { type: 'RangeError', message: /call stack/i },
    lives: true,
  },
  {
    name: 'nesting that the parser cannot hold, at run time',
    source: plain('return (0, eval)("[".repeat(2e5) + "]".repeat(2e5)).length;'),
    expected: 'function_error',
    error: { type: 'RangeError' },
    lives: true,
  },
  {
    name: 'nesting that the parser cannot hold, at load',
    source: `exports.handler = () => ${'['.repeat(200_000)}${']'.repeat(200_000)};`,
    expected: 'init_error',
    lives: false,
  },
  {
    name: 'a hundred megabytes at load',
    source: 'const a = []; for (;;) a.push(new Array(1000).fill(a.length));',
    spec: { initTimeoutMs: 30_000 },
    expected: EXHAUSTED,
    lives: false,
  },
  {
    name: 'resizable and shared buffers',
    source: plain(
      'const probe = new ArrayBuffer(8, { maxByteLength: 2 ** 30 }); ' +
        'const other = new (ArrayBuffer.prototype.constructor)(8, { maxByteLength: 2 ** 30 }); ' +
        'const sub = new (class extends ArrayBuffer {})(8, { maxByteLength: 2 ** 30 }); ' +
        'const sliced = new (new Uint8Array(8).buffer.constructor)(8, { maxByteLength: 2 ** 30 }); ' +
        'const reflected = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 2 ** 30 }], class {}); ' +
        'const get = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "maxByteLength")?.get; ' +
        'return [[probe, other, sub, sliced, reflected].map((b) => (get ? get.call(b) : 8)), typeof SharedArrayBuffer, typeof ArrayBuffer.prototype.resize];',
    ),
    expected: 'succeeded',
    result: [[8, 8, 8, 8, 8], 'undefined', 'undefined'],
    lives: true,
  },
];
