/**
 * The installed npm packages of this repository as files of a function's code, and plain Node as the reference.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** The folders of these packages with all that they depend on, under the paths at which Node looks for them. */
export const packageTrees = (names: readonly string[]): Readonly<Record<string, Uint8Array>> => {
  const files: Record<string, Uint8Array> = {};
  const seen = new Set<string>();
  const add = (name: string, from: string): void => {
    const folder = folderOf(name, from);
    if (seen.has(folder)) return;
    seen.add(folder);
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const inner = relative(folder, path);
      // What is nested there comes when something depends on it.
      if (entry.isFile() && !inner.split('/').includes('node_modules'))
        files[relative(ROOT, path)] = readFileSync(path);
    }
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    for (const dependency of Object.keys(manifest.dependencies ?? {})) add(dependency, folder);
  };
  for (const name of names) add(name, ROOT);
  return files;
};

/** Where Node finds a package from a folder: the nearest `node_modules` upwards that has it. */
const folderOf = (name: string, from: string): string => {
  for (let folder = from; folder.startsWith(dirname(ROOT)); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
  }
  throw new Error(`${name} is not installed`);
};

const RUNNER = `
const { compileFunction } = require('node:vm');
const { source, event } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const module_ = { exports: {} };
compileFunction(source, ['require', 'exports', 'module'])(require, module_.exports, module_);
Promise.resolve(module_.exports.handler(event, {})).then((result) => process.stdout.write(JSON.stringify(result)));`;

/** What the handler of a CommonJS file answers in a Node process with the packages of this repository. */
export const runInPlainNode = async (source: string, event: unknown): Promise<unknown> => {
  const running = promisify(execFile)(process.execPath, ['-e', RUNNER], {
    cwd: ROOT,
    env: { TZ: 'UTC', LANG: 'C.UTF-8' },
    maxBuffer: 64 * 1024 * 1024,
  });
  running.child.stdin?.end(JSON.stringify({ source, event }));
  return JSON.parse((await running).stdout);
};
