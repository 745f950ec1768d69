import { describe, expect, it } from 'vitest';
import { parseAddress, parseRange, type Range } from './addresses.ts';
import {
  allowsAny,
  canonicalName,
  listsName,
  namesAddress,
  parseAllowEntry,
  parseAllowList,
  refusalOfEntry,
} from './allow-list.ts';

const textOf = (text: string): string => {
  const entry = parseAllowEntry(text);
  return typeof entry === 'string' ? entry : entry.text;
};

describe('an entry', () => {
  it.each([
    ['api.example.com:443', 'api.example.com:443'],
    ['API.Example.COM.:443', 'api.example.com:443'],
    ['bücher.example:443', 'xn--bcher-kva.example:443'],
    ['*.Example.com:443', '*.example.com:443'],
    ['host:*', 'host:*'],
    ['*:443', '*:443'],
    ['*:*', '*:*'],
    ['192.0.2.1:80', '192.0.2.1:80'],
    ['10.0.0.0/8:5432', '10.0.0.0/8:5432'],
    ['[2001:DB8:0::1]:443', '[2001:db8::1]:443'],
    ['[fd00::/8]:*', '[fd00::/8]:*'],
    ['_srv.example.com:00443', '_srv.example.com:443'],
  ])('%s means %s', (text, canonical) => expect(textOf(text)).toBe(canonical));

  it.each([
    ['example.com', 'has no port'],
    ['[::1]', 'has no port'],
    [':443', 'has no port'],
    ['', 'has no port'],
    ['example.com:', 'has the port ""'],
    ['https://example.com', 'has a scheme; write the host and the port alone: "example.com:443"'],
    ['example.com:0', 'use 1 to 65535'],
    ['example.com:65536', 'use 1 to 65535'],
    ['example.com:http', 'has the port "http"'],
    ['example.com:4 4', 'has the port'],
    ['::1:443', 'without brackets'],
    ['http://example.com:443', 'without brackets'],
    ['[::ffff:10.0.0.1]:80', 'write the address as 10.0.0.1'],
    ['[10.0.0.1%eth0]:80', 'wrong address'],
    ['10.0.0.1/8:80', 'write it as 10.0.0.0/8'],
    ['2130706433:80', 'neither a name'],
    ['0x7f000001:80', 'neither a name'],
    ['0177.0.0.1:80', 'neither a name'],
    ['127.1:80', 'neither a name'],
    ['foo.1:80', 'neither a name'],
    ['foo.0xf:80', 'neither a name'],
    ['*example.com:443', 'neither a name'],
    ['a.*.com:443', 'neither a name'],
    ['*.*.com:443', 'neither a name'],
    ['a..b:443', 'neither a name'],
    ['.a:443', 'neither a name'],
    ['a b:443', 'neither a name'],
    ['a@b:443', 'neither a name'],
    ['a\u0000b:443', 'neither a name'],
    ['-a.com:443', 'neither a name'],
    [`${'a'.repeat(64)}.com:443`, 'neither a name'],
    [`${'a.'.repeat(140)}com:443`, 'neither a name'],
    [`${'a'.repeat(400)}:443`, 'has 404 characters'],
  ])('is not read from %j', (text, why) => expect(textOf(text)).toContain(why));
});

describe('a list', () => {
  const list = parseAllowList([
    'api.example.com:443',
    '*.wild.com:443',
    'any.com:*',
    '10.0.0.0/8:5432',
    '*:8443',
  ]);

  it.each([
    ['api.example.com', 443, true],
    ['api.example.com', 80, false],
    ['example.com', 443, false],
    ['x.api.example.com', 443, false],
    ['a.wild.com', 443, true],
    ['a.b.wild.com', 443, true],
    ['wild.com', 443, false],
    ['evilwild.com', 443, false],
    ['any.com', 1, true],
    ['anything.net', 8443, true],
  ])('lists %s:%i: %s', (name, port, expected) => expect(listsName(list, name, port)).toBe(expected));

  it('names addresses by range and port alone', () => {
    const named = (text: string, port: number): boolean => {
      const address = parseAddress(text);
      return address !== null && namesAddress(list, address, port);
    };
    expect([named('10.1.2.3', 5432), named('::ffff:10.1.2.3', 5432)]).toEqual([true, true]);
    expect([named('10.1.2.3', 80), named('11.0.0.1', 5432), named('10.1.2.3', 8443)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('allows any public host only where an entry says so', () => {
    expect([allowsAny(list, 8443), allowsAny(list, 443)]).toEqual([true, false]);
  });

  it('has no names that are addresses to some', () => {
    expect(['a.1', '1', '0x1', 'x.0x', '127.0.0.1', 'a..', '', '.'].map(canonicalName)).toEqual(
      Array(8).fill(null),
    );
    expect(['a', 'A.', 'a1', '1a.b'].map(canonicalName)).toEqual(['a', 'a', 'a1', '1a.b']);
  });
});

describe('leave for addresses that are refused to others', () => {
  const ranges = ['10.0.0.0/8', 'fd00::/8'].map(parseRange) as Range[];
  const refusal = (text: string, allowed: readonly Range[] = []): string | null => {
    const entry = parseAllowEntry(text);
    return typeof entry === 'string' ? entry : refusalOfEntry(entry, allowed);
  };

  it.each([
    '10.0.0.0/8:5432',
    '10.1.2.3:80',
    '127.0.0.1:7070',
    '169.254.169.254:80',
    '[::1]:80',
    '0.0.0.0/0:443',
    '172.0.0.0/8:1',
    '[::/0]:1',
  ])('is needed for %s', (text) => expect(refusal(text)).toContain('egress.privateRanges'));

  it.each(['10.0.0.0/8:5432', '10.1.2.3:80', '[fd12::/16]:80'])('is there for %s', (text) =>
    expect(refusal(text, ranges)).toBeNull(),
  );

  it.each(['0.0.0.0/0:*', '10.0.0.0/7:80', '11.0.0.0/8:80,', '192.168.0.0/16:80'])(
    'is not there for %s',
    (text) => expect(refusal(text, ranges)).not.toBeNull(),
  );

  it.each(['8.8.8.8:53', '[2606:4700::/32]:443', 'example.com:443', '*:443', 'localhost:80'])(
    'is not needed for %s',
    (text) => expect(refusal(text)).toBeNull(),
  );
});
