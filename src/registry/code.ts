/**
 * Turns an upload into the files of a function.
 *
 * Owns the limits on code and the rule which file a handler means. Never stores and never evaluates anything.
 * Invariants: what comes out is within the code limit, valid Unicode, under safe paths, and holds the handler's file.
 */
import { StrataError } from '../core/errors.ts';
import { CODE_MAX_FILES } from '../core/limits.ts';
import {
  type CodeEntry,
  type CodeFile,
  type CodeFiles,
  type CodeUpload,
  type FunctionSpec,
  type Runtime,
  textFile,
} from '../core/spec.ts';
import { normalPath, PathSet } from './code-paths.ts';
import { shown } from './spec-errors.ts';
import { readZip } from './zip.ts';

export interface Code {
  readonly files: CodeFiles;
  /** UTF-8 bytes of all files together, paths not counted. */
  readonly bytes: number;
}

/**
 * The files of an upload.
 * @throws StrataError `code_invalid`, `payload_too_large`.
 */
export const readCode = (
  upload: CodeUpload,
  spec: Pick<FunctionSpec, 'runtime' | 'handler' | 'initializer'>,
  codeMaxBytes: number,
): Code => {
  const files = new Map<string, CodeFile>();
  const paths = new PathSet();
  let bytes = 0;
  for (const [path, text] of unpack(upload, spec.runtime, codeMaxBytes)) {
    const normal = normalPath(path);
    paths.addFile(normal);
    if (!text.isWellFormed())
      refuse(`code: the file ${shown(path)} is not valid Unicode: it holds half a surrogate pair.`);
    bytes += Buffer.byteLength(text);
    refuseLarge('code', bytes, codeMaxBytes);
    files.set(normal, textFile(normal, text));
  }
  if (files.size === 0) refuse('code: has no file; add the one that the handler names.');
  refuseMissingEntry('handler', spec.handler, files, spec.runtime);
  if (spec.initializer !== null) refuseMissingEntry('initializer', spec.initializer, files, spec.runtime);
  return { files, bytes };
};

/**
 * The file and the export that a handler or initializer means, in this order of endings; null when there is none.
 * `lib/app.main` means the export `main` of `lib/app.js`, `.cjs` or `.mjs`.
 */
export const entryFile = (files: CodeFiles, handler: string, runtime: Runtime): CodeEntry | null => {
  const dot = handler.lastIndexOf('.');
  if (dot <= 0) return null;
  const stem = handler.slice(0, dot);
  const ending = ENDINGS[runtime].find((candidate) => files.has(stem + candidate));
  return ending === undefined ? null : { path: stem + ending, exportName: handler.slice(dot + 1) };
};

/** `provided` brings its own rules for what a handler is, so nothing is looked for. */
const ENDINGS: Readonly<Record<Runtime, readonly string[]>> = {
  isolate: ['.js', '.cjs', '.mjs'],
  nodejs24: ['.js', '.cjs', '.mjs'],
  python3: ['.py'],
  provided: [],
};

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const unpack = (
  upload: CodeUpload,
  runtime: Runtime,
  codeMaxBytes: number,
): readonly (readonly [path: string, text: string])[] => {
  if ('source' in upload) return [[runtime === 'python3' ? 'index.py' : 'index.js', upload.source]];
  if ('zip' in upload) return unzip(upload.zip, codeMaxBytes);
  const files = Object.entries(upload.files);
  if (files.length > CODE_MAX_FILES)
    refuse(`code.files: has ${files.length} files; at most ${CODE_MAX_FILES} are allowed.`);
  return files;
};

const unzip = (base64: string, codeMaxBytes: number): [string, string][] => {
  const bytes = Math.floor((base64.length * 3) / 4);
  refuseLarge('code.zip', bytes - 2, codeMaxBytes);
  if (base64.length % 4 !== 0 || !BASE64.test(base64))
    refuse('code.zip: is not base64: use the alphabet with "+" and "/", padded with "=".');
  return readZip(Buffer.from(base64, 'base64'), codeMaxBytes).map((file) => [
    file.path,
    decode(file.path, file.bytes),
  ]);
};

const decode = (path: string, bytes: Uint8Array): string => {
  try {
    return UTF8.decode(bytes);
  } catch {
    return refuse(`code: the file ${shown(path)} is not UTF-8 text; only text can be deployed.`);
  }
};

const refuseMissingEntry = (field: string, handler: string, files: CodeFiles, runtime: Runtime): void => {
  const endings = ENDINGS[runtime];
  if (endings.length === 0 || entryFile(files, handler, runtime) !== null) return;
  const stem = handler.slice(0, handler.lastIndexOf('.'));
  const looked = endings.map((ending) => stem + ending).join(', ');
  const present = shown([...files.keys()].slice(0, 5));
  refuse(`${field}: ${shown(handler)} needs one of the files ${looked}; the code has ${present}.`);
};

const refuseLarge = (field: string, bytes: number, max: number): void => {
  if (bytes <= max) return;
  throw new StrataError(
    'payload_too_large',
    `${field}: has ${bytes} bytes or more; at most ${max} are allowed (limits.codeMaxBytes). Send less code.`,
    { limit: { kind: 'codeBytes', configured: max, observed: bytes } },
  );
};

const refuse: (message: string) => never = (message) => {
  throw new StrataError('code_invalid', message);
};
