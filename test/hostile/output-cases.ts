/**
 * Functions that attack what comes out of them: results and log lines.
 */
import type { HostileCase } from './arena.ts';

const plain = (body: string): string => `exports.handler = (event, context) => { ${body} };`;

const invalid = { expected: 'result_invalid', lives: true } as const;
const timeout = {
  spec: { timeoutMs: 300 },
  expected: 'function_timeout',
  limit: 'timeoutMs',
  lives: false,
} as const;
const ok = { expected: 'succeeded', lives: true } as const;

export const RESULT_CASES: readonly HostileCase[] = [
  {
    name: 'a result nested 100,000 deep',
    source: plain('let a = []; for (let i = 0; i < 1e5; i += 1) a = [a]; return a;'),
    ...invalid,
  },
  {
    name: 'a result of 50 MB',
    source: plain('return "x".repeat(50 * 2 ** 20);'),
    spec: { memoryMb: 512 },
    expected: 'result_too_large',
    limit: 'resultBytes',
    lives: true,
  },
  {
    name: 'a result of 50 MB that memory does not hold',
    source: plain('return "x".repeat(50 * 2 ** 20);'),
    expected: ['memory_limit', 'sandbox_exited', 'result_too_large'],
    lives: null,
  },
  { name: 'a getter that loops', source: plain('return { get a() { for (;;); } };'), ...timeout },
  { name: 'a toJSON that loops', source: plain('return { toJSON() { for (;;); } };'), ...timeout },
  { name: 'a then getter that loops', source: plain('return { get then() { for (;;); } };'), ...timeout },
  {
    name: 'a then getter that throws',
    source: plain('return { get then() { throw new TypeError("no"); } };'),
    expected: 'function_error',
    error: { type: 'TypeError', message: 'no' },
    lives: true,
  },
  {
    name: 'a getter that throws',
    source: plain('return { get a() { throw new Error("no"); } };'),
    ...invalid,
  },
  {
    name: 'a toJSON without end',
    source: plain('const make = () => ({ toJSON: () => [make()] }); return make();'),
    ...invalid,
  },
  {
    name: 'a Proxy with hostile traps',
    source: plain('return new Proxy({}, { ownKeys() { throw new Error("trap"); } });'),
    ...invalid,
  },
  {
    name: 'a Proxy of plain data',
    source: plain('return new Proxy({ a: [1] }, {});'),
    ...ok,
    result: { a: [1] },
  },
  {
    name: 'a revoked Proxy',
    source: plain('const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy;'),
    expected: ['function_error', 'result_invalid'],
    lives: true,
  },
  { name: 'a cycle', source: plain('const a = {}; a.a = a; return a;'), ...invalid },
  { name: 'a BigInt', source: plain('return 1n;'), ...invalid },
  { name: 'a BigInt inside', source: plain('return { a: 1n };'), ...invalid },
  { name: 'a symbol', source: plain('return Symbol("s");'), ...invalid },
  { name: 'a function', source: plain('return () => 1;'), ...invalid },
  { name: 'undefined, as null', source: plain(''), ...ok, result: null },
  {
    name: 'what JSON drops',
    source: plain('return { a: undefined, b: () => 1, c: Symbol("s"), d: 1 };'),
    ...ok,
    result: { d: 1 },
  },
  { name: 'a thenable', source: plain('return { then(resolve) { resolve([5]); } };'), ...ok, result: [5] },
  {
    name: 'a thenable that resolves twice',
    source: plain('return { then(resolve) { resolve(1); resolve(2); } };'),
    ...ok,
    result: 1,
  },
  {
    name: 'a thenable that throws after it resolved',
    source: plain('return { then(resolve) { resolve(1); throw new Error("late"); } };'),
    ...ok,
    result: 1,
  },
  {
    name: 'a sparse array of the largest length',
    source: plain('const a = []; a.length = 2 ** 32 - 1; return a;'),
    spec: { timeoutMs: 20_000, cpuMs: 20_000 },
    expected: ['memory_limit', 'sandbox_exited', 'result_invalid'],
    lives: null,
  },
  { name: 'unpaired surrogates', source: plain('return "\\ud800 \\udc00";'), ...ok, result: '\ud800 \udc00' },
  {
    name: 'a callback called twice, with an error behind the result',
    source:
      'exports.handler = (event, context, callback) => { callback(null, 1); callback(new Error("late")); callback(null, 2); };',
    ...ok,
    result: 1,
  },
];

/** Log lines that are written, and what has to come of them. */
export interface LogCase {
  readonly name: string;
  readonly body: string;
  readonly lines: number | 'at most the limit';
  readonly truncated: boolean;
  readonly memoryMb?: number;
}

export const LOG_CASES: readonly LogCase[] = [
  {
    name: 'a flood of lines',
    body: 'for (let i = 0; i < 20000; i += 1) console.log("line", i);',
    lines: 'at most the limit',
    truncated: true,
  },
  {
    name: 'a flood of empty lines',
    body: 'for (let i = 0; i < 200000; i += 1) console.log("");',
    lines: 'at most the limit',
    truncated: true,
  },
  {
    name: 'a line of 50 MB',
    body: 'console.log("x".repeat(50 * 2 ** 20));',
    lines: 0,
    truncated: true,
    memoryMb: 512,
  },
  {
    name: 'newlines, escapes and what looks like a record',
    body: 'console.log("a\\nR1 4\\n1234\\u001b[31m\\r\\nX1 2\\n{}\\u2028\\u0000");',
    lines: 1,
    truncated: false,
  },
  {
    name: 'arguments that throw, loop in cycles, or lie',
    body:
      'const cycle = {}; cycle.self = cycle; console.log(cycle, { get a() { throw 1; } }, new Proxy({}, { get() { throw 2; }, ownKeys() { throw 3; } }), Object.create(null), Symbol("s"), 10n);' +
      'console.error({ [Symbol.toStringTag]: "Fake", toString() { throw 4; }, [Symbol.toPrimitive]() { throw 5; } });',
    lines: 2,
    truncated: false,
  },
];
