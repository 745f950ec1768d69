/**
 * Requests to function URLs: an HTTP request becomes an event of format 2.0, and the result an HTTP answer.
 *
 * Owns both mappings. What a function answers is a stranger's page on the address of this server, so every answer is
 * confined: it has an origin of its own in a browser, its cookies come back to its own path alone, and headers that would
 * change anything but the answer itself are left out. Invariants: nothing that a function chose can begin another header or
 * another answer; what it takes to read a result is bounded by more than its bytes.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { LambdaParts } from './call.ts';
import { accountOf } from './names.ts';
import type { UrlConfig } from './urls.ts';

export interface UrlRequest {
  readonly method: string;
  /** Behind the URL's id, with its first slash. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly remoteAddress: string;
  readonly body: Uint8Array;
  readonly requestId: string;
}

export interface UrlAnswer {
  readonly status: number;
  /** Name, value, name, value. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

const TEXT_TYPE = /^(?:text\/|application\/(?:[a-z0-9.+-]*\+)?(?:json|xml)\b|application\/javascript\b)/i;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Those that belong to the connection or to the whole address, and not to one answer. */
const LEFT_OUT = new Set([
  ...[
    'connection',
    'content-length',
    'keep-alive',
    'proxy-authenticate',
    'proxy-connection',
    'te',
    'trailer',
  ],
  ...['transfer-encoding', 'upgrade', 'date', 'alt-svc', 'clear-site-data', 'service-worker-allowed'],
  ...['strict-transport-security', 'www-authenticate'],
]);
/** A page of a function is no page of this server: without this its scripts could call the API. */
const CONFINED = 'sandbox allow-scripts allow-forms allow-popups';
const HEADERS_MAX = 100;
const HEADERS_MAX_BYTES = 16 * 1024;
const JSON_TYPE = 'application/json';

/** The event, as JSON text. */
export const eventOf = (
  request: UrlRequest,
  { id }: UrlConfig,
  tenant: string,
  { clock }: LambdaParts,
): Uint8Array => {
  const { method, path, query, requestId } = request;
  const headers = flatHeaders(request.headers);
  const { cookie, ...others } = headers;
  const parameters = parametersOf(query);
  const atMs = clock.wallMs();
  const domain = headers.host ?? '';
  const body = bodyOf(request.body, headers['content-type'] ?? '');
  const event = {
    ...{ version: '2.0', routeKey: '$default', rawPath: path, rawQueryString: query },
    ...(cookie === undefined ? {} : { cookies: cookie.split(';').map((pair) => pair.trim()) }),
    headers: others,
    ...(parameters === null ? {} : { queryStringParameters: parameters }),
    requestContext: {
      ...{ accountId: accountOf(tenant), apiId: id, domainName: domain, domainPrefix: id },
      http: {
        ...{ method, path, protocol: `HTTP/${request.httpVersion}`, sourceIp: request.remoteAddress },
        userAgent: headers['user-agent'] ?? '',
      },
      ...{ requestId, routeKey: '$default', stage: '$default', time: timeText(atMs), timeEpoch: atMs },
    },
    ...body,
  };
  return Buffer.from(JSON.stringify(event));
};

/**
 * The answer that a result means; null for a result that means none.
 * @param path of the URL, which all its cookies get.
 */
export const answerOf = (resultJson: Uint8Array, path: string): UrlAnswer | null => {
  const json = Buffer.from(resultJson.buffer, resultJson.byteOffset, resultJson.byteLength);
  // Of what is too much to be parsed here only data can be told, which goes out as it is.
  if (hasManyValues(json)) return json.includes('"statusCode"') ? null : dataAnswer(json);
  const result: unknown = JSON.parse(json.toString());
  if (typeof result !== 'object' || result === null || !Object.hasOwn(result, 'statusCode')) {
    return dataAnswer(typeof result === 'string' ? Buffer.from(result) : json);
  }
  const {
    statusCode,
    headers = {},
    cookies = [],
    body = '',
    isBase64Encoded,
  } = result as Record<string, unknown>;
  const status =
    typeof statusCode === 'string' && /^\d{3}$/.test(statusCode) ? Number(statusCode) : statusCode;
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) return null;
  const given = headersOf(headers, cookies, path);
  if (given === null) return null;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const bytes = Buffer.from(text, isBase64Encoded === true ? 'base64' : 'utf8');
  const typed = given.some(([name]) => name === 'content-type');
  return confined(status, typed ? given : [['content-type', JSON_TYPE], ...given], bytes);
};

/** What is said when no function has answered. */
export const failureAnswer = (status: number, body: string, type = 'text/plain'): UrlAnswer =>
  confined(status, [['content-type', type]], Buffer.from(body));

type Header = readonly [name: string, value: string];

const dataAnswer = (body: Uint8Array): UrlAnswer => confined(200, [['content-type', JSON_TYPE]], body);

const VALUES_MAX = 50_000;
const [QUOTE, BACKSLASH, COMMA, BRACKET, BRACE] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

/** What parsing costs grows with the values: every one but the first is behind a sign that is counted here. */
const hasManyValues = (json: Buffer): boolean => {
  if (json.length <= VALUES_MAX) return false;
  let values = 1;
  for (let at = 0; at < json.length && values <= VALUES_MAX; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) at = endOfString(json, at);
    else if (byte === COMMA || byte === BRACKET || byte === BRACE) values += 1;
  }
  return values > VALUES_MAX;
};

const endOfString = (json: Buffer, start: number): number => {
  for (let end = json.indexOf(QUOTE, start + 1); end >= 0; end = json.indexOf(QUOTE, end + 1)) {
    let first = end;
    while (json[first - 1] === BACKSLASH) first -= 1;
    if ((end - first) % 2 === 0) return end;
  }
  return json.length;
};

const confined = (status: number, headers: readonly Header[], body: Uint8Array): UrlAnswer => {
  const flat = headers.flat();
  flat.push('content-security-policy', CONFINED, 'x-content-type-options', 'nosniff');
  // An answer without a body by its status may not announce one.
  if (status === 204 || status === 304) return { status, headers: flat, body: Buffer.alloc(0) };
  flat.push('content-length', String(body.length));
  return { status, headers: flat, body };
};

const headersOf = (headers: unknown, cookies: unknown, path: string): Header[] | null => {
  if (typeof headers !== 'object' || headers === null || !Array.isArray(cookies)) return null;
  const given: Header[] = [];
  let bytes = 0;
  const add = (name: string, value: unknown): boolean => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    bytes += name.length + text.length;
    if (!isHeader(name, text) || given.length >= HEADERS_MAX || bytes > HEADERS_MAX_BYTES) return false;
    given.push([name, name === 'set-cookie' ? ownCookie(text, path) : text]);
    return true;
  };
  for (const [key, value] of Object.entries(headers)) {
    const name = key.toLowerCase();
    if (LEFT_OUT.has(name)) continue;
    for (const one of Array.isArray(value) ? value : [value]) if (!add(name, one ?? '')) return null;
  }
  for (const cookie of cookies) if (!add('set-cookie', cookie)) return null;
  return given;
};

/** All URLs are of one host: what one function sets would be sent to all others, of other tenants as well. */
const ownCookie = (cookie: string, path: string): string => {
  const kept = cookie
    .split(';')
    .filter((part, at) => at === 0 || !/^\s*(?:path|domain)\s*(?:=|$)/i.test(part));
  return [...kept, ` Path=${path}`].join(';');
};

const isHeader = (name: string, value: string): boolean => {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
};

const flatHeaders = (headers: UrlRequest['headers']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' ? value : value.join(',')]],
    ),
  );

/** Of a name that comes more than once the values are joined by commas; null for no query. */
const parametersOf = (query: string): Record<string, string> | null => {
  if (query === '') return null;
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const former = parameters.get(name);
    parameters.set(name, former === undefined ? value : `${former},${value}`);
  }
  return Object.fromEntries(parameters);
};

const bodyOf = (
  body: Uint8Array,
  type: string,
): { readonly body?: string; readonly isBase64Encoded: boolean } => {
  if (body.length === 0) return { isBase64Encoded: false };
  if (TEXT_TYPE.test(type)) {
    try {
      return { body: UTF8.decode(body), isBase64Encoded: false };
    } catch {
      // It is no text, whatever its type says.
    }
  }
  return { body: Buffer.from(body).toString('base64'), isBase64Encoded: true };
};

/** `31/Jan/2026:12:00:00 +0000`. */
const timeText = (ms: number): string => {
  const iso = new Date(ms).toISOString();
  const month = MONTHS[Number(iso.slice(5, 7)) - 1] ?? '';
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
};
