/**
 * The real agent as PID 1 of a real container, confined as in production, and the server's side of its connection.
 *
 * The container's image holds the agent and stand-ins for the runtimes; /usr of this machine is mounted into it, so
 * that shell, curl and Python are there without an image registry. Every container and folder is removed again.
 */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  FRAME,
  type Frame,
  FrameReader,
  type FrameType,
  FrameWriter,
} from '../../../src/sandbox/protocol/frames.ts';

const run = promisify(execFile);
const HERE = import.meta.dirname;
const SOURCES = join(HERE, '../../../sandbox-images/agent');
const IMAGE = `strata-agent-test:${process.pid}`;
export const UID = 20_007;
const MAX_FRAME_BYTES = 1024 * 1024;
/** A frame that has not come by then will not come. */
const PATIENCE_MS = 20_000;

export type RuntimeName = 'nodejs24' | 'python3' | 'provided';

/** Why the agent cannot be run here, or null. */
export const missing = ((): string | null => {
  if (process.platform !== 'linux') return 'not Linux';
  for (const [command, ...args] of [
    ['gcc', '--version'],
    ['make', '--version'],
    ['/usr/bin/python3', '--version'],
    ['docker', 'version'],
  ] as const) {
    if (spawnSync(command, args, { stdio: 'ignore' }).status !== 0)
      return `no ${command}, or it does not work`;
  }
  return null;
})();

/** Builds agent and image; the answer removes both. @param making further arguments of make. */
export const buildImage = (making: readonly string[] = []): (() => void) => {
  const folder = mkdtempSync(join(tmpdir(), 'strata-agent-image-'));
  const root = join(folder, 'root');
  execFileSync('make', ['-s', '-C', SOURCES, `BUILD=${join(folder, 'build')}`, ...making], { stdio: 'pipe' });
  for (const path of [
    'opt/strata',
    'usr/local/bin',
    'run/strata',
    'etc',
    'proc',
    'sys',
    'dev',
    'tmp',
    'code',
  ]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  for (const path of ['usr/bin', 'usr/lib', 'usr/lib64']) mkdirSync(join(root, path));
  // The engine gives the tmpfs the mode of the folder that it lies on, whatever its options say.
  chmodSync(join(root, 'tmp'), 0o1777);
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
  copyFileSync(join(folder, 'build/agent'), join(root, 'opt/strata/agent'));
  copyFileSync(join(HERE, 'zygote.py'), join(root, 'opt/strata/zygote.py'));
  copyFileSync(join(HERE, 'puppet.py'), join(root, 'opt/strata/puppet.py'));
  // The kernel gives the flags meant for Node to the script, which does not look at them.
  writeFileSync(
    join(root, 'usr/local/bin/node'),
    '#!/bin/sh\nexec /usr/bin/python3 -I /opt/strata/puppet.py\n',
  );
  chmodSync(join(root, 'usr/local/bin/node'), 0o755);
  writeFileSync(join(root, 'etc/passwd'), `root:x:0:0::/:/bin/sh\nfunction:x:${UID}:${UID}::/tmp:/bin/sh\n`);
  const tar = execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-c', '.'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  execFileSync('docker', ['import', '-', IMAGE], { input: tar, stdio: ['pipe', 'pipe', 'pipe'] });
  rmSync(folder, { recursive: true });
  return () => {
    execFileSync('docker', ['rmi', IMAGE], { stdio: 'ignore' });
  };
};

const flagsOf = (folder: string, options: ContainerOptions): string[] => [
  ...['--network=none', '--ipc=none', '--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges'],
  ...['--cap-add=SETUID', '--cap-add=SETGID', '--cap-add=KILL'],
  ...['--memory=256m', '--memory-swap=256m', `--pids-limit=${options.pids ?? 64}`],
  '--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m,nr_inodes=4k,mode=1777',
  `--tmpfs=/code:rw,exec,nosuid,nodev,size=${options.codeSize ?? '16m'},mode=755`,
  `--volume=${folder}:/run/strata`,
  ...['bin', 'lib', 'lib64'].map((name) => `--volume=/usr/${name}:/usr/${name}:ro`),
];

interface ContainerOptions {
  readonly pids?: number;
  readonly codeSize?: string;
}

/** The server's side. Frames are kept in order until a test asks for them. */
export class Container {
  readonly id: string;
  readonly #socket: Socket;
  readonly #writer: FrameWriter;
  readonly #frames: Frame[] = [];
  #wake: () => void = () => {};
  ended = false;

  private constructor(id: string, socket: Socket) {
    this.id = id;
    this.#socket = socket;
    this.#writer = new FrameWriter(socket);
    const reader = new FrameReader(MAX_FRAME_BYTES, (frame) => {
      this.#frames.push({ ...frame, payload: Buffer.from(frame.payload) });
    });
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      this.#wake();
    });
  }

  static async start(runtime: RuntimeName, options: ContainerOptions = {}): Promise<Container> {
    const folder = mkdtempSync(join(tmpdir(), 'strata-agent-'));
    const listener = createServer();
    listener.listen(join(folder, 'agent.sock'));
    await once(listener, 'listening');
    const connected = once(listener, 'connection') as Promise<[Socket]>;
    const agent = [
      ...['/opt/strata/agent', '--runtime', runtime, '--uid', String(UID)],
      ...['--max-frame', String(MAX_FRAME_BYTES)],
    ];
    const { stdout } = await run('docker', ['run', '--detach', ...flagsOf(folder, options), IMAGE, ...agent]);
    const [socket] = await connected;
    listener.close();
    rmSync(folder, { recursive: true });
    const container = new Container(stdout.trim(), socket);
    await container.next(FRAME.ready);
    return container;
  }

  send(
    type: FrameType,
    fields: Parameters<FrameWriter['send']>[3] & { instance?: number; nonce?: number } = {},
  ): void {
    const { instance = 1, nonce = 0, ...rest } = fields;
    this.#writer.send(type, instance, nonce, rest);
    this.#writer.flush();
  }

  /** Bytes as they are, for what no writer would write. */
  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next frame; it must be of this type. */
  async next(type: FrameType): Promise<Frame> {
    const [frame] = await this.until(type, 1);
    if (frame === undefined) throw new Error('no frame');
    return frame;
  }

  /** All frames up to the first of this type, that one included. */
  async until(type: FrameType, most = Number.POSITIVE_INFINITY): Promise<Frame[]> {
    const seen: Frame[] = [];
    for (;;) {
      const frame = this.#frames.shift();
      if (frame === undefined) {
        await this.#more(`a frame of type ${type}`);
        continue;
      }
      seen.push(frame);
      if (frame.type === type) return seen;
      if (seen.length >= most)
        throw new Error(
          `a frame of type ${frame.type} (${frame.meta}${frame.payload}); ${type} was expected`,
        );
    }
  }

  /** Waits for the agent's connection to end. */
  async end(): Promise<void> {
    while (!this.ended) await this.#more('the end');
  }

  async #more(what: string): Promise<void> {
    if (this.ended) throw new Error(`${what} was expected; the agent has gone: ${await this.stderr()}`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
    this.#wake = resolve;
    await promise.finally(() => clearTimeout(timer));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  disconnect(): void {
    this.#socket.destroy();
  }

  async stderr(): Promise<string> {
    return (await run('docker', ['logs', this.id])).stderr;
  }

  async exitCode(): Promise<number> {
    return Number((await run('docker', ['wait', this.id])).stdout);
  }

  /** The PID of the agent as this machine sees it. */
  async pid(): Promise<number> {
    return Number((await run('docker', ['inspect', '--format={{.State.Pid}}', this.id])).stdout);
  }

  /** What runs in the container, as PID 1 and others by command. */
  async processes(): Promise<string[]> {
    const { stdout } = await run('docker', ['top', this.id, '-eo', 'pid,args']);
    return stdout.trim().split('\n').slice(1);
  }

  async remove(): Promise<void> {
    this.#socket.destroy();
    await run('docker', ['rm', '--force', '--volumes', this.id]);
  }
}
