/**
 * atob and btoa as the WHATWG specifies them ("forgiving base64").
 */
import { DOMException } from './dom-exception.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** @throws DOMException `InvalidCharacterError` for a character above U+00FF. */
export const btoa = (data: unknown): string => {
  const text = String(data);
  let result = '';
  for (let at = 0; at < text.length; at += 3) {
    const left = text.length - at;
    const a = text.charCodeAt(at);
    const b = left > 1 ? text.charCodeAt(at + 1) : 0;
    const c = left > 2 ? text.charCodeAt(at + 2) : 0;
    if (a > 255 || b > 255 || c > 255) {
      throw new DOMException(
        'btoa: the string has a character outside of Latin-1; encode it with TextEncoder first',
        'InvalidCharacterError',
      );
    }
    result += letter(a >> 2) + letter(((a & 3) << 4) | (b >> 4));
    result += left > 1 ? letter(((b & 15) << 2) | (c >> 6)) : '=';
    result += left > 2 ? letter(c & 63) : '=';
  }
  return result;
};

/** @throws DOMException `InvalidCharacterError` for what is not base64. */
export const atob = (data: unknown): string => {
  let text = String(data).replace(/[\t\n\f\r ]/g, '');
  if (text.length % 4 === 0) text = text.replace(/==?$/, '');
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw new DOMException('atob: the string is not correctly encoded base64', 'InvalidCharacterError');
  }
  let result = '';
  let bits = 0;
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    bits = ((bits << 6) | sixBits(text.charCodeAt(at))) & 0xffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      result += String.fromCharCode((bits >> count) & 255);
    }
  }
  return result;
};

const letter = (index: number): string => ALPHABET.charAt(index);

const sixBits = (code: number): number => {
  if (code === 43) return 62;
  if (code === 47) return 63;
  if (code < 58) return code + 4;
  return code < 91 ? code - 65 : code - 71;
};
