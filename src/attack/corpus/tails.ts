/**
 * Attacks by frames that are in order but for what they say: of results, of failures, of usage, of the log.
 */
import { type AttackCase, once } from '../case.ts';
import { writing } from '../programs.ts';

export const TAILS: readonly AttackCase[] = [
  {
    id: 374,
    group: 'protocol',
    name: 'an answer that says it used no processor and no memory',
    harmless: true,
    attacks: {
      python3: {
        code: writing(
          `start = time.process_time()\nwhile time.process_time() < start + 0.05: pass\nsend(packed(OUTCOME, number(), payload=b"1", a=-1e300, b=float("nan"), c=float("-inf")))`,
        ),
        calls: once({ code: 'succeeded', result: 1, minCpuMs: 50 }),
      },
    },
  },
  {
    id: 375,
    group: 'protocol',
    name: 'results that are no JSON, written past the shim',
    harmless: true,
    attacks: {
      python3: {
        code: writing(
          `send(packed(OUTCOME, number(), payload={"words": b"no JSON", "bytes": b'"\\xff\\xfe"', "nothing": b"", "two": b"1 2", "deep": b"[" * 6000 + b"]" * 6000, "number": b"NaN"}[event]))`,
        ),
        calls: ['words', 'bytes', 'nothing', 'two', 'deep', 'number'].map((event) => ({
          event,
          expect: { code: 'result_invalid' },
        })),
      },
    },
  },
  {
    id: 376,
    group: 'protocol',
    name: 'tails that are no tails: of other shapes, with names beyond counting, with more than they may hold',
    harmless: true,
    attacks: {
      python3: {
        code: writing(
          `tails = {
  "list": b"[]",
  "names": b'{"failure":null,"logs":[],"logTruncated":false' + b',"a":1' * 1000 + b"}",
  "log": b'{"failure":null,"logs":[["info",1,"' + b"x" * 20000 + b'"]],"logTruncated":false}',
  "kind": b'{"failure":{"code":"function_error","detail":"x","error":null,"limit":{"kind":"timeoutMs","configured":1,"observed":1}},"logs":[],"logTruncated":false}',
  "prototype": b'{"__proto__":{"failure":null},"logs":[],"logTruncated":false}',
}
send(packed(OUTCOME, number(), FAILED, tails[event]))`,
        ),
        models: ['resident'],
        calls: [...['list', 'names', 'log', 'kind', 'prototype']].map((event) => ({
          event,
          expect: { code: 'protocol_error' },
        })),
      },
    },
  },
  {
    id: 377,
    group: 'protocol',
    name: 'an error with a text of its own choice, which is shown as text',
    harmless: true,
    attacks: {
      python3: {
        code: writing(
          `import json
send(packed(OUTCOME, number(), FAILED, json.dumps({"failure": {"code": "function_error", "detail": "urn:strata:error:internal_error", "limit": None, "error": {"type": "__proto__", "message": "<b>\\u0000\\u001b[31m", "stack": "at host"}}, "logs": [], "logTruncated": False}).encode()))`,
        ),
        calls: once({
          code: 'function_error',
          error: { type: '__proto__', message: '<b>\u0000\u001b[31m' },
        }),
      },
    },
  },
  {
    id: 378,
    group: 'protocol',
    name: 'lines of its own making, more than a log may have',
    harmless: true,
    attacks: {
      python3: {
        code: writing(
          `for level in (0.0, 3.0, 17.0, float("nan")): send(packed(LOG, number(), 8, payload=b"\\x1b[2J own \\xff\\x00", a=-1.0, b=level))
if event.get("flood"):
  for _ in range(300): send(packed(LOG, number(), 15, payload=b"x" * 1000))
send(packed(OUTCOME, number(), payload=b"1"))`,
        ),
        calls: [
          { expect: { code: 'succeeded', result: 1, logs: Array.from({ length: 4 }, () => /own/) } },
          { event: { flood: true }, expect: { code: 'succeeded', result: 1, logTruncated: true } },
        ],
      },
    },
  },
];
