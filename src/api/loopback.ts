/**
 * Keeps a server that asks for no keys to this machine: which addresses it may listen on, and whose requests it takes.
 *
 * Owns two checks. `assertReachable` stops a start on any other address. The gate stops web pages: a page can make its
 * visitor's browser call a loopback address, under a name of its own (DNS rebinding, seen in `Host`) or as a plain
 * cross-site form (seen in `Origin`). A server with keys is also called by its addresses and by the names that are
 * configured for it; a page's own name is none of them. Never looks at anything but the address and those two headers.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { StrataError } from '../core/errors.ts';

export interface HostGateOptions {
  /** Whether the server asks for nothing now. */
  readonly isOpen: () => boolean;
  /** The names of a server with keys, separated by commas; `*` for any. */
  readonly hostNames: string;
}

const IPV4_LOOPBACK = /^127\.(?:\d{1,3})\.(?:\d{1,3})\.(?:\d{1,3})$/;

/** Distinct `Host` values that were accepted; bounded because a client chooses them. */
const ACCEPTED_MAX = 64;

/** @throws StrataError `forbidden` for an address that other machines could reach, while nothing is asked for. */
export const assertReachable = (host: string, isOpen: boolean): void => {
  if (!isOpen || isLoopbackAddress(host)) return;
  throw new StrataError(
    'forbidden',
    `Will not listen on ${JSON.stringify(host)}: there are no keys, so whoever reaches the server could run code ` +
      'as any tenant. Make the first key by: strata keys create --admin --data-dir <folder>, or set STRATA_ADMIN_KEY; ' +
      'or listen on 127.0.0.1, ::1 or localhost.',
  );
};

/** Whether an address to listen on is reached from this machine alone. */
const isLoopbackAddress = (host: string): boolean => isLoopback(host.toLowerCase());

/**
 * Answers why a request is refused, or null; remembers accepted hosts, so that the usual one costs a lookup. What an
 * open server accepts one with keys accepts too, and no server becomes open again.
 */
export const createHostGate = ({
  isOpen,
  hostNames,
}: HostGateOptions): ((headers: IncomingHttpHeaders) => StrataError | null) => {
  const accepted = new Set<string>();
  const names = new Set(
    hostNames
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  const refusalOfHost = (host: string | undefined): StrataError | null => {
    if (host === undefined || host === '')
      return new StrataError(
        'invalid_request',
        'The Host header is missing; send the address of the server.',
      );
    const name = hostnameOf(host);
    if (isLoopback(name)) return null;
    if (isOpen()) return notLoopback(host);
    const isOurs = isIP(name) !== 0 || (NAME.test(name) && (names.has(name) || names.has('*')));
    return isOurs ? null : notOurs(host);
  };
  return (headers) => {
    const host = headers.host;
    if (host === undefined || !accepted.has(host)) {
      const refusal = refusalOfHost(host);
      if (refusal !== null) return refusal;
      if (accepted.size < ACCEPTED_MAX && host !== undefined) accepted.add(host);
    }
    return headers.origin === undefined ? null : refusalOfOrigin(headers.origin, host ?? '');
  };
};

const NAME = /^[a-z0-9._-]{1,255}$/;

const notLoopback = (host: string): StrataError =>
  new StrataError(
    'forbidden',
    `The Host header is ${JSON.stringify(host.slice(0, 100))}; a server without keys answers only to localhost, ` +
      '127.0.0.1 and [::1], so that no web page reaches it under a name of its own. Use one of these in the URL.',
  );

const notOurs = (host: string): StrataError =>
  new StrataError(
    'forbidden',
    `The Host header is ${JSON.stringify(host.slice(0, 100))}, which is no address and none of server.hostNames; use ` +
      'an address in the URL, or add the name to that setting.',
  );

const refusalOfOrigin = (origin: string, host: string): StrataError | null => {
  if (origin === `http://${host}` || origin === `https://${host}`) return null;
  return new StrataError(
    'forbidden',
    `The Origin header is ${JSON.stringify(origin.slice(0, 100))}; web pages of other sites may not call this ` +
      'server. Call it from outside a browser, or from a page that it serves itself.',
  );
};

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '::1' || IPV4_LOOPBACK.test(hostname);

/** The name in a `Host` header: without the port, without the brackets of IPv6, in lower case. */
const hostnameOf = (host: string): string => {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(host);
  const name = bracketed === null ? host.replace(/:\d*$/, '') : (bracketed[1] ?? '');
  return name.toLowerCase();
};
