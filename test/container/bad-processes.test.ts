/**
 * Functions that do to their container what a program can: each a typed error or an honest result, nothing left of
 * it for the next invocation, and the next invocation works.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { FunctionSpecInput } from '../../src/core/spec.ts';
import { describeContainers } from './availability.ts';
import { type ContainerBench, openContainerBench } from './bench.ts';

let bench: ContainerBench;

const node = (body: string): string =>
  `const fs = require('node:fs'); exports.handler = async (event) => { ${body} };`;
const python = (body: string): string =>
  `import os, sys, time, errno\ndef handler(event, context):\n${body.replaceAll(/^/gm, '  ')}\n`;

/** Names the error of an attempt instead of failing by it. */
const NODE_TRY = `const attempt = (what) => { try { what(); return 'done'; } catch (e) { return e.code; } };`;
const PYTHON_TRY = `
def attempt(what):
  try:
    what()
    return "done"
  except OSError as e:
    return errno.errorcode[e.errno]
`;

type Spec = Partial<FunctionSpecInput>;

const FAILURES: [
  what: string,
  runtime: 'nodejs24' | 'python3',
  source: string,
  code: ErrorCode,
  detail: RegExp,
  spec?: Spec,
][] = [
  ['exits with code 0', 'nodejs24', node('process.exit(0);'), 'sandbox_exited', /exit code 0/],
  [
    'exits with code 3 behind its answer',
    'nodejs24',
    node('setImmediate(() => process.exit(3)); return new Promise(() => {});'),
    'sandbox_exited',
    /exit code 3/,
  ],
  ['exits with code 0', 'python3', python('os._exit(0)'), 'sandbox_exited', /exit code 0/],
  ['aborts', 'nodejs24', node('process.abort();'), 'sandbox_exited', /signal 6/],
  ['kills itself', 'python3', python('os.kill(os.getpid(), 9)'), 'sandbox_exited', /signal 9/],
  [
    'kills all it can',
    'nodejs24',
    node('try { process.kill(-1, "SIGKILL"); } catch {} process.kill(process.pid, "SIGKILL");'),
    'sandbox_exited',
    /signal 9/,
  ],
  [
    'stops itself',
    'nodejs24',
    node('process.kill(process.pid, "SIGSTOP"); return 1;'),
    'function_timeout',
    /./,
    { timeoutMs: 500 },
  ],
  [
    'stops itself',
    'python3',
    python('os.kill(os.getpid(), 19)'),
    'function_timeout',
    /./,
    { timeoutMs: 500 },
  ],
  [
    'closes its channel',
    'nodejs24',
    node('fs.closeSync(3); return new Promise((r) => setTimeout(r, 600000));'),
    'sandbox_exited',
    /channel/,
  ],
  [
    'closes its channel',
    'python3',
    python('os.close(3)\ntime.sleep(600)'),
    'function_timeout',
    /./,
    { timeoutMs: 500 },
  ],
  [
    'closes every descriptor',
    'python3',
    python('os.closerange(0, 1024)\ntime.sleep(600)'),
    'function_timeout',
    /./,
    { timeoutMs: 500 },
  ],
  [
    'writes an answer of its own to the channel',
    'python3',
    python('os.write(3, b"\\\\x00" * 4096)\ntime.sleep(600)'),
    'protocol_error',
    /./,
  ],
  [
    'uses memory without end',
    'python3',
    python('kept = []\nwhile True: kept.append(b"x" * 1000000)'),
    'memory_limit',
    /64 MB/,
    { memoryMb: 64 },
  ],
  [
    'fills /tmp beyond its memory',
    'python3',
    python('with open("/tmp/full", "wb") as f:\n  while True: f.write(b"x" * 1000000)'),
    'memory_limit',
    /48 MB/,
    { memoryMb: 48 },
  ],
  [
    'forks without end',
    'python3',
    python('while True:\n  try: os.fork()\n  except OSError: pass'),
    'function_timeout',
    /./,
    { timeoutMs: 1_500, memoryMb: 512 },
  ],
  [
    'forks without end, each in a session of its own',
    'python3',
    python('while True:\n  try:\n    if os.fork() == 0: os.setsid()\n  except OSError: pass'),
    'function_timeout',
    /./,
    { timeoutMs: 1_500, memoryMb: 512 },
  ],
  [
    'ignores every signal',
    'python3',
    python(
      'import signal\nfor n in range(1, 65):\n  try: signal.signal(n, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass',
    ),
    'function_timeout',
    /./,
    { timeoutMs: 500 },
  ],
  ['blocks the loop', 'nodejs24', node('for (;;);'), 'cpu_limit', /./, { cpuMs: 200 }],
  [
    'overflows its stack',
    'nodejs24',
    node('const f = () => f() + 1; return f();'),
    'function_error',
    /RangeError/,
  ],
  [
    'overflows its stack',
    'python3',
    python('def f(): return f() + 1\nreturn f()'),
    'function_error',
    /RecursionError/,
  ],
  ['raises SystemExit', 'python3', python('sys.exit(0)'), 'sandbox_exited', /exit code 0/],
];

await describeContainers(
  'a function that misbehaves in a container',
  ['nodejs24', 'python3', 'provided'],
  () => {
    beforeAll(async () => {
      bench = await openContainerBench({ limits: { logMaxBytes: 10_000 } });
      await bench.deploy('good-nodejs24', 'nodejs24', 'exports.handler = (event) => event;');
      await bench.deploy('good-python3', 'python3', 'def handler(event, context):\n  return event\n');
    });
    afterAll(() => bench.close());
    afterEach(async () => {
      for (const runtime of ['nodejs24', 'python3'])
        expect(await bench.result(`good-${runtime}`, { n: 1 })).toEqual({ n: 1 });
    });

    it.each(FAILURES)('%s (%s)', async (_what, runtime, source, code, detail, spec = {}) => {
      await bench.deploy('bad', runtime, source, spec);
      for (const _time of [1, 2]) {
        const { failure } = await bench.failure('bad');
        expect(failure).toMatchObject({ code, detail: expect.stringMatching(detail) });
      }
    });

    describe('that writes without end', () => {
      it.each<[string, 'nodejs24' | 'python3', string]>([
        [
          'lines to the console',
          'nodejs24',
          node('for (let i = 0; i < 200000; i++) console.log("line", i); return "told";'),
        ],
        ['one line', 'nodejs24', node('process.stdout.write("x".repeat(50e6)); return "told";')],
        [
          'to the descriptors',
          'nodejs24',
          node('for (let i = 0; i < 500; i++) fs.writeSync(2, "y".repeat(65536)); return "told";'),
        ],
        ['lines', 'python3', python('for i in range(200000): print("line", i)\nreturn "told"')],
        [
          'bytes that are no text',
          'python3',
          python('for i in range(500): os.write(1, bytes(range(256)) * 256)\nreturn "told"'),
        ],
        [
          'by a child',
          'python3',
          python(
            'import subprocess\nsubprocess.run([sys.executable, "-c", "print(\'z\' * 50000000)"], check=True)\nreturn "told"',
          ),
        ],
      ])('%s (%s) answers, with its log cut off', async (_what, runtime, source) => {
        await bench.deploy('loud', runtime, source, { memoryMb: 512 });
        const { result, receipt } = await bench.invoke('loud');
        expect(result).toBe('told');
        expect(receipt.logTruncated).toBe(true);
        const lines = bench.logs(receipt.invocationId);
        expect(Buffer.byteLength(lines.join(''))).toBeLessThan(30_000);
        // Its budget is that of an invocation, so that the next one is heard again.
        expect((await bench.invoke('loud')).receipt.logTruncated).toBe(true);
      });
    });

    describe('cannot', () => {
      it('signal the agent, write where its code lies, or change its limits', async () => {
        const body = `${NODE_TRY}
        return [
          attempt(() => process.kill(1, 'SIGKILL')), attempt(() => process.kill(process.ppid, 'SIGTERM')),
          attempt(() => fs.writeFileSync(__filename, '')), attempt(() => fs.writeFileSync(__dirname + '/new', '')),
          attempt(() => fs.rmSync(__dirname, { recursive: true })), attempt(() => fs.writeFileSync('/etc/passwd', '')),
          attempt(() => fs.writeFileSync('/proc/1/oom_score_adj', '1000')), attempt(() => fs.readdirSync('/run/strata').map((f) => fs.unlinkSync('/run/strata/' + f))),
          fs.readdirSync('/run/strata'),
        ];`;
        await bench.deploy('curious', 'nodejs24', node(body));
        const [kill, parent, file, beside, folder, passwd, score, , sockets] = (await bench.result(
          'curious',
        )) as string[];
        expect([kill, parent]).toEqual(['EPERM', 'EPERM']);
        for (const refused of [file, beside, folder, passwd, score])
          expect(refused).toMatch(/^E(?:ACCES|ROFS|PERM)$/);
        expect(sockets).toEqual([]);
      });

      it('fill more of /tmp than its size, in bytes or in files, and the next of its process model finds it empty', async () => {
        const source = `${python(`
def bytes_():
  with open("/tmp/full", "wb", buffering=0) as f:
    while True: f.write(b"x" * 1000000)
def files():
  for i in range(1000000): open("/tmp/" + str(i), "wb").close()
before = os.listdir("/tmp")
first = attempt(bytes_)
size = os.path.getsize("/tmp/full")
os.unlink("/tmp/full")
return {"before": before, "bytes": first, "mb": round(size / 1048576), "files": attempt(files), "count": len(os.listdir("/tmp")) > 1000}`)}${PYTHON_TRY}`;
        await bench.deploy('filler', 'python3', source, { memoryMb: 256, processModel: 'ephemeral' });
        for (const _time of [1, 2])
          expect(await bench.result('filler')).toEqual({
            ...{ before: [], bytes: 'ENOSPC', mb: 64, files: 'ENOSPC', count: true },
          });
      });

      it.each(['ephemeral', 'resident'] as const)(
        'leave a daemon behind when it is %s and ends',
        async (processModel) => {
          const source = python(`
mine = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid != str(os.getpid()) and os.stat("/proc/" + pid).st_uid == os.getuid()]
if event.get("spawn"):
  ready, told = os.pipe()
  if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
      os.write(told, b"x")
      while True: time.sleep(1)
    os._exit(0)
  os.wait()
  os.read(ready, 1)
if event.get("exit"): os._exit(1)
return len(mine)`);
          await bench.deploy('daemons', 'python3', source, { processModel });
          expect(await bench.result('daemons', { spawn: true })).toBe(0);
          // A resident one is its own neighbour until its process ends.
          expect(await bench.result('daemons', {})).toBe(processModel === 'resident' ? 1 : 0);
          expect((await bench.failure('daemons', { spawn: true, exit: true })).failure.code).toBe(
            'sandbox_exited',
          );
          expect(await bench.result('daemons', {})).toBe(0);
        },
      );

      it('leave files behind for the next when it was killed', async () => {
        const source = python(
          'seen = os.listdir("/tmp")\nopen("/tmp/mark", "w").close()\nif event.get("exit"): os._exit(1)\nreturn seen',
        );
        await bench.deploy('marks', 'python3', source);
        expect(await bench.result('marks')).toEqual([]);
        expect(await bench.result('marks')).toEqual(['mark']);
        await bench.failure('marks', { exit: true });
        expect(await bench.result('marks')).toEqual([]);
      });
    });
  },
);
