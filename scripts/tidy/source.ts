/**
 * The tracked files as the rules see them: their text, the text without comments, and the imports.
 *
 * Owns reading and scanning. Never judges. The scanner knows strings, templates, comments and regular expressions
 * well enough for formatted code; it does not parse.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');

export interface Import {
  /** Path from the root of the repository. */
  readonly target: string;
  /** Gone at run time: `import type`, or `typeof import(…)`. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** The text with comments, and what is quoted and no module specifier, replaced by spaces; line numbers stay. */
  readonly code: string;
  /** The code with the contents of strings and regular expressions replaced by spaces too. */
  readonly bare: string;
}

/** Every tracked or new file that git does not ignore, by path from the root. */
export const repositoryFiles = (): string[] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)));

export const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export const readSource = (path: string): SourceFile => {
  const text = readText(path);
  return { path, text, ...scan(text) };
};

export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'/gm;
const EXPRESSION = /(typeof\s+)?\b(?:import|require)\(\s*'(\.[^']+)'\s*\)(\s+as typeof import)?/g;

/** The relative imports of a file, static and dynamic. */
export const importsOf = (file: SourceFile): Import[] => {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, offset: number): void => {
    const target = posix.normalize(posix.join(posix.dirname(file.path), specifier));
    found.push({ target, typeOnly, line: lineAt(file.code, offset) });
  };
  for (const match of file.code.matchAll(STATEMENT)) add(match[2] ?? '', match[1] !== undefined, match.index);
  for (const match of file.code.matchAll(EXPRESSION))
    add(match[2] ?? '', match[1] !== undefined, match.index);
  return found;
};

const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|(?<=[(,=:[!&|?{};\n]\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/g;

const scan = (text: string): { code: string; bare: string } => {
  const isSpecifier = (token: string): boolean => /^'\.[^'\s(]*'$|^'[a-z@][\w:@/-]*'$/.test(token);
  return {
    // Of all that is quoted only what can be a specifier stays: programs in strings are not this file's imports.
    code: text.replace(TOKEN, (token) => (isSpecifier(token) ? token : blank(token))),
    // A template's expressions are code, so templates stay as they are.
    bare: text.replace(TOKEN, (token) => (token.startsWith('`') ? token : blank(token))),
  };
};

const blank = (token: string): string => token.replace(/[^\n]/g, ' ');
