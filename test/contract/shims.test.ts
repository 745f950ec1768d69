/**
 * What the language shims promise, as one table with a source in each language, against real processes.
 */
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Files, type Language, type LoadOptions, removeFolders, ShimProcess } from './shim-process.ts';

interface Claim {
  readonly claim: string;
  readonly node: Files | string;
  readonly python: Files | string;
  readonly spec?: LoadOptions;
  readonly event?: unknown;
  /** What the handler returns. */
  readonly result?: unknown;
  readonly failure?: object;
  readonly loadFailure?: object;
  readonly logs?: readonly (readonly [level: string, message: string])[];
  readonly loadLogs?: readonly (readonly [level: string, message: string])[];
}

const LANGUAGES: readonly Language[] = ['node', 'python'];
const detail = (text: string | RegExp): unknown => expect.stringMatching(text);

const CLAIMS: readonly Claim[] = [
  {
    claim: 'a plain value is the result',
    node: 'exports.handler = (event) => ({ got: event.text, list: [1, 2.5, null, true] });',
    python: 'def handler(event, context):\n  return {"got": event["text"], "list": (1, 2.5, None, True)}',
    event: { text: 'Grüße 🌍' },
    result: { got: 'Grüße 🌍', list: [1, 2.5, null, true] },
  },
  {
    claim: 'what an asynchronous handler comes to is the result',
    node: 'exports.handler = async (event) => { await new Promise((go) => setTimeout(go, 2)); return event.n + 1; };',
    python:
      'import asyncio\nasync def handler(event, context):\n  await asyncio.sleep(0.002)\n  return event["n"] + 1',
    event: { n: 41 },
    result: 42,
  },
  {
    claim: 'nothing is null',
    node: 'exports.handler = () => {};',
    python: 'def handler(event, context): pass',
    result: null,
  },
  {
    claim: 'the handler lies in a folder, with what it imports from beside it and from above',
    spec: { handler: 'src/app.main' },
    node: {
      'src/app.js': 'exports.main = () => [require("./near").name, require("../top.json").n];',
      'src/near.js': 'exports.name = "near";',
      'top.json': '{"n":7}',
    },
    python: {
      'src/app.py': 'from .near import name\nimport top\ndef main(event, context): return [name, top.n]',
      'src/near.py': 'name = "near"',
      'top.py': 'n = 7',
    },
    result: ['near', 7],
  },
  {
    claim: 'the environment is the base and the function’s own, and nothing is left of the process’s',
    spec: { env: { GREETING: 'hello', TZ: 'Asia/Tokyo' } },
    node: 'exports.handler = () => [process.env.GREETING, process.env.LEFT ?? null, process.env.HOME, process.env.PATH, process.cwd() === process.env.LAMBDA_TASK_ROOT, process.cwd() === __dirname, new Date(0).getHours()];',
    python:
      'import os, time\ndef handler(event, context):\n  e = os.environ\n  return [e["GREETING"], e.get("LEFT"), e["HOME"], e["PATH"], os.getcwd() == e["LAMBDA_TASK_ROOT"], os.getcwd() == os.path.dirname(__file__), time.localtime(0).tm_hour]',
    result: ['hello', null, '/tmp', '/usr/local/bin:/usr/bin:/bin', true, true, 9],
  },
  {
    claim: 'the context tells who is called, and how much time is left',
    node: 'exports.handler = (_, c) => { const ms = c.getRemainingTimeInMillis(); return [c.functionName, c.functionVersion, c.memoryLimitInMB, c.awsRequestId, c.invocationId, ms > 2000 && ms <= 3000]; };',
    python:
      'def handler(event, c):\n  ms = c.get_remaining_time_in_millis()\n  return [c.function_name, c.function_version, c.memory_limit_in_mb, c.aws_request_id, c.invocation_id, 2000 < ms <= 3000]',
    result: ['f', '7', 128, 'id-2', 'id-2', true],
  },
  {
    claim: 'an initializer runs once, before the first invocation',
    spec: { initializer: 'setup.init' },
    node: {
      'index.js': 'const s = require("./setup"); exports.handler = () => s.state;',
      'setup.js':
        'exports.state = []; exports.init = async (c) => { await 0; exports.state.push(c.functionName); console.log("ready"); };',
    },
    python: {
      'index.py': 'import setup\ndef handler(event, context): return setup.state',
      'setup.py':
        'state = []\nasync def init(context):\n  state.append(context.function_name)\n  print("ready")',
    },
    loadLogs: [['info', 'ready']],
    result: ['f'],
  },
  {
    claim: 'an initializer that fails is an init_error',
    spec: { initializer: 'index.init' },
    node: 'exports.handler = () => 1; exports.init = () => { throw new TypeError("no"); };',
    python: 'def handler(event, context): pass\ndef init(context): raise TypeError("no")',
    loadFailure: { code: 'init_error', detail: 'The initializer failed with TypeError: no' },
  },
  {
    claim: 'an exception is a function_error with its type, message and the function’s own frames',
    node: 'const inner = () => { throw new RangeError("too far"); };\nexports.handler = () => inner();',
    python:
      'class RangeError(Exception): pass\ndef inner(): raise RangeError("too far")\ndef handler(event, context): return inner()',
    failure: {
      code: 'function_error',
      detail: 'The handler failed with RangeError: too far',
      error: { type: 'RangeError', message: 'too far', stack: detail(/inner/) },
    },
  },
  {
    claim: 'a failure of an asynchronous handler is the same',
    node: 'exports.handler = async () => { await 0; throw new Error("later"); };',
    python: 'async def handler(event, context): raise ValueError("later")',
    failure: { code: 'function_error', detail: detail(/^The handler failed with \w*Error: later$/) },
  },
  {
    claim: 'an exception whose message cannot be read is a failure all the same',
    node: 'exports.handler = () => { throw { get message() { throw 1; }, get stack() { throw 2; }, get name() { throw 3; } }; };',
    python:
      'class Bad(Exception):\n  def __str__(self): raise ValueError\ndef handler(event, context): raise Bad()',
    failure: { code: 'function_error', detail: detail(/^The handler failed with (Object|Bad): /) },
  },
  {
    claim: 'recursion without end is a function_error, and the function serves on',
    node: 'const down = () => down() + 1; exports.handler = (e) => (e.deep ? down() : "up");',
    python:
      'def down(): return down() + 1\ndef handler(event, context): return down() if event.get("deep") else "up"',
    event: { deep: true },
    failure: { code: 'function_error', detail: detail(/^The handler failed with R\w+Error: /) },
  },
  {
    claim: 'what is not JSON is result_invalid',
    node: 'exports.handler = () => { const a = {}; a.a = a; return a; };',
    python: 'def handler(event, context):\n  a = {}\n  a["a"] = a\n  return a',
    failure: { code: 'result_invalid', detail: detail(/that is not JSON: .*[Cc]ircular/), error: null },
  },
  {
    claim: 'a result over the limit says by how much',
    spec: { resultMaxBytes: 100 },
    node: 'exports.handler = () => "x".repeat(200);',
    python: 'def handler(event, context): return "x" * 200',
    failure: {
      code: 'result_too_large',
      detail: 'The result has 202 characters of JSON; the limit is 100.',
      limit: { kind: 'resultBytes', configured: 100, observed: 202 },
    },
  },
  {
    claim: 'the limit counts bytes, not characters',
    spec: { resultMaxBytes: 100 },
    node: 'exports.handler = () => "ü".repeat(80);',
    python: 'def handler(event, context): return "ü" * 80',
    failure: {
      code: 'result_too_large',
      detail: 'The result has 162 bytes; 100 are allowed. Return less, or store the data elsewhere.',
      limit: { kind: 'resultBytes', configured: 100, observed: 162 },
    },
  },
  {
    claim: 'half a surrogate pair comes as an escape',
    node: 'exports.handler = () => "\\ud800";',
    python: 'def handler(event, context): return "\\ud800"',
    result: '\ud800',
  },
  {
    claim: 'a handler that is not there is named, with what there is',
    spec: { handler: 'index.run' },
    node: 'exports.other = 1; exports.more = 2;',
    python: 'other = 1\nmore = 2',
    loadFailure: {
      code: 'init_error',
      detail: detail(
        /^The handler was not found: index\.(js|py) has no export 'run': it exports 'other', 'more'\.$/,
      ),
    },
  },
  {
    claim: 'a handler that is no function is said to be none',
    node: 'exports.handler = 5;',
    python: 'handler = 5',
    loadFailure: {
      detail: detail(
        /^The handler was not found: index\.(js|py) exports 'handler', but it is not a function: 5\.$/,
      ),
    },
  },
  {
    claim: 'a syntax error names file and line',
    node: 'const fine = 1;\nlet broken = ;\n',
    python: 'fine = 1\nbroken = ;\n',
    loadFailure: {
      code: 'init_error',
      detail: detail(/^Loading the code failed with SyntaxError: .*index\.(js:2:14|py, line 2)/),
      error: expect.objectContaining({ type: 'SyntaxError' }),
    },
  },
  {
    claim: 'an error that raises whatever it is asked about itself is an error all the same',
    node: 'class Liar extends Error { get name() { throw 1; } } Object.defineProperty(Liar.prototype, "constructor", { get() { throw 2; } }); exports.handler = () => { throw new Liar("x"); };',
    python:
      'class Meta(type):\n  @property\n  def __name__(cls): raise ValueError(1)\nclass Liar(Exception, metaclass=Meta):\n  def __getattribute__(self, name): raise ValueError(2)\ndef handler(event, context): raise Liar("x")',
    failure: {
      code: 'function_error',
      error: { message: 'x' },
    },
  },
  {
    claim: 'a result whose class raises when it is asked for its name is no JSON, and no more',
    node: 'exports.handler = () => { const cycle = { get constructor() { throw 1; } }; cycle.self = cycle; return cycle; };',
    python:
      'class Meta(type):\n  @property\n  def __name__(cls): raise ValueError(1)\nclass Liar(metaclass=Meta): pass\ndef handler(event, context): return Liar()',
    failure: { code: 'result_invalid' },
  },
  {
    claim: 'an import that leads nowhere is named',
    node: 'require("./gone"); exports.handler = () => 1;',
    python: 'import gone\ndef handler(event, context): pass',
    loadFailure: { code: 'init_error', detail: detail(/^Loading the code failed with \w*Error: .*gone/) },
  },
  {
    claim: 'lines while loading are the load’s, and an exception there is an init_error',
    node: 'console.log("before"); throw new Error("boom");',
    python: 'print("before")\nraise Exception("boom")',
    loadLogs: [['info', 'before']],
    loadFailure: {
      code: 'init_error',
      detail: detail(/^Loading the code failed with (Error|Exception): boom$/),
    },
  },
  {
    claim: 'lines have levels, and one without an end is told at the end',
    node: 'exports.handler = () => { console.log("a", 1); console.error("b"); process.stdout.write("c\\nd"); process.stdout.write("e"); process.stderr.write("f\\n\\n"); };',
    python:
      'import sys\ndef handler(event, context):\n  print("a", 1)\n  print("b", file=sys.stderr)\n  sys.stdout.write("c\\nd")\n  sys.stdout.write("e")\n  sys.stderr.write("f\\n\\n")',
    logs: [
      ['info', 'a 1'],
      ['error', 'b'],
      ['info', 'c'],
      ['error', 'f'],
      ['error', ''],
      ['info', 'de'],
    ],
    result: null,
  },
  {
    claim: 'bytes that are written may break a character in two',
    node: 'exports.handler = () => { process.stdout.write(Buffer.from([0xc3])); process.stdout.write(Buffer.from([0xbc, 10])); };',
    python:
      'import sys\ndef handler(event, context):\n  sys.stdout.buffer.write(b"\\xc3")\n  sys.stdout.buffer.write(b"\\xbc\\n")',
    logs: [['info', 'ü']],
    result: null,
  },
  {
    claim: 'an endless line is cut into several',
    node: 'exports.handler = () => { process.stdout.write("x".repeat(20000)); };',
    python: 'import sys\ndef handler(event, context):\n  sys.stdout.write("x" * 20000)',
    logs: [
      ['info', 'x'.repeat(8192)],
      ['info', 'x'.repeat(8192)],
      ['info', 'x'.repeat(20_000 - 2 * 8192)],
    ],
    result: null,
  },
  {
    claim: 'large events and results pass whole',
    node: 'exports.handler = (e) => e;',
    python: 'def handler(e, c): return e',
    event: { text: 'ü€🌍'.repeat(90_000), list: Array.from({ length: 1_000 }, (_, n) => n) },
    result: { text: 'ü€🌍'.repeat(90_000), list: Array.from({ length: 1_000 }, (_, n) => n) },
  },
  {
    claim: 'the event is what was sent, and the process is tidy',
    node: 'exports.handler = (e) => [e, process.argv.length, process.argv[1] === __filename, process.execArgv];',
    python: 'import sys\ndef handler(e, c): return [e, len(sys.argv) + 1, sys.argv[0] == __file__, []]',
    event: [1, 'two', { three: [] }],
    result: [[1, 'two', { three: [] }], 2, true, []],
  },
];

const ENTRY = { node: 'index.js', python: 'index.py' } as const;
const filesOf = (language: Language, code: Files | string): Files =>
  typeof code === 'string' ? { [ENTRY[language]]: code } : code;

describe.each(LANGUAGES)('the shim of %s', (language) => {
  let shim: ShimProcess;
  afterEach(() => shim.stop());
  afterAll(removeFolders);

  const started = async (code: Files | string, spec?: LoadOptions): Promise<ShimProcess> => {
    shim = await ShimProcess.start(language);
    expect((await shim.load(filesOf(language, code), spec)).failure).toBeNull();
    return shim;
  };

  it.each(CLAIMS)('$claim', async (claim) => {
    shim = await ShimProcess.start(language);
    const loading = shim.load(filesOf(language, claim[language]), claim.spec);
    const invoking = claim.loadFailure === undefined ? shim.invoke(claim.event) : null;
    const loaded = await loading;
    if (claim.loadLogs !== undefined) expect(loaded.logs).toEqual(claim.loadLogs);
    if (claim.loadFailure !== undefined) {
      expect(loaded.failure).toMatchObject(claim.loadFailure);
      return;
    }
    expect(loaded.failure).toBeNull();
    const answer = await invoking;
    if (claim.failure === undefined) {
      expect(answer?.failure).toBeNull();
      expect(JSON.parse(answer?.resultJson ?? '')).toEqual(claim.result);
    } else {
      expect(answer?.failure).toMatchObject(claim.failure);
      expect(answer?.failure?.error?.stack ?? '').not.toMatch(/shim\.|strata-shim-\w+\/[a-z-]+\.mjs/);
    }
    if (claim.logs !== undefined) expect(answer?.logs).toEqual(claim.logs);
  });

  const OVERLAP = {
    node: 'const waiting = []; exports.handler = async ({ name, all }) => { console.log(name, "begins"); await new Promise((go) => { waiting.push(go); if (waiting.length === all) for (const one of waiting) one(); }); console.log(name, "ends"); return name; };',
    python:
      'import threading\ngate = None\nlock = threading.Lock()\ndef handler(event, context):\n  global gate\n  with lock: gate = gate or threading.Barrier(event["all"])\n  print(event["name"], "begins")\n  gate.wait()\n  print(event["name"], "ends")\n  return event["name"]',
  };
  it('takes invocations that overlap, and gives each its own lines', async () => {
    await started(OVERLAP[language]);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const answers = await Promise.all(names.map((name) => shim.invoke({ name, all: names.length })));
    for (const [index, name] of names.entries()) {
      expect(answers[index]?.resultJson).toBe(JSON.stringify(name));
      expect(answers[index]?.logs).toEqual([
        ['info', `${name} begins`],
        ['info', `${name} ends`],
      ]);
    }
  });

  const FLOOD = {
    node: 'exports.handler = (e) => { for (let i = 0; i < e.n; i += 1) console.log(e.text); };',
    python: 'def handler(e, c):\n  for _ in range(e["n"]): print(e["text"])',
  };
  it('bounds the log of each invocation, a line’s end counted as one', async () => {
    await started(FLOOD[language], { logMaxBytes: 100 });
    const full = await shim.invoke({ n: 10, text: 'ninebytes' });
    expect([full.logs.length, full.logTruncated]).toEqual([10, false]);
    const over = await shim.invoke({ n: 11, text: 'ninebytes' });
    expect([over.logs.length, over.logTruncated]).toEqual([10, true]);
    const empty = await shim.invoke({ n: 1_000, text: '' });
    expect([empty.logs.length, empty.logTruncated]).toEqual([100, true]);
    const wide = await shim.invoke({ n: 1, text: 'ü'.repeat(60) });
    expect([wide.logs.length, wide.logTruncated]).toEqual([0, true]);
    // Once for each call and before its answer, which a call that is stopped does not have.
    expect(shim.toldOfDropped).toHaveLength(3);
    expect(new Set(shim.toldOfDropped).size).toBe(3);
  });

  const EXIT = {
    node: 'exports.handler = (e) => { console.log("last words"); process.exit(e.code); };',
    python: 'import sys\ndef handler(e, c):\n  print("last words")\n  sys.exit(e["code"])',
  };
  it('lets the function end the process, and has told every line before', async () => {
    await started(EXIT[language]);
    void shim.invoke({ code: 3 }).catch(() => undefined);
    expect(await shim.exited).toMatchObject({
      ...{ code: 3, signal: null },
      unanswered: [['info', 'last words']],
    });
  });

  it('says what is wrong with an event that is not JSON', async () => {
    await started(FLOOD[language]);
    const { failure } = await shim.invokeText('{"a":');
    expect(failure).toMatchObject({ code: 'invalid_request', error: null });
    expect(failure?.detail).toMatch(/^The event is not JSON: /);
  });

  const CHILD = {
    node: 'exports.handler = () => { require("child_process").execSync("echo from a child; ls -l /proc/self/fd >&2", { stdio: "inherit" }); };',
    python:
      'import subprocess\ndef handler(e, c): subprocess.run("echo from a child; ls -l /proc/self/fd >&2", shell=True, close_fds=False)',
  };
  it('leaves to the pipes what a child process writes, and gives it nothing of the connection', async () => {
    await started(CHILD[language]);
    expect((await shim.invoke()).logs).toEqual([]);
    await shim.stop();
    const { stdout, stderr } = await shim.exited;
    expect(stdout).toBe('from a child\n');
    expect(stderr).toContain('1 -> ');
    expect(stderr).not.toMatch(/ (?:[3-9]|\d\d+) -> socket:/);
  });

  const SLEEPER = { node: 'exports.handler = () => 1;', python: 'def handler(e, c): return 1' };
  it('answers nothing to an invocation that waited for a load that failed', async () => {
    shim = await ShimProcess.start(language);
    const loading = shim.load({ [ENTRY[language]]: language === 'node' ? 'throw 1' : 'raise ValueError' });
    let answered = false;
    shim.invoke().then(
      () => {
        answered = true;
      },
      () => undefined,
    );
    expect((await loading).failure?.code).toBe('init_error');
    // The connection is in order: had there been an answer, it would be here before the end.
    await shim.stop();
    expect(answered).toBe(false);
  });

  const CALLED = {
    node: 'exports.handler = (_, c) => [c.awsRequestId, c.invokedFunctionArn, c.clientContext ?? null, c.logGroupName, c.logStreamName];',
    python:
      'def handler(e, c):\n  told = c.client_context\n  return [c.aws_request_id, c.invoked_function_arn, told and {"custom": told.custom, "env": told.env}, c.log_group_name, c.log_stream_name]',
  };
  it('tells how it was called, each invocation anew', async () => {
    await started(CALLED[language]);
    const functionArn = 'arn:aws:lambda:us-east-1:123456789012:function:f:live';
    const told = { custom: { k: 'a b' }, env: { l: 'de' } };
    const caller = { functionArn, clientContext: JSON.stringify(told) };
    const log = ['/aws/lambda/f', '[7]'];
    const resultOf = async (by: typeof caller | { functionArn: string; clientContext: null } | null) =>
      JSON.parse((await shim.invoke({}, 3_000, by)).resultJson ?? '');
    expect(await resultOf(caller)).toEqual(['id-2', functionArn, told, ...log]);
    expect(await resultOf({ functionArn, clientContext: null })).toEqual(['id-3', functionArn, null, ...log]);
    const own = 'arn:aws:lambda:strata:000000000000:function:f';
    expect(await resultOf(null)).toEqual(['id-4', own, null, ...log]);
  });

  it('ends when the agent is gone', async () => {
    await started(SLEEPER[language]);
    shim.hangUp();
    expect((await shim.exited).code).toBe(1);
  });

  it('ends when it is sent what makes no sense', async () => {
    await started(SLEEPER[language]);
    void shim.load({ [ENTRY[language]]: SLEEPER[language] }).catch(() => undefined);
    expect((await shim.exited).code).toBe(1);
  });
});
