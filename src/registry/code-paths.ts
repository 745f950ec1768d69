/**
 * What the path of a file in a function's code may be.
 *
 * Owns the rules and their refusals. Never touches a disk: paths are names in a map, and stay so. Invariant: a path
 * that passes is relative, in NFC, has no segment `.` or `..`, and means the same file on every file system.
 */
import { StrataError } from '../core/errors.ts';
import { CODE_MAX_FOLDERS, CODE_NAME_MAX_BYTES, CODE_PATH_MAX_LENGTH } from '../core/limits.ts';
import { FORBIDDEN_KEYS, shown } from './spec-errors.ts';

/**
 * The path in its normal form.
 * @throws StrataError `code_invalid`.
 */
export const normalPath = (path: string): string => {
  if (path.length > CODE_PATH_MAX_LENGTH)
    refuse(path, `has ${path.length} characters; at most ${CODE_PATH_MAX_LENGTH} are allowed`);
  if (path.length === 0) refuse(path, 'is empty; give the file a name');
  if (!path.isWellFormed()) refuse(path, 'is not valid Unicode; rename the file');
  if (hasControlCharacter(path)) refuse(path, 'holds NUL or another control character; rename the file');
  if (path.includes('\\')) refuse(path, 'holds a backslash; separate folders with "/"');
  if (path.includes(':')) refuse(path, 'holds a colon; rename the file');
  if (path.startsWith('/')) refuse(path, 'is absolute; give it relative to the code');
  const normal = path.normalize('NFC');
  for (const segment of normal.split('/')) {
    if (segment === '') refuse(path, 'has an empty segment; remove the extra "/"');
    if (segment === '.' || segment === '..')
      refuse(path, `has the segment "${segment}"; give it without going up or in place`);
    const bytes = Buffer.byteLength(segment);
    if (bytes > CODE_NAME_MAX_BYTES)
      refuse(
        path,
        `has a name of ${bytes} bytes; at most ${CODE_NAME_MAX_BYTES} are allowed, as in any folder`,
      );
  }
  if (FORBIDDEN_KEYS.some((key) => key === normal)) refuse(path, 'is not allowed as a name; rename the file');
  return normal;
};

/** Collects paths and refuses two that one file system could take for the same. */
export class PathSet {
  readonly #maxFiles: number;
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, string>();
  readonly #spelled = new Set<string>();

  constructor(maxFiles: number) {
    this.#maxFiles = maxFiles;
  }

  /** @throws StrataError `code_invalid` for a collision, or for more files than are allowed. */
  addFile(path: string): void {
    const key = folded(path);
    const other = this.#files.get(key) ?? this.#folders.get(key);
    if (other !== undefined) refuse(path, `collides with ${shown(other)}; keep one of them`);
    this.#files.set(key, path);
    if (this.#files.size > this.#maxFiles) {
      throw new StrataError('code_invalid', `code: has more than ${this.#maxFiles} files; bundle them.`);
    }
    this.#addFolders(path);
  }

  /** From the innermost outwards, as far as they are new: a folder that is known has known folders around it. */

  #addFolders(path: string): void {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end);
      if (this.#spelled.has(folder)) return;
      const key = folded(folder);
      const file = this.#files.get(key);
      if (file !== undefined) refuse(path, `needs ${shown(file)} to be a folder, but it is a file`);
      const other = this.#folders.get(key);
      if (other !== undefined && other !== folder)
        refuse(path, `has a folder that collides with ${shown(other)}; keep one spelling`);
      this.#folders.set(key, folder);
      this.#spelled.add(folder);
      if (this.#spelled.size > CODE_MAX_FOLDERS) {
        throw new StrataError('code_invalid', `code: has more than ${CODE_MAX_FOLDERS} folders; bundle it.`);
      }
    }
  }
}

/** Upper case first, so that letters whose capital form is longer or shared meet as well. */
const folded = (path: string): string => path.toUpperCase().toLowerCase().normalize('NFC');

const hasControlCharacter = (path: string): boolean => {
  for (let index = 0; index < path.length; index += 1) {
    const unit = path.charCodeAt(index);
    if (unit < 0x20 || (unit >= 0x7f && unit <= 0x9f)) return true;
  }
  return false;
};

const refuse: (path: string, why: string) => never = (path, why) => {
  throw new StrataError('code_invalid', `code: the path ${shown(path)} ${why}.`);
};
