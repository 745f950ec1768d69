/** What a function must not have, by whatever way it tries. */
import { describe, expect, it } from 'vitest';
import { evaluate } from './testing.ts';

const OPTIONS = '8, { maxByteLength: 1 << 20 }';

describe('lockdown', () => {
  it.each(['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WebSocket', 'Buffer', 'require2'])(
    'has no %s',
    async (name) => {
      expect(await evaluate(`return typeof ${name};`)).toBe('undefined');
      await expect(evaluate(`return ${name}.x;`)).rejects.toThrow(`${name} is not defined`);
    },
  );

  it.each([
    ['the constructor', `new ArrayBuffer(${OPTIONS})`],
    ["the prototype's constructor", `new ArrayBuffer.prototype.constructor(${OPTIONS})`],
    ["a buffer's constructor", `new (new Uint8Array(1).buffer.constructor)(${OPTIONS})`],
    ['the species', `new (ArrayBuffer[Symbol.species])(${OPTIONS})`],
    ['Reflect.construct', `Reflect.construct(ArrayBuffer, [${OPTIONS}])`],
    ['Reflect.construct with another target', `Reflect.construct(ArrayBuffer, [${OPTIONS}], class {})`],
    ['a subclass', `new (class extends ArrayBuffer { constructor() { super(${OPTIONS}); } })()`],
    ['a bound constructor', `new (ArrayBuffer.bind(null, 8, { maxByteLength: 1 << 20 }))()`],
    ['the prototype chain', `new (Object.getPrototypeOf(class extends ArrayBuffer {}))(${OPTIONS})`],
    ['a structured clone', `new (structuredClone(new ArrayBuffer(8)).constructor)(${OPTIONS})`],
    ['a slice', `new (new ArrayBuffer(8).slice(0).constructor)(${OPTIONS})`],
    ['a transfer', `new (new ArrayBuffer(8).transfer().constructor)(${OPTIONS})`],
    [
      'the own constructor property',
      `new (Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'constructor').value)(${OPTIONS})`,
    ],
    ['eval', `(0, eval)('new ArrayBuffer(${OPTIONS})')`],
  ])('makes no resizable buffer by %s', async (_, expression) => {
    const body = `const b = ${expression}; const get = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'resizable').get;
      return [get.call(b), b.resize === undefined];`;
    expect(await evaluate(body)).toEqual([false, true]);
  });

  it('hands the original constructor to no trap on Object.prototype', async () => {
    const body = `let leaked; for (const trap of ['get', 'construct', 'apply', 'getPrototypeOf', 'has', 'getOwnPropertyDescriptor', 'ownKeys', 'defineProperty'])
        Object.prototype[trap] = (target) => { leaked = target; };
      ArrayBuffer.x; new ArrayBuffer(1); 'x' in ArrayBuffer; Object.getPrototypeOf(ArrayBuffer); Object.keys(ArrayBuffer);
      for (const trap of ['get', 'construct', 'apply', 'getPrototypeOf', 'has', 'getOwnPropertyDescriptor', 'ownKeys', 'defineProperty']) delete Object.prototype[trap];
      return typeof leaked;`;
    expect(await evaluate(body)).toBe('undefined');
  });

  it('leaves ordinary buffers working', async () => {
    const body = `const b = new ArrayBuffer(8); class Own extends ArrayBuffer {}
      return [b.byteLength, b instanceof ArrayBuffer, ArrayBuffer.isView(new Uint8Array(b)), b.slice(2).byteLength,
        b.constructor === ArrayBuffer, new Own(3) instanceof Own, new Own(3).byteLength, ArrayBuffer.name,
        new Uint8Array([1, 2]).buffer instanceof ArrayBuffer, (() => { try { ArrayBuffer(1); } catch (e) { return e.name; } })()];`;
    expect(await evaluate(body)).toEqual([8, true, true, 6, true, true, 3, 'ArrayBuffer', true, 'TypeError']);
  });

  it('keeps eval, Function and the names of the global object', async () => {
    const body = `return [eval('1+1'), new Function('return 2')(), global === globalThis, self === globalThis, Object.keys(process), navigator.userAgent];`;
    expect(await evaluate(body)).toEqual([2, 2, true, true, ['env'], 'Strata']);
  });
});
