/**
 * crypto.randomUUID and crypto.getRandomValues; `crypto.subtle` says that it is not offered.
 */
import { createGenerator } from './chacha.ts';
import { DOMException } from './dom-exception.ts';

const QUOTA_BYTES = 65_536;
const INTEGER_ARRAYS = /^(Uint8|Int8|Uint8Clamped|Uint16|Int16|Uint32|Int32|BigInt64|BigUint64)Array$/;
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)
  ?.get as () => string | undefined;

export const createCrypto = (seedHex: string): object => {
  const nextWord = createGenerator(seedHex);
  const fill = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; at += 4) {
      const random = nextWord();
      for (let index = 0; index < 4 && at + index < bytes.length; index += 1) {
        bytes[at + index] = (random >>> (8 * index)) & 255;
      }
    }
  };
  return {
    getRandomValues: <T extends Uint8Array>(array: T): T => {
      const name = tagOf.call(array);
      if (name === undefined || !INTEGER_ARRAYS.test(name)) {
        throw new DOMException(
          `crypto.getRandomValues needs an integer typed array, not ${name ?? typeof array}`,
          'TypeMismatchError',
        );
      }
      if (array.byteLength > QUOTA_BYTES) {
        throw new DOMException(
          `crypto.getRandomValues fills at most ${QUOTA_BYTES} bytes at a time, not ${array.byteLength}`,
          'QuotaExceededError',
        );
      }
      fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      return array;
    },
    randomUUID: (): string => {
      const bytes = new Uint8Array(16);
      fill(bytes);
      bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
      bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
      let text = '';
      for (let index = 0; index < 16; index += 1) {
        if (index === 4 || index === 6 || index === 8 || index === 10) text += '-';
        text += (bytes[index] as number).toString(16).padStart(2, '0');
      }
      return text;
    },
    get subtle(): never {
      throw new DOMException(
        'crypto.subtle is not offered by the isolate runtime; bundle a library for what you need of it',
        'NotSupportedError',
      );
    },
  };
};
