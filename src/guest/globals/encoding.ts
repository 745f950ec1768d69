/**
 * TextEncoder and TextDecoder: UTF-8, and for decoding UTF-16LE and Latin-1 too.
 */
import { createUtf8Decoder, type StreamDecoder } from './utf8-decoder.ts';

const LABELS: Record<string, string> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'unicode-1-1-utf-8': 'utf-8',
  'utf-16le': 'utf-16le',
  'utf-16': 'utf-16le',
  'ucs-2': 'utf-16le',
  latin1: 'windows-1252',
  'iso-8859-1': 'windows-1252',
  ascii: 'windows-1252',
  'us-ascii': 'windows-1252',
  'windows-1252': 'windows-1252',
};

/** Code points of the bytes 0x80 to 0x9F in windows-1252, which is what the web calls latin1. */
const WINDOWS_1252 =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

export class TextEncoder {
  get encoding(): string {
    return 'utf-8';
  }

  encode(input: unknown = ''): Uint8Array {
    const text = String(input);
    const bytes = new Uint8Array(utf8Length(text));
    write(text, bytes);
    return bytes;
  }

  encodeInto(source: unknown, destination: Uint8Array): { read: number; written: number } {
    return write(String(source), destination);
  }

  get [Symbol.toStringTag](): string {
    return 'TextEncoder';
  }
}

export class TextDecoder {
  readonly #encoding: string;
  readonly #fatal: boolean;
  readonly #ignoreBOM: boolean;
  #decoder: StreamDecoder | null = null;
  #bomSeen = false;

  constructor(label: unknown = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const name = String(label).trim().toLowerCase();
    const encoding = Object.hasOwn(LABELS, name) ? LABELS[name] : undefined;
    if (encoding === undefined) {
      throw new RangeError(
        `TextDecoder: the encoding '${label}' is not offered; utf-8, utf-16le and latin1 are`,
      );
    }
    this.#encoding = encoding;
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }

  get encoding(): string {
    return this.#encoding;
  }

  get fatal(): boolean {
    return this.#fatal;
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBOM;
  }

  /** @throws TypeError for malformed input when `fatal`, and for what is no buffer. */
  decode(input?: ArrayBuffer | ArrayBufferView, options: { stream?: boolean } = {}): string {
    this.#decoder ??= decoderFor(this.#encoding, this.#fatal);
    const last = !options?.stream;
    let text: string;
    try {
      text = this.#decoder(bytesOf(input), last);
    } catch (thrown) {
      this.#decoder = null;
      this.#bomSeen = false;
      throw thrown;
    }
    if (!this.#bomSeen && text.length > 0) {
      this.#bomSeen = true;
      if (!this.#ignoreBOM && this.#encoding !== 'windows-1252' && text.charCodeAt(0) === 0xfeff) {
        text = text.slice(1);
      }
    }
    if (last) {
      this.#decoder = null;
      this.#bomSeen = false;
    }
    return text;
  }

  get [Symbol.toStringTag](): string {
    return 'TextDecoder';
  }
}

const bytesOf = (input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array => {
  if (input === undefined) return new Uint8Array(0);
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  throw new TypeError('TextDecoder.decode needs an ArrayBuffer or a view of one');
};

const decoderFor = (encoding: string, fatal: boolean): StreamDecoder => {
  if (encoding === 'utf-8') return createUtf8Decoder(fatal);
  return encoding === 'utf-16le' ? createUtf16Decoder(fatal) : decodeLatin1;
};

const decodeLatin1: StreamDecoder = (bytes) => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    text += byte < 0x80 || byte > 0x9f ? String.fromCharCode(byte) : WINDOWS_1252.charAt(byte - 0x80);
  }
  return text;
};

const createUtf16Decoder = (fatal: boolean): StreamDecoder => {
  let odd = -1;
  let carried = '';
  return (bytes, last) => {
    let text = carried;
    carried = '';
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      if (odd < 0) odd = byte;
      else {
        text += String.fromCharCode(odd | (byte << 8));
        odd = -1;
      }
    }
    if (!last && /[\ud800-\udbff]$/.test(text)) {
      carried = text.slice(-1);
      text = text.slice(0, -1);
    }
    const partial = last && odd >= 0;
    if (partial) odd = -1;
    if (fatal && (partial || !text.isWellFormed())) throw new TypeError('The data is not valid utf-16le');
    return text.toWellFormed() + (partial ? '\ufffd' : '');
  };
};

const utf8Length = (text: string): number => {
  let length = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    // A pair of surrogates is two units and four bytes; a lone one becomes U+FFFD, three bytes.
    if (isPair(text, index)) index += 1;
    length += code < 0x800 ? 1 : 2;
  }
  return length;
};

const isPair = (text: string, index: number): boolean =>
  (text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;

/** Writes as many whole characters as fit. */
const write = (text: string, bytes: Uint8Array): { read: number; written: number } => {
  let written = 0;
  let read = 0;
  while (read < text.length) {
    let code = text.charCodeAt(read);
    const units = isPair(text, read) ? 2 : 1;
    if (units === 2) code = 0x10000 + ((code & 0x3ff) << 10) + (text.charCodeAt(read + 1) & 0x3ff);
    else if ((code & 0xf800) === 0xd800) code = 0xfffd;
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (written + size > bytes.length) break;
    if (size === 1) bytes[written] = code;
    else {
      bytes[written] = (LEAD[size] as number) | (code >> (6 * (size - 1)));
      for (let index = 1; index < size; index += 1) {
        bytes[written + index] = 0x80 | ((code >> (6 * (size - 1 - index))) & 0x3f);
      }
    }
    written += size;
    read += units;
  }
  return { read, written };
};

const LEAD = [0, 0, 0xc0, 0xe0, 0xf0];
