/**
 * Whether bytes are JSON text, found out without making anything of them.
 *
 * For what functions and their callers wrote: parsing would cost the server many times its size in objects that nobody
 * needs. Accepts exactly what JSON.parse accepts, but for nesting that would overflow the stack of a reader.
 */
import { isUtf8 } from 'node:buffer';

export const JSON_MAX_DEPTH = 5_000;

/** @returns true for one JSON value in UTF-8, with white space around it at most. */
export const isJson = (bytes: Uint8Array): boolean => isUtf8(bytes) && new Scan(bytes).isWhole();

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
const SMALL_U = 0x75;
const WORDS: ReadonlyMap<number, Buffer> = new Map(
  ['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]),
);
/** After a backslash: `"\/bfnrt`. */
const ESCAPES = new Set(Buffer.from('"\\/bfnrt'));

class Scan {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** For each open bracket whether it is an object's. */
  readonly #open: boolean[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  isWhole(): boolean {
    for (;;) {
      // A value is due here.
      const first = this.#skipSpace();
      const isObject = first === OPEN_BRACE;
      if (isObject || first === OPEN_BRACKET) {
        this.#at += 1;
        if (this.#skipSpace() !== (isObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
          if (this.#open.length === JSON_MAX_DEPTH) return false;
          this.#open.push(isObject);
          if (isObject && !this.#key()) return false;
          continue;
        }
        this.#at += 1;
      } else if (!this.#scalar(first)) return false;
      // A value has ended here: close what ends with it, until another one is due.
      for (;;) {
        const next = this.#skipSpace();
        const inObject = this.#open.at(-1);
        if (inObject === undefined) return this.#at === this.#bytes.length;
        this.#at += 1;
        if (next === COMMA) {
          if (inObject && !this.#key()) return false;
          break;
        }
        if (next !== (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return false;
        this.#open.pop();
      }
    }
  }

  /** The byte behind white space; −1 at the end. */
  #skipSpace(): number {
    for (; this.#at < this.#bytes.length; this.#at += 1) {
      const byte = this.#bytes[this.#at] ?? -1;
      if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
    return -1;
  }

  #key(): boolean {
    if (this.#skipSpace() !== QUOTE || !this.#string()) return false;
    if (this.#skipSpace() !== COLON) return false;
    this.#at += 1;
    return true;
  }

  #scalar(first: number): boolean {
    if (first === QUOTE) return this.#string();
    const word = WORDS.get(first);
    if (word === undefined) return this.#number();
    for (const letter of word) {
      if (this.#bytes[this.#at] !== letter) return false;
      this.#at += 1;
    }
    return true;
  }

  #string(): boolean {
    for (this.#at += 1; this.#at < this.#bytes.length; this.#at += 1) {
      const byte = this.#bytes[this.#at] ?? 0;
      if (byte < SPACE) return false;
      if (byte === QUOTE) {
        this.#at += 1;
        return true;
      }
      if (byte === BACKSLASH && !this.#escape()) return false;
    }
    return false;
  }

  /** Leaves the position at the last byte of the escape. */
  #escape(): boolean {
    this.#at += 1;
    const byte = this.#bytes[this.#at] ?? -1;
    if (byte !== SMALL_U) return ESCAPES.has(byte);
    for (let digit = 0; digit < 4; digit += 1) {
      this.#at += 1;
      if (!isHex(this.#bytes[this.#at] ?? -1)) return false;
    }
    return true;
  }

  #number(): boolean {
    if (this.#bytes[this.#at] === MINUS) this.#at += 1;
    if (this.#bytes[this.#at] === ZERO) this.#at += 1;
    else if (!this.#digits()) return false;
    if (this.#bytes[this.#at] === POINT) {
      this.#at += 1;
      if (!this.#digits()) return false;
    }
    const mark = this.#bytes[this.#at];
    if (mark !== 0x65 && mark !== 0x45) return true;
    this.#at += 1;
    const sign = this.#bytes[this.#at];
    if (sign === 0x2b || sign === MINUS) this.#at += 1;
    return this.#digits();
  }

  #digits(): boolean {
    const from = this.#at;
    while (isDigit(this.#bytes[this.#at] ?? -1)) this.#at += 1;
    return this.#at > from;
  }
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= 0x39;

const isHex = (byte: number): boolean =>
  isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
