/**
 * Which file of a function's code a handler or an initializer means.
 *
 * Owns the rule, for every runtime. Never looks into the files.
 */
import type { CodeEntry, CodeFiles, Runtime } from '../core/spec.ts';

/**
 * The file and the export that a handler or initializer means, in this order of endings; null when there is none.
 * `lib/app.main` means the export `main` of `lib/app.js`, `.cjs` or `.mjs`; in Python, where folders are packages,
 * `pkg.mod.main` means that of `pkg/mod.py` as `pkg/mod.main` does.
 */
export const entryFile = (files: CodeFiles, handler: string, runtime: Runtime): CodeEntry | null => {
  const dot = handler.lastIndexOf('.');
  if (dot <= 0) return null;
  const path = candidatesOf(handler.slice(0, dot), runtime).find((candidate) => files.has(candidate));
  return path === undefined ? null : { path, exportName: handler.slice(dot + 1) };
};

/** The files that could be meant, the likeliest first. `provided` has rules of its own, so nothing is looked for. */
export const candidatesOf = (stem: string, runtime: Runtime): readonly string[] => {
  if (runtime === 'provided') return [];
  if (runtime !== 'python3') return ['.js', '.cjs', '.mjs'].map((ending) => stem + ending);
  return [...new Set([`${stem}.py`, `${stem.replaceAll('.', '/')}.py`])];
};
