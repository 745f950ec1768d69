/**
 * Attacks of one invocation on the next: what it leaves behind in the language, on disk and in memory.
 */
import { type AttackCase, type Expectation, file, js, onBothNodes } from '../case.ts';
import { BILLING_CASES } from './cross-billing.ts';
import { LATE_CASES } from './cross-late.ts';
import { TENANT_CASES } from './cross-tenants.ts';

const ok = (result: unknown): Expectation => ({ code: 'succeeded', result });
/** The same call again finds what the first one found. */
const twice = (result: unknown) => [{ expect: ok(result) }, { expect: ok(result) }];

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

export const CROSS_CASES: readonly AttackCase[] = [
  ...STATE,
  ...LATE_CASES,
  ...TENANT_CASES,
  ...BILLING_CASES,
];
