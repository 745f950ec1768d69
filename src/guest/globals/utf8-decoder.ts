/**
 * A streaming UTF-8 decoder, as the WHATWG Encoding standard specifies it.
 *
 * Owns what a malformed sequence becomes: one U+FFFD for each maximal part of a sequence.
 */

/** Decodes the next bytes; `last` says that no more come. */
export type StreamDecoder = (bytes: Uint8Array, last: boolean) => string;

const CHUNK_UNITS = 4_096;

export const createUtf8Decoder = (fatal: boolean): StreamDecoder => {
  const units = new Uint16Array(CHUNK_UNITS);
  let codePoint = 0;
  let needed = 0;
  let lower = 0x80;
  let upper = 0xbf;
  const malformed = (): number => {
    if (fatal) throw new TypeError('The data is not valid utf-8');
    return 0xfffd;
  };
  return (bytes, last) => {
    let text = '';
    let count = 0;
    const emit = (code: number): void => {
      if (count > CHUNK_UNITS - 2) {
        text += String.fromCharCode.apply(null, units.subarray(0, count) as unknown as number[]);
        count = 0;
      }
      if (code > 0xffff) {
        units[count] = 0xd800 + ((code - 0x10000) >> 10);
        units[count + 1] = 0xdc00 + (code & 0x3ff);
        count += 2;
      } else {
        units[count] = code;
        count += 1;
      }
    };
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      if (needed > 0) {
        if (byte >= lower && byte <= upper) {
          lower = 0x80;
          upper = 0xbf;
          codePoint = (codePoint << 6) | (byte & 0x3f);
          needed -= 1;
          if (needed === 0) emit(codePoint);
          continue;
        }
        needed = 0;
        lower = 0x80;
        upper = 0xbf;
        emit(malformed());
      }
      if (byte < 0x80) emit(byte);
      else if (byte >= 0xc2 && byte <= 0xdf) {
        needed = 1;
        codePoint = byte & 0x1f;
      } else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte === 0xe0) lower = 0xa0;
        if (byte === 0xed) upper = 0x9f;
        needed = 2;
        codePoint = byte & 0x0f;
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte === 0xf0) lower = 0x90;
        if (byte === 0xf4) upper = 0x8f;
        needed = 3;
        codePoint = byte & 0x07;
      } else emit(malformed());
    }
    if (last && needed > 0) {
      needed = 0;
      emit(malformed());
    }
    return text + String.fromCharCode.apply(null, units.subarray(0, count) as unknown as number[]);
  };
};
