/**
 * The same code in a container without Strata: `docker run --rm` and `runc run`, from the image that Strata uses.
 *
 * Owns how each is called. Each call is a command of its own, from spawn to exit, that prints the handler's result.
 * The bundle for runc is the image's filesystem with the configuration that runc itself proposes; its folder and its
 * state lie in the scope's temporary folder.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/ports/clock.ts';
import { type CallSubject, verifyBody } from './call-rounds.ts';
import type { Scope } from './children.ts';
import { PYTHON_SOURCE, SPAWNED_SCRIPT } from './peers.ts';

/** Runs the handler once with the event that is its last argument and prints the result. */
type Command = (eventJson: string) => readonly [string, ...string[]];

export const NODE_COMMAND: Command = (eventJson) => ['/usr/local/bin/node', '-e', SPAWNED_SCRIPT, eventJson];

const PYTHON_SCRIPT = `${PYTHON_SOURCE}
import json, sys
sys.stdout.write(json.dumps(handler(json.loads(sys.argv[1]), None)))`;

export const PYTHON_COMMAND: Command = (eventJson) => ['/usr/bin/python3', '-c', PYTHON_SCRIPT, eventJson];

export const dockerRunSubject = (id: string, image: string, command: Command): CallSubject =>
  commandSubject(id, async (eventJson) => {
    const [program, ...args] = command(eventJson);
    return ['docker', 'run', '--rm', '--network', 'none', '--entrypoint', program, image, ...args];
  });

/** @throws when the image's filesystem cannot be had. */
export const runcSubject = async (
  scope: Scope,
  id: string,
  image: string,
  command: Command,
): Promise<CallSubject> => {
  const folder = scope.temporaryFolder();
  const bundle = join(folder, 'bundle');
  await unpackImage(image, join(bundle, 'rootfs'));
  await run('runc', ['spec', '--bundle', bundle]);
  const configPath = join(bundle, 'config.json');
  const proposed = JSON.parse(readFileSync(configPath, 'utf8')) as { process: object };
  let serial = 0;
  return commandSubject(id, async (eventJson) => {
    const ownProcess = { ...proposed.process, terminal: false, args: command(eventJson) };
    writeFileSync(configPath, JSON.stringify({ ...proposed, process: ownProcess }));
    serial += 1;
    const container = `strata-bench-${process.pid}-${serial}`;
    return ['runc', '--root', join(folder, 'state'), 'run', '--bundle', bundle, container];
  });
};

const commandSubject = (
  id: string,
  prepare: (eventJson: string) => Promise<readonly [string, ...string[]]>,
): CallSubject => ({
  id,
  slow: true,
  async call(name) {
    const [program, ...args] = await prepare(JSON.stringify({ name }));
    const startedMs = systemClock.nowMs();
    const body = await run(program, args);
    const elapsedMs = systemClock.nowMs() - startedMs;
    verifyBody(body, name, 'fresh');
    return { elapsedMs, retries: 0 };
  },
});

const unpackImage = async (image: string, folder: string): Promise<void> => {
  mkdirSync(folder, { recursive: true });
  const container = (await run('docker', ['create', '--network', 'none', image])).trim();
  try {
    const archive = `${folder}.tar`;
    await run('docker', ['export', '--output', archive, container]);
    await run('tar', ['-x', '-f', archive, '-C', folder]);
  } finally {
    await run('docker', ['rm', container]);
  }
};

const ERROR_MAX_CHARS = 200;

/** What the command printed. @throws with what it complained about when it fails. */
const run = (program: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const printed: Buffer[] = [];
    const complaints: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve(Buffer.concat(printed).toString('utf8'));
      const complaint = Buffer.concat(complaints).toString('utf8').trim().slice(-ERROR_MAX_CHARS);
      reject(new Error(`${program} ${args[0]} ended with ${code}: ${complaint}`));
    });
  });
