/**
 * Turns an upload into the files of a function.
 *
 * Owns the limits on code. Never stores and never evaluates anything.
 * Invariants: what comes out is within the code limit, under safe paths, and holds the handler's file; for isolates
 * it is valid Unicode as well.
 */
import { StrataError } from '../core/errors.ts';
import { CODE_MAX_FILES, CONTAINER_CODE_MAX_FILES } from '../core/limits.ts';
import {
  BOOTSTRAP,
  type CodeFile,
  type CodeFiles,
  type CodeUpload,
  type FunctionSpec,
  type Runtime,
  textFile,
  tierOf,
} from '../core/spec.ts';
import { Breath } from './breath.ts';
import { normalPath, PathSet } from './code-paths.ts';
import { candidatesOf, entryFile } from './entry.ts';
import { shown } from './spec-errors.ts';
import { type ArchiveLimits, readZip } from './zip.ts';

export interface Code {
  readonly files: CodeFiles;
  /** Bytes of all files together, paths not counted. */
  readonly bytes: number;
}

/** What the code of a function may be, by the tier of its runtime. */
export interface CodeLimits {
  readonly codeMaxBytes: number;
  readonly containerCodeMaxBytes: number;
}

/** The files of code that is stored already. */
export type StoredCode = (digest: string) => Promise<CodeFiles>;

/**
 * The files of an upload.
 * @throws StrataError `code_invalid`, `payload_too_large`.
 */
export const readCode = async (
  upload: CodeUpload,
  spec: Pick<FunctionSpec, 'runtime' | 'handler' | 'initializer'>,
  codeLimits: CodeLimits,
  stored: StoredCode = refuseDigest,
): Promise<Code> => {
  const { runtime, handler, initializer } = spec;
  const limits = limitsOf(runtime, codeLimits);
  const files = new Map<string, CodeFile>();
  const paths = new PathSet(limits.maxFiles);
  const breath = new Breath();
  let bytes = 0;
  for (const [path, file] of await unpack(upload, runtime, limits, stored)) {
    const normal = normalPath(path);
    paths.addFile(normal);
    if (tierOf(runtime) === 'isolate') refuseBinary(path, file);
    bytes += file.bytes.length;
    refuseLarge('code', bytes, limits);
    files.set(normal, file);
    await breath.after(FILE_COST_BYTES + file.bytes.length);
  }
  if (files.size === 0) refuse('code: has no file; add the one that the handler names.');
  if (runtime === 'provided') refuseMissingBootstrap(files);
  else refuseMissingEntry('handler', handler, files, runtime);
  if (initializer !== null) refuseMissingEntry('initializer', initializer, files, runtime);
  return { files, bytes };
};

/** What the check of a path costs, expressed in bytes. */
const FILE_COST_BYTES = 4 * 1024;

const limitsOf = (runtime: Runtime, limits: CodeLimits): ArchiveLimits =>
  tierOf(runtime) === 'isolate'
    ? { maxBytes: limits.codeMaxBytes, maxFiles: CODE_MAX_FILES, setting: 'limits.codeMaxBytes' }
    : {
        maxBytes: limits.containerCodeMaxBytes,
        maxFiles: CONTAINER_CODE_MAX_FILES,
        setting: 'limits.containerCodeMaxBytes',
      };

type Unpacked = readonly (readonly [path: string, file: CodeFile])[];

const unpack = async (
  upload: CodeUpload,
  runtime: Runtime,
  limits: ArchiveLimits,
  stored: StoredCode,
): Promise<Unpacked> => {
  if ('digest' in upload) return [...(await stored(upload.digest))];
  if ('zip' in upload) return unzip(upload.zip, limits);
  const texts = 'source' in upload ? { [SOURCE_PATHS[runtime]]: upload.source } : upload.files;
  const entries = Object.entries(texts);
  if (entries.length > CODE_MAX_FILES)
    refuse(
      `code.files: has ${entries.length} files; at most ${CODE_MAX_FILES} are allowed. Pack them as code.zip.`,
    );
  return entries.map(([path, text]) => {
    if (!text.isWellFormed())
      refuse(`code: the file ${shown(path)} is not valid Unicode: it holds half a surrogate pair.`);
    refuseLarge('code', Buffer.byteLength(text), limits);
    return [path, textFile(path, text)];
  });
};

const SOURCE_PATHS: Readonly<Record<Runtime, string>> = {
  isolate: 'index.js',
  nodejs24: 'index.js',
  python3: 'index.py',
  provided: BOOTSTRAP,
};

const unzip = async (base64: string, limits: ArchiveLimits): Promise<Unpacked> => {
  refuseLarge('code.zip', Math.floor((base64.length * 3) / 4) - 2, limits);
  const archive = Buffer.from(base64, 'base64');
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  // What is not of the alphabet is skipped while decoding, so that too few bytes come out.
  const complete = archive.length === (base64.length / 4) * 3 - padding;
  if (!complete || base64.includes('-') || base64.includes('_'))
    refuse('code.zip: is not base64: use the alphabet with "+" and "/", padded with "=".');
  const entries = await readZip(archive, limits);
  return entries.map(({ path, bytes, mode }) => [path, { bytes, executable: isExecutable(path, mode) }]);
};

/** Anybody's right to start it counts: the code's files belong to no user of the sandbox. */
const isExecutable = (path: string, mode: number): boolean =>
  mode === 0 ? path === BOOTSTRAP : (mode & 0o111) !== 0;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const refuseBinary = (path: string, { bytes }: CodeFile): void => {
  try {
    UTF8.decode(bytes);
  } catch {
    refuse(`code: the file ${shown(path)} is not UTF-8 text; only text can be deployed.`);
  }
};

const refuseMissingBootstrap = (files: CodeFiles): void => {
  const bootstrap = files.get(BOOTSTRAP);
  if (bootstrap === undefined)
    refuse(
      `code: the runtime provided starts the file "${BOOTSTRAP}" at the root of the code, which has ` +
        `${present(files)}. Add it, or pack the folder's content instead of the folder.`,
    );
  else if (!bootstrap.executable)
    refuse(
      `code: the file "${BOOTSTRAP}" is not executable; run \`chmod +x ${BOOTSTRAP}\` and pack it again with a tool ` +
        'that keeps file modes.',
    );
};

const refuseMissingEntry = (field: string, handler: string, files: CodeFiles, runtime: Runtime): void => {
  if (entryFile(files, handler, runtime) !== null) return;
  const looked = candidatesOf(handler.slice(0, handler.lastIndexOf('.')), runtime).join(', ');
  refuse(`${field}: ${shown(handler)} needs one of the files ${looked}; the code has ${present(files)}.`);
};

const present = (files: CodeFiles): string => shown([...files.keys()].slice(0, 5));

const refuseLarge = (field: string, bytes: number, { maxBytes, setting }: ArchiveLimits): void => {
  if (bytes <= maxBytes) return;
  throw new StrataError(
    'payload_too_large',
    `${field}: has ${bytes} bytes or more; at most ${maxBytes} are allowed (${setting}). Send less code.`,
    { limit: { kind: 'codeBytes', configured: maxBytes, observed: bytes } },
  );
};

const refuseDigest: StoredCode = async () => refuse('code.digest: there is no code yet; send it.');

const refuse: (message: string) => never = (message) => {
  throw new StrataError('code_invalid', message);
};
