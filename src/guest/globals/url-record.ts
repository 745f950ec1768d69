/**
 * A parsed URL and its serialisation, as the URL standard defines them.
 */

export interface UrlRecord {
  scheme: string;
  username: string;
  password: string;
  /** Serialised; null for none, empty for an empty one. */
  host: string | null;
  port: number | null;
  /** Segments, or the text of an opaque path. */
  path: string[] | string;
  query: string | null;
  fragment: string | null;
}

/** Default ports of the special schemes. */
export const SPECIAL_PORTS: ReadonlyMap<string, number | null> = new Map([
  ['http', 80],
  ['https', 443],
  ['ws', 80],
  ['wss', 443],
  ['ftp', 21],
  ['file', null],
]);

export const isSpecial = (url: UrlRecord): boolean => SPECIAL_PORTS.has(url.scheme);

export const newRecord = (): UrlRecord => ({
  scheme: '',
  username: '',
  password: '',
  host: null,
  port: null,
  path: [],
  query: null,
  fragment: null,
});

export const serialisePath = (url: UrlRecord): string =>
  typeof url.path === 'string' ? url.path : url.path.map((segment) => `/${segment}`).join('');

export const serialiseHost = (url: UrlRecord): string =>
  url.host === null ? '' : url.port === null ? url.host : `${url.host}:${url.port}`;

export const serialise = (url: UrlRecord): string => {
  let text = `${url.scheme}:`;
  if (url.host !== null) {
    text += '//';
    if (url.username !== '' || url.password !== '') {
      text += `${url.username}${url.password === '' ? '' : `:${url.password}`}@`;
    }
    text += serialiseHost(url);
  } else if (typeof url.path !== 'string' && url.path.length > 1 && url.path[0] === '') {
    // Otherwise the path would be read as a host.
    text += '/.';
  }
  text += serialisePath(url);
  if (url.query !== null) text += `?${url.query}`;
  return url.fragment === null ? text : `${text}#${url.fragment}`;
};

export const serialiseOrigin = (url: UrlRecord): string => {
  if (url.scheme === 'file' || !isSpecial(url)) return 'null';
  return `${url.scheme}://${serialiseHost(url)}`;
};
