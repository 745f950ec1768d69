/**
 * structuredClone for the values of this runtime.
 *
 * Owns the copying of plain data, collections, buffers and errors, shared references and cycles included. Refuses
 * with DataCloneError what the web's algorithm refuses: functions, symbols, weak collections, promises.
 */
import { DOMException } from './dom-exception.ts';

type Seen = Map<object, unknown>;

const objectTag = Object.prototype.toString;
const viewTag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as () => string | undefined;
const ERRORS: Record<string, ErrorConstructor> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** @throws DOMException `DataCloneError` for what cannot be copied. */
export const structuredClone = (
  value: unknown,
  options: { transfer?: Iterable<ArrayBuffer> } = {},
): unknown => {
  const seen: Seen = new Map();
  for (const buffer of options?.transfer ?? []) {
    if (!(buffer instanceof ArrayBuffer)) throw refuse('the value to transfer');
    if (seen.has(buffer)) throw refuse('a buffer that is transferred twice');
    seen.set(buffer, buffer.transfer());
  }
  return clone(value, seen);
};

const clone = (value: unknown, seen: Seen): unknown => {
  if (typeof value === 'symbol') throw refuse(value.toString());
  if (typeof value === 'function') throw refuse(`the function ${value.name || '(anonymous)'}`);
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  return (
    cloneBuffer(value, seen) ??
    cloneCollection(value, seen) ??
    cloneSimple(value, seen) ??
    clonePlain(value, seen)
  );
};

const remember = <T>(seen: Seen, value: object, copy: T): T => {
  seen.set(value, copy);
  return copy;
};

const cloneBuffer = (value: object, seen: Seen): unknown => {
  if (value instanceof ArrayBuffer) return remember(seen, value, value.slice(0));
  if (!ArrayBuffer.isView(value)) return undefined;
  const buffer = clone(value.buffer, seen) as ArrayBuffer;
  const name = viewTag.call(value);
  if (name === undefined)
    return remember(seen, value, new DataView(buffer, value.byteOffset, value.byteLength));
  const View = (globalThis as unknown as Record<string, Uint8ArrayConstructor>)[
    name
  ] as Uint8ArrayConstructor;
  return remember(seen, value, new View(buffer, value.byteOffset, (value as Uint8Array).length));
};

const cloneCollection = (value: object, seen: Seen): unknown => {
  if (value instanceof Map) {
    const copy = remember(seen, value, new Map());
    for (const [key, member] of [...value]) copy.set(clone(key, seen), clone(member, seen));
    return copy;
  }
  if (!(value instanceof Set)) return undefined;
  const copy = remember(seen, value, new Set());
  for (const member of [...value]) copy.add(clone(member, seen));
  return copy;
};

const cloneSimple = (value: object, seen: Seen): unknown => {
  if (value instanceof Date) return remember(seen, value, new Date(value.getTime()));
  if (value instanceof RegExp) return remember(seen, value, new RegExp(value.source, value.flags));
  if (
    value instanceof Boolean ||
    value instanceof Number ||
    value instanceof String ||
    value instanceof BigInt
  ) {
    return remember(seen, value, Object(value.valueOf()));
  }
  return value instanceof Error ? cloneError(value, seen) : undefined;
};

const cloneError = (error: Error, seen: Seen): Error => {
  if (error instanceof DOMException)
    return remember(seen, error, new DOMException(error.message, error.name));
  const Type = (Object.hasOwn(ERRORS, error.name) ? ERRORS[error.name] : undefined) ?? Error;
  const fresh = remember(seen, error, new Type(String(error.message)));
  const define = (key: string, value: unknown): void => {
    Object.defineProperty(fresh, key, { value, writable: true, configurable: true, enumerable: false });
  };
  define('stack', String(error.stack));
  if (Object.hasOwn(error, 'cause')) define('cause', clone(error.cause, seen));
  return fresh;
};

const clonePlain = (value: object, seen: Seen): unknown => {
  const tag = objectTag.call(value);
  if (
    /^\[object (WeakMap|WeakSet|WeakRef|Promise|FinalizationRegistry|Generator|AsyncGenerator)\]$/.test(tag)
  ) {
    throw refuse(tag);
  }
  const source = value as Record<string, unknown>;
  const copy = remember(
    seen,
    value,
    (Array.isArray(value) ? new Array(value.length) : {}) as Record<string, unknown>,
  );
  for (const key of Object.keys(source)) {
    Object.defineProperty(copy, key, {
      value: clone(source[key], seen),
      writable: true,
      configurable: true,
      enumerable: true,
    });
  }
  return copy;
};

const refuse = (what: string): DOMException =>
  new DOMException(`${what} could not be cloned`, 'DataCloneError');
