/**
 * How the broker's process is started: its script, its user and what it may do on this machine.
 *
 * Owns the script's folder and the command line. Never keeps the process alive: `supervisor.ts` does. Invariants: it gets
 * an empty environment and may read its own script; where the server is root it runs as a user that nothing else has,
 * without capabilities. What works here is tried out, not guessed.
 */
import { existsSync, statSync } from 'node:fs';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StrataError } from '../core/errors.ts';
import type { Processes, ProcessHandle, SpawnRequest } from '../ports/processes.ts';
import { executable, makeRunFolder, sweepAssets, worldReadable } from '../sandbox/isolate/assets.ts';
import type { BrokerOptions } from './broker/options.ts';

/** What stands before Node on the command line, and the user where nothing there changes it. */
interface Wrapper {
  readonly words: readonly string[];
  readonly uid?: number;
}

export interface BrokerProcess {
  spawn(): Promise<ProcessHandle>;
  /** Removes what the broker was started from. */
  release(): Promise<void>;
}

const PREFIX = 'strata-egress-';
const SCRIPT = 'egress-broker.cjs';
/** Hosts are nobody, 65,534: whoever breaks out of one cannot send the broker signals. */
const USER = 65_533;
const NODE_FLAGS = ['--permission', '--max-old-space-size=256'];

export const brokerProcess = (processes: Processes, options: BrokerOptions): BrokerProcess => {
  let folder: string | null = null;
  let wrapper: Wrapper | null = null;
  return {
    async spawn() {
      folder ??= await publish();
      wrapper ??= await firstThatWorks(processes);
      const script = join(folder, SCRIPT);
      const flags = [...NODE_FLAGS, `--allow-fs-read=${script}`];
      return processes.spawn(command(wrapper, [process.execPath, ...flags, script, JSON.stringify(options)]));
    },
    async release() {
      if (folder !== null) await rm(folder, { recursive: true, force: true });
    },
  };
};

/** Puts the script where the broker's user can read it. */
const publish = async (): Promise<string> => {
  const script = await loadBundle();
  await sweepAssets(undefined, PREFIX);
  const folder = await makeRunFolder(PREFIX);
  await writeFile(join(folder, SCRIPT), script, { mode: 0o444 });
  await chmod(folder, 0o755);
  return folder;
};

/** The script: made beforehand in a published package, bundled now in a checkout. */
const loadBundle = async (): Promise<string> => {
  const prebuilt = fileURLToPath(new URL(`./${SCRIPT}`, import.meta.url));
  if (existsSync(prebuilt)) return readFile(prebuilt, 'utf8');
  const script = await buildBrokerBundle();
  await (await import('esbuild')).stop();
  return script;
};

export const buildBrokerBundle = async (): Promise<string> => {
  const { build } = await import('esbuild');
  const result = await build({
    entryPoints: [fileURLToPath(new URL('./broker/main.ts', import.meta.url))],
    bundle: true,
    write: false,
    // The HTTP client is CommonJS and loads parts of Node when it needs them.
    format: 'cjs',
    platform: 'node',
    target: 'node24',
  });
  const output = result.outputFiles[0];
  if (output === undefined)
    throw new StrataError('internal_error', 'The egress broker could not be bundled.');
  return output.text;
};

/** The tightest way to start Node that this machine allows. */
const firstThatWorks = async (processes: Processes): Promise<Wrapper> => {
  for (const wrapper of wrappers()) {
    try {
      const handle = await processes.spawn(command(wrapper, [process.execPath, '--version']));
      if ((await handle.exited).exitCode === 0) return wrapper;
    } catch {
      // The next one asks less of the machine.
    }
  }
  return { words: [] };
};

const wrappers = (): Wrapper[] => {
  const [prlimit, setpriv, unshare] = ['prlimit', 'setpriv', 'unshare'].map((name) => executable(name));
  const limits = prlimit === null || prlimit === undefined ? [] : [prlimit, '--core=1', '--fsize=0'];
  if (process.getuid?.() !== 0) return [{ words: limits }];
  const readable = worldReadable(process.execPath, (path) => statSync(path).mode);
  const plain = readable ? { words: limits, uid: USER } : { words: limits };
  if (setpriv === null || setpriv === undefined) return [plain];
  const strip = [setpriv, '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'];
  const user = readable ? [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'] : [];
  const confined = { words: [...limits, ...strip, ...user] };
  if (unshare === null || unshare === undefined) return [confined, plain];
  const namespaces = ['--pid', '--ipc', '--uts', '--mount', '--fork', '--kill-child=SIGKILL'];
  return [{ words: [unshare, ...namespaces, ...confined.words] }, confined, plain];
};

const command = ({ words: before, uid }: Wrapper, words: readonly string[]): SpawnRequest => {
  const [first = '', ...args] = [...before, ...words];
  return { command: first, args, ...(uid === undefined ? {} : { uid, gid: uid }) };
};
