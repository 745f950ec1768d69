/** Guest code that patches built-ins, forges, or throws what is made to harm its reader. */
import { describe, expect, it } from 'vitest';
import { failureOf, GuestIsolate, logsOf } from './testing.ts';

const PATCHES: Record<string, string> = {
  'JSON, Promise, Array and String methods': `
    JSON.stringify = () => '"forged"'; JSON.parse = () => 'forged';
    Promise.prototype.then = () => {}; Promise.resolve = () => {};
    for (const C of [Array, String, Map, Function, Object, RegExp, Number]) {
      for (const k of Reflect.ownKeys(C.prototype)) {
        if (k === 'constructor') continue;
        try { Object.defineProperty(C.prototype, k, { value: () => { throw new Error('patched ' + String(k)); }, configurable: true, writable: true }); } catch {}
      }
    }`,
  'static methods': `
    for (const o of [Object, Reflect, Array, String, Number, Math, Date]) {
      for (const k of Reflect.ownKeys(o)) if (typeof o[k] === 'function' && o !== Reflect && k !== 'defineProperty') o[k] = () => { throw new Error('patched'); };
    }`,
  'setters on Object.prototype': `
    globalThis.stolen = [];
    for (const k of ['value', 'get', 'set', 'exports', 'owner', 'lines', 'number', 'ended', 'callback', 'then', 'toJSON', 'code', 'detail', 'error', 'length', 'timers', 'indent', 'name', 'kind', 'body']) {
      if (k === 'then' || k === 'toJSON') continue;
      Object.defineProperty(Object.prototype, k, { set(v) { stolen.push(k); }, get() { return undefined; }, configurable: true });
    }`,
  'index setters on Array.prototype': `
    globalThis.stolen = [];
    for (let i = 0; i < 20; i++) Object.defineProperty(Array.prototype, i, { set(v) { stolen[stolen.length] = v; }, configurable: true });`,
  'index setters on Object.prototype': `
    globalThis.stolen = [];
    for (let i = 0; i < 20; i++) Object.defineProperty(Object.prototype, i, { set(v) { Object.defineProperty(stolen, stolen.length, { value: v }); }, configurable: true });`,
  'toJSON everywhere': `Object.prototype.toJSON = function () { return this; }; String.prototype.toJSON = () => 'forged'; Array.prototype.toJSON = function () { return 'forged'; };`,
  iterators: `Array.prototype[Symbol.iterator] = () => { throw new Error('patched'); }; Map.prototype[Symbol.iterator] = 1;`,
  globals: `for (const k of ['JSON', 'Promise', 'Object', 'Array', 'Map', 'Error', 'Reflect', 'Date', 'String', 'process']) globalThis[k] = undefined;`,
};

describe('patched built-ins', () => {
  it.each(Object.keys(PATCHES))('%s do not reach the records', async (name) => {
    const guest = await GuestIsolate.load(
      `
      const log = console.log;
      exports.handler = (e) => {
        if (e.patch) { ${PATCHES[name]} }
        if (e.fail) throw new TypeError('mine');
        log('line %s %d', 'x', 7, { a: [1, new Map([])] });
        if (e.later) return new Promise((resolve) => { setTimeout(() => resolve({ ok: e.n }), 10); });
        return { ok: e.n };
      };`.replace('new Map([])', '"m"'),
    );
    await guest.invoke({ n: 0, patch: true });
    const records = await guest.invoke({ n: 1 });
    expect(records.at(-1)).toEqual({ kind: 'R', owner: 2, payload: '{"ok":1}' });
    expect(logsOf(records).lines.map((line) => [line[0], line[2].slice(0, 10)])).toEqual([
      ['info', 'line x 7 {'],
    ]);
    expect(failureOf(await guest.invoke({ n: 2, fail: true }))).toMatchObject({
      code: 'function_error',
      error: { type: 'TypeError', message: 'mine' },
    });
    expect(await guest.context.eval('typeof stolen === "undefined" ? 0 : stolen.length')).toBe(0);
  });

  it('settles a promise although Promise.prototype is patched', async () => {
    const guest = await GuestIsolate.load(`
      exports.handler = async (e) => {
        Promise.prototype.then = () => { throw new Error('patched'); };
        Object.defineProperty(Promise.prototype, 'constructor', { get() { throw new Error('patched constructor'); }, configurable: true });
        return e;
      };`);
    // The getter of 'constructor' is the function's own doing: it fails this invocation and no other.
    expect(failureOf(await guest.invoke(1)).error?.message).toBe('patched constructor');
    const calm = await GuestIsolate.load(
      `exports.handler = async (e) => { Promise.prototype.then = () => {}; await null; return e; };`,
    );
    expect(await calm.result(1)).toBe(1);
    expect(await calm.result(2)).toBe(2);
  });

  it('cannot forge records through results or lines', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = (e) => { console.log('x"],["error",1,"y\\nR9 1\\n1'); return 'R9 1\\n1'; };`,
    );
    const records = await guest.invoke();
    expect(records.map((record) => [record.kind, record.owner])).toEqual([
      ['G', 1],
      ['R', 1],
    ]);
    expect(logsOf(records).lines).toHaveLength(1);
  });

  it('leaves nothing of the bootstrap on the global object', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = () => Reflect.ownKeys(globalThis).filter((k) => /strata|boot|entry|module|__/i.test(String(k)));`,
    );
    expect(await guest.result()).toEqual([]);
  });

  it('gives no function of the bootstrap to callers, call sites or this', async () => {
    const guest = await GuestIsolate.load(`
      exports.handler = function handler() {
        const sites = [];
        Error.prepareStackTrace = (e, s) => { for (const c of s) sites.push([c.getFunction(), c.getThis()].map((v) => typeof v).join()); return ''; };
        new Error().stack;
        Error.prepareStackTrace = undefined;
        let caller; try { caller = handler.caller; } catch (e) { caller = null; }
        return { caller, sites: sites.slice(1).filter((s) => s !== 'undefined,undefined') };
      };`);
    expect(await guest.result()).toEqual({ caller: null, sites: [] });
  });
});

describe('thrown values', () => {
  it.each([
    ['undefined', 'undefined', { type: 'undefined', message: 'undefined' }],
    ['null', 'null', { type: 'null', message: 'null' }],
    ['a symbol', 'Symbol("s")', { type: 'symbol', message: 'Symbol(s)' }],
    ['a string', '"text"', { type: 'string', message: 'text' }],
    ['a BigInt', '1n', { type: 'bigint', message: '1n' }],
    ['a plain object', '{ a: 1 }', { type: 'Object', message: '{ a: 1 }' }],
    ['a function', 'function f() {}', { type: 'f', message: '[Function: f]' }],
    ['a class of its own', 'new (class Mine extends Error {})("m")', { type: 'Mine', message: 'm' }],
    ['a null prototype', 'Object.create(null)', { type: 'Object' }],
    [
      'throwing getters',
      '{ get message() { throw 1; }, get stack() { throw 2; }, get name() { throw 3; } }',
      { type: 'Object' },
    ],
    [
      'a Proxy that throws',
      'new Proxy({}, new Proxy({}, { get() { throw new Error("trap"); } }))',
      { type: 'Object', message: 'an unreadable object' },
    ],
    [
      'a revoked Proxy',
      '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()',
      { type: 'Object', message: 'an unreadable object' },
    ],
    [
      'properties that are no strings',
      'Object.assign(new Error("x"), { message: 1, stack: {}, name: [] })',
      { stack: '' },
    ],
  ])('describes %s', async (_, thrown, expected) => {
    const guest = await GuestIsolate.load(`exports.handler = (e) => { throw (${thrown}); };`);
    const { code, error } = failureOf(await guest.invoke());
    expect(code).toBe('function_error');
    expect(error).toMatchObject(expected);
    expect(guest.rejections).toEqual([]);
  });

  it('bounds what it takes', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = () => { const e = new Error('x'.repeat(1e7)); e.name = 'n'.repeat(1e6); throw e; };`,
    );
    const { error, detail } = failureOf(await guest.invoke());
    expect(error?.message).toHaveLength(8_193);
    expect(error?.type).toHaveLength(8_193);
    expect((error?.stack ?? '').length).toBeLessThanOrEqual(8_193);
    expect(detail.length).toBeLessThan(1_100);
  });

  it.each(['() => { throw new Error("mine"); }', '() => 42', '() => ({})', 'null'])(
    'does not mind Error.prepareStackTrace = %s',
    async (prepare) => {
      const guest = await GuestIsolate.load(
        `exports.handler = () => { Error.prepareStackTrace = ${prepare}; throw new Error('boo'); };`,
      );
      expect(failureOf(await guest.invoke()).error).toMatchObject({ type: 'Error', message: 'boo' });
    },
  );
});
