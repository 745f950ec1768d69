/** URL and URLSearchParams, held against Node's own. */
import { describe, expect, it } from 'vitest';
import { evaluate } from './testing.ts';

const PARTS = [
  'href',
  'origin',
  'protocol',
  'username',
  'password',
  'host',
  'hostname',
  'port',
  'pathname',
  'search',
  'hash',
] as const;

const INPUTS: (string | [string, string])[] = [
  'http://example.com',
  'HTTP://EXAMPLE.com:80/',
  'https://example.com:443/a/../b/./c?x=1#y',
  'http://user:pa ss@host:8080/p?q#f',
  'http://u@@h/',
  'http://a:b:c@h/',
  'http://@h',
  'http://h:',
  'http://h:99999',
  'http://h:12x',
  'http://h:0',
  'http://h:00080/',
  'http://1.2.3.4',
  'http://1.2.3',
  'http://0x7f.1',
  'http://0300.0250.1',
  'http://256',
  'http://256.1.1.1',
  'http://1.256.1',
  'http://1.2.3.256',
  'http://1.2.3.4.5',
  'http://4294967296',
  'http://1.2.3.4.',
  'http://foo.0x',
  'http://foo.09',
  'http://09.example',
  'http://..',
  'http://a..b',
  'http://[::1]',
  'http://[1:2:3:4:5:6:7:8]',
  'http://[1::8]',
  'http://[::ffff:1.2.3.4]',
  'http://[1:0:0:2:0:0:0:3]',
  'http://[::1',
  'http://[:::]',
  'http://[1:2:3:4:5:6:7]',
  'http://[::1.2.3]',
  'http://[::1.2.3.400]',
  'http://[12345::]',
  'http://[0:0:0:0:0:0:0:0]',
  'http://[2001:DB8::A]:81/',
  'http://[::01.2.3.4]',
  'http://[1:2::3:4:5:6:7]',
  'http://ex ample',
  'http://ex%20ample',
  'http://%65xample.com',
  'http://exa%2fmple',
  'http://a<b',
  'http://a|b',
  'http://%zz',
  'http://a^b',
  'http://münchen.de/ä?ö#ü',
  'http://ＧＯ.com',
  'http://日本語。jp',
  'http://faß.de',
  'http://xn--mnchen-3ya.de',
  'http://☃.net',
  'http://a\u00adb.c',
  'http://ÀÉ.org',
  'http://h/%',
  'http://h/%zz%41',
  'http://h/a b"<>`{}|^',
  'http://h/?a b\'"<>`{}|^',
  'http://h/#a b"<>`{}|^',
  'http://h/😀?😀#😀',
  'http://h/\ud800',
  'http://h/a/%2e%2E/b',
  'http://h/a/%2e',
  'http://h/..',
  'http://h/a/..',
  'http://h//a//..//',
  'http:\\\\h\\a\\b',
  'http:/h',
  'http:h',
  'http:///h',
  'http://',
  'http:',
  '//h',
  '',
  'a',
  '/a',
  ' http://h/ ',
  'ht\ntp://h/\ta',
  'http://h/a\\b?c\\d',
  'ftp://h:21/',
  'ws://h:80',
  'wss://h:443/x',
  'ws://h/#f',
  'file:///a/b',
  'file://host/a',
  'file://localhost/a',
  'file:a',
  'file:/C|/x/../..',
  'file:///C:/../x',
  'file://C:/x',
  'file:\\\\h\\x',
  'file://h:80/',
  'file:',
  'mailto:a@b',
  'data:text/plain,hello world#x y',
  'javascript:alert(1)?x',
  'about:blank',
  'blob:https://h:8/x',
  'urn:isbn:1 2',
  'foo:/a/../b',
  'foo://h:80/a b',
  'foo://H/%41',
  'foo:///x',
  'foo:/..//x',
  'foo:/.//p',
  'foo://h h/',
  'foo://[::1]/',
  'foo:',
  'foo://a\\b',
  'foo:?q',
  'foo:#f',
  '1http://h',
  'a+b-c.d://x',
  'http+x://h/',
  ['b', 'http://h/a/c'],
  ['../b', 'http://h/a/c/d'],
  ['/b', 'http://h/a'],
  ['//k/b', 'https://h/a'],
  ['?q', 'http://h/a?p#f'],
  ['#g', 'http://h/a?p#f'],
  ['', 'http://h/a?p#f'],
  ['http:b', 'http://h/a/c'],
  ['http:b', 'https://h/a/c'],
  ['https:b', 'http://h/a'],
  ['\\b', 'http://h/a'],
  ['\\\\k', 'http://h/a'],
  ['../../../x', 'http://h/a'],
  ['.', 'http://h/a/b'],
  ['..', 'http://h/a/b'],
  ['x', 'mailto:a'],
  ['#f', 'mailto:a?b'],
  ['x', 'file:///C:/a/b'],
  ['/x', 'file:///C:/a/b'],
  ['D:/x', 'file:///C:/a'],
  ['//h/x', 'file:///C:/a'],
  ['..', 'file:///C:/'],
  ['?q', 'file:///a'],
  ['b', 'foo://h/a'],
  ['//x', 'foo:/a'],
  ['/..//b', 'foo:/a'],
  ['x', 'nonsense'],
  ['C|/y', 'file:///x'],
];

const SETTERS: [string, string, string][] = [
  ['http://h/', 'protocol', 'https'],
  ['http://h:443/', 'protocol', 'https:'],
  ['http://h/', 'protocol', 'foo'],
  ['foo://h/', 'protocol', 'http'],
  ['http://h:8/', 'protocol', 'file'],
  ['http://h/', 'username', 'a b@'],
  ['http://h/', 'password', 'p:w'],
  ['file:///x', 'username', 'a'],
  ['mailto:x', 'username', 'a'],
  ['http://h:8/', 'host', 'k'],
  ['http://h:8/', 'host', 'k:9'],
  ['http://h/', 'host', ''],
  ['foo://h/', 'host', ''],
  ['http://h/', 'host', 'a/b'],
  ['http://h/', 'host', 'a b'],
  ['mailto:x', 'host', 'h'],
  ['http://h/', 'host', '[::1]:7'],
  ['http://h:8/', 'hostname', 'k:9'],
  ['http://h:8/', 'hostname', 'k'],
  ['file:///x', 'hostname', 'y'],
  ['http://h/', 'hostname', '0x7f.1'],
  ['http://h/', 'port', '81'],
  ['http://h:81/', 'port', ''],
  ['http://h:81/', 'port', '80'],
  ['http://h/', 'port', '9x'],
  ['http://h/', 'port', 'x'],
  ['http://h/', 'port', '70000'],
  ['http://h/a', 'pathname', 'b/../c'],
  ['http://h/a', 'pathname', '?#'],
  ['http://h/a', 'pathname', ''],
  ['foo://h/a', 'pathname', ''],
  ['mailto:x', 'pathname', 'y'],
  ['http://h/a', 'pathname', '\\b'],
  ['http://h/?a', 'search', 'b=1 2'],
  ['http://h/?a', 'search', '?'],
  ['http://h/?a', 'search', ''],
  ['http://h/', 'search', '#x'],
  ['http://h/#a', 'hash', 'b c'],
  ['http://h/#a', 'hash', '#'],
  ['http://h/#a', 'hash', ''],
  ['http://h/', 'href', 'foo:bar'],
];

/** Everything one can read of a URL, or that there is none. */
const READ = `const parts = ${JSON.stringify(PARTS)};
  const read = (make) => { try { const url = make(); return Object.fromEntries(parts.map((part) => [part, url[part]])); } catch (e) { return e.name; } };`;
const PARSE = `${READ} return event.map((input) => read(() => typeof input === 'string' ? new URL(input) : new URL(...input)));`;
const SET = `${READ} return event.map(([start, part, value]) => read(() => { const url = new URL(start); url[part] = value; return url; }));`;

const inNode = (body: string, event: unknown): unknown[] => new Function('event', body)(event) as unknown[];

describe('URL', () => {
  it('parses as Node does', async () => {
    const ours = (await evaluate(PARSE, INPUTS)) as unknown[];
    const theirs = inNode(PARSE, INPUTS);
    for (const [index, input] of INPUTS.entries())
      expect.soft({ input, url: ours[index] }).toEqual({ input, url: theirs[index] });
  });

  it('sets parts as Node does', async () => {
    const ours = (await evaluate(SET, SETTERS)) as unknown[];
    const theirs = inNode(SET, SETTERS);
    for (const [index, input] of SETTERS.entries())
      expect.soft({ input, url: ours[index] }).toEqual({ input, url: theirs[index] });
  });

  it('names the input that is invalid', async () => {
    await expect(evaluate(`new URL('no url');`)).rejects.toThrow("Invalid URL: 'no url'");
    expect(
      await evaluate(
        `return [URL.canParse('x'), URL.canParse('x', 'http://h'), URL.parse('x'), URL.parse('x', 'http://h').href];`,
      ),
    ).toEqual([false, true, null, 'http://h/x']);
  });
});

const PARAMS: Record<string, string> = {
  'strings, records and pairs': `return ['?a=1&b=2', 'a=b=c&d', '&&a&=x', 'a+b=%20c%zz', '%ff=%e2%82%ac', { x: 1, y: 'é' }, [['p', 'q'], ['p', 'r']], new URLSearchParams('z=1')].map((i) => new URLSearchParams(i).toString());`,
  'reading and writing': `const p = new URLSearchParams('a=1&b=2&a=3'); p.append('c', '4 5'); p.set('a', 'x'); p.delete('b'); p.append('d', 1); p.append('d', 2); p.delete('d', 1);
    return [p.toString(), p.get('a'), p.get('no'), p.getAll('d'), p.has('c'), p.has('c', 'no'), p.size, [...p], [...p.keys()], [...p.values()]];`,
  'sorting and iterating': `const p = new URLSearchParams('z=1&a=2&z=0'); p.sort(); const seen = []; p.forEach((v, k) => seen.push(k + v)); return [p.toString(), seen, Object.fromEntries(p)];`,
  'a live link to the URL': `const u = new URL('http://h/?a=1'); const p = u.searchParams; p.append('b', 'x y*~'); const one = u.href; u.search = '?c=3'; const two = p.toString(); p.delete('c'); return [one, two, u.href, u.searchParams === p];`,
  'percent-encoding': `return new URLSearchParams([["!'()~*-._ +&=", '€']]).toString();`,
};

describe('URLSearchParams', () => {
  it.each(Object.entries(PARAMS))('has %s as Node does', async (_, body) => {
    expect(await evaluate(body)).toEqual(JSON.parse(JSON.stringify(inNode(body, null))));
  });
});
