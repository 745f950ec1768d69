/**
 * The patterns of `network.allow`: how they are written, and what each of them lets through.
 *
 * Owns the grammar: `host:port`, where host is a name, `*.` and a name, `*`, an address, or a range of addresses, IPv6
 * in brackets, and port a number or `*`. Never resolves a name. Invariant: a name is allowed by its name alone; an
 * address that is not public only by an entry that names it.
 */
import { domainToASCII } from 'node:url';
import {
  type Address,
  isInRange,
  isWithin,
  parseAddress,
  parseRange,
  type Range,
  refusedKindsIn,
} from './addresses.ts';

export interface AllowEntry {
  /** Canonical: lower case, punycode, no dot at the end. */
  readonly text: string;
  readonly host: AllowedHost;
  /** Null for any. */
  readonly port: number | null;
}

type AllowedHost =
  | { readonly kind: 'any' }
  | { readonly kind: 'name'; readonly name: string }
  /** `name` begins with a dot. */
  | { readonly kind: 'below'; readonly name: string }
  | { readonly kind: 'range'; readonly range: Range };

const ENTRY_MAX_LENGTH = 300;
const PORT_MAX = 65_535;

/** The entry that a text means; a sentence about what is wrong otherwise. */
export const parseAllowEntry = (text: string): AllowEntry | string => {
  if (text.length > ENTRY_MAX_LENGTH)
    return `has ${text.length} characters; at most ${ENTRY_MAX_LENGTH} are allowed`;
  const colon = text.lastIndexOf(':');
  const portText = text.slice(colon + 1);
  if (colon < 1 || portText.includes(']')) return 'has no port; write it as host:443, or host:* for any port';
  const port = portText === '*' ? null : portOf(portText);
  if (port === 0 && portText.startsWith('//'))
    return `has a scheme; write the host and the port alone: ${JSON.stringify(`${portText.slice(2)}:443`)}`;
  if (port === 0) return `has the port ${JSON.stringify(portText)}; use 1 to ${PORT_MAX}, or *`;
  const host = parseHost(text.slice(0, colon));
  if (typeof host === 'string') return host;
  return { text: `${hostText(host)}:${port ?? '*'}`, host, port };
};

/** The entry that lets one URL through: its host, and its port also where the URL leaves it out. */
export const entryTextOf = ({ hostname, port, protocol }: URL): string =>
  `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;

/** A name as it is compared: ASCII, lower case, no dot at the end; null when it is no name of a host. */
export const canonicalName = (text: string): string | null => {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  const ascii = domainToASCII(bare);
  // What reads as a number is an address to some, in the last part already: 127.1, 0x7f000001.
  return ascii.length <= 253 && NAME.test(ascii) && !NUMERIC_END.test(ascii) ? ascii : null;
};

/** Whether an entry lists this name; whether its addresses may be reached is another question. */
export const listsName = (entries: readonly AllowEntry[], name: string, port: number): boolean =>
  entries.some(({ host, port: listed }) => {
    if (listed !== null && listed !== port) return false;
    if (host.kind === 'any') return true;
    if (host.kind === 'name') return host.name === name;
    return host.kind === 'below' && name.endsWith(host.name);
  });

/** Whether an entry names this very address. */
export const namesAddress = (entries: readonly AllowEntry[], address: Address, port: number): boolean =>
  entries.some(
    ({ host, port: listed }) =>
      host.kind === 'range' && (listed === null || listed === port) && isInRange(host.range, address),
  );

/** Whether an entry lets any public address through. */
export const allowsAny = (entries: readonly AllowEntry[], port: number): boolean =>
  entries.some(({ host, port: listed }) => host.kind === 'any' && (listed === null || listed === port));

/**
 * Why a spec may not have this entry here; null when it may. An entry that covers more than public addresses needs the
 * operator's leave, because whoever deploys is not whoever owns the network around the server.
 */
export const refusalOfEntry = ({ host }: AllowEntry, privateRanges: readonly Range[]): string | null => {
  if (host.kind !== 'range') return null;
  if (privateRanges.some((allowed) => isWithin(host.range, allowed))) return null;
  const kinds = refusedKindsIn(host.range);
  if (kinds.length === 0) return null;
  return `names addresses that are refused here (${kinds.join(', ')}); the operator may list them in egress.privateRanges`;
};

/** @throws TypeError: for lists that have been checked before. */
export const parseAllowList = (texts: readonly string[]): readonly AllowEntry[] =>
  texts.map((text) => {
    const entry = parseAllowEntry(text);
    if (typeof entry === 'string') throw new TypeError(`${text} ${entry}`);
    return entry;
  });

const NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const NUMERIC_END = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;

const portOf = (text: string): number => {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  return port <= PORT_MAX ? port : 0;
};

const parseHost = (text: string): AllowedHost | string => {
  if (text === '*') return { kind: 'any' };
  if (text.startsWith('[') && text.endsWith(']')) return rangeHost(text.slice(1, -1));
  if (text.includes(':')) return 'has an IPv6 address without brackets; write it as [fd00::/8]:443';
  if (text.includes('/') || parseAddress(text) !== null) return rangeHost(text);
  const below = text.startsWith('*.');
  const name = canonicalName(below ? text.slice(2) : text);
  if (name === null)
    return 'has a host that is neither a name, nor *. and a name, nor an address such as 192.0.2.1 or 10.0.0.0/8';
  return below ? { kind: 'below', name: `.${name}` } : { kind: 'name', name };
};

const rangeHost = (text: string): AllowedHost | string => {
  const range = parseRange(text);
  return typeof range === 'string' ? `has a wrong address: ${range}` : { kind: 'range', range };
};

const hostText = (host: AllowedHost): string => {
  if (host.kind === 'any') return '*';
  if (host.kind === 'name') return host.name;
  if (host.kind === 'below') return `*${host.name}`;
  return host.range.ip.kind() === 'ipv6' ? `[${host.range.text}]` : host.range.text;
};
