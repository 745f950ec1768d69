/**
 * Functions that fill the engine's heap: without end, at once, little by little, in many instances.
 */
import type { ErrorCode } from '../../core/errors.ts';
import { type AttackCase, file, once, plainJs, python } from '../case.ts';
import { type Bounds, inEach, throws } from '../languages.ts';
import { shell } from '../programs.ts';
import { nearlyFull } from './crowds.ts';
import { BESIDE_HEAP } from './memory-beside.ts';
import { EXHAUSTED, exhausts, OVER_LIMIT, TIME } from './memory-ends.ts';

/** What two calls keep fits; the third is too much, and nothing of it is left to the fourth. */
const keptFromCallToCall = (mb: number, tooMuchMb: number, codes: readonly ErrorCode[]): Bounds => ({
  ...{ spec: TIME, models: ['resident'] },
  calls: [
    { event: { mb }, expect: { code: 'succeeded', result: mb } },
    { event: { mb: mb / 2 }, expect: { code: 'succeeded', result: mb * 1.5 } },
    { event: { mb: tooMuchMb }, expect: { code: codes } },
    { event: { mb }, expect: { code: 'succeeded', result: mb } },
  ],
});

const HEAP: readonly AttackCase[] = [
  {
    id: 26,
    group: 'memory',
    name: 'an array that is pushed to without end',
    attacks: exhausts({
      js: plainJs('const a = []; for (;;) a.push(a.length);'),
      py: python('a = []\nwhile True: a.append(len(a))'),
      sh: shell('a=x; while :; do a="$a$a"; done'),
    }),
  },
  {
    id: 27,
    group: 'memory',
    name: 'a map that grows without end',
    attacks: exhausts({
      js: plainJs('const map = new Map(); for (let i = 0; ; i += 1) map.set(i, { i });'),
      py: python('m = {}\ni = 0\nwhile True:\n  m[i] = [i]\n  i += 1'),
    }),
  },
  {
    id: 28,
    group: 'memory',
    name: 'a spread of a hundred million',
    attacks: exhausts({
      js: plainJs('return [...new Array(1e8)].length;'),
      py: python('return len([*range(10**8)])'),
    }),
  },
  {
    id: 29,
    group: 'memory',
    name: 'a string that is doubled without end',
    attacks: {
      // Halves are only referred to: the longest string is reached before any memory is.
      ...inEach(
        { js: plainJs('let s = "x"; for (;;) s += s;') },
        throws('RangeError', 'Invalid string length'),
      ),
      ...exhausts({ py: python('s = "x"\nwhile True: s += s') }),
    },
  },
  {
    id: 33,
    group: 'memory',
    name: 'closures without end',
    attacks: exhausts({
      js: plainJs(
        'let f = () => 0; for (;;) { const g = f; const big = [1, 2, 3, 4, 5, 6, 7, 8]; f = () => [g, big]; }',
      ),
      py: python(
        'def wrap(g):\n  big = [1] * 64\n  return lambda: (g, big)\nf = None\nwhile True: f = wrap(f)',
      ),
    }),
  },
  {
    id: 36,
    group: 'memory',
    name: 'several instances that fill their memory nearly',
    wire: nearlyFull,
  },
  {
    id: 245,
    group: 'memory',
    name: 'an array of arrays that is pushed to without end',
    attacks: exhausts({ js: plainJs('const a = []; for (;;) a.push(new Array(1000).fill(a.length));') }),
  },
  {
    id: 246,
    group: 'memory',
    name: 'the filling of a long array',
    attacks: exhausts({
      js: plainJs('return new Array(2 ** 25).fill(0).length;'),
      py: python('return len([0] * 2**25)'),
    }),
  },
  {
    id: 247,
    group: 'memory',
    name: 'the filling of the longest array at its deadline',
    attacks: inEach(
      { isolate: plainJs('return new Array(2 ** 32 - 1).fill(0).length;') },
      {
        spec: { timeoutMs: 200, cpuMs: 20_000 },
        calls: once({ code: ['function_timeout', 'memory_limit', 'sandbox_exited'] }),
      },
    ),
  },
  {
    id: 248,
    group: 'memory',
    name: 'a long string split into its characters',
    attacks: exhausts({
      js: plainJs('return "a".repeat(2 ** 29 - 24).split("").length;'),
      py: python('return len(list("a" * 2**25))'),
    }),
  },
  {
    id: 249,
    group: 'memory',
    name: 'a large number squared until memory ends, each failure caught',
    attacks: inEach(
      {
        js: plainJs('let x = 3n; for (;;) { try { x *= x; } catch { x = 3n; } }'),
        py: python('x = 3\nwhile True:\n  try: x *= x\n  except MemoryError: x = 3'),
      },
      {
        spec: { timeoutMs: 500, cpuMs: 20_000 },
        calls: once({ code: ['function_timeout', 'memory_limit', 'sandbox_exited'] }),
      },
    ),
  },
  {
    id: 250,
    group: 'memory',
    name: 'flat strings without end',
    attacks: exhausts({
      js: plainJs(
        'const all = []; for (let i = 0; ; i += 1) { const s = "x".repeat(1e5) + i; s.charCodeAt(5e4); all.push(s); }',
      ),
      py: python('kept = []\nwhile True: kept.append("x" * 100000 + str(len(kept)))'),
    }),
  },
  {
    id: 254,
    group: 'memory',
    name: 'memory that is kept from call to call',
    attacks: {
      ...inEach(
        {
          isolate: file(
            'const kept = []; exports.handler = ({ mb }) => { for (let i = 0; i < mb; i += 1) kept.push(new Array(2 ** 17).fill(i)); return kept.length; };',
          ),
        },
        keptFromCallToCall(12, 200, EXHAUSTED.code),
      ),
      ...inEach(
        {
          node: file(
            'const kept = []; exports.handler = ({ mb }) => { for (let i = 0; i < mb; i += 1) kept.push(Buffer.alloc(2 ** 20, 1)); return kept.length; };',
          ),
        },
        keptFromCallToCall(18, 36, [OVER_LIMIT.code]),
      ),
      ...inEach(
        {
          py: file(
            'kept = []\ndef handler(event, context):\n  for i in range(event["mb"]): kept.append(bytearray(b"x") * 2**20)\n  return len(kept)\n',
          ),
        },
        keptFromCallToCall(10, 24, [OVER_LIMIT.code]),
      ),
    },
  },
];

export const MEMORY_CASES: readonly AttackCase[] = [...HEAP, ...BESIDE_HEAP];
