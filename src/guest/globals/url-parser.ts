/**
 * The basic URL parser of the URL standard: a state machine over code points.
 *
 * Owns how text becomes a record, also for the setters, which start in a state of their own (`override`). States
 * and their order follow the standard, so that the two can be read side by side.
 */
import { C0_CONTROL, FRAGMENT, PATH, percentEncode, QUERY, SPECIAL_QUERY, USERINFO } from './percent.ts';
import { parseHost } from './url-host.ts';
import { isSpecial, newRecord, SPECIAL_PORTS, type UrlRecord } from './url-record.ts';

type State =
  | 'schemeStart'
  | 'scheme'
  | 'noScheme'
  | 'specialRelativeOrAuthority'
  | 'pathOrAuthority'
  | 'relative'
  | 'relativeSlash'
  | 'specialAuthoritySlashes'
  | 'specialAuthorityIgnoreSlashes'
  | 'authority'
  | 'host'
  | 'hostname'
  | 'port'
  | 'file'
  | 'fileSlash'
  | 'fileHost'
  | 'pathStart'
  | 'path'
  | 'opaquePath'
  | 'query'
  | 'fragment';

/** What a state says besides "go on": the input is invalid, or a setter has what it wanted. */
type Verdict = 'failure' | 'done' | undefined;

/** The record, or null where the input is no URL. */
export const parseUrl = (input: string, base: UrlRecord | null): UrlRecord | null => {
  const trimmed = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '');
  const parser = new Parser(trimmed, base, newRecord(), null);
  return parser.run('schemeStart') ? parser.url : null;
};

/** Applies a setter's value to a record; leaves it as it was where the value does not fit. */
export const applyPart = (url: UrlRecord, value: string, state: State): void => {
  new Parser(value, null, url, state).run(state);
};

class Parser {
  readonly url: UrlRecord;
  readonly #input: string[];
  readonly #base: UrlRecord | null;
  readonly #override: State | null;
  #state: State = 'schemeStart';
  #at = 0;
  #buffer = '';
  #atSignSeen = false;
  #inBrackets = false;
  #passwordSeen = false;

  constructor(input: string, base: UrlRecord | null, url: UrlRecord, override: State | null) {
    this.#input = [...input.replace(/[\t\n\r]/g, '').toWellFormed()];
    this.#base = base;
    this.url = url;
    this.#override = override;
  }

  run(start: State): boolean {
    this.#state = start;
    for (; ; this.#at += 1) {
      const verdict = this.#step(this.#input[this.#at]);
      if (verdict !== undefined) return verdict === 'done';
      if (this.#at >= this.#input.length) return true;
    }
  }

  #step(c: string | undefined): Verdict {
    switch (this.#state) {
      case 'schemeStart':
        return this.#schemeStart(c);
      case 'scheme':
        return this.#scheme(c);
      case 'noScheme':
        return this.#noScheme(c);
      case 'specialRelativeOrAuthority':
        return this.#twoSlashes(c, 'specialAuthorityIgnoreSlashes', 'relative');
      case 'specialAuthoritySlashes':
        return this.#twoSlashes(c, 'specialAuthorityIgnoreSlashes', 'specialAuthorityIgnoreSlashes');
      case 'specialAuthorityIgnoreSlashes':
        return c === '/' || c === '\\' ? undefined : this.#again('authority');
      case 'pathOrAuthority':
        return c === '/' ? this.#to('authority') : this.#again('path');
      case 'relative':
        return this.#relative(c);
      case 'relativeSlash':
        return this.#relativeSlash(c);
      case 'authority':
        return this.#authority(c);
      case 'host':
      case 'hostname':
        return this.#host(c);
      case 'port':
        return this.#port(c);
      case 'file':
        return this.#file(c);
      case 'fileSlash':
        return this.#fileSlash(c);
      case 'fileHost':
        return this.#fileHost(c);
      case 'pathStart':
        return this.#pathStart(c);
      case 'path':
        return this.#path(c);
      case 'opaquePath':
        return this.#opaquePath(c);
      case 'query':
        return this.#query(c);
      case 'fragment':
        if (c !== undefined) this.url.fragment += percentEncode(c, FRAGMENT);
        return undefined;
    }
  }

  #to(state: State): undefined {
    this.#state = state;
  }

  /** Goes to a state that looks at the same code point. */
  #again(state: State): undefined {
    this.#state = state;
    this.#at -= 1;
  }

  #rest(length: number): string {
    return this.#input.slice(this.#at + 1, this.#at + 1 + length).join('');
  }

  #schemeStart(c: string | undefined): Verdict {
    if (c !== undefined && /[a-z]/i.test(c)) {
      this.#buffer = c.toLowerCase();
      return this.#to('scheme');
    }
    return this.#override === null ? this.#again('noScheme') : 'failure';
  }

  #scheme(c: string | undefined): Verdict {
    if (c !== undefined && /[a-z0-9+.-]/i.test(c)) {
      this.#buffer += c.toLowerCase();
      return undefined;
    }
    if (c !== ':') {
      if (this.#override !== null) return 'failure';
      this.#buffer = '';
      this.#at = -1;
      return this.#to('noScheme');
    }
    const { url } = this;
    if (this.#override !== null) return this.#changeScheme();
    url.scheme = this.#buffer;
    this.#buffer = '';
    if (url.scheme === 'file') return this.#to('file');
    if (isSpecial(url)) {
      return this.#to(
        this.#base?.scheme === url.scheme ? 'specialRelativeOrAuthority' : 'specialAuthoritySlashes',
      );
    }
    if (this.#rest(1) === '/') {
      this.#at += 1;
      return this.#to('pathOrAuthority');
    }
    url.path = '';
    return this.#to('opaquePath');
  }

  #changeScheme(): Verdict {
    const { url } = this;
    const next = this.#buffer;
    if (SPECIAL_PORTS.has(next) !== isSpecial(url)) return 'done';
    const hasCredentials = url.username !== '' || url.password !== '' || url.port !== null;
    if (next === 'file' && hasCredentials) return 'done';
    if (url.scheme === 'file' && (url.host === null || url.host === '')) return 'done';
    url.scheme = next;
    if (url.port === SPECIAL_PORTS.get(next)) url.port = null;
    return 'done';
  }

  #noScheme(c: string | undefined): Verdict {
    const base = this.#base;
    if (base === null) return 'failure';
    if (typeof base.path === 'string') {
      if (c !== '#') return 'failure';
      Object.assign(this.url, base, { fragment: '' });
      return this.#to('fragment');
    }
    return this.#again(base.scheme === 'file' ? 'file' : 'relative');
  }

  #twoSlashes(c: string | undefined, found: State, otherwise: State): Verdict {
    if (c !== '/' || this.#rest(1) !== '/') return this.#again(otherwise);
    this.#at += 1;
    return this.#to(found);
  }

  #relative(c: string | undefined): Verdict {
    const base = this.#base as UrlRecord;
    const { url } = this;
    url.scheme = base.scheme;
    if (c === '/' || (isSpecial(url) && c === '\\')) return this.#to('relativeSlash');
    Object.assign(url, base, { path: [...base.path], fragment: null });
    return this.#afterBasePath(c, () => shorten(url));
  }

  /** What follows a path taken over from the base: nothing, a query, a fragment, or more path. */
  #afterBasePath(c: string | undefined, reduce: () => void): Verdict {
    const { url } = this;
    if (c === '?') {
      url.query = '';
      return this.#to('query');
    }
    if (c === '#') {
      url.fragment = '';
      return this.#to('fragment');
    }
    if (c === undefined) return undefined;
    url.query = null;
    reduce();
    return this.#again('path');
  }

  #relativeSlash(c: string | undefined): Verdict {
    const { url } = this;
    const base = this.#base as UrlRecord;
    if (isSpecial(url) && (c === '/' || c === '\\')) return this.#to('specialAuthorityIgnoreSlashes');
    if (c === '/') return this.#to('authority');
    url.username = base.username;
    url.password = base.password;
    url.host = base.host;
    url.port = base.port;
    return this.#again('path');
  }

  #authority(c: string | undefined): Verdict {
    const { url } = this;
    if (c === '@') {
      this.#takeCredentials(this.#atSignSeen ? `%40${this.#buffer}` : this.#buffer);
      this.#atSignSeen = true;
      this.#buffer = '';
      return undefined;
    }
    if (!endsAuthority(c, isSpecial(url))) {
      this.#buffer += c;
      return undefined;
    }
    if (this.#atSignSeen && this.#buffer === '') return 'failure';
    this.#at -= [...this.#buffer].length + 1;
    this.#buffer = '';
    return this.#to('host');
  }

  #takeCredentials(text: string): void {
    for (const char of text) {
      if (char === ':' && !this.#passwordSeen) this.#passwordSeen = true;
      else if (this.#passwordSeen) this.url.password += percentEncode(char, USERINFO);
      else this.url.username += percentEncode(char, USERINFO);
    }
  }

  #host(c: string | undefined): Verdict {
    const { url } = this;
    const override = this.#override;
    if (override !== null && url.scheme === 'file') return this.#again('fileHost');
    if (c === ':' && !this.#inBrackets) {
      if (this.#buffer === '' || override === 'hostname') return 'failure';
      if (!this.#takeHost()) return 'failure';
      return this.#to('port');
    }
    if (!endsAuthority(c, isSpecial(url))) {
      if (c === '[') this.#inBrackets = true;
      if (c === ']') this.#inBrackets = false;
      this.#buffer += c;
      return undefined;
    }
    this.#at -= 1;
    if (isSpecial(url) && this.#buffer === '') return 'failure';
    const hasMore = url.username !== '' || url.password !== '' || url.port !== null;
    if (override !== null && this.#buffer === '' && hasMore) return 'failure';
    if (!this.#takeHost()) return 'failure';
    this.#state = 'pathStart';
    return override === null ? undefined : 'done';
  }

  #takeHost(): boolean {
    const host = parseHost(this.#buffer, isSpecial(this.url));
    if (host === null) return false;
    this.url.host = host;
    this.#buffer = '';
    return true;
  }

  #port(c: string | undefined): Verdict {
    const { url } = this;
    if (c !== undefined && c >= '0' && c <= '9') {
      this.#buffer += c;
      return undefined;
    }
    if (!endsAuthority(c, isSpecial(url)) && this.#override === null) return 'failure';
    if (this.#buffer !== '') {
      const port = Number(this.#buffer);
      if (port > 65_535) return 'failure';
      url.port = port === SPECIAL_PORTS.get(url.scheme) ? null : port;
      this.#buffer = '';
      if (this.#override !== null) return 'done';
    }
    return this.#override === null ? this.#again('pathStart') : 'failure';
  }

  #file(c: string | undefined): Verdict {
    const { url } = this;
    const base = this.#base;
    url.scheme = 'file';
    url.host = '';
    if (c === '/' || c === '\\') return this.#to('fileSlash');
    if (base?.scheme !== 'file') return this.#again('path');
    url.host = base.host;
    url.path = [...base.path];
    url.query = base.query;
    return this.#afterBasePath(c, () => {
      if (startsWithDriveLetter(this.#input, this.#at)) url.path = [];
      else shorten(url);
    });
  }

  #fileSlash(c: string | undefined): Verdict {
    if (c === '/' || c === '\\') return this.#to('fileHost');
    const base = this.#base;
    if (base?.scheme === 'file' && typeof base.path !== 'string') {
      this.url.host = base.host;
      const [first] = base.path;
      if (!startsWithDriveLetter(this.#input, this.#at) && first !== undefined && /^[a-z]:$/i.test(first)) {
        this.url.path = [first];
      }
    }
    return this.#again('path');
  }

  #fileHost(c: string | undefined): Verdict {
    if (!endsAuthority(c, true)) {
      this.#buffer += c;
      return undefined;
    }
    this.#at -= 1;
    if (this.#override === null && /^[a-z][:|]$/i.test(this.#buffer)) return this.#to('path');
    const host = this.#buffer === '' ? '' : parseHost(this.#buffer, true);
    if (host === null) return 'failure';
    this.url.host = host === 'localhost' ? '' : host;
    this.#buffer = '';
    this.#state = 'pathStart';
    return this.#override === null ? undefined : 'done';
  }

  #pathStart(c: string | undefined): Verdict {
    const { url } = this;
    if (isSpecial(url)) return c === '/' || c === '\\' ? this.#to('path') : this.#again('path');
    if (this.#override === null && c === '?') {
      url.query = '';
      return this.#to('query');
    }
    if (this.#override === null && c === '#') {
      url.fragment = '';
      return this.#to('fragment');
    }
    if (c !== undefined) return c === '/' ? this.#to('path') : this.#again('path');
    if (this.#override !== null && url.host === null) (url.path as string[]).push('');
    return undefined;
  }

  #path(c: string | undefined): Verdict {
    const { url } = this;
    const slash = c === '/' || (isSpecial(url) && c === '\\');
    const queryOrFragment = this.#override === null && (c === '?' || c === '#');
    if (c !== undefined && !slash && !queryOrFragment) {
      this.#buffer += percentEncode(c, PATH);
      return undefined;
    }
    this.#takeSegment(slash);
    if (c === '?') url.query = '';
    if (c === '#') url.fragment = '';
    if (queryOrFragment) this.#state = c === '?' ? 'query' : 'fragment';
    return undefined;
  }

  #takeSegment(slash: boolean): void {
    const { url } = this;
    const path = url.path as string[];
    const dots = this.#buffer.replace(/%2e/gi, '.');
    if (dots === '..') {
      shorten(url);
      if (!slash) path.push('');
    } else if (dots === '.') {
      if (!slash) path.push('');
    } else {
      const drive = url.scheme === 'file' && path.length === 0 && /^[a-z][:|]$/i.test(this.#buffer);
      path.push(drive ? `${this.#buffer.charAt(0)}:` : this.#buffer);
    }
    this.#buffer = '';
  }

  #opaquePath(c: string | undefined): Verdict {
    const { url } = this;
    if (c === '?') {
      url.query = '';
      return this.#to('query');
    }
    if (c === '#') {
      url.fragment = '';
      return this.#to('fragment');
    }
    if (c === ' ') {
      // A space right before the query or fragment would be lost when the URL is parsed again.
      const next = this.#rest(1);
      url.path += next === '?' || next === '#' ? '%20' : ' ';
    } else if (c !== undefined) url.path += percentEncode(c, C0_CONTROL);
    return undefined;
  }

  #query(c: string | undefined): Verdict {
    const { url } = this;
    if (c === '#' && this.#override === null) {
      url.fragment = '';
      return this.#to('fragment');
    }
    if (c !== undefined) url.query += percentEncode(c, isSpecial(url) ? SPECIAL_QUERY : QUERY);
    return undefined;
  }
}

const endsAuthority = (c: string | undefined, special: boolean): c is undefined | '/' | '?' | '#' | '\\' =>
  c === undefined || c === '/' || c === '?' || c === '#' || (special && c === '\\');

const startsWithDriveLetter = (input: string[], at: number): boolean =>
  /^[a-z][:|]([/\\?#]|$)/i.test(input.slice(at, at + 3).join(''));

/** Drops the last segment; a file's drive letter stays. */
const shorten = (url: UrlRecord): void => {
  const path = url.path as string[];
  if (url.scheme === 'file' && path.length === 1 && /^[a-z]:$/i.test(path[0] ?? '')) return;
  path.pop();
};
