/**
 * Functions that fail in a way that hurts whoever looks at the failure: values that are no errors, properties that
 * throw or lie, texts and chains that are too long.
 */
import { type AttackCase, file, js, once, plainJs, python } from '../case.ts';
import { inEach, throws } from '../languages.ts';
import { LOOPS_WHEN_READ } from './error-loops.ts';

const THROWS_ALL = '{ get message() { throw 1; }, get name() { throw 2; }, get stack() { throw 3; } }';
const SHOWN_GETTERS = '{ message: [Getter], name: [Getter], stack: [Getter] }';
const FLOATING_THROWS_ALL = js(
  `(async () => { throw ${THROWS_ALL}; })(); await new Promise((resolve) => setTimeout(resolve, 600));`,
);
/** The same idea where errors are classes: each of its methods raises. */
const PY_RAISES = `class Meta(type):
  @property
  def __name__(cls): raise ValueError(3)
class Raises(Exception, metaclass=Meta):
  def __str__(self): raise ValueError(1)
  __repr__ = __str__
  def __getattribute__(self, name): raise ValueError(2)
`;

/** What is thrown, by name, and the type that it is told to be. */
const VALUES = [
  ['undefined', 'undefined', 'undefined'],
  ['null', 'null', 'null'],
  ['symbol', 'Symbol("boom")', 'symbol'],
  ['bigint', '10n', 'bigint'],
  ['string', '"boom"', 'string'],
  ['number', '-0', 'number'],
  ['function', 'function boom() {}', 'boom'],
  ['proxy', 'new Proxy({}, { get() { throw new Error("trap"); } })', 'Object'],
  [
    'revoked',
    '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()',
    'Object',
  ],
  ['bare', 'Object.create(null)', 'Object'],
] as const;
const VALUE_TABLE = `const values = { ${VALUES.map(([name, value]) => `${name}: () => ${value}`).join(', ')} };`;
const VALUE_CALLS = VALUES.map(([name, , type]) => ({
  event: { name },
  expect: { code: 'function_error', error: { type } } as const,
}));

const VALUES_THROWN: readonly AttackCase[] = [
  {
    id: 20,
    group: 'error',
    name: 'a message that throws when it is read',
    harmless: true,
    attacks: {
      ...inEach({ js: plainJs(`throw ${THROWS_ALL};`) }, throws('Object', SHOWN_GETTERS)),
      ...inEach(
        { py: file(`${PY_RAISES}def handler(event, context): raise Raises()\n`) },
        throws('Raises', 'its message could not be read'),
      ),
    },
  },
  {
    id: 24,
    group: 'error',
    name: 'values thrown that are no errors',
    harmless: true,
    attacks: {
      ...inEach(
        {
          js: file(`${VALUE_TABLE} exports.handler = (event) => { throw values[event.name](); };`),
        },
        { calls: VALUE_CALLS },
      ),
      ...inEach({ py: python('raise 5') }, throws('TypeError', 'exceptions must derive from BaseException')),
    },
  },
  {
    id: 25,
    group: 'error',
    name: 'a message of 100 MB',
    attacks: inEach(
      {
        js: plainJs('throw new Error("x".repeat(1e8));'),
        py: python('raise RuntimeError("x" * 10**8)'),
      },
      {
        spec: { memoryMb: 512, timeoutMs: 20_000 },
        calls: once({ code: 'function_error', error: { message: /^x{8192}…$/ } }),
      },
    ),
  },
  {
    id: 230,
    group: 'error',
    name: 'values rejected that are no errors',
    harmless: true,
    attacks: inEach(
      {
        js: file(
          `${VALUE_TABLE} exports.handler = async (event) => { await null; throw values[event.name](); };`,
        ),
      },
      { calls: VALUE_CALLS },
    ),
  },
  {
    id: 237,
    group: 'error',
    name: 'a value whose getters throw, in a rejection that nobody handles',
    attacks: {
      ...inEach(
        { isolate: FLOATING_THROWS_ALL },
        throws('object', 'A value that is not an Error was thrown.'),
      ),
      ...inEach({ node: FLOATING_THROWS_ALL }, throws('Object', SHOWN_GETTERS)),
    },
  },
  {
    id: 239,
    group: 'error',
    name: 'errors that contain themselves',
    harmless: true,
    attacks: {
      ...inEach(
        {
          js: plainJs(
            'const e = new Error("self"); e.cause = e; const s = new SuppressedError(e, e, "both"); s.error = s; throw s;',
          ),
        },
        throws('SuppressedError', 'both'),
      ),
      ...inEach(
        { py: python('e = ValueError("self")\ne.__cause__ = e\ne.__context__ = e\nraise e') },
        throws('ValueError', 'self'),
      ),
    },
  },
  {
    id: 240,
    group: 'error',
    name: 'a long chain of causes',
    attacks: inEach(
      {
        js: plainJs(
          'let e = new Error("last"); for (let i = 0; i < 1e5; i += 1) { const next = { __proto__: Error.prototype, message: "deep", cause: e }; e = next; } throw e;',
        ),
        py: python(
          'e = None\nfor i in range(2000):\n  n = RuntimeError("deep")\n  n.__cause__ = e\n  e = n\nraise e',
        ),
      },
      { calls: once({ code: 'function_error', error: { message: 'deep' } }) },
    ),
  },
  {
    id: 241,
    group: 'error',
    name: 'a message that is an object, a name of a megabyte, a stack of lines that look like records',
    harmless: true,
    attacks: {
      ...inEach(
        {
          js: plainJs(
            'throw Object.assign(new Error("x"), { message: { toString() { for (;;); } }, name: "N".repeat(1e6), stack: "R1 4\\n1234\\u0000\\u001b[31m\\r\\nX1 2\\n{}" });',
          ),
        },
        { calls: once({ code: 'function_error', error: { message: /^.{1,200}$/s } }) },
      ),
      ...inEach(
        {
          py: python(
            'class Other(str):\n  def __getattribute__(self, name): raise ValueError(name)\n  def __len__(self): return 2**62\nraise type("N" * 10**6, (Exception,), {"__str__": lambda self: Other("told")})()',
          ),
        },
        { calls: once({ code: 'function_error', error: { message: 'told' } }) },
      ),
    },
  },
  {
    id: 242,
    group: 'error',
    name: 'a message of 100 MB that memory does not hold',
    attacks: inEach(
      {
        isolate: plainJs('throw new Error("x".repeat(1e8));'),
      },
      { calls: once({ code: ['function_error', 'memory_limit', 'sandbox_exited'] }) },
    ),
  },
  {
    id: 243,
    group: 'error',
    name: 'an error thrown where the stack is full',
    attacks: {
      ...inEach(
        {
          js: plainJs(
            'const deep = () => { try { return deep() + 1; } catch (e) { throw e.message === "full" ? e : new RangeError("full"); } }; return deep();',
          ),
        },
        throws('RangeError', 'full'),
      ),
      ...inEach(
        {
          py: python(
            'def deep():\n  try: return deep() + 1\n  except RecursionError: raise ValueError("full")\nreturn deep()',
          ),
        },
        throws('ValueError', 'full'),
      ),
    },
  },
];

export const ERROR_CASES: readonly AttackCase[] = [...VALUES_THROWN, ...LOOPS_WHEN_READ];
