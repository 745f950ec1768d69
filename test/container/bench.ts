/**
 * What the container suites about real and bad input share: an executor with containers and folders of its own, and
 * zips as their users make them.
 *
 * Owns the folders. Invariant: `close` fails the test when anything is left over: a container of this process, a
 * socket folder, or a file that does not belong into the data folder.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { expect } from 'vitest';
import type { FunctionSpecInput, Runtime } from '../../src/core/spec.ts';
import type { ExecutorOptions } from '../../src/index.ts';
import type { TierView } from '../../src/pool/api.ts';
import { dockerEngine } from '../../src/sandbox/container/engine.ts';
import { LABELS } from '../../src/sandbox/container/server-identity.ts';
import { type Bench, openBench } from '../limits/bench.ts';
import { ENGINE_HOST } from './availability.ts';

export interface ContainerBench extends Pick<Bench, 'executor' | 'invoke' | 'result' | 'failure'> {
  /** Source text, files, or the base64 of a zip as `{ zip }`. Limits are generous unless told. */
  deploy(name: string, runtime: Runtime, code: Code, spec?: Partial<FunctionSpecInput>): Promise<void>;
  pool(runtime: Runtime): TierView;
  /** Log lines of the invocation, its level before each. */
  logs(invocationId: string): readonly string[];
  /** Folders in which a socket of a container can lie, and the containers themselves: what must end with the bench. */
  readonly runDir: string;
  readonly dataDir: string;
  close(): Promise<void>;
}

export type Code = string | Readonly<Record<string, string>> | { readonly zip: string };

/** Upper bounds that only a fault meets. */
const GENEROUS = { timeoutMs: 30_000, cpuMs: 30_000, initTimeoutMs: 30_000 } as const;

export const openContainerBench = async (options: ExecutorOptions = {}): Promise<ContainerBench> => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'));
  const [dataDir, runDir] = [join(folder, 'data'), mkdtempSync(join(folder, 'run-'))];
  const bench = await openBench({
    ...options,
    dataDir,
    container: { mode: 'required', engineHost: ENGINE_HOST, runDir, ...options.container },
  });
  const { executor, invoke, result, failure } = bench;
  return {
    ...{ executor, invoke, result, failure, dataDir, runDir },
    async deploy(name, runtime, code, spec = {}) {
      const upload = typeof code === 'string' ? { source: code } : isZip(code) ? code : { files: code };
      await executor.deploy({ name, runtime, code: upload, ...GENEROUS, ...spec });
    },
    pool(runtime) {
      const view = executor.pools().tiers[runtime];
      if (view === undefined) throw new Error(`there is no pool for ${runtime}`);
      return view;
    },
    logs: (id) => executor.invocation(id).logs.map(({ level, message }) => `${level} ${message}`),
    async close() {
      await executor.close();
      const left = { containers: await ownContainers(), sockets: readdirSync(runDir) };
      const files = readdirSync(dataDir).filter((name) => !DATA_FILES.test(name));
      const beside = readdirSync(folder).filter((name) => ![dataDir, runDir].includes(join(folder, name)));
      rmSync(folder, { recursive: true, force: true });
      expect({ ...left, files, beside }).toEqual({ containers: [], sockets: [], files: [], beside: [] });
    },
  };
};

/** What an executor keeps in its data folder. */
const DATA_FILES =
  /^(?:(?:strata|accounts|ledger|queue|lambda)\.db(?:-wal|-shm)?|signing\.key|code|container-owner)$/;

const isZip = (code: Exclude<Code, string>): code is { readonly zip: string } =>
  Object.keys(code).length === 1 && typeof code.zip === 'string';

/** Containers that executors of this process have made and not removed, whatever their state. */
export const ownContainers = async (pid: number = process.pid): Promise<readonly string[]> => {
  const all = await dockerEngine(ENGINE_HOST).list({ [LABELS.app]: 'strata' });
  return all.filter(({ labels }) => labels[LABELS.process]?.startsWith(`${pid}:`)).map(({ id }) => id);
};

export interface ZipEntry {
  readonly bytes: Uint8Array | string;
  /** With the kind of file in its upper bits, as Unix has it. */
  readonly mode?: number;
}
export type ZipFiles = Readonly<Record<string, string | Uint8Array | ZipEntry>>;

const REGULAR = 0o100644;
const UNIX = 3;

/** A zip as tools on Unix make it, modes and all; base64. */
export const zipOf = (files: ZipFiles): { readonly zip: string } => {
  const zippable: Zippable = {};
  for (const [path, file] of Object.entries(files)) {
    const { bytes, mode = REGULAR } =
      typeof file === 'string' || file instanceof Uint8Array ? { bytes: file } : file;
    const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    zippable[path] = [content, { os: UNIX, attrs: mode << 16 }];
  }
  return { zip: Buffer.from(zipSync(zippable, { level: 1 })).toString('base64') };
};

/** A file that may be executed. */
export const executable = (bytes: Uint8Array | string): ZipEntry => ({ bytes, mode: 0o100755 });
