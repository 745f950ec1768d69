/**
 * The language's part of an image: the files that lie beside the agent in /opt/strata.
 *
 * Owns which files those are for each runtime. `provided` has none: there the function brings its own.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { StrataError } from '../../../core/errors.ts';
import type { ContainerRuntime } from '../../../core/spec.ts';

interface Shim {
  readonly files: RegExp;
  /** The file that the agent starts. */
  readonly main: string;
}

const SHIMS: Readonly<Record<ContainerRuntime, Shim | null>> = {
  nodejs24: { files: /\.[cm]js$/, main: 'shim.mjs' },
  python3: { files: /\.py$/, main: 'zygote.py' },
  provided: null,
};

/** In a checkout the shim for Node is TypeScript still, and this module there makes the files. */
const STRIP = 'strip.ts';

/** @throws StrataError `internal_error` when the files of this package are incomplete. */
export const readShims = async (
  runtime: ContainerRuntime,
  folder: string,
): Promise<ReadonlyMap<string, Uint8Array>> => {
  const shim = SHIMS[runtime];
  if (shim === null) return new Map();
  const place = join(folder, runtime);
  const strip = join(place, STRIP);
  const files = existsSync(strip) ? await stripped(strip) : await plain(place, shim.files);
  if (files.has(shim.main)) return files;
  throw new StrataError(
    'internal_error',
    `${place} has no ${shim.main}: this package is incomplete, install it again.`,
  );
};

const plain = async (folder: string, wanted: RegExp): Promise<Map<string, Uint8Array>> => {
  const names = existsSync(folder) ? await readdir(folder) : [];
  const files = new Map<string, Uint8Array>();
  for (const name of names.sort()) if (wanted.test(name)) files.set(name, await readFile(join(folder, name)));
  return files;
};

interface StripModule {
  readonly stripShim: () => Promise<ReadonlyMap<string, string>>;
}

const stripped = async (path: string): Promise<Map<string, Uint8Array>> => {
  const { stripShim } = (await import(pathToFileURL(path).href)) as StripModule;
  return new Map([...(await stripShim())].map(([name, text]) => [name, Buffer.from(text)]));
};
