/**
 * Proves the built package: packs `dist/`, installs the archive in an empty folder as a user would, and runs the
 * library, the command line and the server from there. Needs `npm run build` before, and the registry for the
 * dependencies.
 *
 * Ends what it starts and removes its folder, also when a proof fails.
 */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from './tidy/source.ts';

const SERVE_LIMIT_MS = 30_000;
const folder = mkdtempSync(join(tmpdir(), 'strata-package-'));
const bin = join(folder, 'node_modules', '.bin');

/** The user's Node, whatever it is, and none of the tools of this repository. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((entry) => !entry.includes('node_modules'))
  .join(delimiter);
const env = { ...process.env, PATH };

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd: folder,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();

const expect = (what: string, seen: string, wanted: string): void => {
  if (seen !== wanted) throw new Error(`${what}: seen ${seen}; expected ${wanted}`);
  console.log(`proved  ${what}: ${seen}`);
};

const install = (): void => {
  const archive = run('npm', 'pack', '--silent', '--pack-destination', folder, join(ROOT, 'dist'));
  const name = archive.split('\n').at(-1) ?? '';
  // Two packages bring what their install scripts put in place; a user allows them by name, as here.
  const manifest = { private: true, type: 'module', allowScripts: { node: true, 'isolated-vm': true } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  run('npm', 'install', '--silent', '--no-fund', '--no-audit', join(folder, name));
  if (existsSync(join(folder, 'node_modules', 'esbuild'))) throw new Error('the package installs esbuild');
  console.log(`proved  ${name} installs, without a bundler`);
};

const library = (): void => {
  copyFileSync(join(ROOT, 'examples', 'embed.ts'), join(folder, 'embed.ts'));
  const wanted = JSON.stringify({ status: 'succeeded', result: { hello: 'Ada' } }).slice(0, -1);
  const seen = run(join(bin, 'node'), 'embed.ts');
  expect('the library', seen.slice(0, wanted.length), wanted);
};

const types = (): void => {
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--skipLibCheck'];
  const roots = ['--typeRoots', join(ROOT, 'node_modules', '@types'), '--types', 'node'];
  run(join(ROOT, 'node_modules', '.bin', 'tsc'), ...options, ...roots, 'embed.ts');
  console.log('proved  the types');
};

const server = async (): Promise<void> => {
  const args = ['serve', '--examples', '--port', '0', '--data-dir', ':memory:'];
  const child = spawn(join(bin, 'strata'), args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const limit = setTimeout(() => child.kill('SIGKILL'), SERVE_LIMIT_MS);
  const ended = new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(String(signal ?? code)));
  });
  try {
    let printed = '';
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        const match = /curl \S+ \S+ POST (\S+)/.exec(printed) ?? /curl .*?(http\S+)/.exec(printed);
        if (match?.[1] !== undefined) resolve(match[1]);
      });
      void ended.then((how) => reject(new Error(`the server ended with ${how}; it printed: ${printed}`)));
    });
    const answer = await fetch(url, { method: 'POST', body: '{"name":"Ada"}' });
    expect('the server', `${answer.status} ${await answer.text()}`, '200 {"hello":"Ada"}');
    child.kill('SIGTERM');
    expect('its end after SIGTERM', await ended, '0');
  } finally {
    child.kill('SIGKILL');
    clearTimeout(limit);
  }
};

try {
  if (!existsSync(join(ROOT, 'dist', 'package.json')))
    throw new Error('there is no dist/; run npm run build');
  install();
  expect('the command line', run(join(bin, 'strata'), '--version'), '0.1.0');
  library();
  types();
  await server();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
