/**
 * Reads the head of a request as a sandbox wrote it.
 *
 * Owns what may stand in one. Invariants: what comes out has an http or https URL without credentials, a method that is a
 * token, and headers that are no framing: the other side sees exactly one request, for the host that was checked.
 */

import type { RequestHead } from '../../guest/contract.ts';
import { CONNECTION_HEADERS } from '../../guest/contract.ts';
import { parseAddress } from '../addresses.ts';
import { canonicalName } from '../allow-list.ts';
import { beyond, denied, failed, NetworkError } from '../failures.ts';

export interface CheckedHead {
  readonly method: string;
  readonly secure: boolean;
  /** A canonical name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly length: number | null;
}

/** `host:port` for people, IPv6 in brackets. */
export const targetOf = ({ host, port }: Pick<CheckedHead, 'host' | 'port'>): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

const URL_MAX_CHARS = 16 * 1024;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
/** What HTTP lets stand in a value, one character a byte. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Methods that would make of the connection something else, or echo what the server adds. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK']);
/** The broker writes these itself, or nobody does. */
const REFUSED_HEADERS: ReadonlySet<string> = new Set([
  ...CONNECTION_HEADERS,
  ...['proxy-authenticate', 'http2-settings'],
]);

/** @throws NetworkError when nothing may be sent for it. */
export const checkHead = (json: string, maxHeaderBytes: number): CheckedHead => {
  const head = parsed(json);
  const { method, headers } = head;
  if (!TOKEN.test(method)) throw invalid(`the method ${shown(method)} is not one`);
  if (REFUSED_METHODS.has(method.toUpperCase())) throw invalid(`the method ${method} is not offered`);
  let bytes = head.url.length;
  for (const [name, value] of headers) {
    bytes += name.length + value.length + 4;
    if (!TOKEN.test(name)) throw invalid(`the header ${shown(name)} is not a name`);
    if (!VALUE.test(value)) throw invalid(`the header ${name} has a value that no header can have`);
    if (REFUSED_HEADERS.has(name.toLowerCase())) throw invalid(`the header ${name} cannot be set`);
  }
  if (bytes > maxHeaderBytes) throw new NetworkError(beyond('networkHeaderBytes', maxHeaderBytes, bytes));
  return { ...checkUrl(head.url), method, headers, length: head.length };
};

type CheckedUrl = Pick<CheckedHead, 'secure' | 'host' | 'port' | 'path'>;

const checkUrl = (text: string): CheckedUrl => {
  const url = text.length <= URL_MAX_CHARS && URL.canParse(text) ? new URL(text) : null;
  if (url === null) throw invalid(`${shown(text)} is not a URL`);
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:')
    throw invalid(`the scheme ${url.protocol} is not offered; use https:`);
  if (url.username !== '' || url.password !== '') throw invalid('the URL holds credentials; use a header');
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  if (port === 0) throw new NetworkError(denied(`${shown(url.host)} is not the name of a host`));
  const host = hostOf(url.hostname, url.host);
  return { secure, host, port, path: `${url.pathname}${url.search}` };
};

const TUNNEL_TARGET = /^(\[[0-9A-Fa-f:.]{2,45}\]|[^\s[\]:@/?#\\%]{1,255}):([0-9]{1,5})$/;

/** Host and port of a tunnel. @throws NetworkError when they are none. */
export const checkTarget = (text: string): Pick<CheckedHead, 'host' | 'port'> => {
  const [, written = '', digits = ''] = TUNNEL_TARGET.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) throw invalid(`${shown(text)} is not a host and a port`);
  return { host: hostOf(written, text), port };
};

/** The parser makes addresses of all the ways to write one: decimal, octal, hexadecimal, fewer parts. */
const hostOf = (written: string, text: string): string => {
  const url = `http://${written}/`;
  const hostname = URL.canParse(url) ? new URL(url).hostname : '';
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const host = parseAddress(bare)?.text ?? canonicalName(bare);
  if (host === null) throw new NetworkError(denied(`${shown(text)} is not the name of a host`));
  return host;
};

const parsed = (json: string): RequestHead => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw invalid('the head of the request is not JSON');
  }
  const { method, url, headers, length } = (value ?? {}) as Partial<Record<keyof RequestHead, unknown>>;
  const sound =
    typeof method === 'string' &&
    typeof url === 'string' &&
    Array.isArray(headers) &&
    headers.every(isHeader) &&
    (length === null || (Number.isSafeInteger(length) && (length as number) >= 0));
  if (!sound) throw invalid('the head of the request has parts that are missing or wrong');
  return { method, url, headers: headers as RequestHead['headers'], length: length as number | null };
};

const isHeader = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && typeof value[0] === 'string' && typeof value[1] === 'string';

const invalid = (message: string): NetworkError => new NetworkError(failed('ERR_INVALID_REQUEST', message));

const shown = (text: string): string => JSON.stringify(text.slice(0, 100));
