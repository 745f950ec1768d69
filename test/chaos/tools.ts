/**
 * Small programs in C that do to a process what no script can: compiled when they are needed, into a folder of their own.
 *
 * Owns that folder until `remove`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Why they cannot be compiled here; null when they can. */
export const noCompiler = (): string | null =>
  spawnSync('gcc', ['--version']).status === 0 ? null : 'there is no gcc';

export class Tools {
  readonly #folder = mkdtempSync(join(tmpdir(), 'strata-tools-'));
  readonly #clockFile = join(this.#folder, 'clock');
  readonly #cutter = this.#compile('cut-socket', []);

  /** What a process has to be started with so that its clocks can be shifted. */
  clockEnvironment(): Readonly<Record<string, string>> {
    const library = this.#compile('shifted-clock', ['-shared', '-fPIC']);
    this.shiftClocks(0, 0);
    return { LD_PRELOAD: library, SHIFTED_CLOCK_FILE: this.#clockFile };
  }

  /** In place, because the process has the file mapped. */
  shiftClocks(wallMs: number, monotonicMs: number): void {
    const shifts = new BigInt64Array([wallMs, monotonicMs].map((ms) => BigInt(ms) * 1_000_000n));
    const descriptor = openSync(this.#clockFile, constants.O_RDWR | constants.O_CREAT);
    writeSync(descriptor, shifts, 0, shifts.byteLength, 0);
    closeSync(descriptor);
  }

  /** Cuts these sockets of a process; what has ended meanwhile has ended. Answers how many it cut. */
  cut(pid: number, descriptors: readonly number[]): number {
    return descriptors.filter(
      (descriptor) => spawnSync(this.#cutter, [String(pid), String(descriptor)]).status === 0,
    ).length;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #compile(name: string, flags: readonly string[]): string {
    const source = fileURLToPath(new URL(`tools/${name}.c`, import.meta.url));
    const target = join(this.#folder, name);
    execFileSync('gcc', ['-O1', '-Wall', '-Werror', ...flags, '-o', target, source]);
    return target;
  }
}

/** The sockets of a process, by their descriptors. */
export const socketsOf = (pid: number): readonly number[] =>
  names(`/proc/${pid}/fd`)
    .filter((name) => link(`/proc/${pid}/fd/${name}`).startsWith('socket:'))
    .map(Number);

const names = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

const link = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};
