/**
 * Response: an answer, from the network or made by hand.
 */
import { Body, type Content, extract } from './body.ts';
import { Headers, type HeadersInit } from './headers.ts';

interface ResponseInit {
  readonly status?: number;
  readonly statusText?: string;
  readonly headers?: HeadersInit;
}

interface Origin {
  readonly content: Content | null;
  readonly url: string;
  readonly redirected: boolean;
  readonly type: 'basic' | 'error';
}

const NULL_BODY = new Set([101, 103, 204, 205, 304]);
const REDIRECT = new Set([301, 302, 303, 307, 308]);

/** An answer of the network. */
export let answered: (
  head: Required<ResponseInit>,
  content: Content | null,
  url: string,
  redirected: boolean,
) => Response;
let origin: Origin | null = null;

export class Response extends Body {
  static {
    answered = (head, content, url, redirected) =>
      withOrigin({ content, url, redirected, type: 'basic' }, () => new Response(null, head));
  }

  readonly #status: number;
  readonly #statusText: string;
  readonly #headers: Headers;
  readonly #url: string;
  readonly #redirected: boolean;
  readonly #type: 'default' | 'basic' | 'error';

  constructor(body: unknown = null, init: ResponseInit = {}) {
    const { status = 200, statusText = '', headers } = init ?? {};
    const from = origin;
    const own = extract(body);
    const code = Number(status);
    if (from === null && !(Number.isInteger(code) && code >= 200 && code <= 599))
      throw new RangeError(`Response: the status is 200 to 599, not ${String(status)}`);
    if (own !== null && NULL_BODY.has(code))
      throw new TypeError(`Response: an answer of status ${code} has no body`);
    super(from === null ? (own?.content ?? null) : from.content);
    this.#status = code;
    this.#statusText = String(statusText);
    this.#headers = new Headers(headers);
    if (own !== null && own.type !== null && !this.#headers.has('content-type'))
      this.#headers.set('content-type', own.type);
    this.#url = from?.url ?? '';
    this.#redirected = from?.redirected ?? false;
    this.#type = from?.type ?? 'default';
  }

  static json(value: unknown, init: ResponseInit = {}): Response {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError('Response.json: the value is not JSON');
    const response = new Response(text, init);
    if (!new Headers(init.headers).has('content-type'))
      response.headers.set('content-type', 'application/json');
    return response;
  }

  static error(): Response {
    return withOrigin(
      { content: null, url: '', redirected: false, type: 'error' },
      () => new Response(null, { status: 0 }),
    );
  }

  static redirect(url: string, status = 302): Response {
    if (!REDIRECT.has(status))
      throw new RangeError(`Response.redirect: ${status} is not the status of a redirect`);
    return new Response(null, { status, headers: { location: String(url) } });
  }

  get status(): number {
    return this.#status;
  }

  get statusText(): string {
    return this.#statusText;
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299;
  }

  get headers(): Headers {
    return this.#headers;
  }

  /** Without the fragment. */
  get url(): string {
    return this.#url;
  }

  get redirected(): boolean {
    return this.#redirected;
  }

  get type(): string {
    return this.#type;
  }

  clone(): Response {
    const content = this.splitContent();
    const { status, statusText, headers } = this;
    const { url, redirected } = this;
    const type = this.#type === 'error' ? 'error' : 'basic';
    return withOrigin(
      { content, url, redirected, type },
      () => new Response(null, { status, statusText, headers }),
    );
  }

  get [Symbol.toStringTag](): string {
    return 'Response';
  }
}

const withOrigin = (from: Origin, make: () => Response): Response => {
  origin = from;
  try {
    return make();
  } finally {
    origin = null;
  }
};
