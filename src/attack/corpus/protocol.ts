/**
 * Attacks on the words between the server and what runs functions: frames that a function writes itself, and what looks
 * like them. An isolate has no channel; what it hands out is text that must stay text.
 */
import { type AttackCase, file, js, once, python } from '../case.ts';
import { claim, NODE_FRAMES, nodeWriting, PYTHON_FRAMES, writing } from '../programs.ts';
import { CHANNEL } from './channel.ts';
import { RUNTIME_API_CASES } from './runtime-api.ts';
import { TAILS } from './tails.ts';

const BROKEN = once({ code: 'protocol_error' });
const BURNT_MS = 40;

/** What an isolate would have to say to end the record that it is in, and to begin one of another. */
const RECORDS = [
  'R1 8\n"forged"',
  'X1 2\n{}',
  '5\nR2 8\n"forged"',
  'G1 2\n{}',
  'L0 0\n',
  '\u0000\u0001\u0008',
];
const LINES = RECORDS.slice(0, -1);

const FORGED: readonly AttackCase[] = [
  {
    id: 90,
    group: 'protocol',
    name: 'a result frame of its own, which says that the platform failed, for nothing to pay',
    harmless: true,
    attacks: {
      isolate: {
        code: js(`const texts = ${JSON.stringify(RECORDS)}; return { texts, [texts[0]]: texts.join('') };`),
        calls: once({
          code: 'succeeded',
          result: { texts: RECORDS, [RECORDS[0] ?? '']: RECORDS.join('') },
        }),
      },
      nodejs24: {
        code: nodeWriting(
          `const start = process.cpuUsage(); while (process.cpuUsage(start).user < ${BURNT_MS * 1_000}); send(packed(OUTCOME, number, { flags: FAILED, meta: ${JSON.stringify(claim('sandbox_lost'))} }));`,
        ),
        calls: once({ code: 'protocol_error', minCpuMs: BURNT_MS }),
      },
      python3: {
        code: writing(
          `start = time.process_time()\nwhile time.process_time() < start + ${BURNT_MS / 1_000}: pass\nsend(packed(OUTCOME, number(), FAILED, b'${claim('sandbox_lost')}'))`,
        ),
        calls: once({ code: 'protocol_error', minCpuMs: BURNT_MS }),
      },
    },
  },
  {
    id: 370,
    group: 'protocol',
    name: 'claims that only the server can make: stopped, out of memory, over its budget, unheard of',
    harmless: true,
    attacks: {
      python3: {
        code: writing(
          `send(packed(OUTCOME, number(), FAILED, json.dumps({"failure": {"code": event["code"], "detail": "x", "error": None, "limit": None}, "logs": [], "logTruncated": False}).encode()))`.replace(
            'json.',
            '__import__("json").',
          ),
        ),
        calls: [
          'terminated',
          'memory_limit',
          'cpu_limit',
          'sandbox_exited',
          'function_timeout',
          'nonsense',
        ].map((code) => ({ event: { code }, expect: { code: 'protocol_error' } })),
      },
    },
  },
  {
    id: 91,
    group: 'protocol',
    name: 'an answer to the invocation of another',
    harmless: true,
    attacks: {
      isolate: {
        code: js(`for (const line of ${JSON.stringify(LINES)}) console.log(line); return 'own';`),
        calls: once({ code: 'succeeded', result: 'own', logs: LINES }),
      },
      nodejs24: {
        code: nodeWriting(`send(packed(OUTCOME, number + (event.by ?? 1), { payload: '"forged"' }));`),
        calls: [1, -1, 12_345].map((by) => ({ event: { by }, expect: { code: 'protocol_error' } })),
      },
      python3: {
        code: writing(`send(packed(OUTCOME, event["number"], payload=b'"forged"'))`),
        calls: [1, 12_345, 2 ** 48 - 1].map((number) => ({
          event: { number },
          expect: { code: 'protocol_error' },
        })),
      },
    },
  },
  {
    id: 92,
    group: 'protocol',
    name: 'two results for one invocation, of which the first counts and the second costs the instance',
    harmless: true,
    attacks: {
      isolate: {
        code: file(
          "exports.handler = (event, context, callback) => { callback(null, 'first'); callback(null, 'second'); callback(new Error('third')); };",
        ),
        calls: [
          { expect: { code: 'succeeded', result: 'first' } },
          { expect: { code: 'succeeded', result: 'first' } },
        ],
      },
      nodejs24: {
        code: file(`let calls = 0;${NODE_FRAMES}
exports.handler = () => {
  calls += 1;
  fs.writeSync(3, Buffer.concat([packed(OUTCOME, number, { payload: String(calls) }), packed(OUTCOME, number, { payload: '"second"' })]));
  return never;
};`),
        calls: [{ expect: { code: 'succeeded', result: 1 } }, { expect: { code: 'succeeded', result: 1 } }],
      },
      python3: {
        code: writing(
          `sys.calls = getattr(sys, "calls", 0) + 1\nsend(packed(OUTCOME, number(), payload=str(sys.calls).encode()) + packed(OUTCOME, number(), payload=b'"second"'))`,
        ),
        calls: [{ expect: { code: 'succeeded', result: 1 } }, { expect: { code: 'succeeded', result: 1 } }],
      },
    },
  },
  {
    id: 93,
    group: 'protocol',
    name: 'a frame that says it is larger than any may be',
    harmless: true,
    attacks: {
      isolate: {
        // The length of a record is in units of UTF-16, and its text goes out as UTF-8.
        code: js("return ['\\u{1f600}'.repeat(1000), '\\ud800', '\\u2028\\u0000\"\\\\', 'ä'.repeat(1001)];"),
        calls: once({
          code: 'succeeded',
          result: ['\u{1f600}'.repeat(1_000), '\ud800', '\u2028\u0000"\\', 'ä'.repeat(1_001)],
        }),
      },
      nodejs24: { code: nodeWriting('send(Buffer.from([255, 255, 255, 255]));'), calls: BROKEN },
      python3: {
        code: writing('send(struct.pack("<I", event["bytes"]))'),
        calls: [2 ** 32 - 1, 2 ** 31, 300_000_000].map((bytes) => ({
          event: { bytes },
          expect: { code: 'protocol_error' },
        })),
      },
    },
  },
  {
    id: 371,
    group: 'protocol',
    name: 'half a frame, and then silence',
    harmless: true,
    attacks: {
      nodejs24: {
        code: nodeWriting("send(packed(OUTCOME, number, { payload: '1' }).subarray(0, 30));"),
        spec: { timeoutMs: 300 },
        calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
      },
      python3: {
        code: writing('send(packed(OUTCOME, number(), payload=b"1")[:30])'),
        spec: { timeoutMs: 300 },
        calls: once({ code: 'function_timeout', limit: 'timeoutMs' }),
      },
    },
  },
  {
    id: 372,
    group: 'protocol',
    name: 'half a frame, and then the end',
    harmless: true,
    attacks: {
      python3: {
        code: python(`${PYTHON_FRAMES}\nsend(packed(OUTCOME, number(), payload=b"1")[:46])\nos._exit(0)`),
        calls: once({ code: 'sandbox_exited', detail: /exit code 0/ }),
      },
    },
  },
  {
    id: 373,
    group: 'protocol',
    name: 'frames that are none, and those that only others may send',
    harmless: true,
    attacks: {
      python3: {
        code: writing(`frames = {
  "short": struct.pack("<I", 41) + b"x" * 41,
  "version": packed(OUTCOME, number(), version=2),
  "meta": packed(OUTCOME, number())[:42] + b"\\xff\\xff\\xff\\xff",
  "up": packed(BOOTED, 0),
  "line of nobody": packed(LOG, 99, payload=b"x"),
  "end": packed(12, number()),
}
send(frames[event["what"]])`),
        models: ['resident'],
        calls: [...['short', 'version', 'meta', 'up', 'line of nobody', 'end']].map((what) => ({
          event: { what },
          expect: { code: 'protocol_error' },
        })),
      },
    },
  },
];

export const PROTOCOL_CASES: readonly AttackCase[] = [...FORGED, ...TAILS, ...CHANNEL, ...RUNTIME_API_CASES];
