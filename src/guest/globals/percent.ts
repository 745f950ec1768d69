/**
 * Percent-encoding as the URL standard defines it: the sets, encoding, decoding.
 */
import { TextDecoder, TextEncoder } from './encoding.ts';

type EncodeSet = (code: number) => boolean;

const encoder = new TextEncoder();

const among = (chars: string) => {
  const codes = new Set([...chars].map((char) => char.charCodeAt(0)));
  return (code: number): boolean => codes.has(code);
};

const inFragment = among(' "<>`');
const inQuery = among(' "#<>');
const inPath = among(' "#<>?^`{}');
const inUserinfo = among(' "#<>?^`{}/:;=@[\\]|');
const unreservedInForm = among('*-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');

export const C0_CONTROL: EncodeSet = (code) => code <= 0x1f || code > 0x7e;
export const FRAGMENT: EncodeSet = (code) => C0_CONTROL(code) || inFragment(code);
export const QUERY: EncodeSet = (code) => C0_CONTROL(code) || inQuery(code);
export const SPECIAL_QUERY: EncodeSet = (code) => QUERY(code) || code === 0x27;
export const PATH: EncodeSet = (code) => C0_CONTROL(code) || inPath(code);
export const USERINFO: EncodeSet = (code) => C0_CONTROL(code) || inUserinfo(code);
export const FORM: EncodeSet = (code) => !unreservedInForm(code);

/** UTF-8 percent-encodes the characters of a set. */
export const percentEncode = (text: string, set: EncodeSet, spaceAsPlus = false): string => {
  let result = '';
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    if (spaceAsPlus && code === 0x20) result += '+';
    else if (!set(code)) result += char;
    else
      for (const byte of encoder.encode(char))
        result += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
};

/** Decodes %XX to bytes and these as UTF-8, with U+FFFD for what is malformed. */
export const percentDecode = (text: string): string => {
  if (!text.includes('%')) return text;
  const bytes = encoder.encode(text);
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const high = bytes[at] === 0x25 ? hexValue(bytes[at + 1]) : -1;
    const low = high < 0 ? -1 : hexValue(bytes[at + 2]);
    if (low < 0) bytes[length] = bytes[at] as number;
    else {
      bytes[length] = high * 16 + low;
      at += 2;
    }
    length += 1;
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, length));
};

const hexValue = (byte: number | undefined): number => {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
};
