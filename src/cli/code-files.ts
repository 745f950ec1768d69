/**
 * Reads the code to deploy from a file or a folder.
 *
 * For isolates it takes JavaScript and JSON only, as text; for the runtimes of containers whole trees of any files,
 * as an archive that keeps who may be started. Leaves out names that begin with a dot; refuses symbolic links,
 * because they could carry files from outside the folder along unseen.
 */
import { existsSync, type Stats } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { StrataError } from '../core/errors.ts';
import { CODE_MAX_FILES, CONTAINER_CODE_MAX_BYTES, CONTAINER_CODE_MAX_FILES } from '../core/limits.ts';
import { BOOTSTRAP, type CodeUpload, type Runtime, tierOf } from '../core/spec.ts';

export interface CollectedCode {
  readonly code: CodeUpload;
  /** From the file's or the folder's name; a name given on the command line wins. */
  readonly name: string;
  /** What somebody may miss in it, and how to have it. */
  readonly note?: string;
}

/** @throws StrataError `code_invalid` when there is nothing that can be deployed. */
export const collectCode = async (given: string, runtime: Runtime): Promise<CollectedCode> => {
  const target = path.resolve(given);
  const status = await statusOf(target, given);
  if (status.isSymbolicLink()) throw refusedLink(given);
  if (status.isDirectory()) {
    const note =
      tierOf(runtime) === 'isolate' && existsSync(path.join(target, PACKAGES)) ? { note: NO_PACKAGES } : {};
    return { code: await codeUnder(target, runtime), name: path.basename(target), ...note };
  }
  const { ext: ending, name: stem, dir } = path.parse(target);
  const name = stem === 'index' || stem === BOOTSTRAP ? path.basename(dir) : stem;
  if (status.isFile() && ending === '.zip') return { code: { zip: base64(await readFile(target)) }, name };
  if (!status.isFile() || !(FILE_ENDINGS[runtime]?.includes(ending) ?? true)) {
    const endings = FILE_ENDINGS[runtime]?.join(', ');
    throw new StrataError(
      'code_invalid',
      `${given} is neither a folder nor a .zip archive nor, for the runtime ${runtime}, ` +
        `${endings === undefined ? 'a file' : `a file of ${endings}`}.${hintFor(ending, runtime)}`,
    );
  }
  if (runtime === 'provided')
    return { code: zipOf({ [BOOTSTRAP]: entry(await readFile(target), true) }), name };
  const text = await readFile(target, 'utf8');
  // The ending of a module says how it is read.
  const usual = ending === '.js' || ending === '.py';
  return { code: usual ? { source: text } : { files: { [`index${ending}`]: text } }, name };
};

const PACKAGES = 'node_modules';
const NO_PACKAGES = `${PACKAGES} is left out; --runtime nodejs24 takes it`;

/** What one file alone may be; null for anything. */
const FILE_ENDINGS: Readonly<Record<Runtime, readonly string[] | null>> = {
  isolate: ['.js', '.mjs', '.cjs'],
  nodejs24: ['.js', '.mjs', '.cjs'],
  python3: ['.py'],
  provided: null,
};

/** Who leaves out the runtime means an isolate without knowing. */
const hintFor = (ending: string, runtime: Runtime): string =>
  runtime !== 'python3' && FILE_ENDINGS.python3?.includes(ending)
    ? ` For a ${ending} file give --runtime python3.`
    : '';

const TEXT_ENDINGS = new Set(['.js', '.mjs', '.cjs', '.json']);

const statusOf = async (target: string, given: string): Promise<Stats> => {
  try {
    return await lstat(target);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StrataError('code_invalid', `${given} cannot be read (${code}); give a file or a folder.`, {
      cause,
    });
  }
};

const codeUnder = async (root: string, runtime: Runtime): Promise<CodeUpload> =>
  tierOf(runtime) === 'isolate' ? { files: await textsUnder(root) } : zipOf(await treeUnder(root));

const textsUnder = async (root: string): Promise<Record<string, string>> => {
  const texts = new Map<string, string>();
  for await (const relative of filesUnder(root, [PACKAGES])) {
    if (!TEXT_ENDINGS.has(path.extname(relative))) continue;
    if (texts.size === CODE_MAX_FILES) throw refusedCount(root, CODE_MAX_FILES);
    texts.set(relative, await readFile(path.join(root, relative), 'utf8'));
  }
  if (texts.size === 0) {
    throw new StrataError(
      'code_invalid',
      `${root} holds no .js, .mjs, .cjs or .json file; there is nothing to run.`,
    );
  }
  return Object.fromEntries(texts);
};

const treeUnder = async (root: string): Promise<Zippable> => {
  const tree = new Map<string, Zippable[string]>();
  let bytes = 0;
  for await (const relative of filesUnder(root, ['__pycache__'])) {
    if (tree.size === CONTAINER_CODE_MAX_FILES) throw refusedCount(root, CONTAINER_CODE_MAX_FILES);
    const target = path.join(root, relative);
    const { mode, size } = await lstat(target);
    bytes += size;
    if (bytes > CONTAINER_CODE_MAX_BYTES) {
      throw new StrataError(
        'code_invalid',
        `${root} holds more than ${CONTAINER_CODE_MAX_BYTES} bytes, which no server takes; leave out what is not needed.`,
      );
    }
    tree.set(relative, entry(await readFile(target), (mode & 0o111) !== 0));
  }
  if (tree.size === 0) {
    throw new StrataError('code_invalid', `${root} holds no file; there is nothing to run.`);
  }
  return Object.fromEntries(tree);
};

/** The regular files under a folder by relative path; folders named so are left out. */
async function* filesUnder(root: string, leftOut: readonly string[]): AsyncGenerator<string> {
  const pending = [''];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const entries = await readdir(path.join(root, folder), { withFileTypes: true });
    for (const found of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (found.name.startsWith('.') || leftOut.includes(found.name)) continue;
      const relative = folder === '' ? found.name : `${folder}/${found.name}`;
      if (found.isSymbolicLink()) throw refusedLink(relative);
      if (found.isDirectory()) pending.push(relative);
      else if (found.isFile()) yield relative;
    }
  }
}

/** A file as an archive made on Unix has it. */
const entry = (bytes: Uint8Array, executable: boolean): Zippable[string] => [
  bytes,
  { os: 3, attrs: (executable ? 0o100755 : 0o100644) << 16 },
];

const zipOf = (tree: Zippable): CodeUpload => ({ zip: base64(zipSync(tree)) });

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const refusedCount = (root: string, most: number): StrataError =>
  new StrataError('code_invalid', `${root} holds more than ${most} files; bundle the code.`);

const refusedLink = (place: string): StrataError =>
  new StrataError('code_invalid', `${place} is a symbolic link; deploy the file or folder it points to.`);
