/**
 * Internet addresses: their one form, what kind of address each is, and ranges of them.
 *
 * Owns the table of addresses that are refused unless they are named. Never resolves a name. Invariants: an address
 * has one form here, so IPv4 inside of IPv6 is that IPv4 address; of IPv6 only what is known to be public is.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

export interface Address {
  /** Canonical: dotted decimals, or IPv6 as RFC 5952 has it, without brackets. */
  readonly text: string;
  readonly family: 4 | 6;
  readonly ip: Ip;
}

export interface Range {
  readonly text: string;
  readonly ip: Ip;
  readonly bits: number;
}

/** `public` may be reached by whoever lists the host; everything else only by whoever names the address. */
export type AddressKind =
  | 'public'
  | 'own'
  | 'metadata'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'shared'
  | 'unspecified'
  | 'multicast'
  | 'broadcast'
  | 'benchmark'
  | 'documentation'
  | 'transition'
  | 'reserved';

/** The address that a text is; null when it is none, or one in an odd form: octal, hexadecimal, fewer parts, a zone. */
export const parseAddress = (text: string): Address | null => {
  const family = isIP(text);
  if (family === 0 || text.includes('%')) return null;
  return addressOf(ipaddr.process(family === 6 ? inHexadecimal(text) : text));
};

/** A range as `10.0.0.0/8`, or a single address; a sentence about what is wrong otherwise. */
export const parseRange = (text: string): Range | string => {
  const slash = text.indexOf('/');
  const base = slash < 0 ? text : text.slice(0, slash);
  const bitsText = slash < 0 ? null : text.slice(slash + 1);
  const address = parseAddress(base);
  if (address === null) return `${JSON.stringify(base)} is not an address; write it as 10.0.0.0 or fd00::`;
  if (address.family === 4 && base.includes(':')) return `write the address as ${address.text}`;
  const most = address.family === 4 ? 32 : 128;
  const bits = bitsText === null ? most : Number(bitsText);
  if (bitsText !== null && (!/^[0-9]{1,3}$/.test(bitsText) || bits > most))
    return `the number of bits behind the slash is ${JSON.stringify(bitsText)}; use 0 to ${most}`;
  const first = networkOf(address, bits);
  if (first !== address.text) return `bits are set behind the first ${bits}; write it as ${first}/${bits}`;
  return { text: bitsText === null ? address.text : `${address.text}/${bits}`, ip: address.ip, bits };
};

export const isInRange = ({ ip, bits }: Range, address: Address): boolean =>
  ip.kind() === address.ip.kind() && address.ip.match([ip, bits] as [ipaddr.IPv4, number]);

/** @param own the addresses of this machine, in their canonical form. */
export const kindOf = (address: Address, own: ReadonlySet<string>): AddressKind => {
  for (const [kind, ranges] of REFUSED[address.family])
    for (const range of ranges) if (isInRange(range, address)) return kind;
  if (own.has(address.text)) return 'own';
  if (address.family === 4) return 'public';
  if (isInRange(NAT64, address)) return kindOf(embedded(address), own);
  return isInRange(GLOBAL_UNICAST, address) ? 'public' : 'reserved';
};

/** The kinds of address beside public ones that a range holds. */
export const refusedKindsIn = (range: Range): readonly AddressKind[] => {
  const first = addressOf(range.ip);
  const kinds = REFUSED[first.family]
    .filter(([, refused]) => refused.some((other) => overlap(range, other)))
    .map(([kind]) => kind);
  if (kinds.length > 0 || first.family === 4) return kinds;
  if (isWithin(range, GLOBAL_UNICAST)) return kinds;
  return isWithin(range, NAT64) ? ['transition'] : ['reserved'];
};

/** Whether all of a range lies in another. */
export const isWithin = (inner: Range, outer: Range): boolean =>
  inner.bits >= outer.bits && isInRange(outer, addressOf(inner.ip));

const overlap = (one: Range, other: Range): boolean => isWithin(one, other) || isWithin(other, one);

/** Without dots: to the library an IPv4-compatible address would be an IPv4-mapped one. */
const inHexadecimal = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1);

const addressOf = (ip: Ip): Address => {
  const family = ip.kind() === 'ipv4' ? 4 : 6;
  const text = ip instanceof ipaddr.IPv6 ? ip.toRFC5952String() : ip.toString();
  return { text, family, ip };
};

/** The IPv4 address in the last four bytes. */
const embedded = ({ ip }: Address): Address => addressOf(new ipaddr.IPv4(ip.toByteArray().slice(-4)));

const networkOf = ({ text, family }: Address, bits: number): string => {
  const ip: Ip =
    family === 4
      ? ipaddr.IPv4.networkAddressFromCIDR(`${text}/${bits}`)
      : ipaddr.IPv6.networkAddressFromCIDR(`${text}/${bits}`);
  return addressOf(ip).text;
};

const ranges = (...texts: string[]): Range[] =>
  texts.map((text) => {
    const range = parseRange(text);
    if (typeof range === 'string') throw new TypeError(range);
    return range;
  });

/** Translated to IPv4 by the network: judged by the address inside (RFC 6052). */
const NAT64 = ranges('64:ff9b::/96')[0] as Range;
/** The only part of IPv6 that is given out (RFC 4291). */
const GLOBAL_UNICAST = ranges('2000::/3')[0] as Range;

/** Looked through in this order. After the registries of IANA (RFC 6890 and its successors). */
const REFUSED: Readonly<Record<4 | 6, readonly (readonly [AddressKind, readonly Range[]])[]>> = {
  4: [
    // Azure's lies in a public range, Alibaba's in a shared one.
    ['metadata', ranges('169.254.169.254', '169.254.170.2', '168.63.129.16', '100.100.100.200')],
    ['unspecified', ranges('0.0.0.0/8')],
    ['loopback', ranges('127.0.0.0/8')],
    ['private', ranges('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16')],
    ['shared', ranges('100.64.0.0/10')],
    ['link-local', ranges('169.254.0.0/16')],
    ['documentation', ranges('192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24')],
    ['benchmark', ranges('198.18.0.0/15')],
    ['transition', ranges('192.88.99.0/24', '192.52.193.0/24')],
    ['multicast', ranges('224.0.0.0/4')],
    ['broadcast', ranges('255.255.255.255')],
    ['reserved', ranges('192.0.0.0/24', '240.0.0.0/4')],
  ],
  6: [
    ['metadata', ranges('fd00:ec2::254', 'fd20:ce::254')],
    ['unspecified', ranges('::')],
    ['loopback', ranges('::1')],
    // Unique local, and what came before it.
    ['private', ranges('fc00::/7', 'fec0::/10')],
    ['link-local', ranges('fe80::/10')],
    ['multicast', ranges('ff00::/8')],
    ['documentation', ranges('2001:db8::/32', '3fff::/20')],
    ['benchmark', ranges('2001:2::/48')],
    // IPv4 in other clothes: compatible, translated, local NAT64, 6to4, Teredo and what else IETF protocols use.
    ['transition', ranges('::/96', '::ffff:0:0:0/96', '64:ff9b:1::/48', '2002::/16', '2001::/23')],
  ],
};
