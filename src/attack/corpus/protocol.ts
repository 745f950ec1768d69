/**
 * Attacks on the words between the server and what runs functions: frames that a function writes itself, and what looks
 * like them. An isolate has no channel; what it hands out is text that must stay text.
 */
import { type Attack, type AttackCase, file, js, once, python } from '../case.ts';
import { ATTEMPT, claim, NODE_FRAMES, PYTHON_FRAMES } from '../programs.ts';
import { RUNTIME_API_CASES } from './runtime-api.ts';

/** Python that writes to its channel and then never answers. */
const writing = (lines: string): Attack['code'] => python(`${PYTHON_FRAMES}\n${lines}\ntime.sleep(600)`);

/** The same for Node; `send` writes one frame or more. */
const nodeWriting = (lines: string): Attack['code'] =>
  file(`${NODE_FRAMES}
const send = (...frames) => fs.writeSync(3, Buffer.concat(frames));
exports.handler = (event) => { ${lines} return never; };`);

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

const TAILS: readonly AttackCase[] = [
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

const CHANNEL: readonly AttackCase[] = [
  {
    id: 94,
    group: 'protocol',
    name: "the agent's own connection to the server, by its name and by its descriptors",
    harmless: true,
    attacks: {
      isolate: {
        code: js("return require('node:net');"),
        calls: once({
          code: 'function_error',
          error: { type: 'Error', message: /^Cannot find module 'node:net'/ },
        }),
      },
      nodejs24: {
        code: js(
          `const fs = require('node:fs'); const dial = (options) => new Promise((done) => { require('node:net').connect(options).on('connect', () => done('connected')).on('error', (error) => done(error.code)); }); return [fs.readdirSync('/run/strata'), await dial({ path: '/run/strata/agent.sock' }), await dial({ host: '127.0.0.1', port: 9001 })];`,
        ),
        calls: once({ code: 'succeeded', result: [[], 'ENOENT', 'ECONNREFUSED'] }),
      },
      python3: {
        code: python(`${ATTEMPT}
import socket
def dial(family, address):
  with socket.socket(family) as caller: caller.connect(address)
abstract = [line.split()[-1] for line in open("/proc/net/unix").readlines()[1:] if "@" in line]
return [os.listdir("/run/strata"), attempt(lambda: dial(socket.AF_UNIX, "/run/strata/agent.sock")), attempt(lambda: dial(socket.AF_INET, ("127.0.0.1", 9001))), attempt(lambda: os.open("/proc/1/fd/3", os.O_RDWR)), attempt(lambda: os.open("/proc/self/fd/3", os.O_RDWR)), abstract]`),
        calls: once({
          code: 'succeeded',
          result: [[], 'ENOENT', 'ECONNREFUSED', 'EACCES', 'ENXIO', []],
        }),
      },
    },
  },
  {
    id: 379,
    group: 'protocol',
    name: 'descriptors that are handed to the agent along with a line',
    harmless: true,
    attacks: {
      python3: {
        code: python(`${PYTHON_FRAMES}
import array, socket
channel = socket.socket(fileno=os.dup(3))
gifts = array.array("i", [os.open("/dev/null", os.O_RDONLY) for _ in range(20)])
for count in range(20):
  channel.sendmsg([packed(LOG, number(), 8, payload=b"with gifts")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, gifts)])
channel.detach()
return "sent"`),
        calls: [
          {
            expect: {
              code: 'succeeded',
              result: 'sent',
              logs: Array.from({ length: 20 }, () => 'with gifts'),
            },
          },
        ],
      },
    },
  },
  {
    id: 380,
    group: 'protocol',
    name: 'a frame before the code is loaded',
    harmless: true,
    attacks: {
      python3: {
        code: file(`import os, struct, time
def packed(kind, nonce):
  return struct.pack("<IBBHIIHdddI", 44, 1, kind, 0, 1, nonce, 0, 0.0, 0.0, 0.0, 0) + b"{}"
os.write(3, packed(8, 2))
time.sleep(600)
`),
        calls: BROKEN,
      },
    },
  },
  {
    id: 381,
    group: 'protocol',
    name: 'a child that answers the next invocation with the number of the last',
    harmless: true,
    attacks: {
      python3: {
        code: python(`${PYTHON_FRAMES}
if event.get("leave"):
  ready, told = os.pipe()
  late = packed(OUTCOME, number(), payload=b'"late"')
  if os.fork() == 0:
    os.setsid()
    sys.told = told
    waits, _ = os.pipe()
    os.write(told, b"x")
    while not os.path.exists("/tmp/now"): time.sleep(0.005)
    send(late)
    time.sleep(600)
  os.read(ready, 1)
  return "left"
if event.get("wait"):
  open("/tmp/now", "w").close()
  time.sleep(600)
return "fresh"`),
        models: ['resident'],
        calls: [
          { event: { leave: true }, expect: { code: 'succeeded', result: 'left' } },
          { event: { wait: true }, expect: { code: 'protocol_error' } },
          { expect: { code: 'succeeded', result: 'fresh' } },
        ],
      },
    },
  },
  {
    id: 382,
    group: 'protocol',
    name: "a bootstrap's words changed under it",
    harmless: true,
    attacks: {
      isolate: {
        code: file(`
const forged = () => 'R1 8\\n"forged"';
for (const name of ['concat', 'slice', 'substring', 'replace', 'toString', 'valueOf']) String.prototype[name] = forged;
for (const name of ['get', 'set', 'has', 'delete', 'forEach']) Map.prototype[name] = forged;
for (const name of ['push', 'join', 'pop', 'shift', 'slice']) Array.prototype[name] = forged;
JSON.stringify = forged;
Number.prototype.toString = forged;
exports.handler = async () => ['own', 7, { a: null }];`),
        calls: [
          { expect: { code: 'succeeded', result: ['own', 7, { a: null }] } },
          { expect: { code: 'succeeded', result: ['own', 7, { a: null }] } },
        ],
      },
    },
  },
];

export const PROTOCOL_CASES: readonly AttackCase[] = [...FORGED, ...TAILS, ...CHANNEL, ...RUNTIME_API_CASES];
