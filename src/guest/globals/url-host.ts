/**
 * Hosts of URLs: domains, IPv4, IPv6 and opaque hosts.
 *
 * Owns parsing to the serialised form. Non-ASCII domains are mapped by NFKC and lower-casing and then encoded with
 * Punycode; that is what UTS #46 does for the usual names, without its tables of exceptions.
 */
import { C0_CONTROL, percentDecode, percentEncode } from './percent.ts';
import { toPunycode } from './punycode.ts';

const FORBIDDEN_HOST = /[\0\t\n\r #/:<>?@[\\\]^|]/;
const FORBIDDEN_DOMAIN = /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/;
/** Characters that UTS #46 ignores: soft hyphen, zero-width ones, variation selectors, the byte order mark. */
const IGNORED = /\u00ad|\u034f|[\u180b-\u180d]|\u200b|\u2060|\u2064|[\ufe00-\ufe0f]|\ufeff/gu;

/** The serialised host, or null where it is invalid. */
export const parseHost = (input: string, special: boolean): string | null => {
  if (input.startsWith('[')) {
    const address = input.endsWith(']') ? parseIpv6(input.slice(1, -1)) : null;
    return address === null ? null : `[${serialiseIpv6(address)}]`;
  }
  if (!special) return FORBIDDEN_HOST.test(input) ? null : percentEncode(input, C0_CONTROL);
  const domain = toAscii(percentDecode(input));
  if (domain === null || domain === '' || FORBIDDEN_DOMAIN.test(domain)) return null;
  return endsInNumber(domain) ? parseIpv4(domain) : domain;
};

const toAscii = (domain: string): string | null => {
  if (/^[\0-\x7f]*$/.test(domain)) return domain.toLowerCase();
  const mapped = domain.replace(IGNORED, '').normalize('NFKC').toLowerCase().normalize('NFKC');
  if (mapped.includes('\ufffd')) return null;
  const labels = mapped.split(/[.\u3002\uff0e\uff61]/);
  return labels.map(toPunycode).join('.');
};

const endsInNumber = (domain: string): boolean => {
  const parts = domain.split('.');
  if (parts.at(-1) === '' && parts.length > 1) parts.pop();
  const last = parts.at(-1) ?? '';
  return /^\d+$/.test(last) || ipv4Number(last) !== null;
};

/** One part in decimal, octal or hexadecimal; null for what is no number. */
const ipv4Number = (part: string): number | null => {
  if (part === '') return null;
  if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : Number.parseInt(part.slice(2), 16);
  if (/^0[0-7]+$/.test(part)) return Number.parseInt(part, 8);
  return /^(0|[1-9]\d*)$/.test(part) ? Number(part) : null;
};

const parseIpv4 = (domain: string): string | null => {
  const parts = domain.split('.');
  if (parts.at(-1) === '' && parts.length > 1) parts.pop();
  if (parts.length > 4) return null;
  let address = 0;
  for (const [index, part] of parts.entries()) {
    const value = ipv4Number(part);
    if (value === null) return null;
    const last = index === parts.length - 1;
    if (last ? value >= 256 ** (5 - parts.length) : value > 255) return null;
    address += last ? value : value * 256 ** (3 - index);
  }
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
};

/** Eight pieces, or null. */
const parseIpv6 = (input: string): number[] | null => {
  const halves = input.split('::');
  if (halves.length > 2) return null;
  const pieces: number[][] = [];
  for (const [index, half] of halves.entries()) {
    const last = index === halves.length - 1;
    const parsed = half === '' ? [] : piecesOf(half.split(':'), last);
    if (parsed === null) return null;
    pieces.push(parsed);
  }
  const head = pieces[0] ?? [];
  const tail = pieces[1];
  if (tail === undefined) return head.length === 8 ? head : null;
  const gap = 8 - head.length - tail.length;
  return gap < 1 ? null : [...head, ...new Array<number>(gap).fill(0), ...tail];
};

const piecesOf = (parts: string[], mayEndInIpv4: boolean): number[] | null => {
  const pieces: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) pieces.push(Number.parseInt(part, 16));
    else if (mayEndInIpv4 && index === parts.length - 1) {
      const bytes = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(part);
      if (bytes === null) return null;
      const [a, b, c, d] = bytes.slice(1).map(Number) as [number, number, number, number];
      if (a > 255 || b > 255 || c > 255 || d > 255) return null;
      pieces.push(a * 256 + b, c * 256 + d);
    } else return null;
  }
  return pieces;
};

/** With the first longest run of zeros, of at least two, compressed. */
const serialiseIpv6 = (pieces: number[]): string => {
  let bestAt = -1;
  let bestLength = 1;
  for (let at = 0; at < 8; at += 1) {
    let length = 0;
    while (at + length < 8 && pieces[at + length] === 0) length += 1;
    if (length > bestLength) {
      bestAt = at;
      bestLength = length;
    }
    at += length;
  }
  const hex = (part: number[]): string => part.map((piece) => piece.toString(16)).join(':');
  return bestAt < 0
    ? hex(pieces)
    : `${hex(pieces.slice(0, bestAt))}::${hex(pieces.slice(bestAt + bestLength))}`;
};
