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
import { buildBrokerBundle } from '../src/egress/process.ts';
import { buildGuestBundle } from '../src/guest/bundle.ts';
import { readShims } from '../src/sandbox/container/images/shims.ts';
import { IMAGES_FOLDER } from '../src/sandbox/container/images/sources.ts';
import { buildHostBundle } from '../src/sandbox/isolate/assets.ts';
import { ROOT } from './tidy/source.ts';

const PACKAGE = join(ROOT, 'dist');
const CODE = join(PACKAGE, 'dist');
const COPIED = ['bin/strata.js', 'examples/hello.js', 'README.md', 'CHANGELOG.md', 'SECURITY.md'];
/** Not for those who install the package: the development's scripts, tools and entry. */
const LEFT_OUT = new Set(['scripts', 'devDependencies', 'exports', 'allowScripts', 'private']);

const emit = (): void => {
  const compiler = join(ROOT, 'node_modules', '.bin', 'tsc');
  execFileSync(compiler, ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', CODE], { stdio: 'inherit' });
  // Types of hosts and broker stay, because types of the server name them; their code is in the bundles.
  for (const path of globSync(join(CODE, '{sandbox/isolate/host,egress/broker}/*.js'))) rmSync(path);
};

const bundle = async (): Promise<void> => {
  await buildGuestBundle(join(CODE, 'guest', 'guest-bootstrap.js'));
  writeFileSync(join(CODE, 'sandbox', 'isolate', 'isolate-host.js'), await buildHostBundle());
  writeFileSync(join(CODE, 'egress', 'egress-broker.cjs'), await buildBrokerBundle());
};

const copy = (): void => {
  for (const path of COPIED) {
    mkdirSync(dirname(join(PACKAGE, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(PACKAGE, path));
  }
  chmodSync(join(PACKAGE, 'bin', 'strata.js'), 0o755);
};

/** What images are built from. The shim for Node is JavaScript there; its sources lie among other code. */
const images = async (): Promise<void> => {
  const folder = join(PACKAGE, 'sandbox-images');
  const tracked = execFileSync('git', ['ls-files', '.'], { cwd: IMAGES_FOLDER, encoding: 'utf8' });
  const plain = tracked.split('\n').filter((path) => path !== '' && !/\.ts$|^nodejs24\/shim\//.test(path));
  for (const path of plain) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(IMAGES_FOLDER, path), join(folder, path));
  }
  for (const [name, bytes] of await readShims('nodejs24', IMAGES_FOLDER)) {
    writeFileSync(join(folder, 'nodejs24', name), bytes);
  }
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
await images();
writeManifest();
const { files, bytes } = sizeOf(PACKAGE);
console.log(`dist/: ${files} files, ${Math.ceil(bytes / 1024)} KB`);
