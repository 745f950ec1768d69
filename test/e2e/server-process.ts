/**
 * A real `strata serve` for end-to-end tests: its own process, a free port, a data folder of its own.
 *
 * Owns the process from start to end: `stop` always ends it, by its id, and removes the folder; so does the end of
 * the test runner. The environment is empty but for PATH and HOME, so that no variable of the developer leaks in.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Longer than any start; only a hung server meets it. */
const START_LIMIT_MS = 30_000;
/** Longer than any drain in these tests; after it SIGKILL. */
const STOP_LIMIT_MS = 10_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ServerProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the log on stderr matches; rejects when the process ends before. */
  logged(pattern: RegExp): Promise<void>;
  stop(): Promise<void>;
}

type Environment = Readonly<Record<string, string>>;

export interface ServerPlace {
  /** A folder that outlives the server; else it has one of its own. */
  readonly dataDir?: string;
  /** What stands in front of the command and becomes it in the end, such as `unshare --mount …`. */
  readonly through?: readonly string[];
}

/** Starts a server on a free port; more arguments of `serve` can follow, and more of the environment. */
export const startServer = async (
  args: readonly string[] = [],
  env: Environment = {},
  { dataDir: kept, through = [] }: ServerPlace = {},
): Promise<ServerProcess> => {
  const dataDir = kept ?? (await mkdtemp(path.join(tmpdir(), 'strata-e2e-')));
  const output = run([mainFile, 'serve', '--port', '0', '--data-dir', dataDir, ...args], env, through);
  const { child, ended } = output;
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await ended;
    clearTimeout(limit);
    if (kept === undefined) await rm(dataDir, { recursive: true, force: true });
  };
  const limit = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS);
  try {
    const [, url = ''] = await output.seen('stdout', /listens on (http:\/\/\S+)/);
    // The lines behind the address belong to the start too; the last one ends with the address in a command.
    await output.seen('stdout', /curl .*\n/);
    return {
      url,
      port: Number(new URL(url).port),
      pid: child.pid ?? 0,
      ended,
      stdout: () => output.text.stdout,
      stderr: () => output.text.stderr,
      signal: (name) => void child.kill(name),
      logged: async (pattern) => void (await output.seen('stderr', pattern)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(limit);
  }
};

/** Runs the CLI to its end. */
export const runStrata = (args: readonly string[], stdin = ''): Promise<Ended> => {
  const { child, ended } = run([path.join(ROOT, 'bin/strata.js'), ...args]);
  child.stdin?.end(stdin);
  return ended;
};

const mainFile = path.join(ROOT, 'src/main.ts');

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly text: { stdout: string; stderr: string };
  seen(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray>;
}

const run = (args: readonly string[], more: Environment = {}, through: readonly string[] = []): Run => {
  const { PATH, HOME } = process.env;
  // Containers have suites of their own, which switch them on.
  const env = {
    ...(PATH === undefined ? {} : { PATH }),
    ...(HOME === undefined ? {} : { HOME }),
    STRATA_CONTAINER_MODE: 'off',
    ...more,
  };
  const [command = process.execPath, ...words] = [...through, process.execPath, ...args];
  const child = spawn(command, words, { cwd: ROOT, env, stdio: ['pipe', 'pipe', 'pipe'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  }
  const { promise: ended, resolve } = Promise.withResolvers<Ended>();
  child.on('close', (code) => {
    process.off('exit', kill);
    resolve({ code, ...text });
  });
  const seen: Run['seen'] = (stream, pattern) =>
    new Promise((found, failed) => {
      const look = (): void => {
        const match = pattern.exec(text[stream]);
        if (match === null) return;
        child[stream].off('data', look);
        found(match);
      };
      child[stream].on('data', look);
      look();
      void ended.then(({ code }) => {
        failed(
          new Error(
            `strata ended with ${code} before ${pattern} on ${stream}:\n${text.stdout}${text.stderr}`,
          ),
        );
      });
    });
  return { child, ended, text, seen };
};
