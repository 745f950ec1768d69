/**
 * URLSearchParams: application/x-www-form-urlencoded lists, alone or as the live view of a URL's query.
 */
import { FORM, percentDecode, percentEncode } from './percent.ts';

type Pair = [name: string, value: string];

/** Told of each change; the URL that owns the list writes its query. */
type Listener = (query: string) => void;

/** For URL: a live view, and replacing its list when the URL's query was set. */
export let attach: (params: URLSearchParams, listener: Listener) => void;
export let replacePairs: (params: URLSearchParams, query: string) => void;

export class URLSearchParams {
  static {
    attach = (params, listener) => {
      params.#listener = listener;
    };
    replacePairs = (params, query) => {
      params.#pairs = parseQuery(query);
    };
  }

  #pairs: Pair[];
  #listener: Listener | null = null;

  constructor(init: unknown = '') {
    this.#pairs = pairsOf(init);
  }

  get size(): number {
    return this.#pairs.length;
  }

  append(name: unknown, value: unknown): void {
    this.#pairs.push([text(name), text(value)]);
    this.#changed();
  }

  delete(name: unknown, value?: unknown): void {
    const [wanted, exact] = [text(name), value === undefined ? undefined : text(value)];
    this.#pairs = this.#pairs.filter((pair) => !matches(pair, wanted, exact));
    this.#changed();
  }

  get(name: unknown): string | null {
    const wanted = text(name);
    return this.#pairs.find((pair) => pair[0] === wanted)?.[1] ?? null;
  }

  getAll(name: unknown): string[] {
    const wanted = text(name);
    return this.#pairs.filter((pair) => pair[0] === wanted).map((pair) => pair[1]);
  }

  has(name: unknown, value?: unknown): boolean {
    const [wanted, exact] = [text(name), value === undefined ? undefined : text(value)];
    return this.#pairs.some((pair) => matches(pair, wanted, exact));
  }

  set(name: unknown, value: unknown): void {
    const wanted = text(name);
    const found = this.#pairs.find((pair) => pair[0] === wanted);
    if (found === undefined) this.#pairs.push([wanted, text(value)]);
    else {
      found[1] = text(value);
      this.#pairs = this.#pairs.filter((pair) => pair === found || pair[0] !== wanted);
    }
    this.#changed();
  }

  sort(): void {
    this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#changed();
  }

  forEach(callback: (value: string, name: string, params: URLSearchParams) => void, self?: unknown): void {
    for (const [name, value] of this) callback.call(self, value, name, this);
  }

  *entries(): IterableIterator<Pair> {
    for (let index = 0; index < this.#pairs.length; index += 1) yield [...(this.#pairs[index] as Pair)];
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): IterableIterator<string> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): IterableIterator<Pair> {
    return this.entries();
  }

  toString(): string {
    return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  }

  get [Symbol.toStringTag](): string {
    return 'URLSearchParams';
  }

  #changed(): void {
    this.#listener?.(this.toString());
  }
}

const matches = (pair: Pair, name: string, value: string | undefined): boolean =>
  pair[0] === name && (value === undefined || pair[1] === value);

const text = (value: unknown): string => String(value).toWellFormed();

const encode = (value: string): string => percentEncode(value, FORM, true);

const pairsOf = (init: unknown): Pair[] => {
  if (typeof init !== 'object' && typeof init !== 'function')
    return parseQuery(String(init).replace(/^\?/, ''));
  if (init === null) return parseQuery('null');
  if (Symbol.iterator in init) {
    return [...(init as Iterable<Iterable<unknown>>)].map((entry) => {
      const pair = [...entry];
      if (pair.length !== 2) throw new TypeError('URLSearchParams: each pair needs a name and a value');
      return [text(pair[0]), text(pair[1])];
    });
  }
  return Object.entries(init).map(([name, value]) => [text(name), text(value)]);
};

const parseQuery = (query: string): Pair[] => {
  const pairs: Pair[] = [];
  for (const part of query.split('&')) {
    if (part === '') continue;
    const spaced = part.replaceAll('+', ' ');
    const equals = spaced.indexOf('=');
    const name = equals < 0 ? spaced : spaced.slice(0, equals);
    const value = equals < 0 ? '' : spaced.slice(equals + 1);
    pairs.push([percentDecode(name).toWellFormed(), percentDecode(value).toWellFormed()]);
  }
  return pairs;
};
