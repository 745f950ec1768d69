/**
 * Reads the code to deploy from a file or a folder.
 *
 * Takes JavaScript and JSON only; leaves out `node_modules` and names that begin with a dot; refuses symbolic
 * links, because they could carry files from outside the folder along unseen.
 */
import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { StrataError } from '../core/errors.ts';
import { CODE_MAX_FILES } from '../core/limits.ts';
import type { CodeUpload } from '../core/spec.ts';

const ENDINGS = new Set(['.js', '.mjs', '.cjs', '.json']);

export interface CollectedCode {
  readonly code: CodeUpload;
  /** From the file's or the folder's name; a name given on the command line wins. */
  readonly name: string;
}

/** @throws StrataError `code_invalid` when there is nothing that can be deployed. */
export const collectCode = async (given: string): Promise<CollectedCode> => {
  const target = path.resolve(given);
  const status = await statusOf(target, given);
  if (status.isSymbolicLink()) throw refusedLink(given);
  if (status.isDirectory()) return { code: { files: await filesUnder(target) }, name: path.basename(target) };
  const { ext: ending, name: stem, dir } = path.parse(target);
  if (!status.isFile() || !ENDINGS.has(ending) || ending === '.json') {
    throw new StrataError('code_invalid', `${given} is neither a folder nor a .js, .mjs or .cjs file.`);
  }
  const text = await readFile(target, 'utf8');
  const name = stem === 'index' ? path.basename(dir) : stem;
  return { code: ending === '.js' ? { source: text } : { files: { [`index${ending}`]: text } }, name };
};

const statusOf = async (target: string, given: string) => {
  try {
    return await lstat(target);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StrataError('code_invalid', `${given} cannot be read (${code}); give a file or a folder.`, {
      cause,
    });
  }
};

const filesUnder = async (root: string): Promise<Record<string, string>> => {
  const files = new Map<string, string>();
  const pending = [''];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const entries = await readdir(path.join(root, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      const relative = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isSymbolicLink()) throw refusedLink(relative);
      if (entry.isDirectory()) pending.push(relative);
      else if (entry.isFile() && ENDINGS.has(path.extname(entry.name))) {
        if (files.size === CODE_MAX_FILES) {
          throw new StrataError(
            'code_invalid',
            `${root} holds more than ${CODE_MAX_FILES} files; bundle the code.`,
          );
        }
        files.set(relative, await readFile(path.join(root, relative), 'utf8'));
      }
    }
  }
  if (files.size === 0) {
    throw new StrataError(
      'code_invalid',
      `${root} holds no .js, .mjs, .cjs or .json file; there is nothing to run.`,
    );
  }
  return Object.fromEntries(files);
};

const refusedLink = (place: string): StrataError =>
  new StrataError('code_invalid', `${place} is a symbolic link; deploy the file or folder it points to.`);
