import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAgentSocket } from './agent-socket.ts';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'strata-socket-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

describe('the folder of the sockets', () => {
  it('is made again when it was cleaned away', async () => {
    const folder = join(parent, 'run');
    for (const name of ['a', 'b']) {
      const socket = await openAgentSocket(folder, name);
      expect(await readdir(socket.folder)).toEqual(['agent.sock']);
      await rm(folder, { recursive: true });
      await socket.close();
    }
  });

  it('is not used when others can enter it', async () => {
    await chmod(parent, 0o755);
    await expect(openAgentSocket(parent, 'a')).rejects.toThrow(/not this server's alone/);
    expect(await readdir(parent)).toEqual([]);
  });
});
