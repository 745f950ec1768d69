/**
 * Request: what is to be asked for. Modes, caches, credentials and integrity of browsers have no meaning here.
 */
import { CONNECTION_HEADERS } from '../contract.ts';
import { AbortController, AbortSignal } from './abort.ts';
import { Body, type Content, extract } from './body.ts';
import { Headers, type HeadersInit } from './headers.ts';
import { URL } from './url.ts';

export interface RequestInit {
  readonly method?: string;
  readonly headers?: HeadersInit;
  readonly body?: unknown;
  readonly redirect?: 'follow' | 'error' | 'manual';
  readonly signal?: AbortSignal | null;
}

const NORMALISED = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH']);
const REDIRECTS = new Set(['follow', 'error', 'manual']);
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The content of a request that is being sent. */
export let contentOf: (request: Request) => Content | null;

export class Request extends Body {
  static {
    contentOf = (request) => request.takeContent();
  }

  readonly #method: string;
  readonly #url: string;
  readonly #headers: Headers;
  readonly #redirect: 'follow' | 'error' | 'manual';
  readonly #signal: AbortSignal;

  constructor(input: Request | URL | string, init: RequestInit = {}) {
    const from = input instanceof Request ? input : null;
    const given = init ?? {};
    const method = methodOf(given.method ?? from?.method ?? 'GET');
    const own = extract(given.body);
    const inherited = given.body === undefined && from !== null ? contentOf(from) : null;
    const content = own?.content ?? inherited;
    if (content !== null && (method === 'GET' || method === 'HEAD'))
      throw new TypeError(`Request: ${method} takes no body`);
    super(content);
    this.#method = method;
    this.#url = from?.url ?? urlOf(String(input));
    this.#headers = new Headers(given.headers ?? from?.headers);
    for (const name of CONNECTION_HEADERS) this.#headers.delete(name);
    if (own !== null && own.type !== null && !this.#headers.has('content-type'))
      this.#headers.set('content-type', own.type);
    const redirect = given.redirect ?? from?.redirect ?? 'follow';
    if (!REDIRECTS.has(redirect))
      throw new TypeError(`Request: redirect is follow, error or manual, not ${redirect}`);
    this.#redirect = redirect;
    const signal = given.signal ?? from?.signal ?? null;
    if (signal !== null && !(signal instanceof AbortSignal))
      throw new TypeError('Request: signal must be an AbortSignal');
    this.#signal = signal ?? new AbortController().signal;
  }

  get method(): string {
    return this.#method;
  }

  get url(): string {
    return this.#url;
  }

  get headers(): Headers {
    return this.#headers;
  }

  get redirect(): 'follow' | 'error' | 'manual' {
    return this.#redirect;
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  clone(): Request {
    const content = this.splitContent();
    const { method, headers, redirect, signal } = this;
    return new Request(this.url, { method, headers, redirect, signal, body: content });
  }

  get [Symbol.toStringTag](): string {
    return 'Request';
  }
}

const methodOf = (method: unknown): string => {
  const text = String(method);
  if (!METHOD.test(text))
    throw new TypeError(`Request: ${JSON.stringify(text.slice(0, 100))} is not a method`);
  const upper = text.toUpperCase();
  if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK')
    throw new TypeError(`Request: the method ${upper} is not offered`);
  return NORMALISED.has(upper) ? upper : text;
};

const urlOf = (text: string): string => {
  if (!URL.canParse(text)) throw new TypeError(`Failed to parse URL from ${text.slice(0, 200)}`);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    throw new TypeError('Request: the URL must not hold credentials');
  return url.href;
};
