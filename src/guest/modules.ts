/**
 * CommonJS for the function's own files: a registry of compiled bodies and JSON, and require.
 *
 * Owns each file's module object, made at first use. Never finds anything outside of the registry. Invariant: a file
 * is evaluated at most once, unless it threw; a cycle sees the exports made so far, as in Node.
 */

import { brief } from './inspect.ts';
import {
  cut,
  defineValue,
  ErrorOf,
  JSONParse,
  MapGet,
  MapHas,
  MapSet,
  ReflectApply,
  ReflectConstruct,
  SafeMap,
  SyntaxErrorOf,
  TypeErrorOf,
} from './primordials.ts';
import { folderOf, resolveSpecifier } from './resolve.ts';

type Body = (...args: unknown[]) => unknown;

interface File {
  readonly path: string;
  readonly kind: 'script' | 'json' | 'broken';
  readonly body: Body | null;
  /** JSON text, or for a broken file the error as JSON. */
  readonly text: string;
  module: GuestModule | null;
}

/** What guest code sees as `module`. */
interface GuestModule {
  exports: unknown;
  readonly id: string;
  readonly filename: string;
  loaded: boolean;
}

const files = new SafeMap<string, File>();
const has = (path: string): boolean => MapHas(files, path);

export const defineScript = (path: string, body: Body): void => {
  MapSet(files, path, { path, kind: 'script', body, text: '', module: null });
};

export const defineJson = (path: string, text: string): void => {
  MapSet(files, path, { path, kind: 'json', body: null, text, module: null });
};

export const defineBroken = (path: string, errorJson: string): void => {
  MapSet(files, path, { path, kind: 'broken', body: null, text: errorJson, module: null });
};

/** The exports of a file, which is evaluated if it was not yet. Throws whatever the file throws. */
export const exportsOf = (path: string): unknown => {
  const file = MapGet(files, path);
  if (file === undefined) throw new ErrorOf(`The function has no file '${cut(path, 200)}'`);
  const known = file.module;
  if (known !== null) return known.exports;
  if (file.kind === 'broken') throw rebuildError(file.text);
  const filename = `/${path}`;
  const module: GuestModule = { exports: {}, id: filename, filename, loaded: false };
  file.module = module;
  let done = false;
  try {
    if (file.kind === 'json') module.exports = parseJson(file);
    else evaluate(file, module);
    module.loaded = true;
    done = true;
  } finally {
    if (!done) file.module = null;
  }
  return module.exports;
};

const evaluate = (file: File, module: GuestModule): void => {
  const require = requireFrom(file.path);
  defineValue(module, 'require', require);
  const { filename } = module;
  ReflectApply(file.body as Body, module.exports, [
    module.exports,
    require,
    module,
    filename,
    `/${folderOf(file.path)}`,
  ]);
};

const requireFrom = (from: string): ((specifier: unknown) => unknown) => {
  const require = (specifier: unknown): unknown => exportsOf(find(specifier, from));
  defineValue(require, 'resolve', (specifier: unknown): string => `/${find(specifier, from)}`);
  return require;
};

const find = (specifier: unknown, from: string): string => {
  if (typeof specifier !== 'string') {
    throw new TypeErrorOf(`require needs a string, not ${brief(specifier)}`);
  }
  try {
    return resolveSpecifier(specifier, from, has);
  } catch (thrown) {
    defineValue(thrown as object, 'code', 'MODULE_NOT_FOUND', true);
    throw thrown;
  }
};

const parseJson = (file: File): unknown => {
  try {
    return JSONParse(file.text);
  } catch (thrown) {
    throw new SyntaxErrorOf(`${file.path}: ${(thrown as Error).message}`);
  }
};

/** The engine's error about a file that did not compile. */
const rebuildError = (json: string): unknown => {
  const { type, message, stack } = JSONParse(json) as { type: string; message: string; stack: string };
  const error = ReflectConstruct(type === 'SyntaxError' ? SyntaxErrorOf : ErrorOf, [message]) as Error;
  defineValue(error, 'stack', stack);
  return error;
};
