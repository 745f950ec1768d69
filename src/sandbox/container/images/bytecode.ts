/**
 * Compiles the Python modules of an image: in a container their folders are read only, so nothing could be kept.
 *
 * The compiled files carry no times, and are not checked against their source, which cannot change.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StrataError } from '../../../core/errors.ts';
import type { Commands } from '../../../ports/commands.ts';
import { BUILD_ENV } from './debian.ts';
import type { Rootfs } from './rootfs.ts';

const PYTHON = '/usr/bin/python3';
const TIMEOUT_MS = 180_000;
const OUTPUT_MAX_BYTES = 1024 * 1024;

/** Reads lines of source, path in the image, and where to write; prints the path of each compiled file. */
const PROGRAM = `
import importlib.util, json, py_compile, sys
for line in sys.stdin:
    source, path, output = json.loads(line)
    py_compile.compile(source, cfile=output, dfile=path, doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    print(importlib.util.cache_from_source(path))
`;

/** @param folder of this build's own, for files in between. */
export const addBytecode = async (rootfs: Rootfs, commands: Commands, folder: string): Promise<void> => {
  const staged = join(folder, 'bytecode');
  await mkdir(staged, { recursive: true });
  const lines: string[] = [];
  const outputs: string[] = [];
  for (const [path, entry] of rootfs.sorted()) {
    if (entry.kind !== 'file' || !path.endsWith('.py')) continue;
    const output = join(staged, `${outputs.length}.pyc`);
    const source = 'source' in entry.content ? entry.content.source : join(staged, `${outputs.length}.py`);
    if ('bytes' in entry.content) await writeFile(source, entry.content.bytes);
    lines.push(JSON.stringify([source, path, output]));
    outputs.push(output);
  }
  const { exitCode, stdout, stderr } = await commands.run({
    ...{ command: PYTHON, args: ['-S', '-c', PROGRAM], env: BUILD_ENV, folder, input: lines.join('\n') },
    ...{ timeoutMs: TIMEOUT_MS, outputMaxBytes: OUTPUT_MAX_BYTES },
  });
  const paths = stdout.split('\n').filter((line) => line !== '');
  if (exitCode !== 0 || paths.length !== outputs.length) {
    throw new StrataError('internal_error', `Python modules could not be compiled: ${stderr.slice(-1000)}`);
  }
  for (const [at, output] of outputs.entries()) {
    const content = { bytes: await readFile(output) };
    rootfs.add(paths[at] ?? '', { kind: 'file', executable: false, content });
  }
};
