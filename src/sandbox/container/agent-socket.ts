/**
 * The way from a container's agent to the server: a socket in a folder of its own, for one connection.
 *
 * Owns the folder and the listening. Never reads what comes. Invariant: once somebody has connected, nobody can again
 * — the socket is gone before a function's first process exists, so that only the agent can ever have been it.
 */
import { chmod, lstat, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { StrataError } from '../../core/errors.ts';

export interface AgentSocket {
  /** The folder of the socket, to be mounted into the container. */
  readonly folder: string;
  /** A file with the one host name that a container knows; the engine leaves the image's own empty. */
  readonly hostsFile: string;
  /** The agent's connection; paused. Rejects when the socket is closed before. */
  readonly connected: Promise<Socket>;
  /** Stops listening and removes the folder. Idempotent; the connection stays. */
  close(): Promise<void>;
}

/** The agent is the container's root without any capability over files: it has to be let in by the modes. */
const FOLDER_MODE = 0o755;
const SOCKET_MODE = 0o666;
const HOSTS_MODE = 0o644;
const HOSTS = '127.0.0.1 localhost\n::1 localhost\n';

/** @param runFolder a folder that only this server's user can enter. */
export const openAgentSocket = async (runFolder: string, name: string): Promise<AgentSocket> => {
  await ensurePrivate(runFolder);
  const own = join(runFolder, name);
  const folder = join(own, 'io');
  for (const made of [own, folder]) {
    await mkdir(made, { mode: FOLDER_MODE });
    await chmod(made, FOLDER_MODE);
  }
  const hostsFile = join(own, 'hosts');
  await writeFile(hostsFile, HOSTS, { mode: HOSTS_MODE });
  const server = createServer({ pauseOnConnect: true });
  server.maxConnections = 1;
  const path = join(folder, 'agent.sock');
  const connected = new Promise<Socket>((resolve, reject) => {
    server.once('connection', (socket) => {
      server.close();
      resolve(socket);
    });
    server.once('close', () => reject(new Error('the socket was closed before the agent connected')));
  });
  // Whoever waits hears of it; when nobody does any more, it is no fault.
  connected.catch(() => undefined);
  await listen(server, path);
  await chmod(path, SOCKET_MODE);
  return {
    folder,
    hostsFile,
    connected,
    async close() {
      server.close();
      await rm(own, { recursive: true, force: true });
    },
  };
};

const OWNER_ONLY = 0o700;

/** What lies among temporary files may have been cleaned away meanwhile, and made anew by somebody else. */
const ensurePrivate = async (folder: string): Promise<void> => {
  try {
    await mkdir(folder, { mode: OWNER_ONLY });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    const found = await lstat(folder);
    const isOurs = found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o077) === 0;
    if (!isOurs)
      throw new StrataError('start_failed', `The folder ${folder} for sockets is not this server's alone.`);
  }
};

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
