/**
 * Keeps a server that asks for no keys to this machine: which addresses it may listen on, and whose requests it takes.
 *
 * Owns two checks. `assertLoopback` stops a start on any other address. `refusalOf` stops web pages: a page can
 * make its visitor's browser call a loopback address, under a name of its own (DNS rebinding, seen in `Host`) or
 * as a plain cross-site form (seen in `Origin`).
 * Never looks at anything but the address and those two headers.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { StrataError } from '../core/errors.ts';

const IPV4_LOOPBACK = /^127\.(?:\d{1,3})\.(?:\d{1,3})\.(?:\d{1,3})$/;

/** Distinct `Host` values that were accepted; bounded because a client chooses them. */
const ACCEPTED_MAX = 64;

/** @throws StrataError `forbidden` for an address that other machines could reach. */
export const assertLoopback = (host: string): void => {
  if (isLoopback(host.toLowerCase())) return;
  throw new StrataError(
    'forbidden',
    `Will not listen on ${JSON.stringify(host)}: there are no keys, so whoever reaches the server could run code ` +
      'as any tenant. Listen on 127.0.0.1, ::1 or localhost, and put a proxy that authenticates in front.',
  );
};

/** Answers why a request is refused, or null; remembers accepted hosts, so that the usual one costs a lookup. */
export const createHostGate = (): ((headers: IncomingHttpHeaders) => StrataError | null) => {
  const accepted = new Set<string>();
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

const refusalOfHost = (host: string | undefined): StrataError | null => {
  if (host === undefined || host === '') {
    return new StrataError('invalid_request', 'The Host header is missing; send the address of the server.');
  }
  if (isLoopback(hostnameOf(host))) return null;
  return new StrataError(
    'forbidden',
    `The Host header is ${JSON.stringify(host.slice(0, 100))}; a server without keys answers only to localhost, ` +
      '127.0.0.1 and [::1], so that no web page reaches it under a name of its own. Use one of these in the URL.',
  );
};

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
