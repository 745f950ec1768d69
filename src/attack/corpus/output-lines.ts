/**
 * Attacks on single log lines, and on what a function says at the wrong time: forged, unreadable, endless, too late.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes, once, plainJs, python } from '../case.ts';

export const says = (logs: readonly (string | RegExp)[], result: unknown = 1): Expectation => ({
  code: 'succeeded',
  result,
  logs,
  logTruncated: false,
});

const FORGED: readonly AttackCase[] = [
  {
    id: 39,
    group: 'output',
    name: 'newlines, escape sequences and what looks like a record',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: plainJs(
          'console.log("a\\nR1 4\\n1234\\u001b[31m\\r\\nX1 2\\n{}\\u2028\\u0000\\u009b2J"); console.error(\'"],["error",1,"forged\'); return 1;',
        ),
        calls: once(
          says(['a\nR1 4\n1234\\x1b[31m\\x0d\nX1 2\n{}\u2028\\x00\\x9b2J', '"],["error",1,"forged']),
        ),
      }),
      python3: {
        // A stream's lines are what was written: escape sequences are for those who show them to take away.
        code: python('print("a\\nR1 4\\n\\x1b[31m\\r\\nX1 2\\x00\\u2028")\nreturn 1'),
        calls: once(says(['a', 'R1 4', '\u001b[31m\r', 'X1 2\u0000\u2028'])),
      },
    },
  },
  {
    id: 266,
    group: 'output',
    name: 'bytes that are no text, and characters cut in two',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs('console.log("\\ud800", "\\udc00\\ud800"); return 1;'),
        calls: once(says(['\ud800 \udc00\ud800'])),
      },
      nodejs24: {
        code: js(
          `const { writeSync } = require('node:fs'); process.stdout.write(Buffer.from([0xe2, 0x82])); process.stdout.write(Buffer.from([0xac, 0x0a])); process.stdout.write(Buffer.from([0xff, 0xfe, 0x0a])); await new Promise((resolve) => setTimeout(resolve, 5)); writeSync(1, Buffer.from([0xc0, 0xaf, 0x22, 0x0a])); return 1;`,
        ),
        calls: once(says(['€', '\ufffd\ufffd', '\ufffd\ufffd"'])),
      },
      python3: {
        code: python('print("\\ud800")\ntime.sleep(0.005)\nos.write(1, b"\\xc0\\xaf\\"\\n")\nreturn 1'),
        calls: once(says(['?', '\ufffd\ufffd"'])),
      },
    },
  },
  {
    id: 267,
    group: 'output',
    name: 'arguments that throw, loop in cycles, or lie',
    harmless: true,
    attacks: onBothNodes({
      code: plainJs(
        'const cycle = {}; cycle.self = cycle; console.log(cycle); console.log({ get a() { throw 1; } }); console.log(new Proxy({ a: 1 }, { get() { throw 2; }, ownKeys() { throw 3; }, getPrototypeOf() { throw 4; } }));' +
          'console.log(Object.create(null), Symbol("s"), 10n); console.log("%s %i %j", "a", Symbol("i"), cycle); return 1;',
      ),
      calls: once(
        says([
          /^(?:<ref \*1> )?\{ self: \[Circular \*1\] \}$/,
          '{ a: [Getter] }',
          // In a container its target is shown, and no trap is asked.
          /^(?:console\.log: an argument could not be read|\{ a: 1 \})$/,
          '[Object: null prototype] {} Symbol(s) 10n',
          'a NaN [Circular]',
        ]),
      ),
    }),
  },
  {
    id: 268,
    group: 'output',
    name: 'arguments whose reading is to take a program of the function’s',
    harmless: true,
    attacks: {
      isolate: {
        code: plainJs(
          'let ran = 0; const trap = () => { ran += 1; return "forged"; }; console.log("%s", { toString: trap, [Symbol.toPrimitive]: trap, [Symbol.for("nodejs.util.inspect.custom")]: trap, inspect: trap, get [Symbol.toStringTag]() { return trap(); } }); console.log({ get a() { return trap(); } }); return ran;',
        ),
        calls: once({ code: 'succeeded', result: 0, logTruncated: false }),
      },
    },
  },
  {
    id: 269,
    group: 'output',
    name: 'groups, counters and stopwatches without number',
    harmless: true,
    attacks: onBothNodes({
      code: plainJs(
        'if (!event.after) { for (let i = 0; i < 5000; i += 1) { console.group(); console.time("t" + i); console.assert(true, i); } console.log("deep"); console.count("c"); console.time("left"); return 1; } console.log("flat"); console.count("c"); console.timeEnd("left"); return 1;',
      ),
      calls: [
        { expect: says([`${' '.repeat(40)}deep`, `${' '.repeat(40)}c: 1`]) },
        { event: { after: true }, expect: says(['flat', 'c: 1', "No such label 'left' for console.time()"]) },
      ],
    }),
  },
];

const BOMBS: readonly AttackCase[] = [
  {
    id: 40,
    group: 'output',
    name: 'timers without number',
    harmless: true,
    attacks: {
      isolate: {
        code: js(
          `let set = 0; try { for (; set < 5000; set += 1) setTimeout(() => console.log('late'), 60000); } catch (error) { return [set, error.name, error.message]; } return set;`,
        ),
        calls: [1, 2].map(() => ({
          expect: says(
            [],
            [
              1_000,
              'RangeError',
              'Too many timers: the limit is 1000 for one instance at a time. Clear those no longer needed.',
            ],
          ),
        })),
      },
      nodejs24: {
        code: js(
          `for (let i = 0; i < 5000; i += 1) setInterval(() => console.log('late'), 60000); return 1;`,
        ),
        calls: [1, 2].map(() => ({ expect: says([]) })),
      },
    },
  },
  {
    id: 41,
    group: 'output',
    name: 'a callback called 20,000 times at once and 20,000 times later',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: file(
          'exports.handler = (event, context, callback) => { for (let i = 0; i < 20000; i += 1) { callback(null, i); queueMicrotask(() => callback(null, -1)); } };',
        ),
        calls: [1, 2].map(() => ({ expect: says([], 0) })),
      }),
      python3: {
        code: file(
          'import asyncio\nasync def handler(event, context):\n  done = asyncio.get_running_loop().create_future()\n  for i in range(20000): asyncio.get_running_loop().call_soon(lambda: done.done() or done.set_result(0))\n  return await done\n',
        ),
        calls: [1, 2].map(() => ({ expect: says([], 0) })),
      },
    },
  },
  {
    id: 270,
    group: 'output',
    name: 'a custom inspection that never ends',
    attacks: {
      nodejs24: {
        code: js(
          'console.log("before"); console.log({ [Symbol.for("nodejs.util.inspect.custom")]() { for (;;); } }); return 1;',
        ),
        spec: { timeoutMs: 300, cpuMs: 20_000 },
        calls: once({ code: 'function_timeout', limit: 'timeoutMs', logs: ['before'] }),
      },
      isolate: {
        code: js('console.log("before"); console.log("%d", { valueOf() { for (;;); } }); for (;;);'),
        spec: { timeoutMs: 300, cpuMs: 20_000 },
        calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
      },
      python3: {
        code: file(
          'class Loop:\n  def __str__(self):\n    while True: pass\ndef handler(event, context):\n  print("before")\n  print(Loop())\n',
        ),
        spec: { timeoutMs: 300, cpuMs: 20_000 },
        calls: once({ code: 'function_timeout', limit: 'timeoutMs', logs: ['before'] }),
      },
    },
  },
  {
    id: 271,
    group: 'output',
    name: 'objects that are endless when they are shown',
    harmless: true,
    attacks: {
      isolate: {
        code: js(
          `const wide = Object.fromEntries(Array.from({ length: 20000 }, (_, i) => ['k' + i, i])); let deep = {}; for (let i = 0; i < 20000; i += 1) deep = { deep };
           console.log(Object.keys(wide).length, deep); console.log([wide]); console.log(new Map(Object.entries(wide))); console.log(new Uint8Array(1e6)); return 1;`,
        ),
        calls: once(
          says([
            '20000 { deep: { deep: { deep: [Object] } } }',
            /^\[\n {2}\{\n {4}k0: 0,[\s\S]*… more properties\n {2}\}\n\]$/,
            /^Map\(20000\) \{[\s\S]*\.\.\. 19900 more items\n\}$/,
            /^Uint8Array\(1000000\) \[[\s\S]*\.\.\. 999900 more items\n\]$/,
          ]),
        ),
      },
      nodejs24: {
        code: js(
          `const wide = Object.fromEntries(Array.from({ length: 20000 }, (_, i) => ['k' + i, i])); let deep = {}; for (let i = 0; i < 20000; i += 1) deep = { deep };
           console.log(deep); console.log(new Map(Object.entries(wide)).size); console.log(new Uint8Array(1e6).length); return 1;`,
        ),
        calls: once(says(['{ deep: { deep: { deep: [Object] } } }', '20000', '1000000'])),
      },
    },
  },
];

export const LINE_CASES: readonly AttackCase[] = [...FORGED, ...BOMBS];
