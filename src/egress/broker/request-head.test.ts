import { describe, expect, it } from 'vitest';
import type { NetworkFailure, RequestHead } from '../../guest/contract.ts';
import { NetworkError } from '../failures.ts';
import { type CheckedHead, checkHead, checkTarget } from './request-head.ts';

const MAX_BYTES = 4_096;
const check = (head: Partial<RequestHead>): CheckedHead =>
  checkHead(
    JSON.stringify({ method: 'GET', url: 'http://a.com/', headers: [], length: null, ...head }),
    MAX_BYTES,
  );

const refusal = (make: () => unknown): NetworkFailure => {
  try {
    make();
  } catch (thrown) {
    if (thrown instanceof NetworkError) return thrown.failure;
    throw thrown;
  }
  throw new Error('it was taken');
};

describe('the URL of a request', () => {
  it.each([
    ['http://a.com', 'a.com', 80, '/'],
    ['https://A.com.:8443/p?q#f', 'a.com', 8443, '/p?q'],
    ['https://b\u00fccher.example/', 'xn--bcher-kva.example', 443, '/'],
    ['http://2130706433/', '127.0.0.1', 80, '/'],
    ['http://0x7f.1/', '127.0.0.1', 80, '/'],
    ['http://0177.0.0.1/', '127.0.0.1', 80, '/'],
    ['http://127.1/', '127.0.0.1', 80, '/'],
    ['http://127.0.0.1./', '127.0.0.1', 80, '/'],
    ['http://%31%32%37.0.0.1/', '127.0.0.1', 80, '/'],
    ['http://\uff11\uff12\uff17.0.0.1/', '127.0.0.1', 80, '/'],
    ['http://[::ffff:127.0.0.1]/', '127.0.0.1', 80, '/'],
    ['http://[0:0:0:0:0:ffff:a9fe:a9fe]/', '169.254.169.254', 80, '/'],
    ['http://[2001:DB8::1]:81/', '2001:db8::1', 81, '/'],
    ['http://a.com\\@b.com/', 'a.com', 80, '/@b.com/'],
    ['http:a.com', 'a.com', 80, '/'],
  ])('%s leads to %s:%i%s', (url, host, port, path) =>
    expect(check({ url })).toMatchObject({ host, port, path }),
  );

  it.each([
    ['ftp://a.com/', 'ERR_INVALID_REQUEST'],
    ['file:///etc/passwd', 'ERR_INVALID_REQUEST'],
    ['http://u:p@a.com/', 'ERR_INVALID_REQUEST'],
    ['http://u@a.com/', 'ERR_INVALID_REQUEST'],
    ['http://', 'ERR_INVALID_REQUEST'],
    ['a.com', 'ERR_INVALID_REQUEST'],
    ['http://a.com:99999/', 'ERR_INVALID_REQUEST'],
    ['http://[fe80::1%25eth0]/', 'ERR_INVALID_REQUEST'],
    ['http://a..b/', 'network_denied'],
    ['http://a.com:0/', 'network_denied'],
  ])('%s is refused', (url, code) => expect(refusal(() => check({ url })).code).toBe(code));
});

describe('the rest of a head', () => {
  it.each([
    ...['host', 'Host', 'connection', 'Content-Length', 'transfer-encoding', 'te', 'upgrade', 'expect'],
    ...['proxy-authorization', 'keep-alive', 'trailer'],
  ])('has no header %s', (name) =>
    expect(refusal(() => check({ headers: [[name, '1']] })).message).toContain('cannot be set'),
  );

  it.each([
    ['a', 'x\r\nHost: b.com'],
    ['a', 'x\ny'],
    ['a', 'x\u0000'],
    ['a', '\u0100'],
    ['a b', 'x'],
    ['a:', 'x'],
    ['', 'x'],
    ['a\r\nb', 'x'],
  ])('has no header %j: %j', (name, value) =>
    expect(refusal(() => check({ headers: [[name, value]] })).code).toBe('ERR_INVALID_REQUEST'),
  );

  it.each(['CONNECT', 'connect', 'TRACE', 'TRACK', 'GET /', 'GET\r\n', '', 'G\u00c9T'])(
    'has no method %j',
    (method) => expect(refusal(() => check({ method })).code).toBe('ERR_INVALID_REQUEST'),
  );

  it('is bounded', () => {
    const long = `http://a.com/${'x'.repeat(20_000)}`;
    expect(refusal(() => check({ url: long })).code).toBe('network_limit');
    const headers = Array.from({ length: 500 }, (_, index) => [`h${index}`, 'v'] as const);
    expect(refusal(() => check({ headers }))).toMatchObject({
      code: 'network_limit',
      limit: { kind: 'networkHeaderBytes', configured: MAX_BYTES },
    });
  });

  it.each([
    'not JSON',
    'null',
    '[]',
    '{}',
    '{"method":1,"url":"http://a/","headers":[],"length":null}',
    '{"method":"GET","url":"http://a/","headers":{},"length":null}',
    '{"method":"GET","url":"http://a/","headers":[["a"]],"length":null}',
    '{"method":"GET","url":"http://a/","headers":[["a",{}]],"length":null}',
    '{"method":"GET","url":"http://a/","headers":[],"length":-1}',
    '{"method":"GET","url":"http://a/","headers":[],"length":1.5}',
    '{"method":"GET","url":"http://a/","headers":[]}',
  ])('that is %s is refused', (json) =>
    expect(refusal(() => checkHead(json, MAX_BYTES)).code).toBe('ERR_INVALID_REQUEST'),
  );
});

describe('the target of a tunnel', () => {
  it.each([
    ['A.example.com.:443', 'a.example.com', 443],
    ['b\u00fccher.example:80', 'xn--bcher-kva.example', 80],
    ['127.1:80', '127.0.0.1', 80],
    ['0x7f000001:80', '127.0.0.1', 80],
    ['[::ffff:127.0.0.1]:80', '127.0.0.1', 80],
    ['[2001:DB8::1]:65535', '2001:db8::1', 65_535],
  ])('%s is read', (text, host, port) => expect(checkTarget(text)).toEqual({ host, port }));

  it.each([
    ...['', 'a', 'a:', ':80', 'a:0', 'a:65536', 'a:80:80', 'a:+80', 'a:80 ', ' a:80', 'a:80/x', 'a/b:80'],
    ...['u@a:80', 'a?b:80', 'a#b:80', 'a\\b:80', '%61:80', '[::1:80', '::1:80', '[::1%1]:80', '[a]:80'],
    ...['a..b:80', '-:80', 'a b:80', '256.1.1.1:80', `${'a'.repeat(256)}:80`, 'a:80\r\nb', '1.2.3.4.5:80'],
  ])('%j is none', (text) => expect(() => checkTarget(text)).toThrow(NetworkError));
});
