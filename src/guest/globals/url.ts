/**
 * URL, as the URL standard has it; see url-host.ts for the one simplification, in non-ASCII domains.
 */
import { percentEncode, USERINFO } from './percent.ts';
import { applyPart, parseUrl } from './url-parser.ts';
import { serialise, serialiseHost, serialiseOrigin, serialisePath, type UrlRecord } from './url-record.ts';
import { attach, replacePairs, URLSearchParams } from './url-search-params.ts';

const SHOWN_MAX_CHARS = 200;

export class URL {
  #url: UrlRecord;
  #params: URLSearchParams | null = null;

  constructor(input: unknown, base?: unknown) {
    const url = parse(String(input), base === undefined ? undefined : String(base));
    if (url === null) {
      const shown = String(input).slice(0, SHOWN_MAX_CHARS);
      const against = base === undefined ? '' : ` (base '${String(base).slice(0, SHOWN_MAX_CHARS)}')`;
      const error = new TypeError(`Invalid URL: '${shown}'${against}`);
      throw Object.assign(error, { code: 'ERR_INVALID_URL', input: shown });
    }
    this.#url = url;
  }

  static canParse(input: unknown, base?: unknown): boolean {
    return parse(String(input), base === undefined ? undefined : String(base)) !== null;
  }

  static parse(input: unknown, base?: unknown): URL | null {
    return URL.canParse(input, base) ? new URL(input, base) : null;
  }

  get href(): string {
    return serialise(this.#url);
  }

  set href(value: unknown) {
    this.#url = new URL(value).#url;
    this.#queryChanged();
  }

  get origin(): string {
    const url = this.#url;
    if (url.scheme !== 'blob') return serialiseOrigin(url);
    const inner = parseUrl(serialisePath(url), null);
    return inner?.scheme === 'http' || inner?.scheme === 'https' ? serialiseOrigin(inner) : 'null';
  }

  get protocol(): string {
    return `${this.#url.scheme}:`;
  }

  set protocol(value: unknown) {
    applyPart(this.#url, `${String(value)}:`, 'schemeStart');
  }

  get username(): string {
    return this.#url.username;
  }

  set username(value: unknown) {
    if (this.#mayHaveCredentials())
      this.#url.username = percentEncode(String(value).toWellFormed(), USERINFO);
  }

  get password(): string {
    return this.#url.password;
  }

  set password(value: unknown) {
    if (this.#mayHaveCredentials())
      this.#url.password = percentEncode(String(value).toWellFormed(), USERINFO);
  }

  get host(): string {
    return serialiseHost(this.#url);
  }

  set host(value: unknown) {
    if (typeof this.#url.path !== 'string') applyPart(this.#url, String(value), 'host');
  }

  get hostname(): string {
    return this.#url.host ?? '';
  }

  set hostname(value: unknown) {
    if (typeof this.#url.path !== 'string') applyPart(this.#url, String(value), 'hostname');
  }

  get port(): string {
    return this.#url.port === null ? '' : String(this.#url.port);
  }

  set port(value: unknown) {
    if (!this.#mayHaveCredentials()) return;
    const text = String(value);
    if (text === '') this.#url.port = null;
    else applyPart(this.#url, text, 'port');
  }

  get pathname(): string {
    return serialisePath(this.#url);
  }

  set pathname(value: unknown) {
    if (typeof this.#url.path === 'string') return;
    this.#url.path = [];
    applyPart(this.#url, String(value), 'pathStart');
  }

  get search(): string {
    return this.#url.query === null || this.#url.query === '' ? '' : `?${this.#url.query}`;
  }

  set search(value: unknown) {
    const text = String(value).replace(/^\?/, '');
    this.#url.query = text === '' && String(value) === '' ? null : '';
    if (this.#url.query !== null) applyPart(this.#url, text, 'query');
    this.#queryChanged();
  }

  get searchParams(): URLSearchParams {
    if (this.#params === null) {
      this.#params = new URLSearchParams(this.#url.query ?? '');
      // The list is made of the query as it is, also where that begins with a question mark.
      replacePairs(this.#params, this.#url.query ?? '');
      attach(this.#params, (query) => {
        this.#url.query = query === '' ? null : query;
      });
    }
    return this.#params;
  }

  get hash(): string {
    return this.#url.fragment === null || this.#url.fragment === '' ? '' : `#${this.#url.fragment}`;
  }

  set hash(value: unknown) {
    const text = String(value);
    this.#url.fragment = text === '' ? null : '';
    if (text !== '') applyPart(this.#url, text.replace(/^#/, ''), 'fragment');
  }

  toString(): string {
    return this.href;
  }

  toJSON(): string {
    return this.href;
  }

  get [Symbol.toStringTag](): string {
    return 'URL';
  }

  #mayHaveCredentials(): boolean {
    const { host, scheme } = this.#url;
    return host !== null && host !== '' && scheme !== 'file';
  }

  #queryChanged(): void {
    if (this.#params !== null) replacePairs(this.#params, this.#url.query ?? '');
  }
}

const parse = (input: string, base: string | undefined): UrlRecord | null => {
  if (base === undefined) return parseUrl(input, null);
  const parsedBase = parseUrl(base, null);
  return parsedBase === null ? null : parseUrl(input, parsedBase);
};
