/**
 * Functions that never come to an end without blocking: floods of microtasks and timers, what never settles, what the
 * engine runs later.
 */
import { type AttackCase, BY_CPU, BY_WALL, js, once, plainJs, python } from '../case.ts';
import { asyncPython, inEach, throws } from '../languages.ts';
import { shell } from '../programs.ts';
import { LEFTOVERS } from './async-leftovers.ts';

const FLOODS: readonly AttackCase[] = [
  {
    id: 13,
    group: 'async',
    name: 'a flood of microtasks',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs(
          'const again = () => { Promise.resolve().then(again); }; again(); return new Promise(() => {});',
        ),
        py: asyncPython(
          'loop = asyncio.get_running_loop()\ndef again(): loop.call_soon(again)\nagain()\nawait loop.create_future()',
        ),
      },
      BY_WALL,
    ),
  },
  {
    id: 14,
    group: 'async',
    name: 'a promise that never settles',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs('return new Promise(() => {});'),
        py: asyncPython('await asyncio.get_running_loop().create_future()'),
        sh: shell('read -r line < /proc/self/fd/0; sleep 600'),
      },
      BY_WALL,
    ),
  },
  {
    id: 15,
    group: 'async',
    name: 'a thenable that resolves to itself',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs('return { then(resolve) { resolve(this); } };'),
        py: asyncPython('class Again:\n  def __await__(self):\n    while True: yield\nawait Again()'),
      },
      BY_WALL,
    ),
  },
  {
    id: 18,
    group: 'async',
    name: 'a finalizer that loops',
    attacks: {
      ...inEach(
        {
          isolate: js(
            'globalThis.registry = new FinalizationRegistry(() => { for (;;); }); ' +
              'for (let i = 0; i < 2000; i += 1) registry.register({ big: new Array(1000).fill(i) }, i); ' +
              'for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setTimeout(resolve, 1)); return 1;',
          ),
        },
        {
          spec: { timeoutMs: 400 },
          // Whether and when the engine calls a finalizer is its own affair.
          calls: once({ code: ['succeeded', 'function_timeout', 'sandbox_exited'] }),
        },
      ),
      ...inEach(
        {
          node: js(
            'require("node:v8").setFlagsFromString("--expose-gc"); const gc = require("node:vm").runInNewContext("gc"); ' +
              'const registry = new FinalizationRegistry(() => { for (;;); }); ' +
              'for (let i = 0; i < 100; i += 1) registry.register({}, i); ' +
              'for (;;) { await new Promise((resolve) => setTimeout(resolve, 1)); gc(); }',
          ),
          py: python('class Last:\n  def __del__(self):\n    while True: pass\nLast()\nreturn 1'),
        },
        BY_CPU,
      ),
    },
  },
  {
    id: 215,
    group: 'async',
    name: 'a chain of promises that wait for each other',
    attacks: {
      ...inEach(
        {
          isolate: plainJs(
            'const again = () => Promise.resolve().then(again); again(); return new Promise(() => {});',
          ),
        },
        {
          spec: { timeoutMs: 20_000, cpuMs: 20_000 },
          calls: once({ code: ['memory_limit', 'sandbox_exited'] }),
        },
      ),
      ...inEach(
        {
          node: plainJs(
            'const again = () => Promise.resolve().then(again); again(); return new Promise(() => {});',
          ),
        },
        {
          spec: { timeoutMs: 20_000, cpuMs: 20_000 },
          calls: once({ code: 'memory_limit', limit: 'memoryMb' }),
        },
      ),
    },
  },
  {
    id: 216,
    group: 'async',
    name: 'a flood of microtasks, and of ticks, against CPU time',
    attacks: inEach(
      {
        isolate: plainJs('const again = () => queueMicrotask(again); again(); return new Promise(() => {});'),
        node: plainJs('const again = () => process.nextTick(again); again(); return new Promise(() => {});'),
        py: asyncPython('async def again():\n  while True: await asyncio.sleep(0)\nawait again()'),
      },
      BY_CPU,
    ),
  },
  {
    id: 217,
    group: 'async',
    name: 'an interval that nobody clears',
    attacks: inEach(
      {
        js: plainJs('setInterval(() => {}, 1); return new Promise(() => {});'),
        py: python(
          'import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\nsignal.signal(signal.SIGALRM, lambda *_: None)\nwhile True: time.sleep(60)',
        ),
      },
      BY_WALL,
    ),
  },
  {
    id: 219,
    group: 'async',
    name: 'rejections without end',
    attacks: inEach(
      {
        js: plainJs('for (;;) Promise.reject(new Error("x"));'),
      },
      {
        spec: { timeoutMs: 500, cpuMs: 20_000 },
        calls: once({ code: ['function_timeout', 'memory_limit', 'sandbox_exited'] }),
      },
    ),
  },
  {
    id: 220,
    group: 'async',
    name: 'timers that set timers without end',
    attacks: inEach(
      {
        isolate: plainJs(
          'const again = () => { for (let i = 0; i < 10; i += 1) { try { setTimeout(again, 0); } catch {} } }; again(); return new Promise(() => {});',
        ),
      },
      BY_WALL,
    ),
  },
  {
    id: 221,
    group: 'async',
    name: 'more timers than an instance may have',
    harmless: true,
    attacks: inEach(
      {
        isolate: plainJs('for (let i = 0; i < 10_000; i += 1) setTimeout(() => {}, 1); return 1;'),
      },
      throws('RangeError', /1000/),
    ),
  },
  {
    id: 222,
    group: 'async',
    name: 'an iterator without end',
    attacks: inEach(
      {
        js: js(
          'async function* endless() { for (;;) yield 1; } let sum = 0; for await (const n of endless()) sum += n; return sum;',
        ),
        py: asyncPython('async def endless():\n  while True: yield 1\nasync for n in endless(): pass'),
      },
      BY_CPU,
    ),
  },
  {
    id: 223,
    group: 'async',
    name: 'a listener that loops when a signal aborts',
    attacks: inEach(
      {
        js: js(
          'AbortSignal.timeout(5).addEventListener("abort", () => { for (;;); }); await new Promise(() => {});',
        ),
        py: python(
          'import signal\ndef loop(*_):\n  while True: pass\nsignal.signal(signal.SIGALRM, loop)\nsignal.setitimer(signal.ITIMER_REAL, 0.005)\nwhile True: time.sleep(60)',
        ),
      },
      BY_CPU,
    ),
  },
];

export const ASYNC_CASES: readonly AttackCase[] = [...FLOODS, ...LEFTOVERS];
