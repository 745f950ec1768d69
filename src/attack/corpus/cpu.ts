/**
 * Functions that take the processor and do not give it back: by loops wherever code of theirs runs, in threads, while
 * they load, behind the answer. All are stopped by CPU time or by the wall, and whoever burns pays.
 */
import { type AttackCase, BY_CPU, BY_WALL, file, js, once, plainJs, python } from '../case.ts';
import { byInitTime, CPU_LIMIT, inEach, succeeds, throws } from '../languages.ts';
import { shell } from '../programs.ts';
import { BUILTINS } from './cpu-builtins.ts';
import { storm } from './crowds.ts';

/** `(module (func (export "f") (loop (br 0))))` */
const WASM_LOOP = '0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11';

/** An ES module that takes the default export of a CommonJS file, which is a Proxy that never lists its keys. */
const KEYLESS = {
  files: {
    'index.mjs': 'import lib from "./lib.cjs"; export const handler = () => typeof lib;',
    'lib.cjs': 'module.exports = new Proxy({}, { ownKeys() { for (;;); } });',
  },
};
/** Calls out of the function, without end. */
const CHATTER = js(
  'for (;;) { for (let i = 0; i < 2_000; i += 1) { console.log(""); context.getRemainingTimeInMillis(); } ' +
    'await new Promise((resolve) => setTimeout(resolve, 0)); }',
);

const LOOPS: readonly AttackCase[] = [
  {
    id: 1,
    group: 'cpu',
    name: 'an endless loop',
    harmless: true,
    attacks: inEach(
      { js: plainJs('for (;;);'), py: python('while True: pass'), sh: shell('while :; do :; done') },
      BY_CPU,
    ),
  },
  {
    id: 9,
    group: 'cpu',
    name: 'a loop behind a wait for the host',
    attacks: inEach(
      {
        js: js('await new Promise((resolve) => setTimeout(resolve, 5)); for (;;);'),
        py: file(
          'import asyncio\nasync def handler(event, context):\n  await asyncio.sleep(0.005)\n  while True: pass\n',
        ),
        sh: shell('sleep 0.01; while :; do :; done'),
      },
      BY_CPU,
    ),
  },
  {
    id: 10,
    group: 'cpu',
    name: 'calls of the host without end',
    attacks: {
      ...inEach(
        { js: CHATTER, py: python('while True:\n  print("")\n  context.get_remaining_time_in_millis()') },
        { spec: BY_CPU.spec, calls: once({ ...CPU_LIMIT, logTruncated: true }) },
      ),
      ...inEach(
        { sh: shell('while :; do curl -sS -o /dev/null -X POST -d x "$api/invocation/none/response"; done') },
        BY_CPU,
      ),
    },
  },
  {
    id: 11,
    group: 'cpu',
    name: 'a wait that blocks the thread',
    harmless: true,
    attacks: {
      ...inEach(
        { isolate: plainJs('return Atomics.wait(new Int32Array(8), 0, 0);') },
        throws('ReferenceError', 'Atomics is not defined'),
      ),
      ...inEach(
        {
          node: plainJs('return Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0);'),
          py: python('import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()'),
          sh: shell('sleep 600'),
        },
        BY_WALL,
      ),
    },
  },
  {
    id: 12,
    group: 'cpu',
    name: 'a loop in WebAssembly',
    harmless: true,
    attacks: {
      ...inEach(
        { isolate: plainJs(`return new WebAssembly.Module(new Uint8Array([${WASM_LOOP}]));`) },
        throws('ReferenceError', 'WebAssembly is not defined'),
      ),
      ...inEach(
        {
          node: plainJs(
            `const module = new WebAssembly.Module(new Uint8Array([${WASM_LOOP}])); new WebAssembly.Instance(module).exports.f();`,
          ),
        },
        BY_CPU,
      ),
    },
  },
  {
    id: 200,
    group: 'cpu',
    name: 'an endless loop with CPU time in plenty',
    attacks: inEach(
      { js: plainJs('for (;;);'), py: python('while True: pass'), sh: shell('while :; do :; done') },
      BY_WALL,
    ),
  },
  {
    id: 201,
    group: 'cpu',
    name: 'a loop that catches everything',
    attacks: inEach(
      {
        js: plainJs('for (;;) { try { for (;;); } catch {} finally { continue; } }'),
        py: python(`import signal
for n in range(1, 65):
  try: signal.signal(n, signal.SIG_IGN)
  except (OSError, ValueError): pass
while True:
  try:
    while True: pass
  except BaseException: pass`),
        sh: shell('trap "" HUP INT QUIT TERM USR1 USR2 XCPU ALRM; while :; do :; done'),
      },
      BY_CPU,
    ),
  },
  {
    id: 202,
    group: 'cpu',
    name: 'CPU time in slices between timers',
    attacks: inEach(
      {
        js: js(
          'for (;;) { const end = Date.now() + 10; while (Date.now() < end); await new Promise((resolve) => setTimeout(resolve, 1)); }',
        ),
        py: python(`while True:
  end = time.monotonic() + 0.01
  while time.monotonic() < end: pass
  time.sleep(0.001)`),
      },
      BY_CPU,
    ),
  },
  {
    id: 203,
    group: 'cpu',
    name: 'a loop while the code is loaded',
    attacks: inEach(
      {
        js: file('for (;;);'),
        py: file('while True: pass\n'),
        sh: { files: { bootstrap: '#!/bin/sh\nwhile :; do :; done\n' } },
      },
      byInitTime(200),
    ),
  },
  {
    id: 204,
    group: 'cpu',
    name: 'an import of exports whose keys never come',
    attacks: {
      ...inEach({ isolate: KEYLESS }, byInitTime(200)),
      // Node finds the names of a CommonJS module's exports in its text and asks no trap.
      ...inEach({ node: KEYLESS }, succeeds('object')),
    },
  },
  {
    id: 208,
    group: 'cpu',
    name: 'threads and processes that compute while the handler waits',
    attacks: inEach(
      {
        node: js(
          'const { Worker } = require("node:worker_threads"); new Worker("for (;;);", { eval: true }); await new Promise(() => {});',
        ),
        py: python('if os.fork() == 0:\n  while True: pass\nos.wait()'),
        sh: shell('(while :; do :; done) & (while :; do :; done) & wait'),
      },
      BY_CPU,
    ),
  },
  {
    id: 209,
    group: 'cpu',
    name: 'CPU time behind the answer, which the next call pays',
    attacks: inEach(
      {
        node: plainJs(`if (event.second) return 'second';
const used = () => { const { user, system } = process.cpuUsage(); return user + system; };
setImmediate(() => { const end = used() + 200_000; while (used() < end); });
return 'first';`),
        py: python(`import threading
global worker
if event.get('second'):
  worker.join()
  return 'second'
def burn():
  end = time.process_time() + 0.2
  while time.process_time() < end: pass
worker = threading.Thread(target=burn)
worker.start()
return 'first'`),
      },
      {
        spec: { timeoutMs: 8_000, cpuMs: 5_000 },
        models: ['resident'],
        calls: [
          { expect: { code: 'succeeded', result: 'first' } },
          { event: { second: true }, expect: { code: 'succeeded', result: 'second', minCpuMs: 150 } },
        ],
      },
    ),
  },
  {
    id: 213,
    group: 'cpu',
    name: 'a loop behind lines of the log, which stay',
    attacks: inEach(
      {
        js: js('console.log("before"); await new Promise((resolve) => setTimeout(resolve, 5)); for (;;);'),
        py: python('print("before")\nwhile True: pass'),
        sh: shell('echo before; while :; do :; done'),
      },
      { spec: BY_CPU.spec, calls: once({ ...CPU_LIMIT, logs: ['before'] }) },
    ),
  },
  {
    id: 214,
    group: 'cpu',
    name: 'many attacks at once in the same hosts',
    wire: storm,
  },
];

export const CPU_CASES: readonly AttackCase[] = [...LOOPS, ...BUILTINS];
