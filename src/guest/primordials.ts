/**
 * The engine's own functions, captured before any guest code runs.
 *
 * Owns references to built-ins under names that the guest cannot patch, and small containers that do not look at
 * prototypes. Never runs guest code by itself. Invariant: the bootstrap's path from an entry to a record uses only
 * these, indices, `+` and `await`; objects it creates after boot are literals, so that no setter on
 * `Object.prototype` or `Array.prototype` sees them.
 */

export const ReflectApply = Reflect.apply;
/**
 * Turns a method into a function whose first argument is `this`. A closure, because `bind` costs boot three
 * microseconds for each of them.
 */
const uncurry =
  <A extends unknown[], R>(method: (...args: A) => R) =>
  (self: unknown, ...args: A): R =>
    ReflectApply(method, self, args) as R;

export const ReflectConstruct = Reflect.construct;
export const ReflectOwnKeys = Reflect.ownKeys;
export const ReflectGetPrototypeOf = Reflect.getPrototypeOf;
export const ReflectGetOwnPropertyDescriptor = Reflect.getOwnPropertyDescriptor;
export const ReflectDefineProperty = Reflect.defineProperty;
export const ReflectDeleteProperty = Reflect.deleteProperty;

export const ObjectKeys = Object.keys;
export const ArrayIsArray = Array.isArray;
export const JSONParse: (text: string) => unknown = JSON.parse;
export const JSONStringify: (value: unknown) => string | undefined = JSON.stringify;
export const DateNow = Date.now;
export const MathFloor = Math.floor;
export const MathCeil = Math.ceil;
export const StringOf = String;
export const NumberOf = Number;
export const ParseInt = parseInt;
export const ParseFloat = parseFloat;
export const ErrorOf = Error;
export const TypeErrorOf = TypeError;
export const RangeErrorOf = RangeError;
export const SyntaxErrorOf = SyntaxError;

export const StringSlice = uncurry(String.prototype.slice);
export const StringIndexOf = uncurry(String.prototype.indexOf) as (
  self: string,
  search: string,
  from?: number,
) => number;
export const StringCharCodeAt = uncurry(String.prototype.charCodeAt);
export const StringIsWellFormed = uncurry(String.prototype.isWellFormed);
export const SymbolToString = uncurry(Symbol.prototype.toString);
export const BigIntToString = uncurry(BigInt.prototype.toString);
export const FunctionToString = uncurry(Function.prototype.toString);
export const DateToISOString = uncurry(Date.prototype.toISOString);
export const DateGetTime = uncurry(Date.prototype.getTime);
export const RegExpToString = uncurry(RegExp.prototype.toString);

export const SafeMap = Map;
export const MapGet = uncurry(Map.prototype.get) as <K, V>(map: Map<K, V>, key: K) => V | undefined;
export const MapSet = uncurry(Map.prototype.set) as <K, V>(map: Map<K, V>, key: K, value: V) => unknown;
export const MapHas = uncurry(Map.prototype.has) as <K, V>(map: Map<K, V>, key: K) => boolean;
export const MapDelete = uncurry(Map.prototype.delete) as <K, V>(map: Map<K, V>, key: K) => boolean;
export const MapForEach = uncurry(Map.prototype.forEach) as <K, V>(
  map: Map<K, V>,
  visit: (value: V, key: K) => void,
) => void;
export const SetForEach = uncurry(Set.prototype.forEach) as (
  set: unknown,
  visit: (value: unknown) => void,
) => void;

const sizeOf = (prototype: object): ((self: unknown) => number) =>
  uncurry(Object.getOwnPropertyDescriptor(prototype, 'size')?.get as () => number);
export const MapSize = sizeOf(Map.prototype);
export const SetSize = sizeOf(Set.prototype);

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
/** The name of a typed array's class, or undefined for anything else. */
export const TypedArrayName = uncurry(
  Object.getOwnPropertyDescriptor(typedArrayPrototype, Symbol.toStringTag)?.get as () => string | undefined,
);
export const TypedArrayLength = uncurry(
  Object.getOwnPropertyDescriptor(typedArrayPrototype, 'length')?.get as () => number,
);
export const ArrayBufferByteLength = uncurry(
  Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get as () => number,
);

/** The engine's own getter of every error's `stack`; undefined where the engine keeps a plain property. */
export const engineStackGetter = Object.getOwnPropertyDescriptor(new Error(), 'stack')?.get;

/** A growing list without a prototype: appending to a real array would call setters of `Array.prototype`. */
export interface List<T> {
  length: number;
  [index: number]: T;
}

export const newList = <T>(): List<T> => ({ __proto__: null, length: 0 }) as unknown as List<T>;

export const append = <T>(list: List<T>, value: T): void => {
  const at = list.length;
  list[at] = value;
  list.length = at + 1;
};

/** A dictionary without a prototype. */
export const newTable = <T>(): Record<string, T> => ({ __proto__: null }) as unknown as Record<string, T>;

/** Defines an own property as assignment would on a fresh object, without asking any prototype. */
export const defineValue = (target: object, key: PropertyKey, value: unknown, enumerable = false): boolean =>
  ReflectDefineProperty(target, key, {
    __proto__: null,
    value,
    writable: true,
    configurable: true,
    enumerable,
  } as PropertyDescriptor);

/** A string as JSON text; no `toJSON` is asked for a primitive. */
export const quote = (text: string): string => JSONStringify(text) as string;

/** At most `max` characters of a text, and a sign that it was cut. */
export const cut = (text: string, max: number): string =>
  text.length <= max ? text : `${StringSlice(text, 0, max)}…`;

/** Joins without `Array.prototype.join`. */
export const joinList = (list: List<string>, separator: string): string => {
  let text = '';
  for (let index = 0; index < list.length; index += 1) text += (index === 0 ? '' : separator) + list[index];
  return text;
};
