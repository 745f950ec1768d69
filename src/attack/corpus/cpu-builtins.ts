/**
 * Functions that let the engine compute for them: builtins that take long, some of which nothing interrupts, and
 * builtins that call back code which loops.
 */
import { type AttackCase, BY_CPU, BY_WALL, file, once, plainJs, python } from '../case.ts';
import { byInitTime, inEach, throws } from '../languages.ts';

export const BUILTINS: readonly AttackCase[] = [
  {
    id: 2,
    group: 'cpu',
    name: 'a regular expression that backtracks',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs('return /^(a+)+$/.test("a".repeat(60) + "!");'),
        py: python('import re\nreturn re.match("^(a+)+$", "a" * 60 + "!") is None'),
      },
      BY_CPU,
    ),
  },
  {
    id: 3,
    group: 'cpu',
    name: 'JSON text of deep nesting, parsed again and again',
    attacks: inEach(
      {
        js: plainJs('const text = "[".repeat(50000) + "]".repeat(50000); for (;;) JSON.parse(text);'),
        py: python('import json\ntext = "[" * 500 + "]" * 500\nwhile True: json.loads(text)'),
      },
      BY_CPU,
    ),
  },
  {
    id: 4,
    group: 'cpu',
    name: 'what makes more of itself while it is turned into JSON',
    attacks: inEach(
      {
        js: plainJs(
          'const make = () => ({ toJSON: () => [make()] }); for (;;) { try { JSON.stringify(make()); } catch {} }',
        ),
        py: python(`import json
while True:
  try: json.dumps(object(), default=lambda o: [object()])
  except RecursionError: pass`),
      },
      BY_CPU,
    ),
  },
  {
    id: 5,
    group: 'cpu',
    name: 'a comparator that loops',
    harmless: true,
    attacks: inEach(
      {
        js: plainJs('return [3, 1, 2].sort(() => { for (;;); });'),
        py: python('def key(x):\n  while True: pass\nreturn sorted([3, 1, 2], key=key)'),
      },
      BY_CPU,
    ),
  },
  {
    id: 6,
    group: 'cpu',
    name: 'a power of large numbers, again and again',
    attacks: inEach(
      {
        js: plainJs('for (;;) if (7n ** 2_000_000n === 0n) return 1;'),
        py: python('while True:\n  if 7 ** 200000 == 0: return 1'),
      },
      BY_CPU,
    ),
  },
  {
    id: 7,
    group: 'cpu',
    name: 'a numeric literal that takes long to compile',
    attacks: {
      ...inEach(
        { js: file(`const x = ${'9'.repeat(4_500_000)}n; exports.handler = () => 1;`) },
        byInitTime(100),
      ),
      // Python refuses literals of more than 4,300 digits before it computes them.
      ...inEach(
        { py: file(`x = ${'9'.repeat(1_000_000)}\ndef handler(event, context): return 1\n`) },
        { calls: once({ code: 'init_error', error: { type: 'SyntaxError', message: /4300 digits/ } }) },
      ),
    },
  },
  {
    id: 8,
    group: 'cpu',
    name: 'the filling of a large block, again and again',
    attacks: inEach(
      {
        js: plainJs('const bytes = new Uint8Array(2 ** 22); for (;;) bytes.fill(1);'),
        py: python('block = bytearray(2**22)\nwhile True: block[:] = bytes(2**22)'),
      },
      BY_CPU,
    ),
  },
  {
    id: 205,
    group: 'cpu',
    name: 'one power that the engine does not interrupt',
    attacks: inEach(
      {
        js: plainJs('return typeof (3n ** 100_000_000n);'),
        py: python('return (3 ** 20_000_000).bit_length()'),
      },
      BY_CPU,
    ),
  },
  {
    id: 206,
    group: 'cpu',
    name: 'one search through an array-like of the largest length',
    attacks: inEach(
      {
        js: plainJs('return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);'),
        py: python('return (2**62) in iter(int, 1)'),
      },
      BY_CPU,
    ),
  },
  {
    id: 207,
    group: 'cpu',
    name: 'a large number squared, again and again',
    attacks: inEach(
      {
        js: plainJs('const x = 3n ** 3_000_000n; for (;;) if (x * x === 0n) return 1;'),
        py: python('x = 3 ** 300000\nwhile True:\n  if x * x == 0: return 1'),
      },
      BY_WALL,
    ),
  },
  {
    id: 210,
    group: 'cpu',
    name: 'one search for a text that occurs nearly everywhere',
    attacks: inEach(
      {
        js: plainJs('return "a".repeat(2 ** 22).lastIndexOf("a".repeat(2 ** 21) + "b");'),
        py: python('return ("a" * 2**22).rfind("ab" + "a" * 2**21)'),
      },
      BY_CPU,
    ),
  },
  {
    id: 211,
    group: 'cpu',
    name: 'a loop in what turns an object into a string, a number or a key',
    attacks: inEach(
      {
        js: plainJs('return "" + { [Symbol.toPrimitive]() { for (;;); } };'),
        py: python('class Key:\n  def __hash__(self):\n    while True: pass\nreturn {Key(): 1}'),
      },
      BY_CPU,
    ),
  },
  {
    id: 212,
    group: 'cpu',
    name: 'a Proxy that is its own prototype',
    attacks: inEach(
      {
        js: plainJs(
          'const proxy = new Proxy({}, { getPrototypeOf: () => proxy }); return proxy instanceof Array;',
        ),
      },
      throws('RangeError', 'Maximum call stack size exceeded'),
    ),
  },
];
