/**
 * Finds the function that a name like `index.handler` means among a file's exports.
 *
 * Owns the forms of export that are accepted. Never calls what it finds; getters of the exports do run.
 */
import { brief } from './inspect.ts';
import { append, cut, type List, newList, ReflectOwnKeys, StringIsWellFormed } from './primordials.ts';

export type GuestFunction = (...args: unknown[]) => unknown;

const NAMES_SHOWN_MAX = 20;
const NAMES_MAX = 10_000;
const DETAIL_NAME_MAX_CHARS = 100;

/** The function itself, or why there is none. May throw what a getter throws. */
export const findExport = (exports: unknown, name: string, path: string): GuestFunction | string => {
  const found = lookUp(exports, name);
  if (typeof found === 'function') return found as GuestFunction;
  const shown = cut(name, DETAIL_NAME_MAX_CHARS);
  if (found !== undefined) return `${path} exports '${shown}', but it is not a function: ${brief(found)}`;
  const names = exportNames(exports);
  let list = '';
  for (let index = 0; index < names.length && index < NAMES_SHOWN_MAX; index += 1) {
    list += `${index === 0 ? '' : ', '}'${cut(names[index] as string, DETAIL_NAME_MAX_CHARS)}'`;
  }
  if (names.length > NAMES_SHOWN_MAX) list += `, and ${names.length - NAMES_SHOWN_MAX} more`;
  const have = list === '' ? 'it exports nothing' : `it exports ${list}`;
  return `${path} has no export '${shown}': ${have}`;
};

/** The names of an object's own string keys, in order. */
export const exportNames = (exports: unknown): List<string> => {
  const names = newList<string>();
  if (!isObject(exports)) return names;
  const keys = ReflectOwnKeys(exports);
  for (let index = 0; index < keys.length && names.length < NAMES_MAX; index += 1) {
    const key = keys[index];
    if (typeof key !== 'string' || !StringIsWellFormed(key)) continue;
    if (typeof exports === 'function' && (key === 'length' || key === 'name' || key === 'prototype'))
      continue;
    append(names, key);
  }
  return names;
};

const lookUp = (exports: unknown, name: string): unknown => {
  if (!isObject(exports)) return undefined;
  const direct: unknown = exports[name];
  if (direct !== undefined) return direct;
  const whole: unknown = exports.default;
  if (name === 'default') return typeof exports === 'function' ? exports : undefined;
  return isObject(whole) ? whole[name] : undefined;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function';
