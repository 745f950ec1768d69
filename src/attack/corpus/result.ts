/**
 * Attacks on the result: what is no JSON, what is more than may be answered, and what runs code while it is read.
 */
import {
  type AttackCase,
  BY_WALL,
  type Call,
  type Expectation,
  file,
  onBothNodes,
  once,
  plainJs,
  python,
} from '../case.ts';
import { RESULT_LIMIT_CASES } from './result-limits.ts';

const invalid = (detail: RegExp): Expectation => ({ code: 'result_invalid', detail });
const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });

/** One function that answers in many ways, by the name in its event. */
const each = (expectations: Readonly<Record<string, Expectation>>): readonly Call[] =>
  Object.entries(expectations).map(([kind, expect]) => ({ event: { kind }, expect }));

/** A JavaScript function that returns what these expressions make. */
const returns = (kinds: Readonly<Record<string, string>>, before = ''): ReturnType<typeof file> =>
  file(`${before}
const kinds = { ${Object.entries(kinds)
    .map(([kind, expression]) => `${JSON.stringify(kind)}: (event, context) => (${expression})`)
    .join(',\n')} };
exports.handler = (event, context) => kinds[event.kind](event, context);`);

/** The same in Python. */
const pythonReturns = (kinds: Readonly<Record<string, string>>, before = ''): ReturnType<typeof file> =>
  file(`${before}
kinds = {
${Object.entries(kinds)
  .map(([kind, expression]) => `  ${JSON.stringify(kind)}: lambda: ${expression},`)
  .join('\n')}
}
def handler(event, context):
  return kinds[event["kind"]]()
`);

const NEVER_JSON =
  /^The handler returned a (?:function|symbol|BigInt), which is not JSON; return plain data\.$/;

const SHAPES: readonly AttackCase[] = [
  {
    id: 42,
    group: 'result',
    name: 'a result nested 100,000 deep, and one nested without end',
    attacks: {
      ...onBothNodes({
        code: returns(
          {
            deep: '(() => { let a = []; for (let i = 0; i < 1e5; i += 1) a = [a]; return a; })()',
            endless: 'make()',
          },
          'const make = () => ({ toJSON: () => [make()] });',
        ),
        calls: each({
          deep: invalid(/^The handler returned an array that is not JSON: Maximum call stack size exceeded/),
          endless: invalid(
            /^The handler returned an object that is not JSON: Maximum call stack size exceeded/,
          ),
        }),
      }),
      python3: {
        code: python('a = []\nfor i in range(100000): a = [a]\nreturn a'),
        calls: once(invalid(/^The handler returned a value of type list that is not JSON: .*recursion/)),
      },
    },
  },
  {
    id: 45,
    group: 'result',
    name: 'proxies as results',
    harmless: true,
    attacks: onBothNodes({
      code: returns({
        trap: 'new Proxy({}, { ownKeys() { throw new Error("trap"); } })',
        every: 'new Proxy({}, new Proxy({}, { get() { throw new Error("trap of traps"); } }))',
        list: 'new Proxy([], { get(target, key) { if (key === "length") throw new Error("no length"); return target[key]; } })',
        lies: 'new Proxy({}, { ownKeys: () => ["a", "b"], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }), get: (_, key) => (key === "a" ? 1 : undefined) })',
        plain: 'new Proxy({ a: [1] }, {})',
        revoked: '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()',
        hidden:
          '{ inside: (() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })() }',
      }),
      calls: each({
        trap: invalid(/^The handler returned an object that is not JSON: trap$/),
        every: { code: 'function_error', error: { type: 'Error', message: 'trap of traps' } },
        list: invalid(/^The handler returned an array that is not JSON: no length$/),
        lies: ok({ a: 1 }),
        plain: ok({ a: [1] }),
        revoked: { code: 'function_error', error: { type: 'TypeError', message: /revoked/ } },
        hidden: invalid(/^The handler returned an object that is not JSON: .*revoked/),
      }),
    }),
  },
  {
    id: 46,
    group: 'result',
    name: 'a cycle',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: returns(
          { itself: 'cycle', far: '[{ deep: { list: [cycle] } }]' },
          'const cycle = {}; cycle.self = { cycle };',
        ),
        calls: each({
          itself: invalid(/^The handler returned an object that is not JSON: Converting circular structure/),
          far: invalid(/^The handler returned an array that is not JSON: Converting circular structure/),
        }),
      }),
      python3: {
        code: python('a = {}\na["self"] = [a]\nreturn a'),
        calls: once(
          invalid(/^The handler returned a value of type dict that is not JSON: Circular reference/),
        ),
      },
    },
  },
  {
    id: 47,
    group: 'result',
    name: 'values that JSON does not have',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: returns({
          bigInt: '1n',
          inside: '{ a: [1n] }',
          symbol: 'Symbol("s")',
          function: '() => 1',
          class: 'class A {}',
          dropped: '{ a: undefined, b: () => 1, c: Symbol("s"), d: 1, [Symbol("e")]: 2 }',
          nulled: '[undefined, () => 1, Symbol("s"), NaN, -Infinity, -0]',
          nothing: 'undefined',
        }),
        calls: each({
          bigInt: invalid(
            /^The handler returned a BigInt that is not JSON: Do not know how to serialize a BigInt/,
          ),
          inside: invalid(/^The handler returned an object that is not JSON: Do not know how to serialize/),
          symbol: invalid(NEVER_JSON),
          function: invalid(NEVER_JSON),
          class: invalid(NEVER_JSON),
          dropped: ok({ d: 1 }),
          nulled: ok([null, null, null, null, null, 0]),
          nothing: ok(null),
        }),
      }),
      python3: {
        code: pythonReturns({
          nan: 'float("nan")',
          infinity: '[{"a": float("inf")}]',
          bytes: 'b"bytes"',
          set: '{1, 2}',
          complex: '[1j]',
          class: 'object',
          function: 'print',
          key: '{(1, 2): 3}',
          digits: '10 ** 5000',
          nothing: 'None',
        }),
        calls: each({
          nan: invalid(/of type float that is not JSON: Out of range float values are not JSON compliant/),
          infinity: invalid(
            /of type list that is not JSON: Out of range float values are not JSON compliant/,
          ),
          bytes: invalid(/of type bytes that is not JSON: Object of type bytes is not JSON serializable/),
          set: invalid(/of type set that is not JSON: Object of type set is not JSON serializable/),
          complex: invalid(/of type list that is not JSON: Object of type complex is not JSON serializable/),
          class: invalid(/of type type that is not JSON: Object of type type is not JSON serializable/),
          function: invalid(/of type builtin_function_or_method that is not JSON/),
          key: invalid(
            /of type dict that is not JSON: keys must be str, int, float, bool or None, not tuple/,
          ),
          digits: invalid(/of type int that is not JSON: Exceeds the limit \(4300 digits\)/),
          nothing: ok(null),
        }),
      },
    },
  },
  {
    id: 48,
    group: 'result',
    name: 'keys that name prototypes',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: plainJs(
          'return { event, made: JSON.parse(event.text), same: ({}).polluted === undefined && Object.getPrototypeOf(event) === Object.prototype };',
        ),
        calls: [
          {
            event: JSON.parse('{"__proto__":{"polluted":3},"text":"{\\"__proto__\\":{\\"polluted\\":1}}"}'),
            expect: ok(
              JSON.parse(
                '{"event":{"__proto__":{"polluted":3},"text":"{\\"__proto__\\":{\\"polluted\\":1}}"},"made":{"__proto__":{"polluted":1}},"same":true}',
              ),
            ),
          },
          {
            event: {
              constructor: { prototype: { polluted: 2 } },
              text: '{"constructor":{"prototype":{"a":1}}}',
            },
            expect: ok({
              event: {
                constructor: { prototype: { polluted: 2 } },
                text: '{"constructor":{"prototype":{"a":1}}}',
              },
              made: { constructor: { prototype: { a: 1 } } },
              same: true,
            }),
          },
        ],
      }),
      python3: {
        code: python('return {"__class__": event, "__proto__": {"polluted": 1}}'),
        calls: [
          {
            event: { __dict__: 1 },
            expect: ok(JSON.parse('{"__class__":{"__dict__":1},"__proto__":{"polluted":1}}')),
          },
        ],
      },
    },
  },
  {
    id: 49,
    group: 'result',
    name: 'thenables',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: returns({
          plain: '{ then(resolve) { resolve([5]); } }',
          twice: '{ then(resolve, reject) { resolve(1); resolve(2); reject(new Error("late")); } }',
          throws: '{ then(resolve) { resolve(1); throw new Error("late"); } }',
          chain:
            'Array.from({ length: 1000 }).reduce((next) => ({ then(resolve) { resolve(next); } }), "end")',
          getter: '{ get then() { throw new TypeError("no"); } }',
          rejects: '{ then(_, reject) { reject("just text"); } }',
          function: 'Object.assign(() => 1, { then(resolve) { resolve("of a function"); } })',
        }),
        calls: each({
          plain: ok([5]),
          twice: ok(1),
          throws: ok(1),
          chain: ok('end'),
          getter: { code: 'function_error', error: { type: 'TypeError', message: 'no' } },
          rejects: { code: 'function_error', error: { type: 'string', message: 'just text' } },
          function: ok('of a function'),
        }),
      }),
      python3: {
        code: file(`
class Once:
  def __init__(self, value):
    self.value = value
  def __await__(self):
    if isinstance(self.value, BaseException):
      raise self.value
    return self.value
    yield
async def inner():
  return Once(2)
def handler(event, context):
  kind = event["kind"]
  if kind == "value": return Once([5])
  if kind == "raises": return Once(TypeError("no"))
  if kind == "nested": return inner()
  return Once(Exception("\\ud800"))
`),
        calls: each({
          value: ok([5]),
          raises: { code: 'function_error', error: { type: 'TypeError', message: 'no' } },
          nested: invalid(/^The handler returned a value of type Once that is not JSON/),
          surrogate: { code: 'function_error', error: { type: 'Exception', message: '?' } },
        }),
      },
    },
  },
];

const LOOPS: readonly AttackCase[] = [
  {
    id: 44,
    group: 'result',
    name: 'a getter that loops while the result is read',
    attacks: {
      ...onBothNodes({ code: plainJs('return { get a() { for (;;); } };'), ...BY_WALL }),
      python3: {
        code: file(
          'class Loop(dict):\n  def items(self):\n    while True: pass\ndef handler(event, context):\n  return Loop(a=1)\n',
        ),
        ...BY_WALL,
      },
    },
  },
  {
    id: 275,
    group: 'result',
    name: 'a toJSON that loops',
    attacks: onBothNodes({ code: plainJs('return [{ toJSON() { for (;;); } }];'), ...BY_WALL }),
  },
  {
    id: 276,
    group: 'result',
    name: 'a then getter that loops',
    attacks: {
      ...onBothNodes({ code: plainJs('return { get then() { for (;;); } };'), ...BY_WALL }),
      python3: {
        code: file(
          'class Loop:\n  def __await__(self):\n    while True: pass\ndef handler(event, context):\n  return Loop()\n',
        ),
        ...BY_WALL,
      },
    },
  },
  {
    id: 277,
    group: 'result',
    name: 'a toJSON that hides, replaces or throws',
    harmless: true,
    attacks: onBothNodes({
      code: returns({
        vanishes: '{ toJSON: () => undefined }',
        inherits: 'Object.create({ toJSON: () => ({ instead: 1 }) })',
        throws: '{ a: { toJSON() { throw new RangeError("\\u001b[31m"); } } }',
      }),
      calls: each({
        vanishes: invalid(/^The handler returned an object, which is not JSON; return plain data\.$/),
        inherits: ok({ instead: 1 }),
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the detail is the function's own words, escaped as JSON.
        throws: invalid(/^The handler returned an object that is not JSON: \u001b\[31m$/),
      }),
    }),
  },
  {
    id: 278,
    group: 'result',
    name: 'getters that throw, change their minds, or answer late',
    harmless: true,
    attacks: onBothNodes({
      code: returns({
        throws: '{ get a() { throw new Error("no"); } }',
        changes:
          'new (class { #n = 0; get a() { this.#n += 1; return this.#n; } toJSON() { return [this.a, this.a]; } })()',
        grows: '(() => { const list = [{ toJSON() { list.push(this); return 1; } }]; return list; })()',
        shrinks:
          '(() => { const list = [{ toJSON() { list.length = 0; return 1; } }, 2, 3]; return list; })()',
        snapshot:
          '(() => { const answer = { n: 1 }; Promise.resolve().then(() => Promise.resolve()).then(() => Promise.resolve()).then(() => { answer.n = 2; }); setTimeout(() => { answer.n = 3; }); return answer; })()',
      }),
      calls: each({
        throws: invalid(/^The handler returned an object that is not JSON: no$/),
        changes: ok([1, 2]),
        grows: ok([1]),
        shrinks: ok([1, null, null]),
        snapshot: ok({ n: 1 }),
      }),
    }),
  },
  {
    id: 279,
    group: 'result',
    name: 'a callback that answers many times',
    harmless: true,
    attacks: onBothNodes({
      code: file(`exports.handler = (event, context, callback) => {
  if (event.kind === 'late') { callback(null, 1); callback(new Error('late')); callback(null, 2); setTimeout(callback, 0, null, 3); }
  if (event.kind === 'failed') { callback(new RangeError('first')); callback(null, 2); }
  if (event.kind === 'both') { callback(null, 'callback'); return Promise.resolve('promise'); }
  if (event.kind === 'odd') callback(0, { a: 1 });
};`),
      calls: each({
        late: ok(1),
        failed: { code: 'function_error', error: { type: 'RangeError', message: 'first' } },
        both: ok('promise'),
        odd: { code: 'function_error', error: { type: 'number', message: '0' } },
      }),
    }),
  },
];

const ALIVE: AttackCase = {
  id: 286,
  group: 'result',
  name: 'an instance given up for an answer that was no answer',
  harmless: true,
  attacks: {
    ...onBothNodes({
      code: returns(
        {
          function: '(calls += 1, () => 1)',
          cycle: '(calls += 1, cycle)',
          throws: '(calls += 1, null.x)',
          rejects: '(calls += 1, Promise.reject(1))',
          // What is no error costs nobody a start: the same instance serves on.
          calls: 'calls',
        },
        'let calls = 0; const cycle = {}; cycle.self = cycle;',
      ),
      calls: each({
        function: invalid(NEVER_JSON),
        cycle: invalid(/circular/),
        throws: { code: 'function_error', error: { type: 'TypeError' } },
        rejects: { code: 'function_error', error: { type: 'number', message: '1' } },
        calls: ok(4),
      }),
      models: ['resident'],
    }),
  },
};

export const RESULT_CASES: readonly AttackCase[] = [...SHAPES, ...LOOPS, ALIVE, ...RESULT_LIMIT_CASES];
