/**
 * The examples as single files, the way that examples/README.md tells.
 */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** One CommonJS file with everything that the example imports. */
export const bundle = async (name: string): Promise<string> => {
  const entry = fileURLToPath(new URL(`../../examples/${name}/function.js`, import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'neutral',
    mainFields: ['module', 'main'],
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error(`esbuild wrote nothing for ${entry}`);
  return file.text;
};
