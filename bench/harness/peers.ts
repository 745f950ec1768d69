/**
 * What Strata is measured beside: workerd, a bare Fastify, a spawned Node process, a worker thread.
 *
 * Owns how each is started and called. All run the code of `bench/peers/function.js` or its worker form.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type Scope, startChild } from './children.ts';

const peerPath = (name: string): string => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

export const FUNCTION_SOURCE: string = readFileSync(peerPath('function.js'), 'utf8');
/** The same function in Python. */
export const PYTHON_SOURCE: string = readFileSync(peerPath('function.py'), 'utf8');
/** The same function as a program for the runtime `provided`. */
export const BOOTSTRAP_SOURCE: string = readFileSync(peerPath('bootstrap.sh'), 'utf8');

export interface Workerd {
  readonly pid: number;
  readonly staticUrl: string;
  /** Paths: `/warm`, `/get-new`, `/load`. */
  readonly loaderUrl: string;
}

export const startWorkerd = async (scope: Scope): Promise<Workerd> => {
  const { default: binary } = createRequire(import.meta.url)('workerd') as { default: string };
  // The Worker Loader is there only with --experimental; descriptor 1 is where the chosen ports are reported.
  const args = ['serve', '--experimental', '--control-fd=1', peerPath('workerd.capnp')];
  const child = startChild(scope, binary, args);
  const urlOf = async (socket: string): Promise<string> => {
    const [, port] = await child.waitFor(new RegExp(`"socket":"${socket}","port":(\\d+)`));
    return `http://127.0.0.1:${port}`;
  };
  return { pid: child.pid, staticUrl: await urlOf('static'), loaderUrl: await urlOf('loader') };
};

export const startFastify = async (scope: Scope): Promise<{ pid: number; url: string }> => {
  const child = startChild(scope, process.execPath, [peerPath('fastify-noop.ts')]);
  const [url] = await child.waitFor(/http:\/\/127\.0\.0\.1:\d+/);
  return { pid: child.pid, url };
};

/** For `node -e`: runs the function with its first argument as the event. */
export const SPAWNED_SCRIPT = `${FUNCTION_SOURCE}
process.stdout.write(JSON.stringify(exports.handler(JSON.parse(process.argv[1]))));`;

/** Runs the function in a Node process of its own and resolves with what it printed when it has exited. */
export const callInSpawnedNode = (eventJson: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', SPAWNED_SCRIPT, eventJson], {
      env: {},
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0
        ? resolve(Buffer.concat(chunks).toString('utf8'))
        : reject(new Error(`node ended with ${code}`)),
    );
  });

const THREAD_SCRIPT = `${FUNCTION_SOURCE}
const { parentPort, workerData } = require('node:worker_threads');
parentPort.postMessage(JSON.stringify(exports.handler(JSON.parse(workerData))));`;

/** Runs the function in a thread of its own; `ended` resolves after the thread is gone. */
export const callInWorkerThread = (eventJson: string): { result: Promise<string>; ended: Promise<void> } => {
  const worker = new Worker(THREAD_SCRIPT, { eval: true, env: {}, workerData: eventJson });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => resolve());
  });
  const result = new Promise<string>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { result, ended };
};
