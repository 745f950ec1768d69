/**
 * What only Node's shim promises: Node as it is, and answers equal to those of the isolate tier.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createExecutor, type Executor } from '../../src/index.ts';
import { type Files, type LoadOptions, removeFolders, ShimProcess } from './shim-process.ts';

interface Case {
  readonly name: string;
  readonly handler?: string;
  readonly files: Files | string;
  readonly event?: unknown;
}

/** Programs that mean the same in both tiers. */
const SAME: readonly Case[] = [
  {
    name: 'a value',
    files: 'exports.handler = (e) => ({ ...e, more: [undefined, NaN, new Date(0)] });',
    event: { a: 1 },
  },
  { name: 'undefined', files: 'exports.handler = () => undefined;' },
  { name: 'a promise', files: 'exports.handler = async () => "later";' },
  {
    name: 'a thenable',
    files:
      'exports.handler = () => ({ then(done) { setTimeout(done, 1, "then"); done("first"); done("second"); } });',
  },
  {
    name: 'a thenable that throws',
    files: 'exports.handler = () => ({ then() { throw new TypeError("t"); } });',
  },
  {
    name: 'a callback',
    files: 'exports.handler = (e, c, done) => { setTimeout(() => done(null, e), 1); };',
    event: [1],
  },
  {
    name: 'a callback at once',
    files: 'exports.handler = (e, c, done) => { done(null, 1); done(null, 2); };',
  },
  { name: 'a callback with an error', files: 'exports.handler = (e, c, done) => done(new RangeError("r"));' },
  { name: 'a callback with a string', files: 'exports.handler = (e, c, done) => done("no");' },
  {
    name: 'a promise wins over the callback',
    files: 'exports.handler = async (e, c, done) => { done(null, 1); return 2; };',
  },
  { name: 'an exception', files: 'exports.handler = () => { throw new TypeError("bad"); };' },
  {
    name: 'a class of its own',
    files: 'class Own extends Error {} exports.handler = () => { throw new Own("own"); };',
  },
  { name: 'a string that is thrown', files: 'exports.handler = () => { throw "text"; };' },
  { name: 'null that is thrown', files: 'exports.handler = async () => { throw null; };' },
  { name: 'an object that is thrown', files: 'exports.handler = () => { throw { code: 7, at: [1] }; };' },
  {
    name: 'getters that throw',
    files:
      'exports.handler = () => { throw { get message() { throw 1; }, get name() { throw 2; }, get stack() { throw 3; } }; };',
  },
  {
    name: 'a revoked proxy that is thrown',
    files:
      'exports.handler = () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy; };',
  },
  { name: 'a long message', files: 'exports.handler = () => { throw new Error("x".repeat(20000)); };' },
  { name: 'a function as result', files: 'exports.handler = () => () => 1;' },
  { name: 'a symbol as result', files: 'exports.handler = () => Symbol("s");' },
  { name: 'a BigInt as result', files: 'exports.handler = () => 1n;' },
  { name: 'a BigInt inside of the result', files: 'exports.handler = () => ({ n: 1n });' },
  {
    name: 'a toJSON that throws',
    files: 'exports.handler = () => [{ toJSON() { throw new Error("no json"); } }];',
  },
  { name: 'half a surrogate pair', files: 'exports.handler = () => "\\ud800x";' },
  {
    name: 'a rejection that nobody handles',
    files:
      'exports.handler = () => { Promise.reject(new TypeError("lost")); return new Promise(() => {}); };',
  },
  { name: 'a handler that is missing', files: 'exports.a = 1; exports.b = 2;' },
  { name: 'exports that are nothing', files: 'module.exports = null;' },
  { name: 'a handler that is an object', files: 'exports.handler = { deep: { er: [1, 2] } };' },
  {
    name: 'a function that is exported whole',
    handler: 'index.default',
    files: 'module.exports = () => "whole";',
  },
  {
    name: 'a default-exported object',
    files: { 'index.mjs': 'export default { handler: () => "default" };' },
  },
  {
    name: 'a module’s missing handler',
    files: { 'index.mjs': 'export const a = 1; export default { b: 1 };' },
  },
  { name: 'a syntax error', files: 'const fine = 1;\nlet broken = ;\nexports.handler = () => 1;' },
  {
    name: 'a syntax error in what is required',
    files: { 'index.js': 'require("./lib/b");', 'lib/b.js': '\n\n  let 1;' },
  },
  {
    name: 'lines',
    files:
      'console.log("loading"); exports.handler = async () => { console.log("a %s %d %j", "b", 1.5, { c: [1] }, { d: { e: { f: { g: 1 } } } }); console.warn([1, "two", null, undefined]); console.error(new Map([["k", new Set([1n])]])); console.debug("\\u001b[31m", -0, Symbol("s"), () => 1, class A {}); console.info(); console.group("in"); console.log("two\\nlines"); console.groupEnd(); console.count("n"); console.count("n"); console.assert(false, "no"); };',
  },
  { name: 'code that throws', files: 'throw new TypeError("at load");' },
  {
    name: 'an export that throws',
    files: 'Object.defineProperty(exports, "handler", { get() { throw new Error("getter"); } });',
  },
  {
    name: 'a patched JSON and Promise',
    files:
      'JSON.stringify = () => "no"; JSON.parse = () => "no"; Promise.prototype.then = () => { throw 1; }; globalThis.setImmediate = () => {}; Array.prototype.push = () => 0; exports.handler = async (e) => ({ e });',
    event: { fine: true },
  },
];

/** Each program is a function of its own, so that its log holds nothing else. */
const SAME_NUMBER = SAME.keys();

describe('a program that means the same in both tiers', () => {
  let executor: Executor;
  let shim: ShimProcess;
  beforeAll(async () => {
    executor = await createExecutor({ dataDir: ':memory:' });
  });
  afterEach(() => shim.stop());
  afterAll(async () => {
    await executor.close();
    removeFolders();
  });

  it.each(SAME)('answers the same: $name', async ({ handler = 'index.handler', files: code, event = {} }) => {
    const name = `same-${SAME_NUMBER.next().value}`;
    const files = typeof code === 'string' ? { 'index.js': code } : code;
    await executor.deploy({ name, runtime: 'isolate', handler, code: { files } });
    const expected = await executor.invoke({ function: name, event });
    shim = await ShimProcess.start('node');
    const loaded = await shim.load(files, { handler });
    const loadFailure = loaded.failure;
    const answer = loadFailure === null ? await shim.invoke(event) : null;
    const failure = loadFailure ?? answer?.failure ?? null;
    if (expected.status === 'failed') {
      const { code, detail, error, limit } = expected.failure;
      const { stack: _, ...thrown } = error ?? { stack: '' };
      expect(failure).toMatchObject({ code, limit: limit ?? null, error: error == null ? null : thrown });
      expect(failure?.detail).toBe(detail);
      expect(code === 'init_error').toBe(loadFailure !== null);
    } else {
      expect(failure).toBeNull();
      const lines = executor.logs(name).map(({ level, message }) => [level, message]);
      expect([...loaded.logs, ...(answer?.logs ?? [])]).toEqual(lines);
      expect(JSON.parse(answer?.resultJson ?? '')).toEqual(expected.result);
    }
  });
});

/** What plain Node does with a function's files. */
const MODULES: readonly (Case & { result: unknown })[] = [
  {
    name: 'packages with folders, entry points and files of their own',
    files: {
      'index.js':
        'const tools = require("tools"); const map = require("tools/map"); exports.handler = (e) => map(e, tools.twice);',
      'node_modules/tools/package.json': '{"name":"tools","main":"./lib/index.js"}',
      'node_modules/tools/lib/index.js': 'exports.twice = require("./_base/mul").bind(null, 2);',
      'node_modules/tools/lib/_base/mul.js': 'module.exports = (a, b) => a * b;',
      'node_modules/tools/map.js': 'module.exports = (list, each) => list.map((item) => each(item));',
    },
    event: [1, 2, 3],
    result: [2, 4, 6],
  },
  {
    name: 'exports and imports of package.json, by condition',
    files: {
      'package.json': '{"type":"module","imports":{"#inner":"./src/inner.js"}}',
      'index.js':
        'import inner from "#inner"; import two from "two"; import { createRequire } from "node:module"; export const handler = () => [inner, two, createRequire(import.meta.url)("two")];',
      'src/inner.js': 'export default "inner";',
      'node_modules/two/package.json': '{"exports":{".":{"import":"./m.mjs","require":"./c.cjs"}}}',
      'node_modules/two/m.mjs': 'export default "module";',
      'node_modules/two/c.cjs': 'module.exports = "commonjs";',
    },
    result: ['inner', 'module', 'commonjs'],
  },
  {
    name: 'a top-level await, in an .mjs file',
    files: {
      'index.mjs':
        'import { setTimeout } from "node:timers/promises"; const n = await setTimeout(3, 5); export const handler = () => n;',
    },
    result: 5,
  },
  {
    name: 'a top-level await, in a .js file that is a module without being told',
    files: { 'index.js': 'const n = await Promise.resolve(6); export const handler = () => n;' },
    result: 6,
  },
  {
    name: 'a module without await in a .js file, and import() at run time',
    files: {
      'index.js': 'export const handler = async () => (await import("./late.cjs")).default.n;',
      'late.cjs': 'exports.n = 8;',
    },
    result: 8,
  },
  {
    name: 'CommonJS that requires a module and JSON, and sees itself as a file',
    files: {
      'index.js':
        'const path = require("path"); exports.handler = () => [require("./m.mjs").one, require("./d.json"), path.basename(__filename), require.main === undefined];',
      'm.mjs': 'export const one = 1;',
      'd.json': '{"d":true}',
    },
    result: [1, { d: true }, 'index.js', true],
  },
  {
    name: 'built-in modules do their work',
    files:
      'const { gzipSync, gunzipSync } = require("zlib"); const { createHash } = require("node:crypto"); const fs = require("fs/promises"); exports.handler = async () => [gunzipSync(gzipSync("zip")).toString(), createHash("sha256").update("").digest("hex").slice(0, 8), (await fs.readFile(__filename, "utf8")).length > 10];',
    result: ['zip', 'e3b0c442', true],
  },
  {
    name: 'the connection to the agent is not among what a function finds without looking for it',
    files:
      'const hooks = require("async_hooks"); exports.handler = () => [process._getActiveHandles().length, hooks.executionAsyncResource().constructor.name, Object.keys(require.cache).length];',
    result: [0, 'AsyncResource', 1],
  },
];

describe('the shim of Node', () => {
  let shim: ShimProcess;
  afterEach(() => shim.stop());
  afterAll(removeFolders);

  const started = async (code: Files | string, spec?: LoadOptions): Promise<void> => {
    shim = await ShimProcess.start('node');
    const loaded = await shim.load(typeof code === 'string' ? { 'index.js': code } : code, spec);
    expect(loaded.failure).toBeNull();
  };

  it.each(MODULES)('runs what plain Node runs: $name', async ({ files, event, result }) => {
    await started(files);
    const answer = await shim.invoke(event);
    expect(answer.failure).toBeNull();
    expect(JSON.parse(answer.resultJson ?? '')).toEqual(result);
    await shim.stop();
    expect((await shim.exited).stderr).toBe('');
  });

  it('shows only the function’s own frames', async () => {
    await started('const inner = () => { throw new Error("x"); };\nexports.handler = (e) => inner(e);');
    const { failure } = await shim.invoke();
    expect(failure?.error?.stack).toBe(
      `Error: x\n    at inner (${shim.codePath}/index.js:1:29)\n    at exports.handler (${shim.codePath}/index.js:2:26)`,
    );
  });

  it('fails the invocation that an exception belongs to, and no other', async () => {
    await started(
      'const held = []; exports.handler = (e) => new Promise((done) => { if (e.throws) setTimeout(() => { throw new TypeError("in a timer"); }, 1); else if (e.release) { for (const go of held) go("held"); done(); } else held.push(done); });',
    );
    const other = shim.invoke({});
    const thrown = await shim.invoke({ throws: true });
    expect(thrown.failure).toMatchObject({
      code: 'function_error',
      detail: 'A callback threw TypeError: in a timer',
      error: { type: 'TypeError', message: 'in a timer' },
    });
    await shim.invoke({ release: true });
    expect((await other).resultJson).toBe('"held"');
  });

  it('goes on after an exception of an invocation that has been answered', async () => {
    await started(
      'let wake; exports.handler = (e) => { if (e.wait) return new Promise((go) => wake(go)); new Promise((go) => { wake = go; }).then((go) => { setImmediate(() => go("on")); throw new Error("too late"); }); return "answered"; };',
    );
    expect((await shim.invoke({})).resultJson).toBe('"answered"');
    expect((await shim.invoke({ wait: true })).resultJson).toBe('"on"');
    await shim.stop();
    expect((await shim.exited).stderr).toMatch(/^After the invocation had been answered: Error: too late\n/);
  });

  it('ends when an exception belongs to no invocation', async () => {
    await started(
      'setTimeout(() => { throw new Error("of nobody"); }, 20); exports.handler = () => new Promise(() => {});',
    );
    void shim.invoke();
    const { code, stderr } = await shim.exited;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Uncaught, and of no invocation: Error: of nobody\n {4}at .*index\.js:1:/);
  });

  it('leaves rejections to a function that listens for them itself', async () => {
    await started(
      'let seen; process.on("unhandledRejection", (r) => seen(r.message)); exports.handler = () => { Promise.reject(new Error("mine")); return new Promise((go) => { seen = go; }); };',
    );
    expect((await shim.invoke()).resultJson).toBe('"mine"');
  });

  const TRACED =
    'exports.handler = () => { console.group("g"); console.count(); console.info("in\\nside"); console.groupEnd(); console.count(); console.time("t"); console.timeEnd("t"); console.countReset(); console.count(); console.assert(1 > 2, "math"); console.dir({ a: { b: { c: {} } } }, { depth: 0 }); console.debug("%s is %d", "x", 4); console.warn("w"); console.trace("here"); console.table([{ a: 1 }]); console.log("\\u001b[31mred"); };';
  it('keeps groups, counters and stopwatches of each invocation apart', async () => {
    await started(TRACED);
    await shim.invoke();
    const { logs } = await shim.invoke();
    expect(logs.slice(0, 4)).toEqual([
      ['info', 'g'],
      ['info', '  default: 1'],
      ['info', '  in\n  side'],
      ['info', 'default: 2'],
    ]);
    expect(logs[4]?.[1]).toMatch(/^t: \d+\.\d{3}ms$/);
    expect(logs.slice(5, 10)).toEqual([
      ['info', 'default: 1'],
      ['warn', 'Assertion failed: math'],
      ['info', '{ a: [Object] }'],
      ['debug', 'x is 4'],
      ['warn', 'w'],
    ]);
    expect(logs[10]).toEqual([
      'error',
      `Trace: here\n    at exports.handler (${shim.codePath}/index.js:1:${TRACED.indexOf('trace(') + 1})`,
    ]);
    expect(logs[11]?.[1]).toContain('│ (index) │ a │');
    expect(logs[12]?.[1]).toBe('\\x1b[31mred');
  });
  it('writes what belongs to no invocation to the process’s own output', async () => {
    await started(
      'const { EventEmitter } = require("events"); let go; new Promise((r) => { go = r; }).then(() => console.log("background")); exports.handler = () => { console.log("mine"); go(); };',
    );
    expect((await shim.invoke()).logs).toEqual([['info', 'mine']]);
    await shim.invoke();
    await shim.stop();
    expect((await shim.exited).stdout).toBe('background\n');
  });

  it('loads and calls a small function in well under a millisecond once it is up', async () => {
    let loadMs = Number.POSITIVE_INFINITY;
    let callMs = Number.POSITIVE_INFINITY;
    // The best of some, because the machine may be busy: what is held to is that nothing is compiled or waited for.
    for (let round = 0; round < 5; round += 1) {
      shim = await ShimProcess.start('node');
      const loaded = await shim.load({ 'index.js': 'exports.handler = () => 1;' });
      loadMs = Math.min(loadMs, loaded.b);
      for (let call = 0; call < 10; call += 1) callMs = Math.min(callMs, (await shim.invoke()).b);
      await shim.stop();
    }
    expect(loadMs).toBeLessThan(1);
    expect(callMs).toBeLessThan(0.3);
  });

  it('has nothing of its own that would wake it up', async () => {
    await started('exports.handler = () => process.getActiveResourcesInfo();');
    await shim.invoke();
    expect((await shim.invoke()).resultJson).toBe('["PipeWrap"]');
  });
});
