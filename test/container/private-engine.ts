/**
 * A Docker engine of the test's own, for what no shared one may suffer: restarts, violent deaths, missing images.
 *
 * Owns the processes it starts and their folder: `close` ends and removes them. Needs root and a `dockerd`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import type { ContainerRuntime } from '../../src/core/spec.ts';
import { dockerodeOptions } from '../../src/sandbox/container/docker-host.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { expectedImage } from '../../src/sandbox/container/images/state.ts';
import { eventually } from '../limits/bench.ts';
import { ENGINE_HOST } from './availability.ts';

export interface PrivateEngine {
  readonly host: string;
  /** Ends it and resolves when it has ended. */
  stop(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Copies images from the engine of these tests. */
  load(runtimes: readonly ContainerRuntime[]): Promise<void>;
  close(): Promise<void>;
}

const DOCKERD = ['/usr/sbin/dockerd', '/usr/bin/dockerd', '/usr/local/bin/dockerd'].find(existsSync);
const START_LIMIT_MS = 30_000;

/** Why none can be started here; null when one can. */
export const noPrivateEngine = (): string | null => {
  if (process.getuid?.() !== 0) return 'only root can start a Docker engine';
  return DOCKERD === undefined ? 'there is no dockerd' : null;
};

export const openPrivateEngine = async (): Promise<PrivateEngine> => {
  const folder = await mkdtemp(join(tmpdir(), 'strata-engine-'));
  const host = `unix://${join(folder, 'docker.sock')}`;
  let running: ChildProcess | null = null;
  const answers = async (): Promise<boolean> =>
    dockerEngine(host)
      .info()
      .then(
        () => true,
        () => false,
      );
  /** As a service manager would: an engine may give up once on what the one before it left, and come up then. */
  const start = async (): Promise<void> => {
    if (!(await startOnce()) && !(await startOnce()))
      throw new Error(
        `the engine did not come up: ${readFileSync(join(folder, 'log'), 'utf8').slice(-2_000)}`,
      );
  };
  const startOnce = async (): Promise<boolean> => {
    await rm(join(folder, 'docker.pid'), { force: true });
    running = spawn(
      DOCKERD ?? 'dockerd',
      [
        ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '-H', host],
        ...[
          '-p',
          join(folder, 'docker.pid'),
          '--iptables=false',
          '--bridge=none',
          '--log-level=warn',
          '--shutdown-timeout=1',
        ],
      ],
      { stdio: ['ignore', 'ignore', openSync(join(folder, 'log'), 'a')] },
    );
    const endMs = performance.now() + START_LIMIT_MS;
    while (!(await answers())) {
      if (performance.now() > endMs || running.exitCode !== null) return false;
      await eventually(50, () => false);
    }
    return true;
  };
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    const child = running;
    if (child === null) return;
    running = null;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
    // One that dies violently leaves its helpers, and a later engine's containerd may hang on those.
    if (signal === 'SIGKILL') killLeft(folder);
  };
  await start();
  return {
    ...{ host, start, stop },
    async load(runtimes) {
      const from = new Docker(dockerodeOptions(ENGINE_HOST));
      const to = new Docker(dockerodeOptions(host));
      for (const runtime of runtimes) {
        const image = await from.getImage(await expectedImage(runtime)).get();
        const loading = await to.loadImage(image);
        await new Promise((resolve, reject) => loading.once('error', reject).once('end', resolve).resume());
      }
    },
    async close() {
      await stop('SIGTERM');
      killLeft(folder);
      for (const path of mountsBelow(folder)) execFileSync('umount', ['-l', path]);
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** What an engine that died violently left: its own containerd, and the shims of its containers; not those themselves. */
const killLeft = (folder: string): void => {
  for (const line of execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n')) {
    const [, pid, args] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    if (pid === undefined || args?.includes(`${folder}/`) !== true) continue;
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile: engines take their helpers with them, where they can.
    }
  }
};

const mountsBelow = (folder: string): readonly string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .reverse();
