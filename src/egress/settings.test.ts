import { describe, expect, it } from 'vitest';
import { dnsServersOf, privateRangesOf } from './settings.ts';

describe('private ranges', () => {
  it.each([
    ['', []],
    [' , ', []],
    ['10.0.0.0/8', ['10.0.0.0/8']],
    ['10.0.0.0/8, FD00::/8,127.0.0.1', ['10.0.0.0/8', 'fd00::/8', '127.0.0.1']],
  ])('%j are %j', (text, ranges) => expect(privateRangesOf(text).map((range) => range.text)).toEqual(ranges));

  it.each(['10.0.0.1/8', 'all', '10.0.0.0/8 fd00::/8', '0x7f.0.0.0/8'])('are not %j', (text) =>
    expect(() => privateRangesOf(text)).toThrow('egress.privateRanges'),
  );
});

describe('name servers', () => {
  it.each([
    ['', []],
    ['192.0.2.53', ['192.0.2.53']],
    [
      '192.0.2.53:5353, [2001:db8::53]:53, 2001:db8::53',
      ['192.0.2.53:5353', '[2001:db8::53]:53', '2001:db8::53'],
    ],
  ])('%j are %j', (text, servers) => expect(dnsServersOf(text)).toEqual(servers));

  it.each(['dns.example.com', '192.0.2.53:70000', '192.0.2', '[192.0.2.53]', '2001:db8::53:5353:1:1:1:1:1'])(
    'are not %j',
    (text) => expect(() => dnsServersOf(text)).toThrow('egress.dnsServers'),
  );
});
