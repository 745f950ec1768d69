/**
 * Process models, module forms, and where instances live: what the pool promises to functions.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench } from './bench.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await openBench({ isolate: { spareRuntimes: 2 } });
});

afterAll(() => bench.executor.close());

const COUNT =
  'let calls = 0; exports.handler = () => { calls += 1; globalThis.seen = (globalThis.seen ?? 0) + 1; return [calls, seen]; };';

describe('process models', () => {
  it('resident keeps the state of the module', async () => {
    await bench.deploy('resident', COUNT);
    for (let call = 1; call <= 4; call += 1) {
      const answer = await bench.invoke('resident');
      expect(answer.result).toEqual([call, call]);
      if (call > 1) expect(answer.receipt.start).toBe('code');
    }
  });

  it('ephemeral never does, and never starts from code', async () => {
    await bench.deploy('ephemeral', COUNT, { processModel: 'ephemeral' });
    for (let call = 0; call < 6; call += 1) {
      const answer = await bench.invoke('ephemeral');
      expect(answer.result).toEqual([1, 1]);
      expect(answer.receipt.start).not.toBe('code');
      expect(answer.receipt.processModel).toBe('ephemeral');
    }
    const together = await Promise.all(Array.from({ length: 6 }, () => bench.result('ephemeral')));
    expect(together).toEqual(Array.from({ length: 6 }, () => [1, 1]));
    await expect(bench.invoke('ephemeral', {}, { requireStart: 'code' })).rejects.toMatchObject({
      code: 'start_unavailable',
      status: 412,
    });
  });

  it('an update is never answered by an instance of the former code', async () => {
    await bench.deploy('updated', 'exports.handler = () => "old";');
    expect(await bench.result('updated')).toBe('old');
    await bench.deploy('updated', 'exports.handler = () => "new";');
    for (let call = 0; call < 3; call += 1) expect(await bench.result('updated')).toBe('new');
  });
});

describe('concurrency', () => {
  const source = `let inFlight = 0; let peak = 0;
exports.handler = async (event) => {
  inFlight += 1;
  peak = Math.max(peak, inFlight);
  console.log('in', event.id);
  await new Promise((resolve) => setTimeout(resolve, event.ms));
  console.log('out', event.id);
  inFlight -= 1;
  return { id: event.id, peak, inFlight };
};`;

  it('overlaps invocations in one instance up to the limit, and gives each its own log', async () => {
    await bench.deploy('overlap', source, { concurrency: 4, maxInstances: 1, timeoutMs: 10_000 });
    await bench.result('overlap', { id: 'first', ms: 1 });
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, id) => bench.invoke('overlap', { id, ms: 20 + (7 - id) * 5 })),
    );
    expect(answers.map(({ result }) => (result as { id: number }).id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(Math.max(...answers.map(({ result }) => (result as { peak: number }).peak))).toBe(4);
    for (const [id, { receipt }] of answers.entries()) {
      const { logs } = bench.executor.invocation(receipt.invocationId);
      expect(logs.map(({ message }) => message)).toEqual([`in ${id}`, `out ${id}`]);
    }
    expect(await bench.result('overlap', { id: 'last', ms: 1 })).toEqual({
      id: 'last',
      peak: 4,
      inFlight: 0,
    });
  });

  it('of one never overlaps', async () => {
    await bench.deploy('single', source, { concurrency: 1, timeoutMs: 10_000 });
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, id) => bench.result('single', { id, ms: 20 })),
    );
    expect(answers.map((result) => (result as { peak: number }).peak)).toEqual([1, 1, 1, 1, 1]);
  });

  it('lets one fail and the others finish', async () => {
    const mixed = `exports.handler = async (event) => { await new Promise((resolve) => setTimeout(resolve, 20)); if (event.fail) throw new Error('one'); return event.id; };`;
    await bench.deploy('mixed', mixed, { concurrency: 4, maxInstances: 1, timeoutMs: 10_000 });
    const answers = await Promise.all(
      [0, 1, 2, 3].map((id) => bench.invoke('mixed', { id, fail: id === 2 })),
    );
    expect(answers.map(({ receipt }) => receipt.error?.code ?? 'succeeded')).toEqual([
      ...['succeeded', 'succeeded', 'function_error', 'succeeded'],
    ]);
    const [first] = answers;
    expect((await bench.invoke('mixed', { id: 9 })).receipt.start).toBe('code');
    expect(first?.result).toBe(0);
  });

  it('lets one run into its deadline while it waits, and the others finish', async () => {
    const waits = `exports.handler = (event) => event.never ? new Promise(() => {}) : new Promise((resolve) => setTimeout(resolve, event.ms, event.ms));`;
    await bench.deploy('waits', waits, { concurrency: 4, maxInstances: 1, timeoutMs: 400 });
    await bench.result('waits', { ms: 1 });
    const never = bench.invoke('waits', { never: true });
    const other = bench.invoke('waits', { ms: 250 });
    expect((await other).result).toBe(250);
    expect((await never).receipt.error?.code).toBe('function_timeout');
    expect(await bench.result('waits', { ms: 2 })).toBe(2);
  });
});

describe('the initializer', () => {
  it.each([
    ['sync', 'exports.init = () => { runs += 1; };'],
    [
      'async',
      'exports.init = async () => { await null; await new Promise((resolve) => setTimeout(resolve, 5)); runs += 1; };',
    ],
    [
      'with a callback',
      'exports.init = (context, callback) => { setTimeout(() => { runs += 1; callback(); }, 5); };',
    ],
  ])('runs once an instance, before the handler: %s', async (_form, init) => {
    await bench.deploy('init', `let runs = 0; ${init} exports.handler = () => runs;`, {
      initializer: 'index.init',
    });
    const first = await bench.invoke('init');
    expect(first.result).toBe(1);
    expect(first.receipt.usage.initCpuMs).toBeGreaterThan(0);
    const second = await bench.invoke('init');
    expect(second.result).toBe(1);
    expect(second.receipt.phasesMs.init).toBe(0);
    expect(second.receipt.usage.initCpuMs).toBe(0);
  });

  it.each([
    ['throws', 'exports.init = () => { throw new TypeError("init"); };'],
    ['rejects', 'exports.init = async () => { throw new TypeError("init"); };'],
    [
      'fails in a timer',
      'exports.init = () => new Promise(() => { setTimeout(() => { throw new TypeError("init"); }, 1); });',
    ],
  ])('fails with init_error when it %s, each time anew', async (_how, init) => {
    const source = `${init} exports.handler = () => 1;`;
    await bench.deploy('init-fails', source, { initializer: 'index.init', initTimeoutMs: 2_000 });
    for (let round = 0; round < 2; round += 1) {
      const { failure, receipt } = await bench.failure('init-fails');
      expect(failure.code).toBe('init_error');
      expect(failure.error).toMatchObject({ type: 'TypeError', message: 'init' });
      expect(receipt.phasesMs.handler).toBe(0);
    }
  });

  it('shows what it logged with the invocation that started the instance', async () => {
    const source =
      'console.log("load"); exports.init = () => console.log("init"); exports.handler = () => console.log("run");';
    await bench.deploy('init-logs', source, { initializer: 'index.init' });
    const { receipt } = await bench.invoke('init-logs');
    const { logs } = bench.executor.invocation(receipt.invocationId);
    expect(logs.map(({ message }) => message)).toEqual(['load', 'init', 'run']);
  });
});

describe('module forms', () => {
  it.each<[string, Record<string, string>, string?]>([
    ['CommonJS', { 'index.js': 'exports.handler = () => "ok";' }],
    ['module.exports', { 'index.js': 'module.exports = { handler: () => "ok" };' }],
    ['ESM by its syntax', { 'index.js': 'export const handler = () => "ok";' }],
    ['ESM by its ending', { 'index.mjs': 'export function handler() { return "ok"; }' }],
    [
      'ESM by package.json',
      { 'package.json': '{"type":"module"}', 'index.js': 'export const handler = () => "ok";' },
    ],
    [
      'ESM with a top-level await',
      { 'index.mjs': 'const text = await Promise.resolve("ok"); export const handler = () => text;' },
    ],
    [
      'CommonJS files',
      {
        'index.js': 'const { word } = require("./lib/word"); exports.handler = () => word;',
        'lib/word.js': 'exports.word = require("../ok.json").word;',
        'ok.json': '{"word":"ok"}',
      },
    ],
    [
      'ESM files',
      {
        'index.mjs':
          'import { word } from "./lib/word.mjs"; import * as all from "./lib/word.mjs"; export const handler = () => all.word === word ? word : 0;',
        'lib/word.mjs': 'export const word = "ok";',
      },
    ],
    [
      'ESM that imports CommonJS',
      {
        'index.mjs':
          'import lib, { word } from "./lib.cjs"; export const handler = () => lib.word === word ? word : 0;',
        'lib.cjs': 'exports.word = "ok";',
      },
    ],
    [
      'ESM that imports JSON',
      {
        'index.mjs': 'import data from "./data.json"; export const handler = () => data.word;',
        'data.json': '{"word":"ok"}',
      },
    ],
    [
      'a cycle of requires',
      {
        'index.js':
          'exports.word = "ok"; const other = require("./other"); exports.handler = () => other.back();',
        'other.js': 'const index = require("./index"); exports.back = () => index.word;',
      },
    ],
    ['a handler in a folder', { 'src/app.js': 'exports.run = () => "ok";' }, 'src/app.run'],
  ])('%s', async (_form, files, handler = 'index.handler') => {
    await bench.deploy('form', files, { handler });
    expect(await bench.result('form')).toBe('ok');
    expect(await bench.result('form')).toBe('ok');
  });
});

describe('what a handler gets', () => {
  it('is a context with the documented fields', async () => {
    const source =
      'exports.handler = (event, context) => { const { getRemainingTimeInMillis, ...fields } = context; return { ...fields, remaining: getRemainingTimeInMillis() }; };';
    await bench.deploy('context', source, { memoryMb: 64, timeoutMs: 2_000 });
    const { result, receipt } = await bench.invoke('context');
    expect(result).toMatchObject({
      invocationId: receipt.invocationId,
      functionName: 'context',
      functionVersion: '$LATEST',
      memoryLimitInMB: 64,
    });
    const { remaining } = result as { remaining: number };
    expect(remaining).toBeGreaterThan(1_000);
    expect(remaining).toBeLessThanOrEqual(2_000);
  });

  it('is its own environment and nothing of the server', async () => {
    const source =
      'const atLoad = process.env.MODE; exports.handler = () => ({ atLoad, env: { ...process.env } });';
    await bench.deploy('env', source, { env: { MODE: 'x', EMPTY: '' } });
    expect(await bench.result('env')).toEqual({ atLoad: 'x', env: { MODE: 'x', EMPTY: '' } });
    await bench.deploy('env-none', source);
    expect(await bench.result('env-none')).toEqual({ env: {} });
  });
});

describe('where an invocation starts', () => {
  it.each(['none', 'container', 'runtime'] as const)('is exactly %s when that is required', async (start) => {
    await bench.deploy(`from-${start}`, 'exports.handler = () => 1;', { memoryMb: 128 });
    await bench.executor.ready();
    const { receipt } = await bench.invoke(`from-${start}`, {}, { requireStart: start });
    expect(receipt.start).toBe(start);
    const { provision, boot, load } = receipt.phasesMs;
    expect(provision > 0).toBe(start === 'none');
    expect(boot > 0).toBe(start !== 'runtime');
    expect(load).toBeGreaterThan(0);
  });

  it('is code when that is required and there, and else 412', async () => {
    await bench.deploy('from-code', 'exports.handler = () => 1;');
    await expect(bench.invoke('from-code', {}, { requireStart: 'code' })).rejects.toMatchObject({
      ...{ code: 'start_unavailable', status: 412, retryable: true },
    });
    await bench.result('from-code');
    const { receipt } = await bench.invoke('from-code', {}, { requireStart: 'code' });
    expect(receipt.start).toBe('code');
    expect(receipt.phasesMs).toMatchObject({ provision: 0, boot: 0, load: 0, init: 0 });
  });

  it('is no runtime of a size that nobody has booted', async () => {
    await bench.deploy('odd-size', 'exports.handler = () => 1;', { memoryMb: 77 });
    await expect(bench.invoke('odd-size', {}, { requireStart: 'runtime' })).rejects.toMatchObject({
      code: 'start_unavailable',
    });
    expect(await bench.result('odd-size')).toBe(1);
  });
});

describe('a dry run', () => {
  it('loads and initialises, calls no handler, and leaves the instance warm', async () => {
    const source =
      'let calls = 0; let inits = 0; exports.init = () => { inits += 1; }; exports.handler = () => [(calls += 1), inits];';
    await bench.deploy('dry', source, { initializer: 'index.init' });
    const dry = await bench.invoke('dry', {}, { mode: 'dry-run' });
    expect(dry.receipt.error).toBeNull();
    expect(dry.receipt.phasesMs.load).toBeGreaterThan(0);
    expect(dry.receipt.phasesMs.handler).toBe(0);
    const real = await bench.invoke('dry');
    expect(real.result).toEqual([1, 1]);
    expect(real.receipt.start).toBe('code');
    expect((await bench.invoke('dry', {}, { mode: 'dry-run' })).receipt.error).toBeNull();
    expect(await bench.result('dry')).toEqual([2, 1]);
  });

  it('finds what does not load', async () => {
    await bench.deploy('dry-broken', 'throw new Error("load");');
    const { failure } = await bench.failure('dry-broken', {}, { mode: 'dry-run' });
    expect(failure.code).toBe('init_error');
  });
});
