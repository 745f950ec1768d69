/**
 * Functions that take memory where the limit of the heap does not look: buffers, WebAssembly, the stack, the parser,
 * other processes, and before the handler runs.
 */
import { type AttackCase, file, once, plainJs, python } from '../case.ts';
import { inEach, succeeds, throws } from '../languages.ts';
import { shell } from '../programs.ts';
import { ABORTED, EXHAUSTED, exhausts, OVER_LIMIT, STOPPED, TIME } from './memory-ends.ts';

/** Less than 4 MB of JSON, and more than 64 MB of arrays. */
const MANY_VALUES: readonly unknown[] = new Array(1_300_000).fill([]);

const RESIZABLE = plainJs(
  'const probe = new ArrayBuffer(8, { maxByteLength: 2 ** 30 }); ' +
    'const other = new (ArrayBuffer.prototype.constructor)(8, { maxByteLength: 2 ** 30 }); ' +
    'const sub = new (class extends ArrayBuffer {})(8, { maxByteLength: 2 ** 30 }); ' +
    'const sliced = new (new Uint8Array(8).buffer.constructor)(8, { maxByteLength: 2 ** 30 }); ' +
    'const reflected = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 2 ** 30 }], class {}); ' +
    'const get = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "maxByteLength")?.get; ' +
    'return [[probe, other, sub, sliced, reflected].map((b) => (get ? get.call(b) : 8)), typeof SharedArrayBuffer, typeof ArrayBuffer.prototype.resize];',
);

export const BESIDE_HEAP: readonly AttackCase[] = [
  {
    id: 30,
    group: 'memory',
    name: 'buffers without end',
    attacks: {
      ...inEach(
        { isolate: plainJs('const all = []; for (;;) all.push(new Uint8Array(2 ** 20).fill(1));') },
        throws('RangeError', 'Array buffer allocation failed'),
      ),
      ...exhausts({
        node: plainJs('const all = []; for (;;) all.push(new Uint8Array(2 ** 20).fill(1));'),
        py: python('kept = []\nwhile True: kept.append(bytearray(b"x") * 2**20)'),
      }),
    },
  },
  {
    id: 31,
    group: 'memory',
    name: 'resizable and shared buffers',
    attacks: {
      ...inEach(
        { isolate: RESIZABLE },
        { calls: once({ code: 'succeeded', result: [[8, 8, 8, 8, 8], 'undefined', 'undefined'] }) },
      ),
      ...exhausts({
        node: plainJs(
          'const shared = new SharedArrayBuffer(8, { maxByteLength: 2 ** 29 }); shared.grow(2 ** 29); new Uint8Array(shared).fill(1); return 1;',
        ),
        py: python(
          'import mmap\nshared = mmap.mmap(-1, 2**29)\nfor at in range(0, 2**29, 4096): shared[at] = 1\nreturn 1',
        ),
      }),
    },
  },
  {
    id: 32,
    group: 'memory',
    name: 'the memory of WebAssembly',
    attacks: {
      ...inEach(
        { isolate: plainJs('return new WebAssembly.Memory({ initial: 8192 });') },
        throws('ReferenceError', 'WebAssembly is not defined'),
      ),
      ...exhausts({
        node: plainJs(
          'const memory = new WebAssembly.Memory({ initial: 1 }); memory.grow(8191); new Uint8Array(memory.buffer).fill(1); return 1;',
        ),
      }),
    },
  },
  {
    id: 34,
    group: 'memory',
    name: 'endless recursion',
    attacks: {
      ...inEach(
        { js: plainJs('const f = () => f() + 1; return f();') },
        throws('RangeError', 'Maximum call stack size exceeded'),
      ),
      ...inEach(
        { py: python('def f(): return f() + 1\nreturn f()') },
        throws('RecursionError', 'maximum recursion depth exceeded'),
      ),
    },
  },
  {
    id: 35,
    group: 'memory',
    name: 'nesting that the parser cannot hold',
    attacks: {
      ...inEach(
        { js: plainJs('return (0, eval)("[".repeat(2e5) + "]".repeat(2e5)).length;') },
        throws('RangeError', 'Maximum call stack size exceeded'),
      ),
      ...inEach(
        { py: python('return eval("[" * 200000 + "]" * 200000)') },
        throws('SyntaxError', /too many nested parentheses/),
      ),
    },
  },
  {
    id: 251,
    group: 'memory',
    name: 'buffers without end, each failure caught',
    attacks: {
      ...inEach(
        {
          isolate: plainJs(
            'const all = []; for (;;) { try { all.push(new Uint8Array(2 ** 20).fill(1)); } catch {} }',
          ),
        },
        {
          spec: { timeoutMs: 10_000, cpuMs: 500 },
          // The engine refuses buffers beyond the limit with an error that the guest may catch, for ever.
          calls: once({ code: ['cpu_limit', 'memory_limit', 'sandbox_exited'] }),
        },
      ),
      ...exhausts({
        node: plainJs(
          'const all = []; for (;;) { try { all.push(new Uint8Array(2 ** 20).fill(1)); } catch {} }',
        ),
        py: python(
          'kept = []\nwhile True:\n  try: kept.append(bytearray(b"x") * 2**20)\n  except MemoryError: pass',
        ),
      }),
    },
  },
  {
    id: 252,
    group: 'memory',
    name: 'memory without end while the code is loaded',
    attacks: {
      ...inEach(
        { isolate: file('const a = []; for (;;) a.push(new Array(1000).fill(a.length));') },
        { spec: { initTimeoutMs: 20_000 }, calls: once(EXHAUSTED) },
      ),
      ...inEach(
        {
          node: file('const a = []; for (;;) a.push(new Array(1000).fill(a.length));'),
          py: file('a = []\nwhile True: a.append(b"x" * 1000000 + bytes(len(a)))\n'),
          sh: { files: { bootstrap: '#!/bin/sh\na=x\nwhile :; do a="$a$a"; done\n' } },
        },
        {
          spec: { initTimeoutMs: 20_000 },
          calls: once(OVER_LIMIT),
        },
      ),
    },
  },
  {
    id: 253,
    group: 'memory',
    name: 'nesting that the parser cannot hold, in the code itself',
    attacks: {
      ...inEach(
        { js: file(`exports.handler = () => ${'['.repeat(200_000)}${']'.repeat(200_000)};`) },
        { calls: once({ code: 'init_error', error: { message: 'Maximum call stack size exceeded' } }) },
      ),
      ...inEach(
        { py: file(`x = ${'['.repeat(200_000)}${']'.repeat(200_000)}\n`) },
        { calls: once({ code: 'init_error', error: { type: 'SyntaxError' } }) },
      ),
    },
  },
  {
    id: 255,
    group: 'memory',
    name: 'memory of threads and child processes',
    attacks: {
      ...exhausts({
        node: plainJs(
          'const { Worker } = require("node:worker_threads"); for (let i = 0; i < 4; i += 1) new Worker("const a = []; for (;;) a.push(new Uint8Array(2 ** 20).fill(1));", { eval: true, resourceLimits: { maxOldGenerationSizeMb: 4096 } }); return new Promise(() => {});',
        ),
      }),
      // The kernel ends the child that takes most, each time; who started them has not taken it.
      ...inEach(
        {
          py: python(`for i in range(3):
  if os.fork() == 0:
    kept = []
    while True: kept.append(bytearray(b"x") * 2**20)
return [os.waitstatus_to_exitcode(os.wait()[1]) for i in range(3)]`),
          sh: shell(`pids=
  for i in 1 2 3; do (a=x; while :; do a="$a$a"; done) & pids="$pids $!"; done
  answer=""; for pid in $pids; do wait "$pid"; answer="$answer,$((128-$?))"; done; answer="[\${answer#,}]"`),
        },
        { spec: TIME, ...succeeds([-9, -9, -9]) },
      ),
    },
  },
  {
    id: 256,
    group: 'memory',
    name: 'a builtin that joins, pads or replaces beyond what memory holds',
    attacks: {
      ...inEach(
        {
          js: plainJs(
            'const tries = [() => "x".padEnd(2 ** 30), () => new Array(2 ** 28).join("ab"), () => "x".repeat(2 ** 20).replaceAll("x", "y".repeat(2 ** 20)), () => "x".repeat(2 ** 30), () => new Array(2 ** 32)]; ' +
              'return tries.map((attempt) => { try { attempt(); return "done"; } catch (e) { return e.name + ": " + e.message; } });',
          ),
        },
        {
          calls: once({
            code: 'succeeded',
            result: [
              'RangeError: Invalid string length',
              'RangeError: Invalid string length',
              'RangeError: Invalid string length',
              'RangeError: Invalid string length',
              'RangeError: Invalid array length',
            ],
          }),
        },
      ),
    },
  },
  {
    id: 257,
    group: 'memory',
    name: 'an event that is small as text and large as values',
    attacks: {
      ...inEach(
        { isolate: plainJs('return event.length;') },
        { ...ABORTED, calls: [{ event: MANY_VALUES, expect: EXHAUSTED }] },
      ),
      ...inEach(
        { node: plainJs('return event.length;'), py: python('return len(event)') },
        { ...STOPPED, calls: [{ event: MANY_VALUES, expect: OVER_LIMIT }] },
      ),
    },
  },
];
