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
/** Functions that every boot, every load and every invocation calls. */
const EAGER = [
  ...['boot', 'lockDown', 'installTimers', 'installGlobals', 'defineLazy'],
  ...['entry', 'dispatch', 'dispatchLoading', 'prepare', 'load', 'invoke', 'exportsOf', 'evaluate'],
  ...['requireFrom', 'defineScript', 'findExport', 'lookUp', 'isObject', 'enterAt', 'now', 'enterOwner'],
  ...['newOwner', 'settle', 'forget', 'collect', 'flush', 'logRecord', 'record', 'parseEvent', 'callGuest'],
  ...[
    'thenableOf',
    'settleResult',
    'resultText',
    'createContext',
    'callFields',
    'parameterCount',
    'defineValue',
    'liveOwner',
    'quote',
  ],
];
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
  return EAGER.reduce(compileEagerly, output.text);
};

/**
 * Puts a function in parentheses. The engine then compiles it with the script, so that the code cache has it, and
 * not at its first call: that takes a tenth of a millisecond off every boot and a third off every first invocation.
 * The bundler drops such parentheses. Brackets are only counted, so those functions must hold no unbalanced bracket
 * in a string.
 */
const compileEagerly = (script: string, name: string): string => {
  const head = new RegExp(`[,; ]${name}=(?=(?:\\([^()]*\\)|\\w+)=>)`).exec(script);
  if (head === null)
    throw new StrataError('internal_error', `The guest bootstrap has no function '${name}'.`);
  const start = head.index + head[0].length;
  const end = functionEnd(script, script.indexOf('=>', start) + 2);
  if (end < 0)
    throw new StrataError('internal_error', `The function '${name}' of the guest bootstrap does not end.`);
  return `${script.slice(0, start)}(${script.slice(start, end)})${script.slice(end)}`;
};

/** Where an arrow function's body ends: behind its closing brace, or before the comma that ends an expression. */
const functionEnd = (script: string, bodyStart: number): number => {
  const block = script[bodyStart] === '{';
  let depth = 0;
  for (let at = bodyStart; at < script.length; at += 1) {
    const character = script.charAt(at);
    if (depth === 0 && !block && (character === ',' || character === ';')) return at;
    if ('([{'.includes(character)) depth += 1;
    else if (')]}'.includes(character)) depth -= 1;
    if (depth === 0 && block) return at + 1;
  }
  return -1;
};
