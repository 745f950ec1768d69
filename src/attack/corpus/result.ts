/**
 * Attacks on the result: what is no JSON, what is more than may be answered, and what runs code while it is read.
 */
import { type AttackCase, file, onBothNodes, once, plainJs, python } from '../case.ts';
import { RESULT_LIMIT_CASES } from './result-limits.ts';
import { RESULT_READING_CASES } from './result-reading.ts';
import { each, invalid, NEVER_JSON, ok, pythonReturns, returns } from './result-words.ts';

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

export const RESULT_CASES: readonly AttackCase[] = [
  ...SHAPES,
  ...RESULT_READING_CASES,
  ...RESULT_LIMIT_CASES,
];
