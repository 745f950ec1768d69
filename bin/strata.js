#!/usr/bin/env node
// Starts Strata on the Node it needs, whatever Node starts this file (20 or later). Plain JavaScript for that reason.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED_MAJOR = 24;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const self = fileURLToPath(import.meta.url);

/** Built code beside this folder, else the sources; Node runs no TypeScript inside node_modules. */
const entry = () => {
  const candidates = ['../main.js', '../src/main.ts', '../dist/main.js'];
  if (self.includes(`${path.sep}node_modules${path.sep}`)) candidates.reverse();
  return candidates.map((candidate) => path.resolve(path.dirname(self), candidate)).find(existsSync);
};

const pinnedNode = () => {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    const binary = path.join(path.dirname(manifest), 'bin', 'node');
    return existsSync(binary) ? binary : null;
  } catch {
    return null;
  }
};

const runOn = (binary) => {
  const child = spawn(binary, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`${binary} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
};

const fail = (message) => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
};

const main = entry();
const major = Number(process.versions.node.split('.')[0]);
if (main === undefined) {
  fail('The code of Strata is missing beside bin/; install the package again.');
} else if (major >= NEEDED_MAJOR) {
  await import(pathToFileURL(main).href);
} else {
  const binary = pinnedNode();
  if (binary === null) {
    fail(
      `Strata needs Node ${NEEDED_MAJOR}; this is ${process.version}, and the package "node" that brings it is not ` +
        'installed. Run `npm install` with install scripts allowed.',
    );
  } else {
    runOn(binary);
  }
}
