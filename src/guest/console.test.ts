/** Console lines: format, bounds, owners. */
import { format as nodeFormat } from 'node:util';
import { describe, expect, it } from 'vitest';
import { GuestIsolate, logsOf, messagesOf } from './testing.ts';

const linesOf = async (body: string, boot = {}) => {
  const guest = await GuestIsolate.load(`exports.handler = () => { ${body} };`, boot);
  return logsOf(await guest.invoke());
};

const messages = async (body: string): Promise<string[]> =>
  (await linesOf(body)).lines.map((line) => line[2]);

/** Argument lists whose text must be what Node prints. */
const SAME_AS_NODE = [
  `'plain'`,
  `'a', 'b', 1, true, null, undefined`,
  `'%s %d %i %f %j %%', 'x', '4.5', '4.9', '1.25', { a: 1 }`,
  `'%d', 5n`,
  `'%s', null, undefined, Symbol('s')`,
  `'%o-less %O', 1, { a: { b: { c: { d: 1 } } } }`,
  `'100%', 5`,
  `'%c styled', 'color: red'`,
  `{ a: 1, b: 'x', c: [1, 2, 3], d: { e: { f: { g: 1 } } } }`,
  `[[], {}, [undefined, , , 3], -0, 'it\\'s', "q\\"q'"]`,
  `new Map([['a', { b: 1 }], [{ c: 2 }, 3]]), new Set([1, 'x'])`,
  `new Date(0), /re/g, Symbol('x'), 12n`,
  `new Uint8Array([1, 2, 3])`,
  `class A {}, function named() {}, () => {}`,
  `Object.create(null), new (class Point { x = 1 })()`,
  `{ get a() { return 1; }, set b(v) {}, get c() { return 1; }, set c(v) {}, [Symbol('k')]: 1, 'odd-key': 2 }`,
  `{ long: 'x'.repeat(60), other: 'y'.repeat(60), deep: { list: ['a'.repeat(40), 'b'.repeat(40)] } }`,
  `{ u: undefined, n: null, nan: NaN, inf: Infinity }`,
];

describe('format', () => {
  it.each(SAME_AS_NODE)('prints as Node does: %s', async (args) => {
    const expected = nodeFormat(...(new Function(`return [${args}]`)() as [unknown]));
    expect(await messages(`console.log(${args});`)).toEqual([expected]);
  });

  it('marks cycles, cuts depth and items, and invokes no getter', async () => {
    const lines = await messages(`
      const a = { name: 'a' }; a.self = a; console.log(a);
      console.log({ get boom() { throw new Error('invoked'); } });
      console.log(Array.from({ length: 150 }, (_, i) => i));
      console.log(new Array(2 ** 32 - 1));`);
    expect(lines[0]).toContain('[Circular *1]');
    expect(lines[1]).toBe('{ boom: [Getter] }');
    expect(lines[2]).toContain('... 50 more items');
    expect(lines[3]).toContain('empty items');
  });

  it('shows errors with their stack and no frame of the bootstrap', async () => {
    const [line] = await messages(`console.error(Object.assign(new TypeError('boo'), { code: 'E1' }));`);
    expect(line).toMatch(/^TypeError: boo\n {4}at .*index\.js/);
    expect(line).toContain("code: 'E1'");
    expect(line).not.toContain('strata:bootstrap');
  });

  it('does not throw for what cannot be read', async () => {
    const hostile = `new Proxy({}, { ownKeys() { throw new Error('trap'); } })`;
    expect(await messages(`console.log(${hostile}); console.log('next');`)).toEqual([
      'console.log: an argument could not be read',
      'next',
    ]);
  });
});

describe('methods', () => {
  it('have levels', async () => {
    const { lines } =
      await linesOf(`for (const m of ['log', 'info', 'debug', 'warn', 'error', 'trace', 'dir']) console[m](m);
      console.assert(true, 'no'); console.assert(false, 'yes %d', 1);`);
    expect(lines.map((line) => line[0])).toEqual([
      'info',
      'info',
      'debug',
      'warn',
      'error',
      'error',
      'info',
      'warn',
    ]);
    expect(lines[5]?.[2]).toMatch(/^Trace: trace\n {4}at .*index\.js/);
    expect(lines[7]?.[2]).toBe('Assertion failed: yes 1');
  });

  it('group, count, time and make tables', async () => {
    const lines =
      await messages(`console.group('g'); console.log('a\\nb'); console.groupEnd(); console.log('c');
      console.count(); console.count(); console.countReset(); console.count(); console.time('t'); console.timeEnd('t'); console.timeEnd('t');
      console.table([{ a: 1 }, { a: 2 }]);`);
    expect(lines.slice(0, 6)).toEqual(['g', '  a\n  b', 'c', 'default: 1', 'default: 2', 'default: 1']);
    expect(lines[6]).toMatch(/^t: \d+ms$/);
    expect(lines[7]).toContain("No such label 't'");
    expect(lines[8]).toBe('0 │ { a: 1 }\n1 │ { a: 2 }');
  });

  it('keep nothing from one invocation to the next', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = () => { console.group(); console.count(); console.log('x'); };`,
    );
    expect(messagesOf(await guest.invoke())).toEqual(['  default: 1', '  x']);
    expect(messagesOf(await guest.invoke())).toEqual(['  default: 1', '  x']);
  });
});

describe('bounds', () => {
  it('cuts a long line and says how long it was', async () => {
    const [line] = await messages(`console.log('x'.repeat(20000));`);
    expect(line).toBe(`${'x'.repeat(16_384)}… (cut, 20000 characters)`);
  });

  it('shows control characters', async () => {
    expect(await messages(`console.log('a\\x1b[31mb\\r\\0\\x7f\\x9b\\n\\tc');`)).toEqual([
      'a\\x1b[31mb\\x0d\\x00\\x7f\\x9b\n\tc',
    ]);
  });

  it('drops lines beyond the limit and says so', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = () => { for (let i = 0; i < 10; i++) console.log('123456789'); };`,
      { logMaxChars: 35 },
    );
    const log = logsOf(await guest.invoke());
    expect(log.lines).toHaveLength(3);
    expect(log.truncated).toBe(true);
    expect(logsOf(await guest.invoke()).lines).toHaveLength(3);
  });

  it('drops lines that come after the end of their owner', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = () => { Promise.resolve().then(() => {}).then(() => {}).then(() => console.log('late')); return 1; };`,
    );
    expect(messagesOf(await guest.invoke())).toEqual([]);
  });
});
