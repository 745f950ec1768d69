/**
 * Addresses and patterns of the network policy, against second opinions: Node's own lists and the parser of URLs.
 */
import { BlockList, isIP } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Address, kindOf, parseAddress, parseRange } from '../../src/egress/addresses.ts';
import {
  type AllowEntry,
  allowsAny,
  canonicalName,
  listsName,
  namesAddress,
  parseAllowEntry,
  refusalOfEntry,
} from '../../src/egress/allow-list.ts';
import { type Dice, fuzz, mutate } from './mutator.ts';

const OWN: ReadonlySet<string> = new Set(['8.8.4.4', '2606:4700::99']);

/** Where no function may connect unless its operator says so, written down anew from the registries of IANA. */
const REFUSED_4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32', '192.88.99.0/24', '192.52.193.0/24'],
];
const REFUSED_6 = [
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2001:2::/48'],
  ...['::/8', '100::/8', '200::/7', '400::/6', '800::/5', '1000::/4', '4000::/2', '8000::/1'],
];

const listOf = (ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList => {
  const list = new BlockList();
  for (const range of ranges) {
    const [base = '', bits = ''] = range.split('/');
    list.addSubnet(base, Number(bits), family);
  }
  return list;
};
const LIST_4 = listOf(REFUSED_4, 'ipv4');
const LIST_6 = listOf(REFUSED_6, 'ipv6');

const bytes4 = (dice: Dice): number[] => {
  const near = dice.pick([...REFUSED_4, '8.8.8.8/32']).split('/')[0] ?? '';
  const base = near.split('.').map(Number);
  return base.map((byte, at) =>
    dice.once(at + 2) ? dice.pick([0, 1, 127, 128, 254, 255, byte ^ 1, byte]) : byte,
  );
};

const groups6 = (dice: Dice): number[] => {
  const starts = [
    ...[
      [0x2001, 0xdb8],
      [0x2606, 0x4700],
      [0xfe80],
      [0xfc00],
      [0xfd00, 0xec2],
      [0xff02],
      [0x64, 0xff9b],
      [0x64, 0xff9b, 1],
    ],
    ...[
      [0x2002],
      [0x2001, 0],
      [0, 0, 0, 0, 0, 0xffff],
      [0, 0, 0, 0, 0xffff],
      [0],
      [0x3fff],
      [0xfec0],
      [0x2000],
      [0x4000],
    ],
  ];
  const start = dice.pick(starts);
  const v4 = bytes4(dice);
  const tail = [((v4[0] ?? 0) << 8) | (v4[1] ?? 0), ((v4[2] ?? 0) << 8) | (v4[3] ?? 0)];
  return Array.from(
    { length: 8 },
    (_, at) => start[at] ?? (at >= 6 ? (tail[at - 6] ?? 0) : dice.once(4) ? dice.int(65_536) : 0),
  );
};

/** Written in one of the ways in which it may be written. */
const spelled6 = (dice: Dice, groups: readonly number[]): string => {
  const parts = groups.map((group) =>
    dice.once(3) ? group.toString(16).padStart(4, '0') : group.toString(16),
  );
  const text = parts.join(':');
  const form = dice.int(4);
  if (form === 0) return text.toUpperCase();
  if (form === 1) {
    const [high = 0, low = 0] = groups.slice(6);
    return `${parts.slice(0, 6).join(':')}:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  return form === 2 ? text.replace(/(?:^|:)0+(?::0+)+(?:$|:)/, '::') : text;
};

const v4Of = (groups: readonly number[]): string => {
  const [high = 0, low = 0] = groups.slice(6);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
};

const isPublic = (address: Address): boolean => kindOf(address, OWN) === 'public';

describe('addresses', () => {
  it('of IPv4 are public exactly where a list of Node says so, in their plain form alone', async () => {
    await fuzz('address-4', 4_000, (dice) => {
      const text = bytes4(dice).join('.');
      const address = parseAddress(text);
      expect(address?.text).toBe(text);
      if (address === null) return;
      expect(isPublic(address), text).toBe(!LIST_4.check(text) && !OWN.has(text));
      for (const odd of [`0${text}`, `${text}.`, ` ${text}`, text.replace('.', '.0'), `${text}%1`])
        expect(parseAddress(odd) === null || isIP(odd) !== 0, odd).toBe(true);
    });
  });

  it('of IPv6 are judged the same however they are written, and IPv4 inside is that IPv4 address', async () => {
    await fuzz('address-6', 4_000, (dice) => {
      const groups = groups6(dice);
      const text = spelled6(dice, groups);
      const plain = groups.map((group) => group.toString(16)).join(':');
      const address = parseAddress(text);
      if (isIP(text) === 0) return expect(address, text).toBeNull();
      if (address === null) throw new Error(`${text} is an address`);
      const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
      const canonical = mapped ? v4Of(groups) : new URL(`http://[${plain}]/`).hostname.slice(1, -1);
      expect(address.text, text).toBe(canonical);
      const nat64 = plain.startsWith('64:ff9b:0:0:0:0:');
      const outside = mapped || nat64 ? LIST_4.check(v4Of(groups)) : LIST_6.check(plain, 'ipv6');
      const own = OWN.has(mapped || nat64 ? v4Of(groups) : address.text);
      expect(isPublic(address), `${text} ${canonical}`).toBe(!outside && !own);
      return undefined;
    });
  });

  it('that any text is, Node knows too, and their canonical form means the same', async () => {
    await fuzz('address-text', 4_000, (dice) => {
      const seeds = [
        bytes4(dice).join('.'),
        spelled6(dice, groups6(dice)),
        '10.0.0.0/8',
        'fd00::/8',
        '::ffff:1.2.3.4',
      ];
      const text = mutate(
        dice,
        Buffer.from(dice.pick(seeds)),
        seeds.map((seed) => Buffer.from(seed)),
      ).toString('latin1');
      const address = parseAddress(text);
      if (address !== null) {
        expect(isIP(text), text).not.toBe(0);
        expect(parseAddress(address.text)?.text, text).toBe(address.text);
      }
      const range = parseRange(text);
      if (typeof range !== 'string')
        expect(parseRange(range.text)).toMatchObject({ text: range.text, bits: range.bits });
    });
  });
});

const HOSTS = [
  ...[
    'a.com',
    '*.a.com',
    '*',
    'EXAMPLE.com.',
    'münchen.de',
    'xn--mnchen-3ya.de',
    'a_b.c',
    '10.0.0.0/8',
    '192.0.2.1',
  ],
  ...[
    '[::1]',
    '[fd00::/8]',
    '127.1',
    '0x7f.1',
    '2130706433',
    'localhost',
    'a..b',
    '-a.b',
    'a.b.',
    '＊.a.com',
    'a。com',
    'ⓐ.com',
  ],
];
const PORTS = ['443', '*', '0', '65535', '65536', '80 ', '+80', '0080', '8080', ''];

const entryText = (dice: Dice): string => {
  const text = `${dice.pick(HOSTS)}:${dice.pick(PORTS)}`;
  if (dice.once(2)) return text;
  return mutate(dice, Buffer.from(text), [Buffer.from(dice.pick(HOSTS))]).toString(
    dice.once(2) ? 'latin1' : 'utf8',
  );
};

/** What the entry lets through by its own canonical text and nothing else. */
const matches = (entry: AllowEntry, name: string, port: number): boolean => {
  const colon = entry.text.lastIndexOf(':');
  const [host, ports] = [entry.text.slice(0, colon), entry.text.slice(colon + 1)];
  if (ports !== '*' && Number(ports) !== port) return false;
  return host === '*' || host === name || (host.startsWith('*.') && name.endsWith(host.slice(1)));
};

describe('patterns of network.allow', () => {
  it('have one canonical form, which means what it was written as', async () => {
    await fuzz('allow-entry', 6_000, (dice) => {
      const text = entryText(dice);
      const entry = parseAllowEntry(text);
      if (typeof entry === 'string') {
        expect(entry.length).toBeGreaterThan(10);
        return;
      }
      expect(parseAllowEntry(entry.text), JSON.stringify(text)).toEqual(entry);
      expect(entry.text).toMatch(/^[\x21-\x7e]{3,300}$/);
      const refusal = refusalOfEntry(entry, []);
      const [port, name] = [dice.pick([80, 443, 8080]), canonicalName(dice.pick(HOSTS)) ?? 'a.com'];
      if (entry.host.kind !== 'range') {
        expect(refusal).toBeNull();
        expect(listsName([entry], name, port), `${entry.text} ${name}`).toBe(matches(entry, name, port));
      }
      // No pattern that is taken without the operator's leave names an address that is not public.
      const address = parseAddress(dice.once(2) ? bytes4(dice).join('.') : spelled6(dice, groups6(dice)));
      if (address === null || refusal !== null || !namesAddress([entry], address, port)) return;
      expect(kindOf(address, new Set()), `${entry.text} ${address.text}`).toBe('public');
      expect(allowsAny([entry], port)).toBe(false);
    });
  });

  it('compare names as the parser of URLs has them', async () => {
    await fuzz('host-name', 4_000, (dice) => {
      const text = mutate(
        dice,
        Buffer.from(dice.pick(HOSTS)),
        HOSTS.map((host) => Buffer.from(host)),
      ).toString('utf8');
      const name = canonicalName(text);
      if (name === null) return;
      expect(canonicalName(name), JSON.stringify(text)).toBe(name);
      expect(isIP(name)).toBe(0);
      // What is a name here is the same host in a URL, not an address in an odd form.
      expect(new URL(`http://${name}/`).hostname, JSON.stringify(text)).toBe(name);
    });
  });
});
