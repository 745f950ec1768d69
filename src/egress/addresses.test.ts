import { describe, expect, it } from 'vitest';
import {
  type AddressKind,
  isInRange,
  kindOf,
  parseAddress,
  parseRange,
  refusedKindsIn,
} from './addresses.ts';

const NONE: ReadonlySet<string> = new Set();
const kind = (text: string, own = NONE): AddressKind | null => {
  const address = parseAddress(text);
  return address === null ? null : kindOf(address, own);
};

describe('an address', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'shared'],
    ['100.127.255.255', 'shared'],
    ['169.254.0.1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['169.254.170.2', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['100.100.100.200', 'metadata'],
    ['192.0.0.192', 'reserved'],
    ['192.0.2.1', 'documentation'],
    ['198.51.100.1', 'documentation'],
    ['203.0.113.1', 'documentation'],
    ['198.18.0.1', 'benchmark'],
    ['198.19.255.255', 'benchmark'],
    ['192.88.99.1', 'transition'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.250', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['fc00::1', 'private'],
    ['fdff::1', 'private'],
    ['fec0::1', 'private'],
    ['fd00:ec2::254', 'metadata'],
    ['fe80::1', 'link-local'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'documentation'],
    ['3fff::1', 'documentation'],
    ['2001:2::1', 'benchmark'],
    ['2001::1', 'transition'],
    ['2002:7f00:1::', 'transition'],
    ['100::1', 'reserved'],
    ['4000::1', 'reserved'],
    ['5f00::1', 'reserved'],
  ] as const)('%s is %s', (text, expected) => expect(kind(text)).toBe(expected));

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '172.15.0.1',
    '172.32.0.1',
    '100.63.0.1',
    '100.128.0.1',
    '192.0.1.1',
    '11.0.0.1',
  ])('%s is public', (text) => expect(kind(text)).toBe('public'));

  it.each(['2606:4700::1111', '2a00:1450:4001::1'])('%s is public', (text) =>
    expect(kind(text)).toBe('public'),
  );

  it.each([
    ['::ffff:127.0.0.1', 'loopback', '127.0.0.1'],
    ['::ffff:7f00:1', 'loopback', '127.0.0.1'],
    ['0:0:0:0:0:FFFF:A9FE:A9FE', 'metadata', '169.254.169.254'],
    ['::ffff:8.8.8.8', 'public', '8.8.8.8'],
    ['::127.0.0.1', 'transition', '::7f00:1'],
    ['::ffff:0:127.0.0.1', 'transition', '::ffff:0:7f00:1'],
    ['64:ff9b::127.0.0.1', 'loopback', '64:ff9b::7f00:1'],
    ['64:ff9b::a9fe:a9fe', 'metadata', '64:ff9b::a9fe:a9fe'],
    ['64:ff9b::8.8.8.8', 'public', '64:ff9b::808:808'],
    ['64:ff9b:1::10.0.0.1', 'transition', '64:ff9b:1::a00:1'],
    ['2002:a00:1::1', 'transition', '2002:a00:1::1'],
  ] as const)('with IPv4 inside, %s, is %s', (text, expected, canonical) => {
    expect(kind(text)).toBe(expected);
    expect(parseAddress(text)?.text).toBe(canonical);
  });

  it.each([
    '0177.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '127.1',
    '010.0.0.1',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
  ])('is not read from %s', (text) => expect(parseAddress(text)).toBeNull());

  it.each(['fe80::1%eth0', '::ffff:127.0.0.1%1', '[::1]', ' 127.0.0.1', '127.0.0.1 ', '', '::g', '1::2::3'])(
    'is not read from %j',
    (text) => expect(parseAddress(text)).toBeNull(),
  );

  it('of this machine is its own, however public', () => {
    expect(kind('8.8.8.8', new Set(['8.8.8.8']))).toBe('own');
    expect(kind('::ffff:8.8.8.8', new Set(['8.8.8.8']))).toBe('own');
    expect(kind('127.0.0.1', new Set(['127.0.0.1']))).toBe('loopback');
  });
});

describe('a range', () => {
  it.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', '10.0.0.1', false],
    ['0.0.0.0/0', '::1', false],
  ])('%s and %s: %s', (text, address, expected) => {
    const range = parseRange(text);
    const parsed = parseAddress(address);
    expect(typeof range !== 'string' && parsed !== null && isInRange(range, parsed)).toBe(expected);
  });

  it.each([
    ['10.0.0.1/8', 'write it as 10.0.0.0/8'],
    ['fd00::1/8', 'write it as fd00::/8'],
    ['10.0.0.0/33', 'use 0 to 32'],
    ['10.0.0.0/-1', 'use 0 to 32'],
    ['10.0.0.0/', 'use 0 to 32'],
    ['10.0.0.0/8/8', 'use 0 to 32'],
    ['10.0.0/8', 'is not an address'],
    ['::ffff:10.0.0.0/104', 'write the address as 10.0.0.0'],
    ['host/8', 'is not an address'],
  ])('is not read from %s', (text, why) => expect(parseRange(text)).toContain(why));

  it.each([
    ['8.8.8.0/24', []],
    ['172.0.0.0/8', ['private']],
    ['169.254.169.254', ['metadata', 'link-local']],
    ['2606:4700::/32', []],
    ['64:ff9b::/96', ['transition']],
    ['4000::/3', ['reserved']],
    ['fd00::/8', ['metadata', 'private']],
  ])('%s holds what is refused: %j', (text, kinds) => {
    const range = parseRange(text);
    expect(typeof range === 'string' ? range : refusedKindsIn(range)).toEqual(kinds);
  });
});
