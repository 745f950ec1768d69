/**
 * Looks into images: runs a program in a container that is confined as a function's is, and lists what is in one.
 *
 * Removes every container that it makes.
 */
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type Docker from 'dockerode';
import { extract, type Headers } from 'tar-stream';

export interface Ran {
  readonly exitCode: number;
  readonly output: string;
}

/** As uid 20007, on a read-only root, without a network. */
export const runInside = async (docker: Docker, image: string, command: readonly string[]): Promise<Ran> => {
  const [program = '', ...args] = command;
  const container = await docker.createContainer({
    ...{ Image: image, Entrypoint: [program], Cmd: args, User: '20007:20007', Tty: true },
    Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/tmp', 'LANG=C.UTF-8', 'TZ=UTC'],
    HostConfig: { NetworkMode: 'none', ReadonlyRootfs: true, Tmpfs: { '/tmp': 'rw,noexec,mode=1777' } },
  });
  try {
    await container.start();
    const { StatusCode: exitCode } = (await container.wait()) as { StatusCode: number };
    const output = (await container.logs({ stdout: true, stderr: true })).toString();
    return { exitCode, output: output.replaceAll('\r\n', '\n') };
  } finally {
    await container.remove({ force: true, v: true });
  }
};

/** The image's files as an archive has them; what the engine adds to a container is among them. */
export const filesInside = async (docker: Docker, image: string): Promise<readonly Headers[]> => {
  const container = await docker.createContainer({ Image: image });
  try {
    const headers: Headers[] = [];
    const reader = extract();
    reader.on('entry', (header, content, next) => {
      headers.push(header);
      void pipeline(content, new Writable({ write: (_chunk, _encoding, done) => done() })).then(() => next());
    });
    await pipeline(await container.export(), reader);
    return headers;
  } finally {
    await container.remove({ force: true, v: true });
  }
};
