/**
 * Attacks of one invocation on the next: what it leaves behind in the language, on disk, in memory and in the clock.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes, once, python } from '../case.ts';
import { BILLING_CASES } from './cross-billing.ts';
import { TENANT_CASES } from './cross-tenants.ts';

const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });
/** The same call again finds what the first one found. */
const twice = (result: unknown) => [{ expect: ok(result) }, { expect: ok(result) }];

/** Remembers the id of the call before, and answers with what the Runtime API says to an answer under it. */
const STALE_SHELL = `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
before=""
while true; do
  event="$(curl -sS -D /tmp/head "$api/invocation/next")"
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^\\r]*\\).*/\\1/pI' /tmp/head)"
  said=none
  if [ -n "$before" ]; then said="$(curl -sS -o /dev/null -w '%{http_code}' --data-binary '"forged"' "$api/invocation/$before/response")"; fi
  case "$said" in 400|403) said=refused ;; esac
  before="$id"
  curl -sS -o /dev/null --data-binary "\\"$said\\"" "$api/invocation/$id/response"
done
`;

/** Leaves what a process can leave; answers with what it found of a process before. */
const LEAVES_TRACES = `
import builtins, os, signal, socket
def handler(event, context):
  found = sorted(os.listdir("/tmp")) + sorted(os.listdir("/dev/mqueue"))
  found += [name for name in os.environ if name == "LEFT"]
  found += [name for name in ("left",) if hasattr(builtins, name)]
  found += ["process" for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid() and os.stat("/proc/" + pid).st_uid == os.getuid()]
  try:
    socket.socket(socket.AF_UNIX).connect("\\0left")
    found.append("socket")
  except OSError: pass
  builtins.left = True
  os.environ["LEFT"] = "1"
  os.makedirs("/tmp/closed/inner")
  open("/tmp/closed/inner/file", "w").write("left")
  os.chmod("/tmp/closed/inner", 0)
  os.chmod("/tmp/closed", 0)
  os.symlink("/etc/passwd", "/tmp/link")
  os.close(os.open("/dev/mqueue/queue", os.O_CREAT | os.O_WRONLY, 0))
  if os.fork() == 0:
    os.setsid()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("\\0left")
    listening.listen()
    if os.fork() == 0:
      while True: signal.pause()
    os._exit(0)
  os.wait()
  return found
`;

const STATE: readonly AttackCase[] = [
  {
    id: 61,
    group: 'cross',
    name: 'globals that one invocation leaves to the next',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: file(`let calls = 0;
exports.handler = () => {
  calls += 1;
  const seen = [calls, typeof globalThis.secret, typeof ({}).secret, typeof [].secret, typeof process['env'].LEFT];
  globalThis.secret = 1; process['env'].LEFT = '1'; Array.prototype.secret = () => 1;
  Object.defineProperty(Object.prototype, 'secret', { value: 1, configurable: true });
  return seen;
};`),
        calls: twice([1, 'undefined', 'undefined', 'undefined', 'undefined']),
        models: ['ephemeral'],
      }),
      python3: {
        code: file(
          'import builtins, json, os, sys\ndef handler(event, context):\n  seen = [hasattr(builtins, "secret"), hasattr(json, "secret"), "LEFT" in os.environ, "secret" in sys.modules]\n  builtins.secret = json.secret = 1\n  os.environ["LEFT"] = "1"\n  sys.modules["secret"] = json\n  return seen\n',
        ),
        calls: twice([false, false, false, false]),
        models: ['ephemeral'],
      },
    },
  },
  {
    id: 62,
    group: 'cross',
    name: 'built-ins that one invocation patches for the next',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: file(`exports.handler = (event) => {
  const seen = [JSON.stringify(event), [3, 1, 2].sort().join(), String(Math.max(1, 2)), 'a'.toUpperCase()];
  JSON.stringify = () => '"forged"'; Array.prototype.sort = () => []; Math.max = () => 0; String.prototype.toUpperCase = () => 'forged';
  return seen;
};`),
        calls: twice(['{}', '1,2,3', '2', 'A']),
        models: ['ephemeral'],
      }),
      python3: {
        code: file(
          'import json, time\ndef handler(event, context):\n  seen = [json.dumps(event), time.time() > 1]\n  json.dumps = lambda *a, **k: "forged"\n  json.JSONEncoder.encode = lambda *a: "forged"\n  json.JSONDecoder.decode = lambda *a: "forged"\n  time.time = lambda: 0\n  return seen\n',
        ),
        calls: twice(['{}', true]),
        models: ['ephemeral'],
      },
    },
  },
  {
    id: 310,
    group: 'cross',
    name: 'what a resident function patches for itself, and what an end takes away',
    harmless: true,
    attacks: onBothNodes({
      code: file(`let calls = 0;
exports.handler = (event) => {
  calls += 1;
  const seen = [calls, typeof globalThis.secret];
  globalThis.secret = 1;
  if (event.loop) for (;;);
  return seen;
};`),
      spec: { timeoutMs: 300, cpuMs: 20_000 },
      calls: [
        { expect: ok([1, 'undefined']) },
        { expect: ok([2, 'number']) },
        { event: { loop: true }, expect: { code: 'function_timeout', limit: 'timeoutMs' } },
        { expect: ok([1, 'undefined']) },
      ],
      models: ['resident'],
    }),
  },
  {
    id: 63,
    group: 'cross',
    name: 'microtasks left over by an invocation that was stopped',
    attacks: onBothNodes({
      code: file(`let calls = 0;
exports.handler = (event) => {
  calls += 1;
  if (event.loop) { Promise.resolve().then(() => { calls += 100; console.log('left over'); for (;;); }); for (;;); }
  console.log('own');
  return typeof event.n;
};`),
      spec: { timeoutMs: 300, cpuMs: 20_000 },
      calls: [
        { expect: { ...ok('undefined'), logs: ['own'] } },
        { event: { loop: true }, expect: { code: 'function_timeout', limit: 'timeoutMs', logs: [] } },
        { event: { n: 1 }, expect: { ...ok('number'), logs: ['own'] } },
      ],
    }),
  },
  {
    id: 64,
    group: 'cross',
    name: 'files, processes, sockets and queues left to the next invocation',
    harmless: true,
    attacks: {
      nodejs24: {
        code: js(
          `const fs = require('node:fs'); const seen = fs.readdirSync('/tmp'); fs.writeFileSync('/tmp/left', 'x'); fs.mkdirSync('/tmp/folder', { mode: 0 }); return [seen, fs.readdirSync('.').sort()];`,
        ),
        calls: twice([[], ['index.js']]),
        models: ['ephemeral'],
      },
      python3: { code: file(LEAVES_TRACES), calls: twice([]), models: ['ephemeral'] },
    },
  },
  {
    id: 311,
    group: 'cross',
    name: 'memory that was given back, searched for the event before',
    attacks: {
      nodejs24: {
        code: js(
          `if (event.secret) { globalThis.kept = Buffer.from(event.secret.repeat(20000)); return 'kept'; } let found = 0; for (let i = 0; i < 20; i += 1) if (Buffer.allocUnsafeSlow(1e6).includes('neighbour secret')) found += 1; return found;`,
        ),
        calls: [{ event: { secret: 'neighbour secret' }, expect: ok('kept') }, { expect: ok(0) }],
        models: ['ephemeral'],
      },
      isolate: {
        code: js(
          `if (event.secret) { globalThis.kept = new TextEncoder().encode(event.secret.repeat(20000)); return 'kept'; } let found = 0; for (let i = 0; i < 10; i += 1) if (new Uint8Array(1e6).some((byte) => byte !== 0)) found += 1; return found;`,
        ),
        calls: [{ event: { secret: 'neighbour secret' }, expect: ok('kept') }, { expect: ok(0) }],
      },
    },
  },
];

const LATE: readonly AttackCase[] = [
  {
    id: 65,
    group: 'cross',
    name: 'an answer under the token of the call before',
    harmless: true,
    attacks: {
      ...onBothNodes({
        code: file(`let late = null;
exports.handler = (event, context, callback) => {
  if (event.first) { late = callback; callback(null, 'first'); return; }
  late(null, 'forged'); late(new Error('forged'));
  setTimeout(() => { late(null, 'forged'); callback(null, 'second'); }, 5);
};`),
        calls: [
          { event: { first: true }, expect: ok('first') },
          { event: {}, expect: ok('second') },
        ],
        models: ['resident'],
      }),
      python3: {
        code: file(`
import asyncio, threading
kept = []
async def handler(event, context):
  done = asyncio.get_running_loop().create_future()
  for loop, other in kept:
    try: loop.call_soon_threadsafe(other.set_result, "forged")
    except RuntimeError: pass
  kept.append((asyncio.get_running_loop(), done))
  asyncio.get_running_loop().call_soon(done.set_result, event["n"])
  return await done
`),
        calls: [1, 2, 3].map((n) => ({ event: { n }, expect: ok(n) })),
        models: ['resident'],
      },
      provided: {
        code: { files: { bootstrap: STALE_SHELL } },
        calls: [{ expect: ok('none') }, { expect: ok('refused') }, { expect: ok('refused') }],
        models: ['resident'],
      },
    },
  },
  {
    id: 312,
    group: 'cross',
    name: 'timers that outlive their invocation',
    harmless: true,
    attacks: {
      isolate: {
        code: file(`let ran = 0;
exports.handler = async (event) => {
  if (event.leave) { setTimeout(() => { ran += 1; }, 1); setInterval(() => { ran += 1; }, 1); queueMicrotask(() => setTimeout(() => { ran += 1; }, 1)); return 'left'; }
  await new Promise((resolve) => setTimeout(resolve, 30));
  return ran;
};`),
        calls: [
          { event: { leave: true }, expect: ok('left') },
          { event: {}, expect: ok(0) },
        ],
        models: ['resident'],
      },
    },
  },
  {
    id: 313,
    group: 'cross',
    name: 'log lines that come after the answer',
    harmless: true,
    attacks: {
      isolate: {
        code: file(`let say = null;
exports.handler = async (event) => {
  if (event.first) { new Promise((resolve) => { say = resolve; }).then(() => console.log('late')); setTimeout(() => console.log('never'), 5); console.log('first'); return 1; }
  console.log('second');
  say(); await null;
  return 2;
};`),
        calls: [
          { event: { first: true }, expect: { ...ok(1), logs: ['first'] } },
          // The continuation runs in the second call's time, and is the second's: it never was in the first's log.
          { event: {}, expect: { ...ok(2), logs: ['second', 'late'] } },
        ],
        models: ['resident'],
      },
      nodejs24: {
        code: file(`let say = null;
exports.handler = async (event) => {
  if (event.first) { new Promise((resolve) => { say = resolve; }).then(() => console.log('late')); console.log('first'); return 1; }
  console.log('second');
  say(); await null;
  return 2;
};`),
        calls: [
          { event: { first: true }, expect: { ...ok(1), logs: ['first'] } },
          { event: {}, expect: { ...ok(2), logs: ['second', 'late'] } },
        ],
        models: ['resident'],
      },
    },
  },
];

const CLOCKS: readonly AttackCase[] = [
  {
    id: 66,
    group: 'cross',
    name: 'the finest clock that a function can read',
    harmless: true,
    attacks: {
      // Whole milliseconds wherever a function can ask for the time, and no shared memory to count in.
      isolate: {
        code: js(`const { performance: ticking, Date: Calendar } = globalThis; const clocks = { performance: () => ticking.now(), date: () => Number(new Calendar()), event: () => new Event('a').timeStamp, remaining: () => context.getRemainingTimeInMillis() };
          const whole = {}; const smallest = {};
          for (const [name, read] of Object.entries(clocks)) {
            let last = read(); whole[name] = Number.isInteger(last); smallest[name] = Infinity;
            for (let round = 0; round < 6; round += 1) {
              await new Promise((resolve) => setTimeout(resolve, 2));
              for (let i = 0; i < 2000; i += 1) { const now = read(); if (!Number.isInteger(now)) whole[name] = false; const step = Math.abs(now - last); if (step > 0 && step < smallest[name]) smallest[name] = step; last = now; }
            }
            smallest[name] = smallest[name] >= 1;
          }
          return { whole, smallest, shared: [typeof SharedArrayBuffer, typeof Atomics, typeof Worker, typeof WebAssembly] };`),
        calls: once(
          ok({
            whole: { performance: true, date: true, event: true, remaining: true },
            smallest: { performance: true, date: true, event: true, remaining: true },
            shared: ['undefined', 'undefined', 'undefined', 'undefined'],
          }),
        ),
      },
      // A container has the kernel's clock, in nanoseconds: nothing is promised there but cores that are shared.
      nodejs24: {
        code: js(
          'const steps = []; for (let i = 0; i < 1000; i += 1) steps.push(Number(process.hrtime.bigint() - process.hrtime.bigint())); return steps.some((step) => -step < 1e6);',
        ),
        calls: once(ok(true)),
      },
      python3: {
        code: python(
          'before = time.perf_counter_ns()\nsteps = [time.perf_counter_ns() for _ in range(1000)]\nreturn min(b - a for a, b in zip(steps, steps[1:])) < 1000000',
        ),
        calls: once(ok(true)),
      },
    },
  },
];

export const CROSS_CASES: readonly AttackCase[] = [
  ...STATE,
  ...LATE,
  ...CLOCKS,
  ...TENANT_CASES,
  ...BILLING_CASES,
];
