/**
 * Makes the files of the shim that an image carries: plain JavaScript modules, all in one folder.
 *
 * Owns their names. Never changes a line of code beyond taking the types away and renaming what is imported, so
 * that a stack of the shim's points at the line of its source.
 */
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { basename, dirname, join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'shim');
const ENTRY = join(FOLDER, 'shim.ts');
/** What the shim calls and loads to warm up; they are JavaScript already. */
const AS_THEY_ARE = ['warm.cjs', 'warm.mjs'];
const IMPORT = /(?<=\bfrom '|\bimport\(')(\.{1,2}\/[^']+)\.ts(?=')/g;

/** File names and contents; the program is `shim.mjs`. */
export const stripShim = async (): Promise<ReadonlyMap<string, string>> => {
  const files = new Map<string, string>();
  const paths = [ENTRY];
  for (const path of paths) {
    const code = stripTypeScriptTypes(await readFile(path, 'utf8'));
    const renamed = code.replace(IMPORT, (_, specifier: string) => {
      const imported = join(dirname(path), `${specifier}.ts`);
      if (!paths.includes(imported)) paths.push(imported);
      return `./${nameOf(imported)}`;
    });
    files.set(nameOf(path), renamed);
  }
  for (const name of AS_THEY_ARE) files.set(name, await readFile(join(FOLDER, name), 'utf8'));
  return files;
};

/** `shim.mjs` for the shim's own, `guest-errors.mjs` for `src/guest/errors.ts`. */
const nameOf = (path: string): string => {
  const folder = dirname(path);
  const stem = basename(path, '.ts');
  return folder === FOLDER ? `${stem}.mjs` : `${basename(folder)}-${stem}.mjs`;
};
