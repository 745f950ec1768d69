/**
 * HTTP/1.1 read by the letter of RFC 9112, as a second opinion: a stream of requests or of answers, and where it ends.
 *
 * Written plainly and for whole streams; nothing of the product or of Node is used.
 */

export interface Message {
  /** The first line, without its end. */
  readonly start: string;
  /** Names in lower case; values of a repeated name joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Stream {
  readonly messages: readonly Message[];
  /** `whole`: nothing is left. `cut`: more has to come. `bad`: what follows is no message. */
  readonly end: 'whole' | 'cut' | 'bad';
}

const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP\/1\.[01]$/;
const STATUS_LINE = /^HTTP\/1\.1 [1-5][0-9][0-9] [\t\x20-\x7e]*$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/;
const CHUNK = /^([0-9a-fA-F]{1,8})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/;

class Cut extends Error {}
class Bad extends Error {}

class Reader {
  readonly #text: string;
  at = 0;

  constructor(bytes: Buffer) {
    this.#text = bytes.toString('latin1');
  }

  get done(): boolean {
    return this.at === this.#text.length;
  }

  /** A line with its CRLF behind it. */
  line(): string {
    const end = this.#text.indexOf('\r\n', this.at);
    if (end < 0) throw new Cut();
    const line = this.#text.slice(this.at, end);
    if (/[\r\n\0]/.test(line)) throw new Bad();
    this.at = end + 2;
    return line;
  }

  /** Empty lines before a request are to be skipped, and a line may end in LF alone as far as that goes. */
  skipLineEnds(): boolean {
    const from = this.at;
    while (this.#text[this.at] === '\r' || this.#text[this.at] === '\n') this.at += 1;
    return this.at > from;
  }

  take(count: number): string {
    if (this.#text.length - this.at < count) throw new Cut();
    this.at += count;
    return this.#text.slice(this.at - count, this.at);
  }
}

const fieldsOf = (reader: Reader): Map<string, string> => {
  const fields = new Map<string, string>();
  for (let line = reader.line(); line !== ''; line = reader.line()) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Bad();
    const key = name.toLowerCase();
    const before = fields.get(key);
    fields.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return fields;
};

const chunksOf = (reader: Reader): string => {
  let body = '';
  for (;;) {
    const digits = CHUNK.exec(reader.line())?.[1];
    if (digits === undefined) throw new Bad();
    const size = Number.parseInt(digits, 16);
    if (size === 0) break;
    body += reader.take(size);
    if (reader.take(2) !== '\r\n') throw new Bad();
  }
  fieldsOf(reader);
  return body;
};

const bodyOf = (reader: Reader, fields: ReadonlyMap<string, string>): string => {
  const coding = fields.get('transfer-encoding');
  const length = fields.get('content-length');
  if (coding !== undefined) {
    if (length !== undefined || coding.toLowerCase() !== 'chunked') throw new Bad();
    return chunksOf(reader);
  }
  if (length === undefined) return '';
  if (!/^[0-9]{1,15}$/.test(length)) throw new Bad();
  return reader.take(Number(length));
};

const read = (bytes: Buffer, startLine: RegExp, hasBody: (start: string) => boolean): Stream => {
  const reader = new Reader(bytes);
  const messages: Message[] = [];
  try {
    while (!reader.done) {
      if (startLine === REQUEST_LINE && reader.skipLineEnds()) continue;
      const start = reader.line();
      if (!startLine.test(start)) throw new Bad();
      const headers = fieldsOf(reader);
      messages.push({ start, headers, body: hasBody(start) ? bodyOf(reader, headers) : '' });
    }
    return { messages, end: 'whole' };
  } catch (thrown) {
    if (thrown instanceof Cut) return { messages, end: 'cut' };
    if (thrown instanceof Bad) return { messages, end: 'bad' };
    throw thrown;
  }
};

export const readRequests = (bytes: Buffer): Stream => read(bytes, REQUEST_LINE, () => true);

/** Answers to requests other than HEAD. */
export const readAnswers = (bytes: Buffer): Stream =>
  read(bytes, STATUS_LINE, (start) => !/^HTTP\/1\.1 (?:1..|204|304) /.test(start));

/** Lines of a chunked body, and a head, that the agent takes at most. */
const LOOSE_LINE_MAX = 256;
const LOOSE_FIELD = /^([^:\s]|[^:\s][^:]*[^:\s]):[\t ]*(.*?)[\t ]*$/s;
const LOOSE_START = /^[^ ]* \/[^ ]* HTTP\/1\.[01]$/i;
const LOOSE_CHUNK = /^[\t ]*([0-9a-f]{1,8})[\t ]*(?:;.*)?$/is;

/**
 * Requests as the container's agent may read them: names and values may hold what the RFC does not allow, lines and
 * lengths may not. Where one body ends and the next request begins is as strict as above.
 */
export const readLooseRequests = (bytes: Buffer, maxBodyBytes: number): Stream => {
  const text = bytes.toString('latin1');
  const messages: Message[] = [];
  let at = 0;
  const line = (most: number): string => {
    const end = text.indexOf('\r\n', at);
    if (end < 0 && text.length - at > most) throw new Bad();
    if (end < 0) throw new Cut();
    if (end - at > most) throw new Bad();
    const found = text.slice(at, end);
    at = end + 2;
    return found;
  };
  const take = (count: number): string => {
    if (text.length - at < count) throw new Cut();
    at += count;
    return text.slice(at - count, at);
  };
  const chunks = (): string => {
    let body = '';
    for (;;) {
      const digits = LOOSE_CHUNK.exec(line(LOOSE_LINE_MAX))?.[1];
      if (digits === undefined) throw new Bad();
      const size = Number.parseInt(digits, 16);
      if (body.length + size > maxBodyBytes) throw new Bad();
      if (size === 0) break;
      body += take(size);
      if (line(LOOSE_LINE_MAX) !== '') throw new Bad();
    }
    while (line(LOOSE_LINE_MAX) !== '');
    return body;
  };
  try {
    while (at < text.length) {
      const end = text.indexOf('\r\n\r\n', at);
      if (end < 0) throw new Cut();
      const [start = '', ...fields] = text.slice(at, end).split('\r\n');
      at = end + 4;
      if (!LOOSE_START.test(start) || /[\0\n]/.test([start, ...fields].join(''))) throw new Bad();
      const pairs = fields.map((field) => {
        const [, name, value = ''] = LOOSE_FIELD.exec(field) ?? [];
        if (name === undefined) throw new Bad();
        return [name.toLowerCase(), value] as const;
      });
      const valuesOf = (wanted: string): string[] =>
        pairs.filter(([name]) => name === wanted).map(([, value]) => value);
      const [lengths, codings] = [valuesOf('content-length'), valuesOf('transfer-encoding')];
      if (lengths.some((length) => !/^[0-9]{1,15}$/.test(length) || Number(length) !== Number(lengths[0])))
        throw new Bad();
      if (codings.length > 1 || codings.some((coding) => coding.toLowerCase() !== 'chunked')) throw new Bad();
      if (codings.length > 0 && lengths.length > 0) throw new Bad();
      const length = Number(lengths[0] ?? 0);
      if (length > maxBodyBytes) throw new Bad();
      const body = codings.length > 0 ? chunks() : take(length);
      messages.push({ start, headers: new Map(pairs), body });
    }
    return { messages, end: 'whole' };
  } catch (thrown) {
    if (thrown instanceof Cut) return { messages, end: 'cut' };
    if (thrown instanceof Bad) return { messages, end: 'bad' };
    throw thrown;
  }
};
