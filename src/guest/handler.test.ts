/** How a handler is found and called, and what becomes of its result. */
import { describe, expect, it } from 'vitest';
import { OP } from './contract.ts';
import { failureOf, GuestIsolate, loadJson, messagesOf } from './testing.ts';

const resultOf = async (source: string, event: unknown = { name: 'Ada' }, options = {}): Promise<unknown> =>
  (await GuestIsolate.load(source, options)).result(event);

const failure = async (source: string, event: unknown = null, boot = {}) => {
  const guest = await GuestIsolate.load(source, boot);
  return failureOf(await guest.invoke(event));
};

describe('dialects', () => {
  it.each([
    ['a value', 'exports.handler = (event) => ({ hello: event.name });'],
    ['a promise', 'exports.handler = async (event) => ({ hello: event.name });'],
    ['a callback', 'exports.handler = (event, context, callback) => callback(null, { hello: event.name });'],
    [
      'a late callback',
      'exports.handler = (e, c, callback) => { queueMicrotask(() => callback(null, { hello: e.name })); };',
    ],
    [
      'a promise before a callback',
      'exports.handler = async (e, c, callback) => { callback(null, 1); return { hello: e.name }; };',
    ],
    ['a thenable', 'exports.handler = (e) => ({ then(resolve) { resolve({ hello: e.name }); } });'],
    ['module.exports', 'module.exports = { handler: (e) => ({ hello: e.name }) };'],
    ['a default object', 'exports.default = { handler: (e) => ({ hello: e.name }) };'],
    ['a getter', 'Object.defineProperty(exports, "handler", { get: () => (e) => ({ hello: e.name }) });'],
  ])('accepts %s', async (_, source) => {
    expect(await resultOf(source)).toEqual({ hello: 'Ada' });
  });

  it.each(['module.exports = (e) => e.name;', 'exports.default = (e) => e.name;'])(
    'finds a default export: %s',
    async (source) => {
      expect(await resultOf(source, { name: 'Ada' }, { handlerExport: 'default' })).toBe('Ada');
    },
  );

  it.each(['export const handler = async (e) => e.name;', 'export default { handler: (e) => e.name };'])(
    'finds the handler of an ES module: %s',
    async (source) => {
      const guest = await GuestIsolate.boot();
      expect(await guest.loadModule(source)).toEqual([{ kind: 'L', owner: 0, payload: '' }]);
      expect(await guest.result({ name: 'Ada' })).toBe('Ada');
    },
  );

  it('gives an ES module its environment before it is evaluated', async () => {
    const guest = await GuestIsolate.boot();
    await guest.loadModule('const seen = process.env.A; export const handler = () => seen;', {
      env: { A: '1' },
    });
    expect(await guest.result()).toBe('1');
  });

  it('gives the context', async () => {
    const source = `exports.handler = (event, context) => ({ ...context, left: context.getRemainingTimeInMillis() });`;
    const guest = await GuestIsolate.load(source, { functionVersion: '3' });
    const result = (await guest.result()) as { left: number };
    expect(result).toMatchObject({
      invocationId: 'id-1',
      awsRequestId: 'id-1',
      functionName: 'test',
      functionVersion: '3',
      memoryLimitInMB: 128,
      callbackWaitsForEmptyEventLoop: true,
    });
    expect(result).toMatchObject({
      invokedFunctionArn: 'arn:aws:lambda:strata:000000000000:function:test',
      logGroupName: '/aws/lambda/test',
      logStreamName: '[3]',
    });
    expect(result.left).toBeGreaterThan(1_000);
    expect(result.left).toBeLessThanOrEqual(3_000);
  });
});

describe('what is not found', () => {
  it('names the file, the export sought and those there are', async () => {
    const guest = await GuestIsolate.load('exports.a = 1; exports.b = 2;');
    const { code, detail } = failureOf(guest.loadRecords);
    expect(code).toBe('init_error');
    expect(detail).toBe("The handler was not found: index.js has no export 'handler': it exports 'a', 'b'.");
  });

  it('says when the export is not a function', async () => {
    const guest = await GuestIsolate.load('exports.handler = 42;');
    expect(failureOf(guest.loadRecords).detail).toContain("exports 'handler', but it is not a function: 42");
  });

  it('reports what the file threw', async () => {
    const guest = await GuestIsolate.load('throw new TypeError("no luck");');
    expect(failureOf(guest.loadRecords)).toMatchObject({
      code: 'init_error',
      error: { type: 'TypeError', message: 'no luck' },
    });
  });

  it('reports a broken file in the words of the engine', async () => {
    const guest = await GuestIsolate.boot();
    const error = {
      type: 'SyntaxError',
      message: 'Unexpected token',
      stack: 'SyntaxError: Unexpected token',
    };
    await guest.apply([OP.DEFINE_BROKEN, 'index.js', JSON.stringify(error)]);
    expect(failureOf(await guest.enter([OP.LOAD, loadJson({}), 1])).error).toEqual(error);
  });
});

describe('initializer', () => {
  const options = { initializerExport: 'init', initializerPath: 'index.js' };

  it.each([
    ['sync', 'exports.init = () => { state = "ready"; };'],
    ['async', 'exports.init = async () => { await null; state = "ready"; };'],
    ['with the context', 'exports.init = (context) => { state = context.functionName; };'],
    ['callback', 'exports.init = (context, callback) => { state = context.functionName; callback(); };'],
  ])('runs once before the handler: %s', async (_, init) => {
    const guest = await GuestIsolate.load(`let state; ${init} exports.handler = () => state;`, options);
    expect(guest.loadRecords).toEqual([{ kind: 'L', owner: 0, payload: '' }]);
    expect(await guest.enter([OP.INIT, guest.nowMs])).toEqual([{ kind: 'I', owner: 0, payload: '' }]);
    expect(await guest.result()).toMatch(/ready|test/);
  });

  it('fails with init_error', async () => {
    const source = 'exports.init = async () => { throw new RangeError("x"); }; exports.handler = () => 1;';
    const guest = await GuestIsolate.load(source, options);
    expect(failureOf(await guest.enter([OP.INIT, guest.nowMs]))).toMatchObject({
      code: 'init_error',
      error: { type: 'RangeError', message: 'x' },
    });
  });

  it('comes from a file of its own', async () => {
    const files = {
      'index.js': 'exports.handler = () => globalThis.made;',
      'setup.js': 'exports.init = () => { globalThis.made = 1; };',
    };
    const guest = await GuestIsolate.load(files, { initializerExport: 'init', initializerPath: 'setup.js' });
    await guest.enter([OP.INIT, guest.nowMs]);
    expect(await guest.result()).toBe(1);
  });
});

describe('results', () => {
  it('makes null of undefined', async () => {
    expect(await resultOf('exports.handler = () => {};')).toBeNull();
  });

  it.each([
    ['a function', 'return () => 1;', 'a function'],
    ['a symbol', 'return Symbol("s");', 'a symbol'],
    ['a BigInt', 'return 1n;', 'BigInt'],
    ['a BigInt inside', 'return { a: 1n };', 'BigInt'],
    ['a cycle', 'const a = {}; a.a = a; return a;', 'circular'],
    ['too deep nesting', 'let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a;', 'call stack'],
    ['a throwing getter', 'return { get a() { throw new Error("mine"); } };', 'mine'],
    [
      'a revoked Proxy',
      'const { proxy, revoke } = Proxy.revocable([], {}); revoke(); return { proxy };',
      'revoked',
    ],
  ])('refuses %s', async (_, body, words) => {
    const { code, detail } = await failure(`exports.handler = () => { ${body} };`);
    expect(code).toBe('result_invalid');
    expect(detail).toContain(words);
  });

  it('refuses a long result and says how long it was', async () => {
    const { code, observed, detail } = await failure('exports.handler = () => "x".repeat(99);', null, {
      resultMaxChars: 100,
    });
    expect({ code, observed }).toEqual({ code: 'result_too_large', observed: 101 });
    expect(detail).toContain('100');
  });

  it('blames the caller for an event that is not JSON', async () => {
    const guest = await GuestIsolate.load('exports.handler = () => 1;');
    const { code, detail } = failureOf(await guest.invokeJson('{"a":'));
    expect(code).toBe('event_invalid');
    expect(detail).toContain('JSON');
    expect(await guest.result()).toBe(1);
  });

  it.each([
    ['a throw', 'exports.handler = () => { throw new Error("boo"); };'],
    ['a rejection', 'exports.handler = async () => { throw new Error("boo"); };'],
    ['a callback', 'exports.handler = (e, c, callback) => { callback(new Error("boo")); };'],
    [
      'a rejecting promise before a callback',
      'exports.handler = async (e, c, callback) => { throw new Error("boo"); };',
    ],
    ['a thenable that throws', 'exports.handler = () => ({ then() { throw new Error("boo"); } });'],
    ['a then getter that throws', 'exports.handler = () => ({ get then() { throw new Error("boo"); } });'],
  ])('reports %s, without frames of the bootstrap', async (_, source) => {
    const guest = await GuestIsolate.load(source);
    const { code, error, detail } = failureOf(await guest.invoke());
    expect(code).toBe('function_error');
    expect(error).toMatchObject({ type: 'Error', message: 'boo' });
    expect(error?.stack).toMatch(/^Error: boo\n {4}at .*index\.js/);
    expect(error?.stack).not.toContain('strata:');
    expect(detail).toContain('Error: boo');
    expect(guest.rejections).toEqual([]);
  });
});

describe('settling', () => {
  it('settles once, whatever calls back later', async () => {
    const guest = await GuestIsolate.load(
      'exports.handler = (e, c, callback) => { callback(null, 1); callback(null, 2); queueMicrotask(() => callback(null, 3)); };',
    );
    const records = await guest.invoke();
    expect(records).toEqual([{ kind: 'R', owner: 1, payload: '1' }]);
  });

  it('keeps to the first of an uncaught exception and a result', async () => {
    const guest = await GuestIsolate.load(
      'exports.handler = async () => { queueMicrotask(() => { throw new Error("first"); }); await null; await null; return 1; };',
    );
    const records = await guest.invoke();
    expect(records.map((record) => record.kind)).toEqual(['X']);
    expect(await guest.enter([OP.TICK, 1, guest.nowMs])).toEqual([]);
  });

  it('ignores the late result and lines of a cancelled owner', async () => {
    const guest = await GuestIsolate.load(
      'let go; exports.handler = (e) => e === "go" ? go() : new Promise((resolve) => { go = () => { resolve(1); return "gone"; }; });',
    );
    expect(await guest.invoke()).toEqual([]);
    await guest.enter([OP.CANCEL, 1]);
    expect(await guest.invoke('go')).toEqual([{ kind: 'R', owner: 2, payload: '"gone"' }]);
  });

  it('never settles for a thenable that never calls back', async () => {
    const guest = await GuestIsolate.load('exports.handler = () => ({ then() {} });');
    expect(await guest.invoke()).toEqual([]);
  });

  it('survives a stack overflow in the handler', async () => {
    const guest = await GuestIsolate.load(
      'const f = () => { console.log("x"); f(); }; exports.handler = (e) => e ? f() : 1;',
    );
    const { code, error } = failureOf(await guest.invoke(true));
    expect({ code, type: error?.type }).toEqual({ code: 'function_error', type: 'RangeError' });
    expect(await guest.result(false)).toBe(1);
  });

  it('puts the log before the final record', async () => {
    const guest = await GuestIsolate.load('exports.handler = () => { console.log("one"); return 1; };');
    const records = await guest.invoke();
    expect(records.map((record) => record.kind)).toEqual(['G', 'R']);
    expect(messagesOf(records)).toEqual(['one']);
  });
});
