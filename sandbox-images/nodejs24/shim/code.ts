/**
 * A function's code: its surroundings in this process, its files, and the function that a name means.
 *
 * Owns which of Node's two loaders a file is given to. Never reads a file itself: `require` and `import` do, so that
 * packages, JSON, native addons and relative files work as in plain Node.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { findExport, type GuestFunction } from '../../../src/guest/exported.ts';

/** meta of `load`, the parts that matter here. */
export interface LoadMeta {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly memoryMb: number;
  readonly env: Readonly<Record<string, string>>;
  readonly resultMaxBytes: number;
  readonly logMaxBytes: number;
  readonly codePath: string;
  readonly entry: Entry;
  readonly initializerEntry: Entry | null;
}

interface Entry {
  /** Relative to `codePath`. */
  readonly path: string;
  readonly exportName: string;
}

const BASE_ENVIRONMENT = {
  ...{ PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', TMPDIR: '/tmp', LANG: 'C.UTF-8', TZ: 'UTC' },
};

const isNamespace = types.isModuleNamespaceObject;

/** Makes the process look as if Node had been started with the function's file. */
export const enterSurroundings = ({ codePath, entry, env }: LoadMeta): void => {
  process.chdir(codePath);
  const wanted: Record<string, string> = { ...BASE_ENVIRONMENT, LAMBDA_TASK_ROOT: codePath, ...env };
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(wanted, name)) delete process.env[name];
  for (const [name, value] of Object.entries(wanted)) {
    // Setting the time zone makes the engine read it anew, even when it is the same.
    if (process.env[name] !== value) process.env[name] = value;
  }
  process.argv = [process.execPath, `${codePath}/${entry.path}`];
  process.execArgv = [];
  // As Node does at its start where the variable is set; this process was started before.
  if (env.NODE_USE_ENV_PROXY === '1') process.getBuiltinModule('http').setGlobalProxyFromEnv(process.env);
};

/** The function, or why there is none. Rejects with what the code throws. */
export const loadFunction = async (codePath: string, entry: Entry): Promise<GuestFunction | string> => {
  const path = `${codePath}/${entry.path}`;
  const exports = await exportsOf(codePath, path);
  const found = findExport(exports, entry.exportName, entry.path);
  if (typeof found === 'function' || !isNamespace(exports)) return found;
  // What `require` returns of a module may have one name more than the module itself.
  return findExport(await importFile(path), entry.exportName, entry.path);
};

/** `require` first, because it is faster and takes both kinds of files; only it cannot wait. */
const exportsOf = async (codePath: string, path: string): Promise<unknown> => {
  if (path.endsWith('.mjs')) return importFile(path);
  try {
    return createRequire(`${codePath}/`)(path) as unknown;
  } catch (thrown) {
    if (!needsWaiting(thrown)) throw thrown;
    return importFile(path);
  }
};

const importFile = (path: string): Promise<unknown> => import(pathToFileURL(path).href);

const needsWaiting = (thrown: unknown): boolean => {
  try {
    return (thrown as { code?: unknown }).code === 'ERR_REQUIRE_ASYNC_MODULE';
  } catch {
    return false;
  }
};
