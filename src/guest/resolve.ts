/**
 * Specifier resolution between a function's own files; the host and the guest share it.
 *
 * Owns which file a specifier of `require` or `import` means. Never reads a file. Invariant: the answer is a path
 * for which `has` said yes, or an error that names the specifier. It calls no method of a string or an array,
 * because in the guest those may be the function's own.
 */

/** Tried in this order behind the path as it is written. */
const ENDINGS = [
  '',
  '.js',
  '.cjs',
  '.mjs',
  '.json',
  '/index.js',
  '/index.cjs',
  '/index.mjs',
  '/index.json',
] as const;
const SHOWN_MAX_CHARS = 200;

/**
 * @param specifier as written: `./x`, `../x` or `/x`.
 * @param from normalised path of the file it is written in; empty for the function's root.
 * @param has whether there is a file with this normalised path.
 * @returns the normalised path of the file.
 * @throws Error naming the specifier, when it is no file of the function's own.
 */
export const resolveSpecifier = (specifier: string, from: string, has: (path: string) => boolean): string => {
  const base = isAbsolute(specifier) ? '' : isRelative(specifier) ? folderOf(from) : null;
  if (base === null) {
    throw new Error(
      `Cannot find module '${shown(specifier)}': the isolate runtime has no Node.js built-ins and no installed ` +
        'packages. Bundle the function with what it imports, for example with esbuild.',
    );
  }
  const path = normalise(`${base}/${specifier}`);
  if (path !== null) {
    for (let index = 0; index < ENDINGS.length; index += 1) {
      const candidate = path === '' ? `index${ENDINGS[index]}` : `${path}${ENDINGS[index]}`;
      if (has(candidate)) return candidate;
    }
  }
  const where = from === '' ? '' : ` (required from '${shown(from)}')`;
  throw new Error(
    `Cannot find module '${shown(specifier)}'${where}: the function has no such file, with or without ` +
      '.js, .cjs, .mjs, .json or /index.js. The isolate runtime has no Node.js built-ins or installed packages; ' +
      'bundle what is missing, for example with esbuild.',
  );
};

/** The folder of a normalised path; empty for a file at the root. */
export const folderOf = (path: string): string => {
  let end = path.length;
  while (end > 0 && path[end - 1] !== '/') end -= 1;
  return part(path, 0, end === 0 ? 0 : end - 1);
};

const isAbsolute = (specifier: string): boolean => specifier[0] === '/';

const isRelative = (specifier: string): boolean => {
  if (specifier[0] !== '.') return false;
  if (specifier.length === 1 || specifier[1] === '/') return true;
  return specifier[1] === '.' && (specifier.length === 2 || specifier[2] === '/');
};

/** Without empty and dot segments; null when it leads out of the function's root. */
const normalise = (path: string): string | null => {
  let result = '';
  let start = 0;
  for (let at = 0; at <= path.length; at += 1) {
    if (at < path.length && path[at] !== '/') continue;
    const segment = part(path, start, at);
    start = at + 1;
    if (segment === '' || segment === '.') continue;
    if (segment === '..') {
      if (result === '') return null;
      result = folderOf(result);
    } else {
      result = result === '' ? segment : `${result}/${segment}`;
    }
  }
  return result;
};

const part = (text: string, start: number, end: number): string => {
  let result = '';
  for (let index = start; index < end; index += 1) result += text[index];
  return result;
};

const shown = (text: string): string =>
  text.length <= SHOWN_MAX_CHARS ? text : `${part(text, 0, SHOWN_MAX_CHARS)}…`;
