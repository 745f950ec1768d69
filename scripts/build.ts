/**
 * `npm run build`: makes `dist/`, the package as it is published.
 *
 * The package has the repository's layout with `dist/` in the place of `src/`, because the code finds the manifest and
 * the example beside its own folder. What runs in hosts and isolates is bundled here, so that an installed package
 * needs no bundler; the modules that were bundled are left out.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { stripShim } from '../sandbox-images/nodejs24/strip.ts';
import { buildGuestBundle } from '../src/guest/bundle.ts';
import { buildHostBundle } from '../src/sandbox/isolate/assets.ts';
import { ROOT } from './tidy/source.ts';

const PACKAGE = join(ROOT, 'dist');
const CODE = join(PACKAGE, 'dist');
const COPIED = ['bin/strata.js', 'examples/hello.js', 'README.md', 'CHANGELOG.md', 'SECURITY.md'];
/** What images are made from, but for the sources of the shim for Node, which the package has as plain JavaScript. */
const IMAGES = [
  'agent/*.[ch]',
  'agent/{Makefile,README.md}',
  'scripts/*',
  '*/Dockerfile',
  '*/manifest.json',
  'python3/*.py',
  'README.md',
];
const SHIM_FOLDER = 'sandbox-images/nodejs24';
/** Not for those who install the package: the development's scripts, tools and entry. */
const LEFT_OUT = new Set(['scripts', 'devDependencies', 'exports', 'allowScripts', 'private']);

const emit = (): void => {
  const compiler = join(ROOT, 'node_modules', '.bin', 'tsc');
  execFileSync(compiler, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', CODE], { stdio: 'inherit' });
  // Types of the host stay, because types of the server name them; its code is in the bundle.
  for (const path of globSync(join(CODE, 'sandbox/isolate/host/*.js'))) rmSync(path);
};

const bundle = async (): Promise<void> => {
  await buildGuestBundle(join(CODE, 'guest', 'guest-bootstrap.js'));
  writeFileSync(join(CODE, 'sandbox', 'isolate', 'isolate-host.js'), await buildHostBundle());
};

const copy = (): void => {
  const images = globSync(
    IMAGES.map((pattern) => `sandbox-images/${pattern}`),
    { cwd: ROOT },
  );
  for (const path of [...COPIED, ...images]) {
    mkdirSync(dirname(join(PACKAGE, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(PACKAGE, path));
  }
  chmodSync(join(PACKAGE, 'bin', 'strata.js'), 0o755);
};

const writeShim = async (): Promise<void> => {
  for (const [name, text] of await stripShim()) writeFileSync(join(PACKAGE, SHIM_FOLDER, name), text);
};

const writeManifest = (): void => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, unknown>;
  const kept = Object.entries(manifest).filter(([name]) => !LEFT_OUT.has(name));
  const published = {
    ...Object.fromEntries(kept),
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
    types: './dist/index.d.ts',
  };
  writeFileSync(join(PACKAGE, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
};

const sizeOf = (folder: string): { files: number; bytes: number } => {
  const paths = globSync(join(folder, '**/*')).filter((path) => statSync(path).isFile());
  return { files: paths.length, bytes: paths.reduce((sum, path) => sum + statSync(path).size, 0) };
};

rmSync(PACKAGE, { recursive: true, force: true });
emit();
await bundle();
copy();
await writeShim();
writeManifest();
const { files, bytes } = sizeOf(PACKAGE);
console.log(`dist/: ${files} files, ${Math.ceil(bytes / 1024)} KB`);
