/**
 * What only Python's shim promises: Python as it is, threads, logging, and children that know nothing of their zygote.
 */
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Files, type LoadOptions, removeFolders, ShimProcess } from './shim-process.ts';

interface Case {
  readonly name: string;
  readonly files: Files | string;
  readonly handler?: string;
  readonly event?: unknown;
  readonly result: unknown;
}

const RESULTS: readonly Case[] = [
  {
    name: 'sqlite, also a connection that was opened while loading',
    files:
      'import sqlite3\ndb = sqlite3.connect(":memory:")\ndb.execute("create table t (n integer, s text)")\ndef handler(event, context):\n  db.executemany("insert into t values (?, ?)", event)\n  return db.execute("select sum(n), group_concat(s) from t").fetchone()',
    event: [
      [1, 'a'],
      [2, 'ü'],
    ],
    result: [3, 'a,ü'],
  },
  {
    name: 'zip files, gzip, hashes and base64',
    files:
      'import base64, gzip, hashlib, io, zipfile\ndef handler(event, context):\n  data = io.BytesIO()\n  with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as z: z.writestr("a/b.txt", event["text"] * 1000)\n  with zipfile.ZipFile(data) as z: text = z.read("a/b.txt").decode()\n  return [len(text), len(data.getvalue()) < 500, gzip.decompress(gzip.compress(b"x")).decode(), hashlib.sha256(b"").hexdigest()[:8], base64.b64encode("ü".encode()).decode()]',
    event: { text: 'Grüße' },
    result: [5000, true, 'x', 'e3b0c442', 'w7w='],
  },
  {
    name: 'what json makes of tuples and keys',
    files: 'def handler(event, context): return {2: (1, 2), None: "n", True: 0.5, "ü": "🌍"}',
    result: { '2': [1, 2], null: 'n', true: 0.5, ü: '🌍' },
  },
  {
    name: 'packages, namespace folders, and imports relative to them',
    handler: 'pkg/sub/app.handler',
    files: {
      'pkg/__init__.py': 'name = "pkg"',
      'pkg/util.py': 'def twice(n): return n * 2',
      'pkg/sub/app.py':
        'from ..util import twice\nfrom .. import name\nimport lib.deep.mod as m\ndef handler(event, context): return [name, twice(4), m.x, __name__]',
      'lib/deep/mod.py': 'x = "namespace"',
    },
    result: ['pkg', 8, 'namespace', 'pkg.sub.app'],
  },
  {
    name: 'the module’s name is the file’s, and it is not the main program',
    files:
      'import sys\ndef handler(event, context): return [__name__, sys.modules["index"].handler is handler, "zygote" in sys.modules, hasattr(sys.modules["__main__"], "main")]\nif __name__ == "__main__": raise SystemExit(9)',
    result: ['index', true, false, false],
  },
  {
    name: 'a file of the function’s own that is named like one of the library’s',
    files: {
      'index.py':
        'import queue, json, statistics\ndef handler(event, context): return [queue.mine, json.dumps([1]), statistics.mean([1, 3])]',
      'queue.py': 'mine = True',
    },
    result: [true, '[1]', 2],
  },
  {
    name: 'a handler’s file that is named like one of the library’s',
    handler: 'string.handler',
    files: { 'string.py': 'def handler(event, context): return "mine"' },
    result: 'mine',
  },
  {
    name: 'any callable, and anything that can be awaited',
    files:
      'import asyncio\nclass Handler:\n  def __call__(self, event, context): return asyncio.gather(self.one(1), self.one(2)) if False else self.both()\n  async def both(self): return await asyncio.gather(self.one(1), self.one(2))\n  async def one(self, n):\n    await asyncio.sleep(0)\n    return n\nhandler = Handler()',
    result: [1, 2],
  },
  {
    name: 'the context as Lambda has it',
    files:
      'def handler(event, c): return [c.invoked_function_arn, c.log_group_name, c.log_stream_name, c.memory_limit_in_mb, c.client_context, c.identity]',
    result: ['arn:aws:lambda:strata:000000000000:function:f', '/aws/lambda/f', '[7]', 128, null, null],
  },
  {
    name: 'an ordinary process: its user, its session, its signals, its descriptors',
    files:
      'import os, signal, threading\ndef handler(event, c):\n  uid = os.getuid()\n  return [uid == os.geteuid() == os.getgid() or os.getppid() == 0, uid != 0, os.getgroups() in ([], [os.getgid()]), os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, threading.current_thread() is threading.main_thread(), threading.active_count(), sorted(int(n) for n in os.listdir("/proc/self/fd"))[:4], open("/proc/self/oom_score_adj").read().strip()]',
    result: [true, true, true, true, true, true, true, 1, [0, 1, 2, 3], '500'],
  },
  {
    name: 'patched builtins hurt only the function',
    files:
      'import json, time, os\ndef handler(event, context):\n  json.dumps = json.loads = time.time = time.monotonic = None\n  os._exit = os.write = None\n  print("x")\n  return event',
    event: { fine: 1 },
    result: { fine: 1 },
  },
];

const INVALID: readonly (readonly [name: string, value: string, detail: RegExp])[] = [
  ['NaN', 'float("nan")', /^The handler returned a value of type float that is not JSON: Out of range/],
  [
    'infinity inside',
    '[float("inf")]',
    /^The handler returned a value of type list that is not JSON: Out of range/,
  ],
  ['a set', '{1}', /type set that is not JSON: Object of type set is not JSON serializable$/],
  ['bytes', 'b"x"', /type bytes that is not JSON/],
  ['a key that is no key', '{(1,): 2}', /type dict that is not JSON: keys must be/],
];

describe('the shim of Python', () => {
  let shim: ShimProcess;
  afterEach(() => shim.stop());
  afterAll(removeFolders);

  const started = async (code: Files | string, spec?: LoadOptions): Promise<void> => {
    shim = await ShimProcess.start('python');
    const loaded = await shim.load(typeof code === 'string' ? { 'index.py': code } : code, spec);
    expect(loaded.failure).toBeNull();
  };

  it.each(RESULTS)('runs what plain Python runs: $name', async ({ files, handler, event, result }) => {
    await started(files, handler === undefined ? {} : { handler });
    const answer = await shim.invoke(event);
    expect(answer.failure).toBeNull();
    expect(JSON.parse(answer.resultJson ?? '')).toEqual(result);
  });

  it.each(INVALID)('refuses a result that is not strict JSON: %s', async (_, value, detail) => {
    await started(`def handler(event, context): return ${value}`);
    const { failure } = await shim.invoke();
    expect(failure).toMatchObject({ code: 'result_invalid', error: null });
    expect(failure?.detail).toMatch(detail);
  });

  it('refuses an event with constants that JSON does not know', async () => {
    await started('def handler(event, context): return 1');
    expect((await shim.invokeText('[NaN]')).failure).toMatchObject({
      code: 'invalid_request',
      detail: 'The event is not JSON: NaN is not JSON',
    });
  });

  it('tells the traceback of the function’s own frames, with what caused it', async () => {
    await started(
      'def inner():\n  return {}["k"]\ndef handler(event, context):\n  try: inner()\n  except KeyError as e: raise ValueError("outer") from e',
    );
    const { failure } = await shim.invoke();
    expect(failure?.error).toMatchObject({ type: 'ValueError', message: 'outer' });
    const files = failure?.error?.stack.match(/File "([^"]+)", line \d+, in \w+/g);
    expect(files).toEqual([
      `File "${shim.codePath}/index.py", line 4, in handler`,
      `File "${shim.codePath}/index.py", line 2, in inner`,
      `File "${shim.codePath}/index.py", line 5, in handler`,
    ]);
    expect(failure?.error?.stack).toMatch(/direct cause[\s\S]*\nValueError: outer$/);
  });

  it('gives lines of logging their level, whatever handler is set up', async () => {
    await started(
      'import logging\nlog = logging.getLogger("mine")\ndef handler(event, context):\n  if event.get("basic"): logging.basicConfig(level=logging.DEBUG, format="%(name)s %(levelname)s %(message)s")\n  else: logging.getLogger().setLevel(logging.INFO)\n  log.debug("d")\n  log.info("i %d", 1)\n  log.warning("two\\nlines")\n  try: 1 / 0\n  except ZeroDivisionError: log.exception("e")',
    );
    const plain = await shim.invoke();
    expect(plain.logs.slice(0, 2)).toEqual([
      ['info', 'i 1'],
      ['warn', 'two\nlines'],
    ]);
    expect(plain.logs[2]?.[0]).toBe('error');
    expect(plain.logs[2]?.[1]).toMatch(/^e\nTraceback[\s\S]*ZeroDivisionError: division by zero$/);
    const basic = await shim.invoke({ basic: true });
    expect(basic.logs.slice(0, 2)).toEqual([
      ['debug', 'mine DEBUG d'],
      ['info', 'mine INFO i 1'],
    ]);
  });

  it('gives what a thread prints to the invocation that started it', async () => {
    await started(
      'import asyncio, threading\nfrom concurrent.futures import ThreadPoolExecutor\ngate = threading.Barrier(2)\nasync def later(name): await asyncio.to_thread(print, name, "to_thread")\ndef handler(event, context):\n  name = event["name"]\n  gate.wait()\n  thread = threading.Thread(target=print, args=(name, "thread"))\n  thread.start()\n  thread.join()\n  with ThreadPoolExecutor(1) as pool: pool.submit(print, name, "pool").result()\n  asyncio.run(later(name))\n  gate.wait()',
    );
    const answers = await Promise.all([shim.invoke({ name: 'a' }), shim.invoke({ name: 'b' })]);
    for (const [index, name] of ['a', 'b'].entries()) {
      expect(answers[index]?.logs).toEqual([
        ['info', `${name} thread`],
        ['info', `${name} pool`],
        ['info', `${name} to_thread`],
      ]);
    }
  });

  it('calls on the main thread as long as nothing overlaps', async () => {
    await started(
      'import threading\ndef handler(event, context): return threading.current_thread() is threading.main_thread()',
    );
    for (let round = 0; round < 200; round += 1) expect((await shim.invoke()).resultJson).toBe('true');
  });

  it('takes as many invocations at once as come, and goes on after them', async () => {
    await started(
      'import threading\ngate = threading.Barrier(32)\ndef handler(event, context):\n  if event["wait"]: gate.wait()\n  return event["n"]',
    );
    const many = Array.from({ length: 32 }, (_, n) => shim.invoke({ wait: true, n }));
    expect((await Promise.all(many)).map(({ resultJson }) => Number(resultJson))).toEqual(
      Array.from({ length: 32 }, (_, n) => n),
    );
    expect((await shim.invoke({ wait: false, n: 5 })).resultJson).toBe('5');
  });

  it('ends as sys.exit says, from a thread of an overlapping invocation, too', async () => {
    await started(
      'import sys, threading\ngate = threading.Barrier(2)\ndef handler(event, context):\n  gate.wait()\n  if event["go"] and threading.current_thread() is not threading.main_thread(): sys.exit("the reason")\n  threading.Event().wait()',
    );
    void shim.invoke({ go: true });
    void shim.invoke({ go: true });
    expect(await shim.exited).toMatchObject({ code: 1, stderr: 'the reason\n' });
  });

  it('ends with the code of sys.exit while loading', async () => {
    shim = await ShimProcess.start('python');
    void shim.load({ 'index.py': 'import sys\nprint("bye")\nsys.exit(7)' });
    expect(await shim.exited).toMatchObject({ code: 7, unanswered: [['info', 'bye']] });
  });

  it('lets no copy of the process answer', async () => {
    await started(
      'import os\ndef handler(event, context):\n  return "child" if os.fork() == 0 else "parent"',
    );
    for (let round = 0; round < 5; round += 1) expect((await shim.invoke()).resultJson).toBe('"parent"');
  });
});
