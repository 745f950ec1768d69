/**
 * Where a bench ran and with what: hardware, kernel, versions, commit.
 *
 * Owns only reading; what cannot be read is null.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Machine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  /** With `-dirty` behind it when the work tree differs. */
  readonly commit: string | null;
  readonly versions: Readonly<Record<string, string | null>>;
}

export const REPOSITORY_ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

export const readMachine = (): Machine => ({
  cpuModel: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 1024 ** 3),
  kernel: `${type()} ${release()}`,
  commit: readCommit(),
  versions: {
    node: process.versions.node,
    'isolated-vm': packageVersion('isolated-vm'),
    workerd: packageVersion('workerd'),
    fastify: packageVersion('fastify'),
    wrk: wrkVersion(),
  },
});

const readCommit = (): string | null => {
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head === null) return null;
  // Results are committed after a run, so a change among them does not make the measured code another one.
  const changes = git('status', '--porcelain', '--', ':/', ':!bench/results', ':!bench/README.md');
  return changes === '' ? head : `${head}-dirty`;
};

const git = (...args: readonly string[]): string | null => {
  const done = spawnSync('git', args, { cwd: REPOSITORY_ROOT, encoding: 'utf8' });
  return done.status === 0 ? done.stdout.trim() : null;
};

const packageVersion = (name: string): string | null => {
  try {
    const text = readFileSync(`${REPOSITORY_ROOT}node_modules/${name}/package.json`, 'utf8');
    const { version } = JSON.parse(text) as { version?: string };
    return version ?? null;
  } catch {
    return null;
  }
};

/** `wrk -v` prints its version and its usage, and fails. */
const wrkVersion = (): string | null => {
  const done = spawnSync('wrk', ['-v'], { encoding: 'utf8' });
  return /^wrk (\S+)/m.exec(`${done.stdout ?? ''}${done.stderr ?? ''}`)?.[1] ?? null;
};
