/**
 * A language shim as a process of its own, and the part of the agent that speaks with it.
 *
 * Owns the process, the folders of code and the frames. Frames are matched by nonce, as the agent does it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { stripShim } from '../../sandbox-images/nodejs24/strip.ts';
import { type Caller, withCaller } from '../../src/core/caller.ts';
import {
  FRAME,
  type Frame,
  FrameReader,
  FrameWriter,
  LOG,
  LOG_LEVELS,
  OUTCOME,
} from '../../src/sandbox/protocol/frames.ts';
import { type HostFailure, parseTail } from '../../src/sandbox/protocol/messages.ts';

export type Language = 'node' | 'python';
export type Files = Readonly<Record<string, string>>;

export interface LoadOptions {
  readonly handler?: string;
  readonly initializer?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly resultMaxBytes?: number;
  readonly logMaxBytes?: number;
}

export interface Answer {
  readonly failure: HostFailure | null;
  readonly logs: readonly (readonly [level: string, message: string])[];
  readonly logTruncated: boolean;
  /** Null when it failed. */
  readonly resultJson: string | null;
  readonly b: number;
  readonly c: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of calls that had no answer. */
  readonly unanswered: readonly Line[];
}

const LOG_MAX_BYTES = 64_000;
const IMAGES = join(import.meta.dirname, '..', '..', 'sandbox-images');
const DRIVER = join(import.meta.dirname, 'zygote-driver.py');
/** Debian's own Python, as in the image. */
const PYTHON = '/usr/bin/python3';
const ENDINGS = { node: ['.js', '.cjs', '.mjs'], python: ['.py'] } as const;

/** Where the Node shim's files and the functions' code lie until `removeFolders`. */
const folders: string[] = [];
let nodeShim: Promise<string> | undefined;
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-shim-'));
  // The code process of the Python shim is another user.
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
};
export const removeFolders = (): void => {
  nodeShim = undefined;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
};

const writeFiles = (folder: string, files: Files | ReadonlyMap<string, string>): void => {
  for (const [path, text] of files instanceof Map ? files : Object.entries(files as Files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
};

const makeNodeShim = async (): Promise<string> => {
  const folder = newFolder();
  writeFiles(folder, await stripShim());
  return join(folder, 'shim.mjs');
};

export class ShimProcess {
  readonly exited: Promise<Exit>;
  readonly codePath = newFolder();
  /** The calls of which it said, before their answers, that lines were dropped. */
  readonly toldOfDropped: number[] = [];
  readonly #language: Language;
  readonly #child: ChildProcess;
  readonly #writer: FrameWriter;
  readonly #awaited = new Map<number, (frame: Frame) => void>();
  /** Lines by the nonce of their call, until it is answered. */
  readonly #lines = new Map<number, Line[]>();
  #nonce = 1;

  /** Resolves when the shim has said that it is ready. */
  static async start(language: Language): Promise<ShimProcess> {
    nodeShim ??= makeNodeShim();
    const child =
      language === 'node'
        ? spawn(process.execPath, [await nodeShim], options())
        : spawn(PYTHON, ['-I', DRIVER, join(IMAGES, 'python3', 'zygote.py')], options());
    const shim = new ShimProcess(language, child);
    const booted = new Promise<Frame>((resolve) => {
      shim.#awaited.set(0, resolve);
    });
    const first = await Promise.race([booted, shim.exited]);
    if ('stderr' in first) throw new Error(`the shim did not start: ${first.stderr}`);
    return shim;
  }

  private constructor(language: Language, child: ChildProcess) {
    this.#language = language;
    this.#child = child;
    const socket = child.stdio[3] as Duplex;
    this.#writer = new FrameWriter(socket);
    const reader = new FrameReader(64 * 1024 * 1024, (frame) => this.#accept(frame));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => undefined);
    const stdout = collect(child.stdout as Readable);
    const stderr = collect(child.stderr as Readable);
    this.exited = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        const unanswered = [...this.#lines.values()].flat();
        resolve({ code, signal, stdout: stdout(), stderr: stderr(), unanswered });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  load(files: Files, spec: LoadOptions = {}): Promise<Answer> {
    writeFiles(this.codePath, files);
    const entry = this.#entryOf(files, spec.handler ?? 'index.handler');
    const meta = {
      ...{ functionName: 'f', functionVersion: '7', handler: spec.handler ?? 'index.handler', memoryMb: 128 },
      ...{ initializer: spec.initializer ?? null, env: spec.env ?? {}, codePath: this.codePath, entry },
      ...{ resultMaxBytes: spec.resultMaxBytes ?? 1_000_000, logMaxBytes: spec.logMaxBytes ?? LOG_MAX_BYTES },
      initializerEntry: spec.initializer === undefined ? null : this.#entryOf(files, spec.initializer),
      initTimeoutMs: 10_000,
    };
    return this.#call(FRAME.load, { a: 1, b: 1, meta: JSON.stringify(meta) });
  }

  invoke(event: unknown = {}, timeoutMs = 3_000, caller: Caller | null = null): Promise<Answer> {
    return this.invokeText(JSON.stringify(event), timeoutMs, caller);
  }

  invokeText(eventJson: string, timeoutMs = 3_000, caller: Caller | null = null): Promise<Answer> {
    const meta = withCaller(`id-${this.#nonce}`, caller);
    const fields = { a: timeoutMs, b: 1_000, meta, payload: Buffer.from(eventJson) };
    return this.#call(FRAME.invoke, fields);
  }

  /** Sends a frame and waits for no answer. */
  post(type: typeof FRAME.load | typeof FRAME.invoke, fields: Parameters<FrameWriter['send']>[3]): void {
    this.#writer.send(type, 1, this.#nonce, fields);
    this.#writer.flush();
    this.#nonce += 1;
  }

  /** Closes the connection, as an agent that dies. */
  hangUp(): void {
    (this.#child.stdio[3] as Duplex).destroy();
  }

  async stop(): Promise<void> {
    // Of Python's processes only the one that began them is known here: it ends when they have.
    if (this.#language === 'node') this.#child.kill('SIGKILL');
    this.hangUp();
    await this.exited;
  }

  #call(type: typeof FRAME.load | typeof FRAME.invoke, fields: Parameters<FrameWriter['send']>[3]) {
    const nonce = this.#nonce;
    const answered = new Promise<Frame>((resolve) => {
      this.#awaited.set(nonce, resolve);
    });
    this.post(type, fields);
    const answer = Promise.race([
      answered.then((frame) => answerOf(frame, this.#linesOf(nonce))),
      this.exited.then(({ code, stderr }): never => {
        throw new Error(`the process ended with ${code}: ${stderr}`);
      }),
    ]);
    // Who does not wait for it, because the process is to end, is not told.
    answer.catch(() => undefined);
    return answer;
  }

  #linesOf(nonce: number): readonly Line[] {
    const lines = this.#lines.get(nonce) ?? [];
    this.#lines.delete(nonce);
    return lines;
  }

  #accept(frame: Frame): void {
    if (frame.type === FRAME.log) {
      const dropped = frame.flags === (LOG.ofCall | LOG.dropped) && frame.payload.length === 0;
      if ((!dropped && frame.flags !== LOG.ofCall) || !this.#awaited.has(frame.nonce))
        throw new Error(`a line of call ${frame.nonce} with flags ${frame.flags}`);
      if (dropped) {
        this.toldOfDropped.push(frame.nonce);
        return;
      }
      const lines = this.#lines.get(frame.nonce) ?? [];
      this.#lines.set(frame.nonce, lines);
      lines.push([LOG_LEVELS[frame.b] ?? 'info', frame.payload.toString('utf8')]);
      return;
    }
    const answered = this.#awaited.get(frame.nonce);
    this.#awaited.delete(frame.nonce);
    if (answered === undefined) throw new Error(`a frame of type ${frame.type} that nobody waits for`);
    answered(frame);
  }

  #entryOf(files: Files, name: string): { path: string; exportName: string } {
    const dot = name.lastIndexOf('.');
    const candidates = ENDINGS[this.#language].map((ending) => name.slice(0, dot) + ending);
    const path = candidates.find((candidate) => candidate in files);
    if (path === undefined) throw new Error(`there is no file for ${name}`);
    return { path, exportName: name.slice(dot + 1) };
  }
}

const options = () => ({
  stdio: ['ignore', 'pipe', 'pipe', 'pipe'] as ('ignore' | 'pipe')[],
  env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', LANG: 'C.UTF-8', TZ: 'UTC', LEFT: 'over' },
  cwd: '/',
});

const collect = (stream: Readable): (() => string) => {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
};

type Line = Answer['logs'][number];

const answerOf = (frame: Frame, lines: readonly Line[]): Answer => {
  const tail =
    (frame.flags & OUTCOME.hasTail) === 0
      ? { failure: null, logs: [], logTruncated: false }
      : parseTail(frame.meta, LOG_MAX_BYTES);
  const failed = (frame.flags & OUTCOME.failed) !== 0;
  if (failed !== (tail.failure !== null)) throw new Error('the flags and the tail do not agree');
  return {
    ...{ failure: tail.failure, logTruncated: tail.logTruncated, b: frame.b, c: frame.c },
    logs: lines,
    resultJson: failed || frame.type === FRAME.loaded ? null : frame.payload.toString('utf8'),
  };
};
