/** The web globals, mostly held against what Node's own give for the same code. */
import { describe, expect, it } from 'vitest';
import { evaluate, GuestIsolate } from './testing.ts';

/** Runs the body in Node, as the reference. */
const inNode = async (body: string): Promise<unknown> => {
  const run = new Function(`return (async () => {${body}})();`) as () => Promise<unknown>;
  return JSON.parse(JSON.stringify((await run()) ?? null));
};

const SAME_AS_NODE: Record<string, string> = {
  'TextEncoder encodes': `const e = new TextEncoder(); return ['', 'abc', 'é€😀', '\\ud800x', 'x\\udc00'].map((s) => [...e.encode(s)]);`,
  'TextEncoder encodes into': `const b = new Uint8Array(5); const r = new TextEncoder().encodeInto('a€😀', b); return [r, [...b]];`,
  'TextDecoder decodes utf-8': `const d = new TextDecoder(); return [[104, 195, 169], [0xf0, 0x9f, 0x98, 0x80], [0xff, 65], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80], [0xef, 0xbb, 0xbf, 65]].map((b) => d.decode(new Uint8Array(b)));`,
  'TextDecoder streams': `const d = new TextDecoder(); let s = ''; for (const b of new TextEncoder().encode('a€😀z')) s += d.decode(new Uint8Array([b]), { stream: true }) + '|'; return s + d.decode();`,
  'TextDecoder is fatal': `const d = new TextDecoder('utf-8', { fatal: true }); try { d.decode(new Uint8Array([0xff])); } catch (e) { return [e.name, d.decode(new Uint8Array([65]))]; }`,
  'TextDecoder keeps the mark': `return new TextDecoder('utf8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]));`,
  'TextDecoder decodes utf-16le and latin1': `return [new TextDecoder('utf-16le').decode(new Uint8Array([65, 0, 0x3d, 0xd8, 0, 0xde, 1])), new TextDecoder('latin1').decode(new Uint8Array([0x80, 0xe9])), new TextDecoder('latin1').encoding];`,
  'TextDecoder takes views': `const b = new Uint8Array([1, 65, 66, 2]).buffer; return [new TextDecoder().decode(new DataView(b, 1, 2)), new TextDecoder().decode(new Uint8Array(b, 1, 1)), new TextDecoder().decode()];`,
  'TextDecoder decodes long texts': `const s = 'aé😀'.repeat(9999); return new TextDecoder().decode(new TextEncoder().encode(s)) === s;`,
  'atob and btoa': `return [btoa(''), btoa('a'), btoa('ab'), btoa('abc'), btoa('\\xff\\0'), atob('YQ=='), atob('YQ'), atob(' Y W I = '), atob('//8=')];`,
  'atob and btoa refuse': `return ['a', 'a===', '*', 'YQ=', 'é'].map((s) => { try { return atob(s); } catch (e) { return [e.name, e.code, e instanceof DOMException]; } }).concat([(() => { try { btoa('€'); } catch (e) { return e.name; } })()]);`,
  'structuredClone copies': `const shared = { s: 1 }; const a = { d: new Date(5), r: /x/gi, m: new Map([[shared, new Set([shared])]]), b: new Uint8Array([1, 2, 3]).subarray(1), e: new RangeError('r', { cause: 'c' }), n: Object(5), arr: [1, , 3], big: 5n, shared };
    a.self = a; const c = structuredClone(a); const [k, v] = [...c.m][0];
    return [c !== a, c.self === c, c.d.getTime(), c.d instanceof Date, String(c.r), k === c.shared, v.has(k), [...c.b], c.b.buffer.byteLength, c.e instanceof RangeError, c.e.message, c.e.cause, c.n instanceof Number, 1 in c.arr, c.arr.length, String(c.big)];`,
  'structuredClone refuses': `return [() => {}, Symbol('s'), { f() {} }, new WeakMap(), Promise.resolve()].map((v) => { try { structuredClone(v); return 'copied'; } catch (e) { return [e.name, e.code]; } });`,
  'structuredClone transfers': `const b = new ArrayBuffer(4); const c = structuredClone({ b }, { transfer: [b] }); return [b.byteLength, c.b.byteLength];`,
  'structuredClone drops prototypes': `class P { constructor() { this.x = 1; } } const c = structuredClone(new P()); return [c.constructor === Object, c.x];`,
  'AbortController aborts': `const c = new AbortController(); const seen = []; c.signal.onabort = (e) => seen.push('on ' + e.type); c.signal.addEventListener('abort', () => seen.push('listener'), { once: true });
    c.abort(); c.abort('again'); try { c.signal.throwIfAborted(); } catch (e) { seen.push(e.name, e.code, e === c.signal.reason); } return [seen, c.signal.aborted, c.signal instanceof AbortSignal, c.signal instanceof EventTarget];`,
  'AbortSignal.abort and any': `const a = new AbortController(); const any = AbortSignal.any([a.signal, new AbortController().signal]); const before = any.aborted; a.abort('why'); return [before, any.aborted, any.reason, AbortSignal.any([AbortSignal.abort(5)]).reason];`,
  'AbortSignal is not constructed': `try { new AbortSignal(); } catch (e) { return e.name; }`,
  'events reach listeners': `const t = new EventTarget(); const seen = []; const f = (e) => { seen.push(e.type, e.target === t, e.currentTarget === t); e.preventDefault(); };
    t.addEventListener('x', f); t.addEventListener('x', f); t.addEventListener('x', { handleEvent(e) { seen.push(e.detail); e.stopImmediatePropagation(); } }); t.addEventListener('x', () => seen.push('never'));
    const result = t.dispatchEvent(new CustomEvent('x', { detail: 7, cancelable: true })); t.removeEventListener('x', f); t.dispatchEvent(new CustomEvent('x')); return [seen, result];`,
  'a signal removes a listener': `const t = new EventTarget(); const c = new AbortController(); let n = 0; t.addEventListener('x', () => n++, { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); return n;`,
  DOMException: `const e = new DOMException('m', 'AbortError'); return [e.name, e.message, e.code, e instanceof Error, String(e), Object.prototype.toString.call(e), new DOMException().name];`,
  'queueMicrotask runs in order': `const seen = []; queueMicrotask(() => seen.push(1)); Promise.resolve().then(() => seen.push(2)); queueMicrotask(() => seen.push(3)); await null; await null; return seen;`,
  'getRandomValues checks': `return [new Float64Array(1), new Uint8Array(65537)].map((a) => { try { crypto.getRandomValues(a); } catch (e) { return e.name; } });`,
};

describe('globals do as in Node', () => {
  it.each(Object.entries(SAME_AS_NODE))('%s', async (_, body) => {
    expect(await evaluate(body)).toEqual(await inNode(body));
  });
});

describe('crypto', () => {
  it('makes UUIDs and fills arrays, each time anew', async () => {
    const body = `const ids = new Set(); for (let i = 0; i < 100; i++) ids.add(crypto.randomUUID());
      const a = crypto.getRandomValues(new Uint32Array(4)); return [ids.size, [...ids][0], a.some((n) => n > 0), crypto.getRandomValues(new BigInt64Array(1)).length];`;
    const [size, id, some, length] = (await evaluate(body)) as [number, string, boolean, number];
    expect([size, some, length]).toEqual([100, true, 1]);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('says that subtle is not offered', async () => {
    await expect(evaluate('return crypto.subtle.digest;')).rejects.toThrow('crypto.subtle is not offered');
  });

  it('computes ChaCha20 as RFC 8439 has it', async () => {
    const { fillBlock } = await import('./globals/chacha.ts');
    const block = new Uint32Array(16);
    // Test vector 1 of its appendix A.1: the key, the nonce and the counter are zero.
    fillBlock(new Uint32Array(8), block);
    expect(Buffer.from(block.buffer).toString('hex').slice(0, 32)).toBe('76b8e0ada0f13d90405d6ae55386bd28');
  });
});

describe('what is this runtime’s own', () => {
  it('names an encoding that is not offered', async () => {
    await expect(evaluate(`new TextDecoder('shift_jis');`)).rejects.toThrow(
      "the encoding 'shift_jis' is not offered",
    );
  });

  it('has a coarse clock that begins near zero', async () => {
    const [now, whole, origin] = (await evaluate(
      `return [performance.now(), Number.isInteger(performance.now()), Math.abs(Date.now() - performance.timeOrigin) < 60000];`,
    )) as [number, boolean, boolean];
    expect(now).toBeLessThan(60_000);
    expect([whole, origin]).toEqual([true, true]);
  });

  it('aborts a signal after its time', async () => {
    const guest = await GuestIsolate.load(
      `exports.handler = () => new Promise((resolve) => { const s = AbortSignal.timeout(50); s.onabort = () => resolve([s.reason.name, s.aborted]); });`,
    );
    expect((await guest.invoke()).map((record) => record.kind)).toEqual(['T']);
    expect(await guest.tick(1, 100)).toEqual([{ kind: 'R', owner: 1, payload: '["TimeoutError",true]' }]);
  });

  it('installs lazily, and lets a function put its own in place', async () => {
    const body = `const before = typeof Object.getOwnPropertyDescriptor(globalThis, 'URL').get; URL; const after = typeof Object.getOwnPropertyDescriptor(globalThis, 'URL').value;
      globalThis.crypto = 5; return [before, after, crypto];`;
    expect(await evaluate(body)).toEqual(['function', 'function', 5]);
  });
});
