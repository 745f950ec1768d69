/**
 * Child processes that a bench starts: each is owned by a scope and ended by its id when the scope ends.
 *
 * Never ends a process it did not start. The output of a child goes to a file, so that a chatty server does not
 * take time from the process that measures. Invariant: a scope closes all that it owns, also when closing some of it
 * fails, and once only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/ports/clock.ts';

type Closer = () => void | Promise<void>;

/** Closes what it owns in the reverse order, however its body ends. */
export class Scope {
  static readonly #open = new Set<Scope>();
  readonly #closers: Closer[] = [];
  #closing: Promise<void> | null = null;

  static async run<T>(body: (scope: Scope) => Promise<T>): Promise<T> {
    const scope = new Scope();
    Scope.#open.add(scope);
    try {
      return await body(scope);
    } finally {
      await scope.#close();
    }
  }

  /** Closes every scope that is open, whatever its body is doing. */
  static async closeAll(): Promise<void> {
    await Promise.allSettled([...Scope.#open].map((scope) => scope.#close()));
  }

  #close(): Promise<void> {
    this.#closing ??= this.#closeEach().finally(() => Scope.#open.delete(this));
    return this.#closing;
  }

  async #closeEach(): Promise<void> {
    const failed: unknown[] = [];
    // What the body opens while this goes on is closed, too.
    for (let close = this.#closers.pop(); close !== undefined; close = this.#closers.pop()) {
      try {
        await close();
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw failed[0];
  }

  own<T extends { close(): void | Promise<void> }>(resource: T): T {
    this.#closers.push(() => resource.close());
    return resource;
  }

  temporaryFolder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'));
    this.#closers.push(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }
}

export interface Child {
  readonly pid: number;
  /** All that it has printed, both streams. */
  output(): string;
  /** Resolves with the first match in what it prints. @throws when it exits before, or after `timeoutMs`. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 30_000;
/** A server removes its containers one by one, and others may be doing the same. */
const END_TIMEOUT_MS = 45_000;
const POLL_MS = 20;

export const startChild = (
  scope: Scope,
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Child => {
  if (ending) throw new Error(`${command} is not started any more: this process was told to end`);
  const outputPath = join(scope.temporaryFolder(), 'output.log');
  const output = openSync(outputPath, 'a');
  const child = spawn(command, args, { ...options, stdio: ['ignore', output, output] });
  closeSync(output);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const readOutput = (): string => readFileSync(outputPath, 'utf8');
  if (child.pid === undefined) throw new Error(`${command} could not be started`);
  running.add(child);
  void ended.then(() => running.delete(child));
  return scope.own({
    pid: child.pid,
    output: readOutput,
    waitFor: (pattern: RegExp, timeoutMs = START_TIMEOUT_MS) =>
      waitForOutput(child, readOutput, pattern, timeoutMs),
    close: () => endChild(child, ended),
  });
};

let ending = false;
const running = new Set<ChildProcess>();
/** Those that have been told to end: a second signal would make a server end without clearing up. */
const told = new WeakSet<ChildProcess>();

const tellToEnd = (child: ChildProcess, signal: NodeJS.Signals): void => {
  if (told.has(child)) return;
  told.add(child);
  child.kill(signal);
};

/**
 * Ends all that was started when this process is told to end, then the process.
 *
 * A terminal tells the whole group, so the children get the very same signal at once: servers take it for an echo.
 */
export const endOnSignals = (): void => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      process.stderr.write(`${signal}: ending what was started\n`);
      ending = true;
      for (const child of running) tellToEnd(child, signal === 'SIGHUP' ? 'SIGTERM' : signal);
      void Scope.closeAll().finally(() => process.exit(1));
    });
  }
};

export const pause = (delayMs: number): Promise<void> => sleep(delayMs);

/** Asks until the answer is not null. @throws when that takes longer than `timeoutMs`. */
export const eventually = async <T>(
  what: string,
  timeoutMs: number,
  ask: () => T | null | Promise<T | null>,
): Promise<T> => {
  const deadlineMs = systemClock.nowMs() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (systemClock.nowMs() > deadlineMs) throw new Error(`${what}: not so within ${timeoutMs} ms`);
    await sleep(POLL_MS);
  }
};

const waitForOutput = (
  child: ChildProcess,
  readOutput: () => string,
  pattern: RegExp,
  timeoutMs: number,
): Promise<RegExpExecArray> =>
  eventually(`${child.spawnfile} prints ${String(pattern)}`, timeoutMs, () => {
    const text = readOutput();
    const match = pattern.exec(text);
    if (match === null && (child.exitCode !== null || child.signalCode !== null)) {
      process.stderr.write(`${text.slice(-4_000)}\n`);
      const telling = /^.*Error.*$/m.exec(text)?.[0] ?? 'without an error message';
      throw new Error(`${child.spawnfile} ended with ${child.exitCode ?? child.signalCode}: ${telling}`);
    }
    return match;
  });

const endChild = async (child: ChildProcess, ended: Promise<void>): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  tellToEnd(child, 'SIGTERM');
  const grace = new AbortController();
  const late = sleep(END_TIMEOUT_MS, 'late', { signal: grace.signal }).catch(() => 'ended');
  if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL');
  grace.abort();
  await ended;
};
