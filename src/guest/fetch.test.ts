/** fetch inside of an isolate, with the network that the test plays. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AnswerHead,
  NETWORK_CHUNK_BYTES,
  type NetworkEventKind,
  type NetworkFailure,
  OP,
  type RequestHead,
} from './contract.ts';
import { evaluate, failureOf, GuestIsolate, type TestRecord } from './testing.ts';

const event = (kind: NetworkEventKind, number: number, payload: string): string =>
  `${kind}${number} ${payload.length}\n${payload}`;
const head = (number: number, given: Partial<AnswerHead> = {}): string =>
  event('H', number, JSON.stringify({ status: 200, statusText: 'OK', headers: [], ...given }));
const failure = (number: number, given: Partial<NetworkFailure> = {}): string =>
  event(
    'X',
    number,
    JSON.stringify({ code: 'ECONNREFUSED', message: 'refused', refused: false, limit: null, ...given }),
  );
const answer = (number: number, body: string, given: Partial<AnswerHead> = {}): string =>
  head(number, given) + event('E', number, body);

const CHUNK = NETWORK_CHUNK_BYTES;

interface Asked {
  readonly number: number;
  readonly hasBody: boolean;
  readonly target: string;
  readonly head: RequestHead;
}

const asked = (records: readonly TestRecord[]): Asked[] =>
  records
    .filter(({ kind }) => kind === 'F')
    .map(({ payload }) => {
      const newline = payload.indexOf('\n');
      const [number, hasBody, target = ''] = payload.slice(0, newline).split(' ');
      const json = JSON.parse(payload.slice(newline + 1)) as RequestHead;
      return { number: Number(number), hasBody: hasBody === '1', target, head: json };
    });

const opened: GuestIsolate[] = [];
afterEach(() => {
  for (const guest of opened.splice(0)) guest.dispose();
});

const load = async (
  body: string,
  options: Parameters<typeof GuestIsolate.load>[2] = {},
): Promise<GuestIsolate> => {
  const guest = await GuestIsolate.load(`exports.handler = async (event) => {${body}\n};`, {}, options);
  opened.push(guest);
  return guest;
};

const bring = (guest: GuestIsolate, events: string, owner = 1): Promise<TestRecord[]> =>
  guest.enter([OP.NETWORK, owner, guest.nowMs, events]);

const resultOf = (records: readonly TestRecord[]): unknown => {
  const found = records.find(({ kind }) => kind === 'R');
  if (found === undefined) throw new Error(`no result: ${JSON.stringify(records)}`);
  return JSON.parse(found.payload);
};

const payloads = (records: readonly TestRecord[], kind: TestRecord['kind']): string[] =>
  records.filter((record) => record.kind === kind).map(({ payload }) => payload);

describe('fetch', () => {
  it('asks for what the function says, and answers when the network does', async () => {
    const guest = await load(
      'const r = await fetch("https://API.example.com/p?q#f", { headers: { "X-A": "1" } });' +
        'return [r.status, r.ok, r.statusText, r.url, r.redirected, r.headers.get("x-b"), await r.json()];',
    );
    const [request] = asked(await guest.invoke());
    expect(request).toMatchObject({ hasBody: false, target: 'api.example.com:443' });
    expect(request?.head).toEqual({
      ...{ method: 'GET', url: 'https://api.example.com/p?q', length: null },
      headers: [
        ['accept', '*/*'],
        ['accept-encoding', 'identity'],
        ['user-agent', 'Strata'],
        ['x-a', '1'],
      ],
    });
    const records = await bring(
      guest,
      answer(1, '{"a":[1]}', { status: 201, statusText: 'Made', headers: [['X-B', '2']] }),
    );
    expect(resultOf(records)).toEqual([
      201,
      true,
      'Made',
      'https://api.example.com/p?q',
      false,
      '2',
      { a: [1] },
    ]);
  });

  it('fails like that of Node when the other side cannot be reached', async () => {
    const guest = await load(
      'try { await fetch("http://a.com"); } catch (e) { return [e.name, e instanceof TypeError, e.message, e.cause.code, e.cause.message]; }',
    );
    await guest.invoke();
    expect(resultOf(await bring(guest, failure(1)))).toEqual([
      'TypeError',
      true,
      'fetch failed',
      'ECONNREFUSED',
      'refused',
    ]);
  });

  it('says in its message why something was refused', async () => {
    const guest = await load('await fetch("http://a.com");');
    await guest.invoke();
    const limit = { kind: 'networkTimeMs', configured: 5, observed: null };
    const records = await bring(
      guest,
      failure(1, { code: 'network_limit', message: 'too slow', refused: true, limit }),
    );
    expect(failureOf(records)).toMatchObject({
      code: 'function_error',
      error: { type: 'TypeError', message: 'fetch failed: too slow' },
    });
  });

  it('gives several answers to whom they belong', async () => {
    const guest = await load(
      'const [a, b] = await Promise.all(["a", "b"].map(async (h) => (await fetch("http://" + h + ".com")).text())); return a + b;',
    );
    expect(asked(await guest.invoke()).map(({ target }) => target)).toEqual(['a.com:80', 'b.com:80']);
    await bring(guest, answer(2, 'second'));
    expect(resultOf(await bring(guest, answer(1, 'first ')))).toBe('first second');
  });

  it.each([
    ['file:///etc/passwd', 'asks'],
    ['not a url', 'Failed to parse URL'],
    ['http://u:p@a.com', 'must not hold credentials'],
  ])('of %s: %s', async (url, message) => {
    const guest = await load(`await fetch(${JSON.stringify(url)});`);
    const records = await guest.invoke();
    // Whether a scheme is offered is decided where it cannot be got around.
    if (message === 'asks') expect(asked(records)).toHaveLength(1);
    else expect(failureOf(records).error?.message).toContain(message);
  });

  it('does nothing while the code is loaded', async () => {
    const guest = await GuestIsolate.load(
      'let said; const early = fetch("http://a.com").catch((e) => { said = e.message; }); exports.handler = async () => { await early; return said; };',
    );
    opened.push(guest);
    expect(asked(guest.loadRecords)).toEqual([]);
    expect(resultOf(await guest.invoke())).toContain('there is no network while the code is loaded');
  });

  it('has a limit of requests under way in an instance', async () => {
    const guest = await load(
      'const all = Array.from({ length: 30 }, () => fetch("http://a.com").then(() => 1, (e) => e.cause.code)); return (await Promise.all(all)).join();',
      { requestsMax: 20 },
    );
    const requests = asked(await guest.invoke());
    expect(requests).toHaveLength(20);
    const records = await bring(guest, requests.map(({ number }) => answer(number, '')).join(''));
    expect(resultOf(records)).toBe([...Array(20).fill(1), ...Array(10).fill('network_limit')].join());
  });

  it('refuses a head that nothing would take', async () => {
    const guest = await load(
      'try { await fetch("http://a.com/" + "x".repeat(1e6)); } catch (e) { return e.cause.code; }',
    );
    const records = await guest.invoke();
    expect(asked(records)).toEqual([]);
    expect(resultOf(records)).toBe('network_limit');
  });
});

describe('the body of a request', () => {
  it.each([
    ['"h\\u00e4"', 'text/plain;charset=UTF-8', 'h\u00c3\u00a4'],
    ['new Uint8Array([0, 255, 10])', null, '\u0000\u00ff\n'],
    ['new Uint8Array([1, 2, 3, 4]).subarray(1, 3)', null, '\u0002\u0003'],
    ['new Uint8Array([1, 2]).buffer', null, '\u0001\u0002'],
    ['new URLSearchParams({ a: "b c" })', 'application/x-www-form-urlencoded;charset=UTF-8', 'a=b+c'],
    ['JSON.stringify({ a: 1 })', 'text/plain;charset=UTF-8', '{"a":1}'],
  ])('may be %s', async (body, type, text) => {
    const guest = await load(`await fetch("http://a.com", { method: "POST", body: ${body} });`);
    const records = await guest.invoke();
    const [request] = asked(records);
    expect(request).toMatchObject({ hasBody: true, head: { method: 'POST', length: text.length } });
    expect(request?.head.headers.find(([name]) => name === 'content-type')?.[1] ?? null).toBe(type);
    expect(payloads(records, 'B')).toEqual([`1 0\n${text}`, '1 1\n']);
  });

  it('is sent as fast as the other side uses it up', async () => {
    const guest = await load('await fetch("http://a.com", { method: "PUT", body: new Uint8Array(400000) });');
    const sizes = (records: readonly TestRecord[]): number[] =>
      payloads(records, 'B').map((text) => text.length - 4);
    expect(sizes(await guest.invoke())).toEqual([CHUNK, CHUNK]);
    expect(sizes(await bring(guest, event('C', 1, '1000')))).toEqual([1_000]);
    expect(sizes(await bring(guest, event('C', 1, String(2 * CHUNK))))).toEqual([CHUNK, CHUNK]);
    const last = await bring(guest, event('C', 1, '200000'));
    expect(sizes(last)).toEqual([CHUNK, CHUNK, 400_000 - 6 * CHUNK - 1_000, 0]);
    expect(payloads(last, 'B').at(-1)).toBe('1 1\n');
  });

  it('may be a stream', async () => {
    const guest = await load(
      'const parts = ["a", "bc"]; const body = new ReadableStream({ pull(c) { const p = parts.shift(); if (p) c.enqueue(new TextEncoder().encode(p)); else c.close(); } });' +
        'await fetch("http://a.com", { method: "POST", body, duplex: "half" });',
    );
    const records = await guest.invoke();
    expect(asked(records)[0]?.head.length).toBeNull();
    expect(payloads(records, 'B')).toEqual(['1 0\nabc', '1 1\n']);
  });

  it('leaves as one, however many parts a function makes of it', async () => {
    const guest = await load(
      'let n = 0; const one = new Uint8Array(1); const body = new ReadableStream({ pull(c) { n += 1; if (n > 70000) c.close(); else c.enqueue(one); } });' +
        'Math.min = () => 1; await fetch("http://a.com", { method: "POST", body });',
    );
    const parts = payloads(await guest.invoke(), 'B').map((text) => text.length - 4);
    expect(parts).toEqual([CHUNK, 70_000 - CHUNK, 0]);
  });

  it('that fails gives the request up', async () => {
    const guest = await load(
      'const body = new ReadableStream({ async pull() { await new Promise((f) => setTimeout(f, 10)); throw new Error("no more"); } });' +
        'try { await fetch("http://a.com", { method: "POST", body }); } catch (e) { return e.message; }',
    );
    await guest.invoke();
    const records = await guest.tick(1, 50);
    expect(payloads(records, 'Q')).toEqual(['1']);
    expect(resultOf(records)).toBe('no more');
  });

  it('is refused with GET', async () => {
    const guest = await load('await fetch("http://a.com", { body: "x" });');
    expect(failureOf(await guest.invoke()).error?.message).toContain('GET takes no body');
  });
});

describe('the body of an answer', () => {
  it('comes in parts, and each is asked for by reading', async () => {
    const guest = await load(
      'const r = await fetch("http://a.com"); const seen = []; for await (const c of r.body) seen.push(c.length); return [seen, r.bodyUsed];',
    );
    await guest.invoke();
    const first = await bring(guest, head(1) + event('D', 1, 'x'.repeat(1_000)));
    expect(payloads(first, 'C')).toEqual(['1 1000']);
    const second = await bring(guest, event('D', 1, 'y'.repeat(10)));
    expect(payloads(second, 'C')).toEqual(['1 10']);
    expect(resultOf(await bring(guest, event('E', 1, 'z')))).toEqual([[1_000, 10, 1], true]);
  });

  it('that nobody reads is asked for no further', async () => {
    const guest = await load('const r = await fetch("http://a.com"); await new Promise(() => {});');
    await guest.invoke();
    const records = await bring(guest, head(1) + event('D', 1, 'x'.repeat(65_536)));
    expect(payloads(records, 'C')).toEqual([]);
  });

  it('is read by getReader, and given up by cancel', async () => {
    const guest = await load(
      'const r = await fetch("http://a.com"); const reader = r.body.getReader(); const { value } = await reader.read(); await reader.cancel(); return [...value];',
    );
    await guest.invoke();
    const records = await bring(guest, head(1) + event('D', 1, '\u0001\u00ff'));
    expect(resultOf(records)).toEqual([1, 255]);
    expect(payloads(records, 'Q')).toEqual(['1']);
  });

  it('that breaks off rejects whoever reads it', async () => {
    const guest = await load(
      'const r = await fetch("http://a.com"); try { await r.text(); } catch (e) { return [e.message, e.cause.code]; }',
    );
    await guest.invoke();
    await bring(guest, head(1) + event('D', 1, 'part'));
    expect(resultOf(await bring(guest, failure(1, { code: 'UND_ERR_SOCKET' })))).toEqual([
      'fetch failed',
      'UND_ERR_SOCKET',
    ]);
  });

  it.each([
    ['text', 'await r.text()', 'h\u00e4'],
    ['arrayBuffer', '(await r.arrayBuffer()).byteLength', 3],
    ['bytes', '[...await r.bytes()]', [0x68, 0xc3, 0xa4]],
    ['clone', '[await r.clone().text(), await r.text()]', ['h\u00e4', 'h\u00e4']],
  ])('is read by %s', async (_name, expression, expected) => {
    const guest = await load(`const r = await fetch("http://a.com"); return ${expression};`);
    await guest.invoke();
    expect(resultOf(await bring(guest, answer(1, 'h\u00c3\u00a4')))).toEqual(expected);
  });

  it('is read once', async () => {
    const guest = await load(
      'const r = await fetch("http://a.com"); await r.text(); try { await r.text(); } catch (e) { return e.message; }',
    );
    await guest.invoke();
    expect(resultOf(await bring(guest, answer(1, 'x')))).toBe('the body has been read already');
  });
});

describe('a redirect', () => {
  const location = (url: string, status = 302): Partial<AnswerHead> => ({
    status,
    headers: [['location', url]],
  });

  it('is a request of its own, and the first is given up', async () => {
    const guest = await load(
      'const r = await fetch("http://a.com/x/"); return [r.url, r.redirected, await r.text()];',
    );
    await guest.invoke();
    const records = await bring(guest, head(1, location('../y')));
    expect(payloads(records, 'Q')).toEqual(['1']);
    expect(asked(records)).toMatchObject([{ number: 2, head: { url: 'http://a.com/y' } }]);
    expect(resultOf(await bring(guest, answer(2, 'there')))).toEqual(['http://a.com/y', true, 'there']);
  });

  it('to another origin takes no credentials along', async () => {
    const guest = await load(
      'await fetch("http://a.com", { headers: { authorization: "secret", cookie: "c", "x-a": "1" } });',
    );
    await guest.invoke();
    const same = asked(await bring(guest, head(1, location('http://a.com/2'))));
    expect(JSON.stringify(same)).toContain('secret');
    const other = asked(await bring(guest, head(2, location('https://a.com/3'))));
    expect(other[0]?.head.headers.map(([name]) => name)).toEqual([
      'accept',
      'accept-encoding',
      'user-agent',
      'x-a',
    ]);
  });

  it.each([
    [301, 'POST', 'GET'],
    [302, 'POST', 'GET'],
    [303, 'PUT', 'GET'],
    [307, 'POST', 'POST'],
    [308, 'PUT', 'PUT'],
    [302, 'PUT', 'PUT'],
  ])('of status %i makes of %s %s', async (status, method, then) => {
    const guest = await load(`await fetch("http://a.com", { method: "${method}", body: "b" });`);
    await guest.invoke();
    const records = await bring(guest, head(1, location('/2', status)));
    const [request] = asked(records);
    expect(request?.head.method).toBe(then);
    expect(request?.hasBody).toBe(then !== 'GET');
    expect(payloads(records, 'B')).toEqual(then === 'GET' ? [] : ['2 0\nb', '2 1\n']);
  });

  it('is followed only so often', async () => {
    const guest = await load(
      'try { await fetch("http://a.com"); } catch (e) { return [e.cause.code, e.cause.limit]; }',
    );
    await guest.invoke();
    for (const number of [1, 2, 3]) await bring(guest, head(number, location('/again')));
    expect(resultOf(await bring(guest, head(4, location('/again'))))).toEqual([
      'network_limit',
      { kind: 'networkRedirects', configured: 3, observed: 4 },
    ]);
  });

  it.each([
    ['manual', 302],
    ['error', 'fetch failed: the answer is a redirect'],
  ])('is not followed with %s', async (redirect, expected) => {
    const guest = await load(
      `try { return (await fetch("http://a.com", { redirect: "${redirect}" })).status; } catch (e) { return e.message; }`,
    );
    await guest.invoke();
    expect(resultOf(await bring(guest, head(1, location('/2'))))).toBe(expected);
  });
});

describe('a signal', () => {
  it('gives the request up', async () => {
    const guest = await load(
      'const c = new AbortController(); const f = fetch("http://a.com", { signal: c.signal }); setTimeout(() => c.abort(), 10); try { await f; } catch (e) { return e.name; }',
    );
    await guest.invoke();
    const records = await guest.tick(1, 50);
    expect(payloads(records, 'Q')).toEqual(['1']);
    expect(resultOf(records)).toBe('AbortError');
  });

  it('that comes at once begins nothing, so that no number of them floods anybody', async () => {
    const guest = await load(
      'let last; for (let n = 0; n < 5000; n += 1) { const c = new AbortController(); last = fetch("http://a.com", { signal: c.signal }); last.catch(() => {}); c.abort(); } try { await last; } catch (e) { return e.name; }',
    );
    const records = await guest.invoke();
    expect([...payloads(records, 'F'), ...payloads(records, 'Q')]).toEqual([]);
    expect(resultOf(records)).toBe('AbortError');
  });

  it('gives up the body as well, with the reason', async () => {
    const guest = await load(
      'const c = new AbortController(); const r = await fetch("http://a.com", { signal: c.signal }); setTimeout(() => c.abort(new Error("enough")), 10);' +
        'try { await r.text(); } catch (e) { return e.message; }',
    );
    await guest.invoke();
    await bring(guest, head(1) + event('D', 1, 'part'));
    const records = await guest.tick(1, 50);
    expect(resultOf(records)).toBe('enough');
    expect(payloads(records, 'Q')).toEqual(['1']);
  });

  it('that was given before asks for nothing', async () => {
    const guest = await load(
      'try { await fetch("http://a.com", { signal: AbortSignal.abort() }); } catch (e) { return e.name; }',
    );
    const records = await guest.invoke();
    expect([asked(records), resultOf(records)]).toEqual([[], 'AbortError']);
  });
});

describe('after the invocation', () => {
  it('nothing of its requests reaches anybody', async () => {
    const guest = await load(
      'globalThis.seen ??= []; if (event === "look") return globalThis.seen; fetch("http://a.com").then(() => globalThis.seen.push("late"), () => globalThis.seen.push("failed")); return 0;',
    );
    expect(asked(await guest.invoke())).toHaveLength(1);
    await bring(guest, answer(1, 'late'), 1);
    await bring(guest, answer(1, 'late'), 2);
    expect(resultOf(await guest.invoke('look'))).toEqual([]);
    await bring(guest, failure(1), 2);
    expect(resultOf(await guest.invoke('look'))).toEqual([]);
  });

  it('another owner cannot be given its answers', async () => {
    const guest = await load('const r = await fetch("http://a.com/" + event); return r.text();');
    await guest.invoke('one');
    await guest.invoke('two');
    const wrong = await bring(guest, answer(1, 'for one'), 2);
    expect(payloads(wrong, 'R')).toEqual([]);
    expect(resultOf(await bring(guest, answer(1, 'for one'), 1))).toBe('for one');
    expect(resultOf(await bring(guest, answer(2, 'for two'), 2))).toBe('for two');
  });

  it('requests no longer count among those under way', async () => {
    const guest = await load('fetch("http://a.com").catch(() => {}); return 0;', { requestsMax: 1 });
    for (let round = 0; round < 3; round += 1) expect(asked(await guest.invoke())).toHaveLength(1);
  });
});

describe('what was patched', () => {
  it.each([
    'JSON.stringify = () => "x".repeat(1e6)',
    'JSON.stringify = () => ({})',
    'JSON.parse = () => { throw new Error("p"); }',
    'Promise.withResolvers = () => { throw new Error("p"); }',
    'String.prototype.charCodeAt = () => 70000',
    'String.fromCharCode = () => "\\u1234".repeat(1e5)',
    'Map.prototype.get = () => ({ __proto__: null })',
    'Array.prototype[Symbol.iterator] = function* () { yield 1; }',
    'Object.prototype.then = function (f) { f(1); }',
  ])('by %s breaks at most the invocation itself, and sends nothing that is forbidden', async (patch) => {
    const guest = await load(
      `${patch}; const r = await fetch("http://a.com", { method: "POST", body: "abc" }); return (await r.text()).length;`,
    );
    const records = await guest.invoke();
    if (payloads(records, 'F').length > 0) records.push(...(await bring(guest, answer(1, 'xyz'))));
    for (const text of payloads(records, 'B')) expect(text.length).toBeLessThan(CHUNK + 10);
    for (const text of payloads(records, 'F')) expect(text.length).toBeLessThan(90_000);
    for (const text of payloads(records, 'C')) expect(Number(text.split(' ')[1])).toBeLessThanOrEqual(3);
    expect(guest.isolate.isDisposed).toBe(false);
  });
});

describe('Headers, Request and Response', () => {
  it.each([
    [
      '[...new Headers({ B: "2", a: "1" })]',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['const h = new Headers([["a", "1"], ["A", "2"]]); return h.get("a")', '1, 2'],
    [
      'const h = new Headers(); h.append("set-cookie", "a"); h.append("set-cookie", "b"); return [h.getSetCookie(), [...h].length]',
      [['a', 'b'], 2],
    ],
    ['const h = new Headers({ a: " x " }); h.delete("A"); return [h.has("a"), h.get("a")]', [false, null]],
    ['new Response("x").headers.get("content-type")', 'text/plain;charset=UTF-8'],
    [
      'const r = Response.json({ a: 1 }, { status: 201 }); return [r.status, r.headers.get("content-type"), await r.json()]',
      [201, 'application/json', { a: 1 }],
    ],
    ['Response.redirect("http://a.com/").headers.get("location")', 'http://a.com/'],
    ['Response.error().type', 'error'],
    [
      'const r = new Request("http://a.com", { method: "post", body: "x" }); return [r.method, r.url, await r.clone().text(), await r.text()]',
      ['POST', 'http://a.com/', 'x', 'x'],
    ],
    [
      'new Request(new Request("http://a.com", { headers: { a: "1" } }), { method: "PUT" }).headers.get("a")',
      '1',
    ],
    [
      'const [a, b] = new ReadableStream({ start(c) { c.enqueue(1); c.close(); } }).tee(); const out = []; for await (const x of a) out.push(x); for await (const x of b) out.push(x); return out',
      [1, 1],
    ],
    ['String(new Response(null, { status: 204 }).body)', 'null'],
  ])('%s', async (expression, expected) => {
    const body = expression.includes('return ') ? expression : `return ${expression}`;
    expect(await evaluate(body)).toEqual(expected);
  });

  it.each([
    'new Headers({ "a b": "1" })',
    'new Headers({ a: "x\\r\\nb: c" })',
    'new Headers([["a"]])',
    'new Headers("a")',
    'new Request("/relative")',
    'new Request("http://a.com", { method: "CONNECT" })',
    'new Request("http://a.com", { signal: {} })',
    'new Request("http://a.com", { redirect: "no" })',
    'new Response("x", { status: 204 })',
    'new Response("x", { status: 99 })',
  ])('%s throws', async (expression) => {
    await expect(evaluate(`${expression}; return 0;`)).rejects.toThrow(/TypeError|RangeError/);
  });

  it('drop the headers that belong to the transport', async () => {
    const names = ['Host', 'Connection', 'Content-Length', 'Transfer-Encoding', 'x-a'];
    const expression = `new Request("http://a.com", { headers: ${JSON.stringify(Object.fromEntries(names.map((name) => [name, '1'])))} }).headers`;
    expect(await evaluate(`return [...${expression}].map(([n]) => n);`)).toEqual(['x-a']);
  });
});
