/**
 * The program that runs a function in Node: it speaks frames with the agent over descriptor 3.
 *
 * Owns the process: what is loaded beforehand, the warm-up, the connection, and the end. Never trusts the function
 * and never needs to: the agent checks every frame, and nothing in here guards anything of another's.
 * Invariant: an idle process has no timer and no thread that wakes up.
 */
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { FRAME, type Frame, FrameReader, FrameWriter } from '../../../src/sandbox/protocol/frames.ts';
import { endLines } from './calls.ts';
import { enterSurroundings, type LoadMeta } from './code.ts';
import { installConsole, tellAgent } from './console.ts';
import { describe } from './failures.ts';
import { FunctionProcess } from './process.ts';

const AGENT_FD = 3;
/** The agent has held every frame against its own, smaller bound. */
const FRAME_MAX_BYTES = 256 * 1024 * 1024;
/** What many functions require: it is in memory before they come. */
const PRELOADED = [
  ...[
    'assert',
    'async_hooks',
    'buffer',
    'child_process',
    'crypto',
    'dns',
    'events',
    'fs',
    'fs/promises',
    'http',
  ],
  ...['https', 'net', 'os', 'path', 'perf_hooks', 'querystring', 'stream', 'stream/promises'],
  ...['string_decoder', 'timers/promises', 'tls', 'tty', 'url', 'util', 'vm', 'zlib'],
];
const WARM_FOLDER = import.meta.dirname;

const require = createRequire(import.meta.url);
const exit = process.exit.bind(process);
const listenerCount = process.listenerCount.bind(process);

export const main = async (): Promise<void> => {
  const startedMs = performance.now();
  installConsole();
  for (const name of PRELOADED) require(`node:${name}`);
  await warmUp('warm.cjs');
  await warmUp('warm.mjs');
  delete require.cache[join(WARM_FOLDER, 'warm.cjs')];
  const socket = new Socket({ fd: AGENT_FD, readable: true, writable: true });
  // What collects writes is left out: it would only wait, and it leans on built-ins that functions patch.
  const write = socket.write.bind(socket);
  const writer = new FrameWriter({ cork: () => undefined, uncork: () => undefined, write });
  const running = new FunctionProcess(writer, enterSurroundings);
  const reader = new FrameReader(FRAME_MAX_BYTES, (frame) => running.accept(frame));
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  // Without the agent nobody can be answered any more.
  for (const event of ['end', 'close', 'error']) socket.on(event, () => exit(1));
  hide(socket);
  watch(running);
  writer.send(FRAME.booted, 0, 0, { a: performance.now() - startedMs });
  writer.flush();
};

/** Loads and calls a function through all that a real one goes through, so that the real one finds it compiled. */
const warmUp = (file: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const answers = new FrameReader(FRAME_MAX_BYTES, (frame) => {
      if (frame.type === FRAME.outcome) resolve();
      else if (frame.type === FRAME.loaded && frame.flags !== 0)
        reject(new Error(`the warm-up failed: ${frame.meta}`));
    });
    const warmed = new FunctionProcess(new FrameWriter(sinkOf(answers)), () => undefined);
    const frames = new FrameWriter(
      sinkOf(new FrameReader(FRAME_MAX_BYTES, (frame: Frame) => warmed.accept(frame))),
    );
    const meta: LoadMeta = {
      ...{ functionName: 'warm-up', functionVersion: '1', memoryMb: 1, env: {}, initializerEntry: null },
      ...{ resultMaxBytes: 1_000, logMaxBytes: 1_000, codePath: WARM_FOLDER },
      entry: { path: file, exportName: 'handler' },
    };
    frames.send(FRAME.load, 0, 1, { meta: JSON.stringify(meta) });
    frames.send(FRAME.invoke, 0, 2, { a: 1_000, meta: 'warm-up', payload: Buffer.from('{}') });
    frames.flush();
  });

const sinkOf = (reader: FrameReader): { cork(): void; uncork(): void; write(bytes: Uint8Array): void } => ({
  cork: () => undefined,
  uncork: () => undefined,
  write: (bytes) => reader.push(Buffer.from(bytes)),
});

/** Code that closes all that a process has open, as test frameworks do, is not to meet the connection by accident. */
const hide = (socket: Socket): void => {
  const listing = process as unknown as { _getActiveHandles(): unknown[] };
  const all = listing._getActiveHandles.bind(process);
  listing._getActiveHandles = () => all().filter((handle) => handle !== socket);
};

const watch = (running: FunctionProcess): void => {
  const take = (thrown: unknown, rejection: boolean): void => {
    if (running.uncaught(thrown, rejection)) return;
    tellAgent(`Uncaught, and of no invocation: ${describe(thrown)}`);
    exit(1);
  };
  // A function that listens for them itself has its way, as in plain Node.
  process.on('uncaughtException', (thrown, origin) => {
    if (listenerCount('uncaughtException') === 1) take(thrown, origin === 'unhandledRejection');
  });
  process.on('unhandledRejection', (reason) => {
    if (listenerCount('unhandledRejection') === 1) take(reason, true);
  });
  process.on('exit', endLines);
};
