/**
 * Child processes as a port: starting one with a channel, and what the kernel says about it.
 *
 * Owns spawn, signals and /proc. Never decides when a process has to end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { Duplex } from 'node:stream';

export interface SpawnRequest {
  readonly command: string;
  readonly args: readonly string[];
  /** Run as this user and group; only root may ask for it. */
  readonly uid?: number;
  readonly gid?: number;
}

export interface ProcessExit {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export interface ProcessHandle {
  readonly pid: number;
  /** Descriptor 3 of the child: a stream in both directions. */
  readonly channel: Duplex;
  readonly exited: Promise<ProcessExit>;
  /** The last kilobytes that it wrote to its standard error. */
  stderrTail(): string;
  /** SIGKILL to the process and to the one at the end of its chain of wrappers. Idempotent. */
  kill(): void;
  /** What the kernel has on the process that does the work; null when it cannot be read. */
  usage(): ProcessUsage | null;
  /** Whether the process that does the work was stopped by a signal, as the kernel has it. */
  stopped(): boolean;
  /** The number of the process that does the work, behind its wrappers; null when it has ended or is not found. */
  workerPid(): number | null;
}

export interface ProcessUsage {
  readonly residentBytes: number;
  /** CPU time of all its threads since it started, nanoseconds, to the kernel's clock tick. */
  readonly cpuNs: number;
}

export interface Processes {
  /** @throws Error when the command cannot be started at all. */
  spawn(request: SpawnRequest): Promise<ProcessHandle>;
}

const STDERR_TAIL_CHARS = 4_096;
const PAGE_BYTES = 4_096;
/** Linux reports CPU time to user space in ticks of a hundredth of a second on every platform it runs Node on. */
const TICK_NS = 1e7;

const FIRST_FREE_FD = 4;
/** Beyond this a descriptor is not covered: a parent that leaves so many open is not to be expected. */
const COVERED_MAX = 1_024;

/**
 * Descriptors that this process got from its own parent are open in its children too, unless something else is put
 * in their place: `/dev/null`.
 */
const COVERED: readonly ('ignore' | number)[] = (() => {
  const covered: ('ignore' | number)[] = [];
  try {
    const inherited = readdirSync('/proc/self/fd').map(Number).filter(isInherited);
    if (inherited.length === 0) return covered;
    const nothing = openSync('/dev/null', 'r');
    for (const descriptor of inherited) covered[descriptor - FIRST_FREE_FD] = nothing;
  } catch {
    // Without /proc nothing can be told; then nothing is covered.
  }
  return Array.from(covered, (place) => place ?? 'ignore');
})();

/** Whether a descriptor stays open in children: its close-on-exec flag, octal 02000000, is not set. */
function isInherited(descriptor: number): boolean {
  if (!(descriptor >= FIRST_FREE_FD && descriptor < COVERED_MAX)) return false;
  try {
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & 0o2000000) === 0;
  } catch {
    // It was the one with which the list was read.
    return false;
  }
}

/** The processes of this machine. Children get an empty environment. */
export const systemProcesses: Processes = {
  spawn: (request) =>
    new Promise((resolve, reject) => {
      const child = spawn(request.command, request.args, {
        stdio: ['ignore', 'ignore', 'pipe', 'pipe', ...COVERED],
        env: {},
        cwd: '/',
        ...(request.uid === undefined ? {} : { uid: request.uid }),
        ...(request.gid === undefined ? {} : { gid: request.gid }),
      });
      child.once('error', reject);
      child.once('spawn', () => {
        child.off('error', reject);
        child.on('error', () => undefined);
        resolve(new SystemProcess(child));
      });
    }),
};

class SystemProcess implements ProcessHandle {
  readonly pid: number;
  readonly channel: Duplex;
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  #stderr = '';
  #ended = false;
  #workerPid: number | null = null;
  #statm: number | null = null;
  #stat: number | null = null;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? -1;
    this.channel = child.stdio[3] as Duplex;
    this.channel.on('error', () => undefined);
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARS);
    });
    this.exited = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => {
        this.#ended = true;
        for (const descriptor of [this.#statm, this.#stat]) if (descriptor !== null) closeSync(descriptor);
        this.#statm = null;
        this.#stat = null;
        resolve(asWrapped(exitCode, signal));
      });
    });
  }

  stderrTail(): string {
    return this.#stderr;
  }

  kill(): void {
    if (this.#ended) return;
    // The worker first: once its wrapper is gone its number may belong to another process.
    const worker = this.#worker();
    if (worker !== null && worker !== this.pid) signalKill(worker);
    this.#child.kill('SIGKILL');
  }

  usage(): ProcessUsage | null {
    if (this.#ended) return null;
    try {
      const worker = this.#worker();
      if (worker === null) return null;
      this.#statm ??= openSync(`/proc/${worker}/statm`, 'r');
      this.#stat ??= openSync(`/proc/${worker}/stat`, 'r');
      const resident = readText(this.#statm).split(' ', 2)[1];
      const fields = fieldsOf(readText(this.#stat));
      return {
        residentBytes: Number(resident) * PAGE_BYTES,
        cpuNs: (Number(fields[11]) + Number(fields[12])) * TICK_NS,
      };
    } catch {
      return null;
    }
  }

  stopped(): boolean {
    if (this.#ended) return false;
    try {
      const worker = this.#worker();
      if (worker === null) return false;
      this.#stat ??= openSync(`/proc/${worker}/stat`, 'r');
      return fieldsOf(readText(this.#stat))[0] === STOPPED;
    } catch {
      return false;
    }
  }

  workerPid(): number | null {
    return this.#ended ? null : this.#worker();
  }

  /** The process at the end of the chain of wrappers, found once: each wrapper has exactly one child. */
  #worker(): number | null {
    if (this.#workerPid !== null) return this.#workerPid;
    let pid = this.pid;
    try {
      for (let child = childOf(pid); child !== null; child = childOf(pid)) pid = child;
      this.#workerPid = pid;
      return pid;
    } catch {
      return null;
    }
  }
}

/** The first child of a process, or null; kernels built without the `children` file are searched instead. */
const childOf = (parent: number): number | null => {
  const listed = `/proc/${parent}/task/${parent}/children`;
  if (existsSync(listed)) {
    const child = Number.parseInt(readFileSync(listed, 'utf8'), 10);
    return Number.isInteger(child) ? child : null;
  }
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (Number(fieldsOf(readFileSync(`/proc/${entry}/stat`, 'utf8'))[1]) === parent) return Number(entry);
  }
  return null;
};

/** The state of a process that a signal has stopped. */
const STOPPED = 'T';

/** SIGSTOP, 19, in the kernel's masks of signals. */
const STOP_BIT = 1n << 18n;

/**
 * Whether a process was stopped by a signal, or will be as soon as it is thawed; false as well when there is none of that
 * number.
 */
export const isStopped = (pid: number): boolean => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    if (/^State:\s+T /m.test(status)) return true;
    const pending = /^ShdPnd:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
    return (BigInt(`0x${pending}`) & STOP_BIT) !== 0n;
  } catch {
    return false;
  }
};

/** Of /proc/PID/stat from the state on: the command's name before it may hold spaces and brackets. */
const fieldsOf = (stat: string): readonly string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

const BUFFER = Buffer.alloc(1_024);
const readText = (descriptor: number): string =>
  BUFFER.toString('latin1', 0, readSync(descriptor, BUFFER, 0, BUFFER.length, 0));

const signalKill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended on its own meanwhile.
  }
};

const SIGNALS: Readonly<Record<number, string>> = {
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
};

/** A wrapper reports its child's death by a signal as exit code 128 + signal. */
const asWrapped = (exitCode: number | null, signal: string | null): ProcessExit => {
  const named = exitCode !== null && exitCode > 128 ? SIGNALS[exitCode - 128] : undefined;
  return named === undefined ? { exitCode, signal } : { exitCode: null, signal: named };
};
