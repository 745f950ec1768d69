/**
 * Makes the one script that boots an isolate; runs in the server or in the build, never in a guest.
 *
 * Owns how the bootstrap is bundled. Invariant: the script's completion value is `boot`, and it leaves nothing on
 * the global object: the code runs inside a function, strict, so that no frame of it gives up a function or `this`.
 */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { StrataError } from '../core/errors.ts';

const BEFORE = '"use strict";((module)=>{';
const AFTER = 'return module.exports.boot})({exports:{}})';

/** The script: made beforehand in a published package, bundled now in a checkout. */
export const loadGuestBundle = async (): Promise<string> => {
  const prebuilt = fileURLToPath(new URL('./guest-bootstrap.js', import.meta.url));
  return existsSync(prebuilt) ? readFile(prebuilt, 'utf8') : bundleGuest();
};

/** Writes the script that a published package carries. */
export const buildGuestBundle = async (outFile: string): Promise<void> => {
  await writeFile(outFile, await bundleGuest());
};

const bundleGuest = async (): Promise<string> => {
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: [fileURLToPath(new URL('./bootstrap.ts', import.meta.url))],
    bundle: true,
    write: false,
    // CommonJS, because it lets the wrapper take `boot` without a variable on the global object.
    format: 'cjs',
    platform: 'neutral',
    target: 'es2024',
    minifySyntax: true,
    minifyWhitespace: true,
    charset: 'ascii',
    legalComments: 'none',
    banner: { js: BEFORE },
    footer: { js: AFTER },
  });
  const output = result.outputFiles[0];
  if (output === undefined) {
    throw new StrataError('internal_error', 'The guest bootstrap could not be bundled.');
  }
  return output.text;
};
