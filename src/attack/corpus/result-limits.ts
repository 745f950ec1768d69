/**
 * Attacks on the result by its size and its bytes: what is too much, what is just too much, and text that is no text.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes, once, plainJs, python } from '../case.ts';

/** What a server answers unless it is configured otherwise: `limits.resultMaxBytes`. */
const RESULT_MAX_BYTES = 6 * 1024 * 1024;
const HUGE_BYTES = 50 * 2 ** 20;

const tooLarge = (detail: RegExp): Expectation => ({
  code: 'result_too_large',
  limit: 'resultBytes',
  detail,
});
const OVER_IN_CHARACTERS = tooLarge(
  new RegExp(`^The result has ${HUGE_BYTES + 2} characters of JSON; the limit is ${RESULT_MAX_BYTES}\\.$`),
);

/** A shell that answers the Runtime API with what the event asks for. */
const SHELL = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while true; do
  event="$(curl -sS -D /tmp/head "$api/invocation/next")"
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  to="$api/invocation/$id/response"
  case "$event" in
    *text*) curl -sS -o /dev/null --data-binary 'no JSON at all' "$to" ;;
    *nan*) curl -sS -o /dev/null --data-binary '{"a":NaN}' "$to" ;;
    *two*) curl -sS -o /dev/null --data-binary '1 2' "$to" ;;
    *bytes*) printf '"\\377"' | curl -sS -o /dev/null --data-binary @- "$to" ;;
    *) curl -sS -o /dev/null --data-binary '[1]' "$to" ;;
  esac
done
`;

export const RESULT_LIMIT_CASES: readonly AttackCase[] = [
  {
    id: 43,
    group: 'result',
    name: 'a result of 50 MB',
    attacks: {
      ...onBothNodes({
        code: plainJs(`return 'x'.repeat(${HUGE_BYTES});`),
        spec: { memoryMb: 512 },
        calls: once(OVER_IN_CHARACTERS),
      }),
      python3: {
        code: python(`return 'x' * ${HUGE_BYTES}`),
        spec: { memoryMb: 512 },
        calls: once(OVER_IN_CHARACTERS),
      },
    },
  },
  {
    id: 50,
    group: 'result',
    name: 'a sparse array of the largest length',
    attacks: onBothNodes({
      code: plainJs('const a = []; a.length = 2 ** 32 - 1; return a;'),
      calls: once({
        code: 'result_invalid',
        detail: /^The handler returned an array that is not JSON: Invalid string length$/,
      }),
    }),
  },
  {
    id: 280,
    group: 'result',
    name: 'a result of 50 MB that memory does not hold',
    attacks: {
      isolate: {
        code: plainJs(`return 'x'.repeat(${HUGE_BYTES});`),
        calls: once({ code: ['memory_limit', 'sandbox_exited', 'result_too_large'] }),
      },
      python3: {
        code: python(`return 'x' * ${HUGE_BYTES}`),
        calls: once({ code: 'memory_limit', limit: 'memoryMb' }),
      },
    },
  },
  {
    id: 281,
    group: 'result',
    name: 'a result of exactly the limit, and one byte more',
    attacks: {
      ...onBothNodes({
        code: plainJs('return "x".repeat(event.n);'),
        spec: { memoryMb: 128 },
        calls: [
          {
            event: { n: RESULT_MAX_BYTES - 2 },
            expect: { code: 'succeeded', result: 'x'.repeat(RESULT_MAX_BYTES - 2) },
          },
          {
            event: { n: RESULT_MAX_BYTES - 1 },
            expect: tooLarge(new RegExp(`has ${RESULT_MAX_BYTES + 1} characters`)),
          },
        ],
      }),
    },
  },
  {
    id: 282,
    group: 'result',
    name: 'a result whose characters fit and whose bytes do not',
    attacks: {
      ...onBothNodes({
        code: plainJs('return "é".repeat(event.n);'),
        spec: { memoryMb: 128 },
        calls: [
          {
            event: { n: RESULT_MAX_BYTES / 2 },
            expect: tooLarge(
              new RegExp(`^The result has ${RESULT_MAX_BYTES + 2} bytes; ${RESULT_MAX_BYTES} are`),
            ),
          },
        ],
      }),
      python3: {
        code: python('return "é" * event["n"]'),
        spec: { memoryMb: 128 },
        calls: [
          {
            event: { n: RESULT_MAX_BYTES / 2 },
            expect: tooLarge(
              new RegExp(`^The result has ${RESULT_MAX_BYTES + 2} bytes; ${RESULT_MAX_BYTES} are`),
            ),
          },
        ],
      },
    },
  },
  {
    id: 283,
    group: 'result',
    name: 'half of a surrogate pair, and what looks like a frame',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: plainJs('return ["\\ud800 \\udc00", "R9 1\\n1\\u0000\\u2028", { "\\ud800": "\\u007f" }];'),
        calls: once({
          code: 'succeeded',
          result: ['\ud800 \udc00', 'R9 1\n1\u0000\u2028', { '\ud800': '\u007f' }],
        }),
      }),
      python3: {
        code: python('return ["\\ud800 \\udc00", "R9 1\\n1\\x00\\u2028", {"\\ud800": "\\x7f"}]'),
        calls: once({
          code: 'succeeded',
          result: ['\ud800 \udc00', 'R9 1\n1\u0000\u2028', { '\ud800': '\u007f' }],
        }),
      },
    },
  },
  {
    id: 284,
    group: 'result',
    name: 'text that the engine passes into JSON as it is',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: js(`const raw = (text) => { try { return JSON.rawJSON(text); } catch (error) { return error.name; } };
          return [raw('1e400'), raw('"\\\\ud800"'), raw('{"a":1}'), raw('1,2'), raw(' 1'), raw('NaN')];`),
        calls: once({
          code: 'succeeded',
          result: [
            Number.POSITIVE_INFINITY,
            '\ud800',
            'SyntaxError',
            'SyntaxError',
            'SyntaxError',
            'SyntaxError',
          ],
        }),
      }),
      python3: {
        code: file(`
class Number(int):
  def __repr__(self): return '1,"forged":2'
class Text(str):
  def encode(self, *rest): return b'"forged"'
  def __str__(self): return '"forged"'
class Float(float):
  def __repr__(self): return '1}{'
def handler(event, context):
  return [Number(7), Text("own"), Float(1.5), {Text("key"): 1, Number(3): 4}]
`),
        calls: once({ code: 'succeeded', result: [7, 'own', 1.5, { key: 1, 3: 4 }] }),
      },
    },
  },
  {
    id: 285,
    group: 'result',
    name: 'a result through the runtime API that is no JSON',
    harmless: true,
    attacks: {
      provided: {
        code: { files: { bootstrap: SHELL } },
        calls: [
          { event: 'text', expect: { code: 'result_invalid' } },
          { event: 'nan', expect: { code: 'result_invalid' } },
          { event: 'two', expect: { code: 'result_invalid' } },
          { event: 'bytes', expect: { code: 'result_invalid' } },
          { event: 'list', expect: { code: 'succeeded', result: [1] } },
        ],
      },
    },
  },
];
