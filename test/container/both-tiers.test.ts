/**
 * One function, two tiers: what it answers in an isolate it answers in a container, failures and their words included.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { FunctionSpecInput } from '../../src/core/spec.ts';
import { bundle } from '../real/bundle.ts';
import { formulas, markdownDocument, records } from '../real/inputs.ts';
import { describeContainers } from './availability.ts';
import { type Code, type ContainerBench, openContainerBench } from './bench.ts';

const TIERS = ['isolate', 'nodejs24'] as const;

let bench: ContainerBench;

/** What a caller sees of an invocation, without where and when it ran. */
const seenOf = async (name: string, event: unknown): Promise<unknown> => {
  const answer = await bench.invoke(name, event);
  const { receipt, status } = answer;
  const record = bench.executor.invocation(receipt.invocationId);
  const logs = record.logs.map(({ level, message }) => [level, message.replace(receipt.invocationId, 'ID')]);
  const told = { status, logs, logTruncated: receipt.logTruncated };
  if (status === 'succeeded') return { ...told, result: answer.result };
  const { code, detail, limit, error } = answer.failure;
  // The frames of a stack name the files of each tier; its first line is the error's own.
  const thrown = error === null ? null : { ...error, stack: error.stack.split('\n', 1)[0] };
  return { ...told, code, detail, limit, error: thrown };
};

/** Deploys the code to both tiers and expects the same for each event, cold and warm. */
const same = async (
  name: string,
  code: Code,
  events: readonly unknown[],
  spec: Partial<FunctionSpecInput> = {},
): Promise<readonly unknown[]> => {
  const seen: unknown[][] = [];
  for (const tier of TIERS) {
    await bench.deploy(`${name}-${tier}`, tier, code, spec);
    const answers: unknown[] = [];
    for (const event of events) answers.push(await seenOf(`${name}-${tier}`, event));
    seen.push(answers);
  }
  const [inIsolate = [], inContainer = []] = seen;
  expect(inContainer).toEqual(inIsolate);
  return inIsolate;
};

const plain = (body: string): string => `exports.handler = (event, context) => { ${body} };`;

await describeContainers('one function in both tiers', ['nodejs24', 'python3', 'provided'], () => {
  beforeAll(async () => {
    bench = await openContainerBench();
  });
  afterAll(() => bench.close());

  it('gives the same for the examples of this repository', async () => {
    const example = (path: string): string =>
      readFileSync(new URL(`../../examples/${path}`, import.meta.url), 'utf8');
    const [hello] = await same('hello', example('hello.js'), [{ name: 'Ada' }, {}]);
    expect(hello).toMatchObject({ status: 'succeeded' });
    const esm = { 'index.js': example('esm/index.js'), 'greeting.js': example('esm/greeting.js') };
    // What Node takes for ESM only with a word in package.json, an isolate takes as it is.
    const [inEsm] = await same('esm', { ...esm, 'package.json': '{"type":"module"}' }, [{ name: 'Ada' }]);
    expect(inEsm).toMatchObject({ status: 'succeeded' });
  });

  it.each<[string, readonly unknown[]]>([
    ['markdown', [{ markdown: markdownDocument(4, 64 * 1024) }, { markdown: '# One' }]],
    ['validate', [{ records: records(5, 300) }, { records: [] }]],
    ['formulas', [{ formulas: formulas(6, 40) }, { formulas: ['\\frac{1}{0}'] }]],
  ])('gives the same for %s with its packages', async (name, events) => {
    for (const answer of await same(name, await bundle(name), events, { memoryMb: 256 }))
      expect(answer).toMatchObject({ status: 'succeeded' });
  });

  it.each<[string, string, unknown?]>([
    ['an Error', 'throw new Error("boom");'],
    [
      'an error of a class of its own',
      'class OutOfStock extends Error { name = "OutOfStock"; }; throw new OutOfStock("é");',
    ],
    ['an error with a cause', 'throw new TypeError("outer", { cause: new Error("inner") });'],
    ['many errors', 'throw new AggregateError([new Error("a"), new Error("b")], "both");'],
    ['a string', 'throw "just text";'],
    ['undefined', 'throw undefined;'],
    ['null', 'throw null;'],
    ['a number', 'throw 42;'],
    ['an object', 'throw { message: "like an error", code: 7 };'],
    ['a symbol', 'throw Symbol("s");'],
    ['an error without a message', 'throw new RangeError();'],
    ['a proxy that throws', 'throw new Proxy({}, { get() { throw new Error("trap"); } });'],
    ['an error with a message of 100,000 characters', 'throw new Error("m".repeat(100000));'],
    ['what is not there', 'return event.missing.deeper;'],
    ['a rejection', 'return Promise.reject(new SyntaxError("rejected"));'],
    ['a rejection with nothing', 'return Promise.reject();'],
  ])('reports %s in the same words', async (_what, body) => {
    for (const answer of await same('failing', plain(body), [{}]))
      expect(answer).toMatchObject({ code: 'function_error' });
  });

  it.each([
    ['a function', 'return () => 1;'],
    ['a BigInt', 'return { n: 10n };'],
    ['a bare BigInt', 'return 10n;'],
    ['a symbol', 'return Symbol("s");'],
    ['a cycle', 'const a = { b: [] }; a.b.push(a); return a;'],
    ['a getter that throws', 'return { get a() { throw new Error("no"); } };'],
    ['a toJSON that throws', 'return [{ toJSON() { throw new TypeError("no"); } }];'],
    ['nesting too deep', 'let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a;'],
  ])('refuses %s as a result in the same words', async (_what, body) => {
    for (const answer of await same('invalid', plain(body), [{}]))
      expect(answer).toMatchObject({ code: 'result_invalid' });
  });

  it('refuses a large result in the same words', async () => {
    const [tooLarge] = await same('large', plain('return "x".repeat(event.n);'), [{ n: 7 * 1024 * 1024 }]);
    expect(tooLarge).toMatchObject({ code: 'result_too_large', limit: { kind: 'resultBytes' } });
  });

  it.each<[string, string, Partial<FunctionSpecInput>?]>([
    ['no handler', 'exports.other = () => 1;'],
    ['a handler that is no function', 'exports.handler = 5;'],
    ['code that throws', 'throw new TypeError("at load");'],
    [
      'an initializer that throws',
      'exports.start = () => { throw new Error("no"); }; exports.handler = () => 1;',
      { initializer: 'index.start' },
    ],
    [
      'an initializer that rejects',
      'exports.start = async () => { throw new RangeError("no"); }; exports.handler = () => 1;',
      { initializer: 'index.start' },
    ],
    ['no initializer', 'exports.handler = () => 1;', { initializer: 'index.start' }],
  ])('reports %s at load in the same words', async (_what, source, spec) => {
    for (const answer of await same('unloadable', source, [{}], spec))
      expect(answer).toMatchObject({ code: 'init_error' });
  });

  it.each([
    ['an error whose message is no text', 'Object.assign(new TypeError("a"), { message: { a: 1 } })'],
    [
      'an error whose message throws',
      'Object.defineProperty(new TypeError("a"), "message", { get() { throw 1; } })',
    ],
  ])('reports %s by its type, whatever the engine makes of the rest', async (_what, thrown) => {
    for (const tier of TIERS) {
      await bench.deploy(`odd-${tier}`, tier, plain(`throw ${thrown};`));
      const { failure } = await bench.failure(`odd-${tier}`);
      expect(failure).toMatchObject({ code: 'function_error', error: { type: 'TypeError' } });
    }
  });

  it('says in each tier where the syntax of the code is wrong', async () => {
    for (const tier of TIERS) {
      await bench.deploy(`syntax-${tier}`, tier, 'const fine = 1;\nconst = 2;\nexports.handler = () => 1;');
      const { failure } = await bench.failure(`syntax-${tier}`);
      expect(failure).toMatchObject({ code: 'init_error', error: { type: 'SyntaxError' } });
      expect(failure.error?.stack).toMatch(/index\.js:2/);
    }
  });

  it('takes every kind of handler, event and result the same way', async () => {
    const byCallback = `exports.handler = (event, context, callback) => {
      if (event.fail) setTimeout(() => callback(new RangeError('by callback')), 1);
      else setTimeout(callback, 1, null, { called: event });
    };`;
    await same('callback', byCallback, [{ n: 1 }, { fail: true }, { n: 2 }]);
    const byPromise = `exports.handler = async (event, context) => {
      const { functionName, functionVersion, memoryLimitInMB } = context;
      switch (event.kind) {
        case 'nothing': return;
        case 'thenable': return { then: (resolve) => resolve('then') };
        case 'date': return { at: new Date(0), skipped: undefined, kept: [undefined, () => 1], nan: NaN, zero: -0 };
        case 'console':
          console.log('a %s %d %j', 'text', 4.5, { b: 1 });
          console.error(new Map([[1, { c: [2] }]]), [undefined, null], 3n, Symbol('s'));
          console.warn('two\\nlines');
          console.debug({ deep: { deep: { deep: { deep: 1 } } } }, 'text'.repeat(30));
          return 0;
        case 'context': return [memoryLimitInMB, functionVersion, functionName.split('-')[0], context.getRemainingTimeInMillis() > 1000];
        default: return event;
      }
    };`;
    const events = ['nothing', 'thenable', 'date', 'console', 'context'].map((kind) => ({ kind }));
    const echoed = [0, '', [], 'ä😀\u2028', 1e308, -0.5, { constructor: { a: [[[]]] } }, null];
    await same('promise', byPromise, [...events, ...echoed.map((value) => ({ value }))]);
  });

  it('stops what does not end with the same codes', async () => {
    const endless = `exports.handler = (event) => { if (event.spin) for (;;); return new Promise(() => {}); };`;
    for (const tier of TIERS) {
      await bench.deploy(`endless-${tier}`, tier, endless, { timeoutMs: 300, cpuMs: 10_000 });
      expect((await bench.failure(`endless-${tier}`, {})).failure).toMatchObject({
        ...{ code: 'function_timeout', limit: { kind: 'timeoutMs', configured: 300 } },
      });
      expect((await bench.failure(`endless-${tier}`, { spin: true })).failure.code).toBe('function_timeout');
      await bench.deploy(`costly-${tier}`, tier, endless, { timeoutMs: 30_000, cpuMs: 100 });
      expect((await bench.failure(`costly-${tier}`, { spin: true })).failure).toMatchObject({
        ...{ code: 'cpu_limit', limit: { kind: 'cpuMs', configured: 100 } },
      });
    }
  });
});
